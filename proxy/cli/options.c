// The manners of the command line, in one place.
#include "proxy/cli/options.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "proxy/config/units.h"

enum { MS_A_SECOND = 1000 };

static void say(const char *command, const char *format, va_list args)
{
    (void)fprintf(stderr, "sallyport %s: ", command);
    (void)vfprintf(stderr, format, args);
    (void)fputc('\n', stderr);
}

void cli_say(const char *command, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(command, format, args);
    va_end(args);
}

int cli_fail_usage(const char *command, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(command, format, args);
    va_end(args);
    (void)fprintf(stderr, "Try 'sallyport %s --help'.\n", command);
    return CLI_USAGE;
}

int cli_fail_option(const char *command, int found, char *const *argv)
{
    const char *argument = argv[optind - 1];
    if (found == ':')
        return cli_fail_usage(command, "option '%s' needs a value", argument);
    return cli_fail_usage(command, "unknown option '%s', or a value for one that takes none",
                          argument);
}

int cli_finish(const char *command)
{
    if (fflush(stdout) == 0 && ferror(stdout) == 0)
        return CLI_OK;
    cli_say(command, "stdout cannot be written");
    return CLI_FAILED;
}

enum err cli_parse_ttl(const char *text, int64_t *out_s, struct errinfo *info)
{
    int64_t ms = 0;
    TRY(duration_parse(slice_of_string(text), &ms, info));
    if (ms < MS_A_SECOND)
        return errinfo_set(info, ERR_INPUT, "'%.40s' is shorter than a second", text);
    *out_s = ms / MS_A_SECOND;
    return ERR_OK;
}

const char *cli_format_date(int64_t seconds, char out[CLI_DATE_CAP])
{
    const time_t time = (time_t)seconds;
    struct tm tm;
    if (gmtime_r(&time, &tm) == NULL || strftime(out, CLI_DATE_CAP, "%Y-%m-%d %H:%M UTC", &tm) == 0)
        out[0] = '\0';
    return out;
}
