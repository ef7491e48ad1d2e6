// The load generator of the benchmark: `load origin` is the servers behind the proxy, `load client` the
// clients before it. A client process reads commands on stdin, one a line, and answers each with one line
// of JSON; the tunnels that it holds stay from one command to the next. See README in tests/bench.
#include <arpa/inet.h>
#include <ev.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "tests/bench/load/client.h"
#include "tests/bench/load/fleet.h"
#include "tests/bench/load/flood.h"
#include "tests/bench/load/link.h"
#include "tests/bench/load/origin.h"
#include "tests/bench/load/storm.h"

enum { WORDS_MAX = 10, OPEN_AT_ONCE = 64 };

static const char usage[] =
    "usage: load origin\n"
    "       load client PORT CHAIN KEY [hello]\n"
    "           clients of the proxy on 127.0.0.1:PORT; hello: each tunnel begins with a ClientHello\n"
    "       load client PORT CHAIN KEY h2=STREAMS,WINDOW\n"
    "           over HTTP/2, with at most so many streams a connection, and so many bytes of window for each\n"
    "       load client PORT plain         without TLS, as clients of a sidecar\n"
    "       load client PORT direct        plain TCP to a server on that port\n"
    "commands of a client:\n"
    "  open TARGET COUNT | halfopen COUNT | echo SIZE AT_ONCE | ping SIZE SECONDS\n"
    "  beat SIZE EVERY_MS SECONDS | bulk down|up|both SECONDS | beside SIZE SECONDS | close | abort\n"
    "  resets TARGET SECONDS RATE        over HTTP/2\n"
    "  storm full|resumed|refused TARGET SECONDS AT_ONCE RATE\n"
    "  storm mixed TARGET SECONDS AT_ONCE RATE FORBIDDEN\n";

// split cuts a line into words in place and gives their number.
static size_t split(char *line, char **out_words)
{
    size_t count = 0;
    char *rest = line;
    for (char *word = strsep(&rest, " \n"); word != NULL && count < WORDS_MAX;
         word = strsep(&rest, " \n")) {
        if (*word != '\0')
            out_words[count++] = word;
    }
    return count;
}

static size_t number(const char *word)
{
    return (size_t)strtoul(word, NULL, 10);
}

static void run_storm(const struct client_setup *setup, char **words, size_t count)
{
    const struct storm_options options = {
        .target = words[2],
        .seconds = strtod(words[3], NULL),
        .at_once = number(words[4]),
        .rate = strtod(words[5], NULL),
        .forbidden = count > 6 ? words[6] : words[2],
        .is_resumed = strcmp(words[1], "resumed") == 0,
        .is_refused = strcmp(words[1], "refused") == 0,
        .is_mixed = strcmp(words[1], "mixed") == 0,
    };
    storm_run(setup, &options);
}

// obey carries out one command; false when it is none.
static bool obey(const struct client_setup *setup, struct fleet *fleet, char **words, size_t count)
{
    const char *name = words[0];
    if (strcmp(name, "open") == 0 && count == 3)
        fleet_open(fleet, words[1], number(words[2]), OPEN_AT_ONCE);
    else if (strcmp(name, "halfopen") == 0 && count == 2)
        fleet_half_open(fleet, number(words[1]), OPEN_AT_ONCE);
    else if (strcmp(name, "echo") == 0 && count == 3)
        fleet_echo(fleet, number(words[1]), number(words[2]));
    else if (strcmp(name, "ping") == 0 && count == 3)
        fleet_ping(fleet, number(words[1]), strtod(words[2], NULL));
    else if (strcmp(name, "beat") == 0 && count == 4)
        fleet_beat(fleet, number(words[1]), strtod(words[2], NULL), strtod(words[3], NULL));
    else if (strcmp(name, "bulk") == 0 && count == 3)
        fleet_bulk(fleet, strcmp(words[1], "up") != 0, strcmp(words[1], "down") != 0,
                   strtod(words[2], NULL));
    else if (strcmp(name, "beside") == 0 && count == 3)
        fleet_beside(fleet, number(words[1]), strtod(words[2], NULL));
    else if (strcmp(name, "close") == 0 || strcmp(name, "abort") == 0)
        fleet_close(fleet, strcmp(name, "abort") == 0);
    else if (strcmp(name, "resets") == 0 && count == 4 && setup->links != NULL)
        flood_run(setup, words[1], strtod(words[2], NULL), strtod(words[3], NULL));
    else if (strcmp(name, "storm") == 0 && count >= 6)
        run_storm(setup, words, count);
    else
        return false;
    return true;
}

static int serve_commands(const struct client_setup *setup)
{
    struct fleet *fleet = fleet_create(setup);
    char line[1024];
    if (fleet == NULL)
        return 1;
    while (fgets(line, sizeof line, stdin) != NULL) {
        char *words[WORDS_MAX];
        const size_t count = split(line, words);
        if (count == 0 || obey(setup, fleet, words, count))
            continue;
        (void)fprintf(stderr, "load: no such command: %s\n%s", words[0], usage);
        return 2;
    }
    return 0;
}

static void raise_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv)
{
    (void)signal(SIGPIPE, SIG_IGN);
    raise_limit();
    if (argc == 2 && strcmp(argv[1], "origin") == 0)
        return origin_run();
    const char *last = argc > 3 ? argv[argc - 1] : "";
    const bool is_direct = argc == 4 && strcmp(last, "direct") == 0;
    const bool is_plain = argc == 4 && strcmp(last, "plain") == 0;
    const bool has_hello = argc == 6 && strcmp(last, "hello") == 0;
    const bool is_http2 = argc == 6 && strncmp(last, "h2=", 3) == 0;
    if ((argc != 5 && !has_hello && !is_http2 && !is_direct && !is_plain) ||
        strcmp(argv[1], "client") != 0) {
        (void)fputs(usage, stderr);
        return 2;
    }
    const char *comma = strchr(last, ',');
    struct links links = {.streams = is_http2 ? number(last + 3) : 0,
                          .window = comma == NULL ? 65535 : (uint32_t)number(comma + 1)};
    struct client_setup setup = {.loop = ev_loop_new(EVBACKEND_EPOLL),
                                 .is_direct = is_direct,
                                 .links = is_http2 ? &links : NULL};
    setup.proxy.sin_family = AF_INET;
    setup.proxy.sin_port = htons((uint16_t)number(argv[2]));
    setup.proxy.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const bool has_tls = !is_direct && !is_plain;
    if (has_tls)
        setup.ssl_ctx = client_credentials(argv[3], argv[4]);
    if (setup.loop == NULL || (has_tls && setup.ssl_ctx == NULL) ||
        (has_hello && !client_make_hello(&setup)))
        return 1;
    return serve_commands(&setup);
}
