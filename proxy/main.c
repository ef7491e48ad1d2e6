// sallyport: finds the command and hands over. What a command does stands in proxy/cli.
#include <stdbool.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "proxy/cli/audit.h"
#include "proxy/cli/block.h"
#include "proxy/cli/ca.h"
#include "proxy/cli/check.h"
#include "proxy/cli/check_cert.h"
#include "proxy/cli/connect.h"
#include "proxy/cli/doctor.h"
#include "proxy/cli/drain.h"
#include "proxy/cli/explain.h"
#include "proxy/cli/kill.h"
#include "proxy/cli/quickstart.h"
#include "proxy/cli/reload.h"
#include "proxy/cli/serve.h"
#include "proxy/cli/status.h"
#include "proxy/cli/tail.h"
#include "proxy/cli/version.h"
#include "proxy/config/spelling.h"

enum { EXIT_USAGE = 2 };

struct command {
    const char *name;
    int (*run)(int argc, char **argv); // NULL: not supported yet
};

static const struct command commands[] = {
    {"serve", serve_command},
    {"check", check_command},
    {"quickstart", quickstart_command},
    {"ca", ca_command},
    {"version", version_command},
    {"check-cert", check_cert_command},
    {"explain", explain_command},
    {"audit", audit_command},
    // The client's side.
    {"connect", connect_command},
    {"doctor", doctor_command},
    // These ask a running proxy.
    {"status", status_command},
    {"top", top_command},
    {"tail", tail_command},
    {"reload", reload_command},
    {"drain", drain_command},
    {"kill", kill_command},
    {"block", block_command},
    {"unblock", unblock_command},
};

static const char usage[] =
    "usage: sallyport COMMAND [OPTIONS]\n"
    "\n"
    "A forward HTTPS proxy that knows its clients by their certificates.\n"
    "\n"
    "  serve      -c FILE                    run the proxy\n"
    "  check      -c FILE [--strict]         is this configuration good?\n"
    "  quickstart DIR [--allow HOST:PORT]    make a CA, certificates and a first configuration\n"
    "  ca         init | issue | renew | revoke | crl | list | inspect    a CA of files\n"
    "  check-cert --ca FILE --chain FILE     would a listener accept this certificate?\n"
    "  explain    -c FILE --cert FILE --to HOST:PORT    why would this be allowed or denied?\n"
    "  audit      verify | replay | suggest  is a log complete, what would change, which rules are needed\n"
    "  connect    --proxy URL --cert FILE --key FILE --ca FILE    a plain proxy on this machine that\n"
    "                                        forwards to the real one with your certificate\n"
    "  doctor     --proxy URL --cert FILE --key FILE --ca FILE    does the way through the proxy work?\n"
    "  status     -c FILE                    the state of the running proxy\n"
    "  top        -c FILE                    its busiest tunnels\n"
    "  tail       -c FILE                    its audit records as they come\n"
    "  reload     -c FILE                    read the configuration again\n"
    "  block      -c FILE NAME|sha256:HEX    refuse a client from now on; unblock undoes it\n"
    "  kill       -c FILE ID|client:NAME     end a tunnel, or all of a client's\n"
    "  drain      -c FILE                    finish what is under way, and exit\n"
    "  version                               what this is\n"
    "\n"
    "`sallyport COMMAND --help` describes each.\n";

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    }
    return NULL;
}

// no_such_command says so, and which one may have been meant.
static int no_such_command(const char *name)
{
    enum { COUNT = sizeof commands / sizeof *commands };
    const char *names[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        names[i] = commands[i].name;
    const size_t nearest = spelling_nearest(slice_of_string(name), names, COUNT);
    if (nearest < COUNT)
        (void)fprintf(stderr, "sallyport: no command `%s`; did you mean `%s`?\n", name,
                      names[nearest]);
    else
        (void)fprintf(stderr, "sallyport: no command `%s`; `sallyport --help` lists them\n", name);
    return EXIT_USAGE;
}

static bool is_one_of(const char *word, const char *first, const char *second)
{
    return strcmp(word, first) == 0 || strcmp(word, second) == 0;
}

// keep_standard_streams sees to it that no socket or file gets the number of a stream that the process was started
// without: what is meant for people would be written into it. Reading from such a stream ends, writing to it fails.
static void keep_standard_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        const int flags = fd == STDIN_FILENO ? O_WRONLY : O_RDONLY;
        if (fcntl(fd, F_GETFD) < 0)
            (void)!open("/dev/null", flags); // the lowest number that is free: this one
    }
}

int main(int argc, char **argv)
{
    keep_standard_streams();
    if (argc < 2) {
        (void)fputs(usage, stderr);
        return EXIT_USAGE;
    }
    if (is_one_of(argv[1], "--help", "-h") || strcmp(argv[1], "help") == 0) {
        (void)fputs(usage, stdout);
        return 0;
    }
    const char *name = strcmp(argv[1], "--version") == 0 ? "version" : argv[1];
    const struct command *command = find_command(name);
    if (command == NULL)
        return no_such_command(name);
    if (command->run == NULL) {
        (void)fprintf(stderr, "sallyport: `%s` is not supported yet by this version\n", name);
        return EXIT_USAGE;
    }
    return command->run(argc - 1, argv + 1);
}
