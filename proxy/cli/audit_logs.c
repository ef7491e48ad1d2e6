// What the verbs of `sallyport audit` share: a command line that ends in logs, and the way through them.
#include "proxy/cli/audit_logs.h"

struct cli_line audit_read(const char *verb, const char *usage_of_verb,
                           const struct cli_option *options, int argc, char **argv)
{
    const struct cli_syntax syntax = {.command = verb,
                                      .usage = usage_of_verb,
                                      .options = options,
                                      .argument_missing = "which log? name at least one file",
                                      .argument_max = CLI_ANY_NUMBER};
    return cli_read(&syntax, argc, argv);
}

int audit_read_logs(const char *verb, const struct cli_line *line, log_line_fn on_line, void *arg)
{
    for (int i = 0; i < line->argument_count; i++) {
        struct errinfo info = {0};
        if (log_file_read(line->arguments[i], on_line, arg, &info) == ERR_OK)
            continue;
        cli_say(verb, "%s", info.text);
        return CLI_UNLOADABLE;
    }
    return CLI_OK;
}
