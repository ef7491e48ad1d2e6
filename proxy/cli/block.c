// Turns the arguments into one line; both commands name a client or a certificate in the same way.
#include "proxy/cli/commands.h"

#include "auth/base/text.h"
#include "proxy/admin/control_request.h"
#include "proxy/cli/control_client.h"

#define OPTIONS_HELP                                                                               \
    "  NAME                   a client of the configuration\n"                                     \
    "  sha256:HEX             a certificate by its digest (client.sha256 in the audit)\n"          \
    "      --issuer DN        a certificate by its issuer (RFC 4514) and\n"                        \
    "      --serial HEX       its serial\n" CONTROL_OPTIONS_HELP                                   \
    "  -h, --help             this text\n"

static const char block_usage[] =
    "usage: sallyport block (-c FILE | --control SOCKET) [--force] (NAME | sha256:HEX |\n"
    "                       --issuer DN --serial HEX)\n"
    "\n"
    "From now on the client, or every client with the certificate anywhere in its chain, is refused: new\n"
    "connections, resumptions and requests. Its live tunnels end within a second. The reason is\n"
    "`blocked`. Blocks survive reloads and restarts, until `unblock`.\n"
    "\n" OPTIONS_HELP "      --force            block a NAME that no client has today\n"
    "\n"
    "Exit: 0 blocked, 1 not blocked, or only until the next restart (it says which), 2 usage,\n"
    "3 FILE has no control socket, 4 there is no proxy.\n";

static const char unblock_usage[] =
    "usage: sallyport unblock (-c FILE | --control SOCKET) (NAME | sha256:HEX |\n"
    "                         --issuer DN --serial HEX)\n"
    "\n"
    "Undoes `sallyport block`. `sallyport status` lists the blocks.\n"
    "\n" OPTIONS_HELP "\n"
    "Exit: 0 not blocked any more, 1 it was not blocked, or will be again after a restart (it says\n"
    "which), 2 usage, 3 FILE has no control socket, 4 there is no proxy.\n";

// append_what adds who is meant. False: that cannot be read from the arguments.
static bool append_what(const struct control_options *options, const struct cli_line *line,
                        struct text *request)
{
    const bool has_certificate = options->issuer != NULL && options->serial != NULL;
    const bool has_part = options->issuer != NULL || options->serial != NULL;
    if (has_certificate && line->argument_count == 0) {
        text_append_format(request, "serial:%s issuer:%s", options->serial, options->issuer);
        return true;
    }
    if (has_part || line->argument_count != 1)
        return false;
    const struct slice word = slice_of_string(line->arguments[0]);
    if (slice_find(word, ':') == word.len)
        text_append_string(request, "client:");
    text_append(request, word);
    return true;
}

static int run(int argc, char **argv, const char *usage, unsigned takes)
{
    struct control_options options;
    struct text request;
    char data[CONTROL_LINE_MAX + 1];
    const struct cli_line line = control_options_read(usage, takes, 1, argc, argv, &options);
    if (line.is_over)
        return line.exit_status;
    text_init(&request, data, sizeof data);
    text_append_format(&request, "%s %s", options.command, options.is_forced ? "force " : "");
    if (!append_what(&options, &line, &request))
        return cli_fail_usage(options.command, "whom? give NAME, sha256:HEX, or --issuer DN and "
                                               "--serial HEX");
    if (request.is_cut)
        return cli_fail_usage(options.command, "that is too long");
    return control_ask(&options, data, true, NULL, NULL);
}

int block_command(int argc, char **argv)
{
    return run(argc, argv, block_usage, CONTROL_TAKES_CERTIFICATE | CONTROL_TAKES_FORCE);
}

int unblock_command(int argc, char **argv)
{
    return run(argc, argv, unblock_usage, CONTROL_TAKES_CERTIFICATE);
}
