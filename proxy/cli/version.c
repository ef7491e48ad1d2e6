// `sallyport version`: one line for people, one JSON object for scripts.
#include "proxy/cli/commands.h"

#include <stdio.h>

#include <ares_version.h>
#include <ev.h>
#include <openssl/base.h>

#include "auth/base/json.h"
#include "proxy/cli/options.h"
#include "proxy/version.h"

static const char usage[] = "usage: sallyport version [--json]\n"
                            "\n"
                            "Prints the versions of the program and of the libraries in it.\n"
                            "\n"
                            "      --json   one JSON object\n"
                            "  -h, --help   this text\n";

static void print_json(void)
{
    char libev[32];
    (void)snprintf(libev, sizeof libev, "%d.%d", EV_VERSION_MAJOR, EV_VERSION_MINOR);
    struct text out = cli_json_begin();
    json_add_string(&out, "version", SALLYPORT_VERSION);
    json_add_number(&out, "boringssl_api", BORINGSSL_API_VERSION);
    json_add_string(&out, "libev", libev);
    json_add_string(&out, "c_ares", ARES_VERSION_STR);
    cli_json_end(&out);
}

int version_command(int argc, char **argv)
{
    bool is_json = false;
    const struct cli_option options[] = {
        {"json", .flag = &is_json},
        {.name = NULL},
    };
    const struct cli_syntax syntax = {.command = "version", .usage = usage, .options = options};
    const struct cli_line line = cli_read(&syntax, argc, argv);
    if (line.is_over)
        return line.exit_status;
    if (is_json)
        print_json();
    else
        (void)printf("sallyport %s (BoringSSL API %d, libev %d.%d, c-ares %s)\n", SALLYPORT_VERSION,
                     BORINGSSL_API_VERSION, EV_VERSION_MAJOR, EV_VERSION_MINOR, ARES_VERSION_STR);
    return cli_finish("version");
}
