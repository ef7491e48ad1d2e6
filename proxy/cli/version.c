// One line for people, one object for scripts.
#include "proxy/cli/version.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>

#include <ares_version.h>
#include <ev.h>
#include <openssl/base.h>

#include "proxy/version.h"

static const char usage[] = "usage: sallyport version [--json]\n"
                            "\n"
                            "Prints the versions of the program and of the libraries in it.\n";

int version_command(int argc, char **argv)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    bool is_json = false;
    int option = 0;
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (option != 'j') {
            (void)fputs(usage, option == 'h' ? stdout : stderr);
            return option == 'h' ? 0 : 2;
        }
        is_json = true;
    }
    if (optind < argc) {
        (void)fputs(usage, stderr);
        return 2;
    }
    (void)printf(
        is_json
            ? "{\"version\":\"%s\",\"boringssl_api\":%d,\"libev\":\"%d.%d\",\"c_ares\":\"%s\"}\n"
            : "sallyport %s (BoringSSL API %d, libev %d.%d, c-ares %s)\n",
        SALLYPORT_VERSION, BORINGSSL_API_VERSION, EV_VERSION_MAJOR, EV_VERSION_MINOR,
        ARES_VERSION_STR);
    return 0;
}
