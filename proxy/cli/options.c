// Reads command lines with getopt_long; messages, exit codes and values.
#include "proxy/cli/options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/base/json.h"
#include "proxy/config/spelling.h"
#include "proxy/config/units.h"

enum { MS_A_SECOND = 1000, DECIMAL = 10, LINE_CAP = 8192 };

static void write_message(void *arg, struct slice bytes)
{
    (void)arg;
    (void)fwrite(bytes.data, 1, bytes.len, stderr);
}

void cli_line_list(const char *format, va_list args)
{
    char line[LINE_CAP];
    char piece[256];
    struct text text;
    (void)vsnprintf(line, sizeof line, format, args);
    text_init_sink(&text, piece, sizeof piece, write_message, NULL);
    text_append_printable(&text, slice_of_string(line));
    text_append_string(&text, "\n");
    text_flush(&text);
}

void cli_line(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    cli_line_list(format, args);
    va_end(args);
}

static void say(const char *command, const char *format, va_list args)
{
    (void)fprintf(stderr, "sallyport %s: ", command);
    cli_line_list(format, args);
}

void cli_say(const char *command, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(command, format, args);
    va_end(args);
}

int cli_fail(const char *command, const struct errinfo *info)
{
    cli_say(command, "%s", info->text);
    return CLI_FAILED;
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

static void write_piece(void *arg, struct slice bytes)
{
    (void)arg;
    (void)fwrite(bytes.data, 1, bytes.len, stdout);
}

struct text cli_text_begin(void)
{
    static char piece[1024];
    struct text text;
    text_init_sink(&text, piece, sizeof piece, write_piece, NULL);
    return text;
}

struct text cli_json_begin(void)
{
    struct text text = cli_text_begin();
    json_begin_object(&text, NULL);
    return text;
}

void cli_json_end(struct text *text)
{
    json_end_object(text);
    text_append_string(text, "\n");
    text_flush(text);
}

int cli_finish(const char *command)
{
    if (fflush(stdout) == 0 && ferror(stdout) == 0)
        return CLI_OK;
    cli_say(command, "stdout cannot be written");
    return CLI_FAILED;
}

// What getopt_long returns for options by their names; for letters it returns these.
enum {
    FIRST_NAME = 256,
    HELP_NAME = FIRST_NAME + CLI_OPTIONS_MAX,
    SHORTS_CAP = 3 + 2 * CLI_OPTIONS_MAX
};

// tables are the options as getopt_long wants them.
struct tables {
    struct option names[CLI_OPTIONS_MAX + 2];
    char letters[SHORTS_CAP];
    const char *plain[CLI_OPTIONS_MAX + 1]; // the names alone
    size_t count;                           // --help included
};

static void tables_add(struct tables *tables, const char *name, int has_value, int found)
{
    ASSERT(tables->count <= CLI_OPTIONS_MAX);
    tables->plain[tables->count] = name;
    tables->names[tables->count++] = (struct option){name, has_value, NULL, found};
}

// is_told tells whether the usage text has the option.
static bool is_told(const char *usage, const char *name)
{
    const char *at = usage;
    while ((at = strstr(at, "--")) != NULL) {
        at += 2;
        const size_t len = strlen(name);
        if (strncmp(at, name, len) == 0 && at[len] != '-' && !islower((unsigned char)at[len]))
            return true;
    }
    return false;
}

static void tables_make(const char *usage, const struct cli_option *options, struct tables *out)
{
    struct text letters;
    *out = (struct tables){.count = 0};
    text_init(&letters, out->letters, sizeof out->letters);
    text_append_string(&letters, ":h");
    for (int i = 0; options[i].name != NULL; i++) {
        const bool has_value = options[i].flag == NULL;
        ASSERT(is_told(usage, options[i].name));
        tables_add(out, options[i].name, has_value ? required_argument : no_argument,
                   FIRST_NAME + i);
        if (options[i].letter != 0)
            text_append_format(&letters, "%c%s", options[i].letter, has_value ? ":" : "");
    }
    tables_add(out, "help", no_argument, HELP_NAME);
}

// fail_name complains about a word `--NAME` or `--NAME=VALUE` that stands for none of the options.
static int fail_name(const char *command, const struct tables *tables, const char *word)
{
    const struct slice all = slice_of_string(word);
    const struct slice name = slice_from(slice_first(all, slice_find(all, '=')), 2);
    const char *first = NULL;
    for (size_t i = 0; i < tables->count; i++) {
        const char *known = tables->plain[i];
        if (!slice_starts_with(slice_of_string(known), name))
            continue;
        if (first != NULL)
            return cli_fail_usage(command, "option '--%.*s' may be '--%s' or '--%s': write it out",
                                  (int)name.len, (const char *)name.data, first, known);
        first = known;
    }
    const size_t nearest = spelling_nearest(name, tables->plain, tables->count);
    if (nearest < tables->count)
        return cli_fail_usage(command, "unknown option '--%.*s'; did you mean '--%s'?",
                              (int)name.len, (const char *)name.data, tables->plain[nearest]);
    return cli_fail_usage(command, "unknown option '--%.*s'", (int)name.len,
                          (const char *)name.data);
}

// fail_option complains about what getopt_long could not take.
static int fail_option(const char *command, const struct tables *tables, int found,
                       char *const *argv)
{
    const char *word = argv[optind - 1];
    if (found == ':')
        return cli_fail_usage(command, "option '%s' needs a value", word);
    if (optopt == 0)
        return fail_name(command, tables, word);
    if (optopt < FIRST_NAME)
        return cli_fail_usage(command, "unknown option '-%c'", optopt);
    const size_t index = optopt == HELP_NAME ? tables->count - 1 : (size_t)(optopt - FIRST_NAME);
    return cli_fail_usage(command, "option '--%s' takes no value", tables->plain[index]);
}

static const struct cli_option *find_option(const struct cli_option *options, int found)
{
    if (found >= FIRST_NAME)
        return &options[found - FIRST_NAME];
    while (options->letter != found)
        options++;
    return options;
}

// read_value reads the value of an option that has one.
static enum err read_value(const struct cli_option *option, const char *value, struct errinfo *info)
{
    uint64_t number = 0;
    int64_t ms = 0;
    if (option->take != NULL)
        return option->take(option->arg, value, info);
    if (option->text != NULL) {
        *option->text = value;
    } else if (option->number != NULL) {
        TRY(cli_parse_number(value, option->min, option->max, &number, info));
        *option->number = (int64_t)number;
    } else if (option->milliseconds != NULL) {
        return quantity_parse(QUANTITY_DURATION, slice_of_string(value), option->milliseconds,
                              info);
    } else {
        TRY(quantity_parse(QUANTITY_DURATION, slice_of_string(value), &ms, info));
        if (ms < MS_A_SECOND)
            return errinfo_set(info, ERR_INPUT, "'%.40s' is shorter than a second", value);
        *option->seconds = ms / MS_A_SECOND;
    }
    return ERR_OK;
}

// take_option does what a known option asks for.
static int take_option(const char *command, const struct cli_option *option, const char *value)
{
    struct errinfo info = {0};
    if (option->flag != NULL)
        *option->flag = true;
    else if (read_value(option, value, &info) != ERR_OK)
        return cli_fail_usage(command, "--%s: %s", option->name, info.text);
    return CLI_OK;
}

struct cli_line cli_end(int exit_status)
{
    return (struct cli_line){.is_over = true, .exit_status = exit_status};
}

struct cli_line cli_read(const struct cli_syntax *syntax, int argc, char **argv)
{
    struct tables tables;
    int found = 0;
    tables_make(syntax->usage, syntax->options, &tables);
    optind = 0; // glibc: start again
    opterr = 0;
    while ((found = getopt_long(argc, argv, tables.letters, tables.names, NULL)) != -1) {
        if (found == 'h' || found == HELP_NAME) {
            (void)fputs(syntax->usage, stdout);
            return cli_end(cli_finish(syntax->command));
        }
        if (found == ':' || found == '?')
            return cli_end(fail_option(syntax->command, &tables, found, argv));
        const struct cli_option *option = find_option(syntax->options, found);
        const int status = take_option(syntax->command, option, optarg);
        if (status != CLI_OK)
            return cli_end(status);
    }
    if (argc == optind && syntax->argument_missing != NULL)
        return cli_end(cli_fail_usage(syntax->command, "%s", syntax->argument_missing));
    if (argc - optind > syntax->argument_max)
        return cli_end(cli_fail_usage(syntax->command, "unexpected argument '%s'",
                                      argv[optind + syntax->argument_max]));
    return (struct cli_line){.arguments = argv + optind, .argument_count = argc - optind};
}

enum err cli_parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *out,
                          struct errinfo *info)
{
    char *end = NULL;
    errno = 0;
    if (text[0] >= '0' && text[0] <= '9')
        *out = strtoull(text, &end, DECIMAL);
    if (end != NULL && *end == '\0' && errno == 0 && *out >= min && *out <= max)
        return ERR_OK;
    return errinfo_set(info, ERR_INPUT, "'%.40s' is not a number from %" PRIu64 " to %" PRIu64,
                       text, min, max);
}
