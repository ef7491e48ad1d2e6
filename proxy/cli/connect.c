// Arguments and files, then the sidecar.
#include "proxy/cli/connect.h"

#include <getopt.h>
#include <stdio.h>
#include <time.h>

#include "proxy/cli/client_options.h"
#include "proxy/cli/options.h"
#include "proxy/config/endpoint_text.h"
#include "proxy/config/units.h"
#include "proxy/sidecar/sidecar.h"

enum {
    CONNECT_UNLOADABLE = 3,
    WORKERS_MAX = 256,
    LIVE_DEFAULT = 10000,
    LIVE_MAX = 1000000,
    IDLE_DEFAULT_MS = 60 * 60 * 1000,
    DRAIN_DEFAULT_MS = 30 * 1000,
};

static const char usage[] =
    "usage: sallyport connect --proxy https://HOST:PORT --cert FILE --key FILE --ca FILE\n"
    "                         [--listen ADDRESS:PORT]...\n"
    "\n"
    "The sidecar: a plain HTTP proxy on this machine, for programs that cannot speak TLS to a proxy\n"
    "or show it a certificate. All that it gets goes to the one proxy, with this certificate, and\n"
    "nowhere else. When it listens, prints `ready connect=ADDRESS:PORT` on stdout.\n"
    "\n"
    "  --proxy URL            the proxy: https://HOST:PORT\n"
    "  --cert FILE            PEM: the own certificate, its intermediates behind it\n"
    "  --key FILE             PEM: its private key, without a passphrase, readable by you alone\n"
    "  --ca FILE              PEM: the CAs that the proxy's certificate is checked against\n"
    "  --listen ADDRESS:PORT  where local programs connect (default: 127.0.0.1:3128); up to 8 times\n"
    "  --allow-remote         with a --listen that other machines can reach: whoever reaches it acts\n"
    "                         under this certificate\n"
    "  --resolver ADDR:PORT   ask this DNS server for the proxy's name (default: the system's, and\n"
    "                         the hosts file)\n"
    "  --workers N            threads (default: 1)\n"
    "  --max-connections N    local connections of a thread (default: 10000)\n"
    "  --idle TIME            end connections without a byte for so long (default: 1h)\n"
    "  --drain TIME           patience after SIGTERM (default: 30s)\n"
    "  --help                 this text\n"
    "\n"
    "Then: export http_proxy=http://127.0.0.1:3128 https_proxy=http://127.0.0.1:3128\n"
    "PAC:  http://127.0.0.1:3128/proxy.pac\n"
    "Renewed files are taken by themselves. Signals: SIGTERM drains and exits, SIGINT exits, SIGHUP\n"
    "reads the files now.\n"
    "Exit: 0 stopped, 1 failed or connections had to be cut, 2 usage, 3 a file cannot be loaded.\n";

struct arguments {
    struct client_options client;
    struct sidecar_options sidecar;
    bool allows_remote;
    bool wants_help;
};

enum {
    OPTION_LISTEN = 'l',
    OPTION_REMOTE = 'r',
    OPTION_WORKERS = 'w',
    OPTION_LIVE = 'm',
    OPTION_IDLE = 'i',
    OPTION_DRAIN = 'd',
    OPTION_HELP = 'h',
};

static int take_listen(struct arguments *out, const char *text)
{
    struct errinfo info;
    struct sidecar_options *sidecar = &out->sidecar;
    if (sidecar->listen_count == LANE_LISTENERS_MAX)
        return cli_fail_usage("connect", "more than %d times --listen", LANE_LISTENERS_MAX);
    if (endpoint_parse(slice_of_string(text), &sidecar->listen[sidecar->listen_count], &info) !=
        ERR_OK)
        return cli_fail_usage("connect", "--listen: %s", info.text);
    sidecar->listen_count++;
    return CLI_OK;
}

static int take_count(const char *option, const char *text, uint32_t max, uint32_t *out)
{
    uint64_t value = 0;
    const struct slice digits = slice_of_string(text);
    for (size_t i = 0; i < digits.len && value <= max; i++) {
        if (digits.data[i] < '0' || digits.data[i] > '9')
            value = (uint64_t)max + 1;
        else
            value = value * 10 + (digits.data[i] - '0');
    }
    if (value == 0 || value > max)
        return cli_fail_usage("connect", "%s: '%.40s' is no number from 1 to %u", option, text,
                              max);
    *out = (uint32_t)value;
    return CLI_OK;
}

static int take_time(const char *option, const char *text, int64_t *out_ms)
{
    struct errinfo info;
    if (duration_parse(slice_of_string(text), out_ms, &info) != ERR_OK)
        return cli_fail_usage("connect", "%s: %s", option, info.text);
    return CLI_OK;
}

static int take_option(struct arguments *out, int found, char *const *argv)
{
    uint32_t count = 0;
    switch (found) {
    case OPTION_LISTEN:
        return take_listen(out, optarg);
    case OPTION_REMOTE:
        out->allows_remote = true;
        return CLI_OK;
    case OPTION_WORKERS:
        return take_count("--workers", optarg, WORKERS_MAX, &out->sidecar.workers);
    case OPTION_LIVE:
        if (take_count("--max-connections", optarg, LIVE_MAX, &count) != CLI_OK)
            return CLI_USAGE;
        out->sidecar.live_max = count;
        return CLI_OK;
    case OPTION_IDLE:
        return take_time("--idle", optarg, &out->sidecar.idle_ms);
    case OPTION_DRAIN:
        return take_time("--drain", optarg, &out->sidecar.drain_ms);
    case OPTION_HELP:
        out->wants_help = true;
        return CLI_OK;
    default: // a number of getopt's, no enum of ours
        return client_options_take(&out->client, "connect", found, argv);
    }
}

// is_loopback tells whether no other machine can reach the address.
static bool is_loopback(const struct ip_addr *address)
{
    static const struct ip_addr v6 = {.family = IP_V6, .bytes = {[15] = 1}};
    return (address->family == IP_V4 && address->bytes[0] == 127) || ip_addr_equal(address, &v6);
}

static int check_listen(const struct arguments *arguments)
{
    for (size_t i = 0; i < arguments->sidecar.listen_count; i++) {
        const struct endpoint *endpoint = &arguments->sidecar.listen[i];
        char text[ENDPOINT_TEXT_CAP];
        if (is_loopback(&endpoint->address))
            continue;
        (void)endpoint_format(endpoint, text);
        if (!arguments->allows_remote)
            return cli_fail_usage("connect",
                                  "--listen %s can be reached by other machines, and whoever "
                                  "reaches it acts under your certificate; if that is meant, give "
                                  "--allow-remote too",
                                  text);
        cli_say("connect", "warning: whoever reaches %s acts under your certificate", text);
    }
    return CLI_OK;
}

static int parse(int argc, char **argv, struct arguments *out)
{
    static const struct option options[] = {
        {"listen", required_argument, NULL, OPTION_LISTEN},
        {"allow-remote", no_argument, NULL, OPTION_REMOTE},
        {"workers", required_argument, NULL, OPTION_WORKERS},
        {"max-connections", required_argument, NULL, OPTION_LIVE},
        {"idle", required_argument, NULL, OPTION_IDLE},
        {"drain", required_argument, NULL, OPTION_DRAIN},
        {"help", no_argument, NULL, OPTION_HELP},
        CLIENT_OPTIONS,
        {NULL, 0, NULL, 0},
    };
    *out = (struct arguments){.sidecar = {.workers = 1,
                                          .live_max = LIVE_DEFAULT,
                                          .idle_ms = IDLE_DEFAULT_MS,
                                          .drain_ms = DRAIN_DEFAULT_MS}};
    int found = 0;
    optind = 0; // glibc: start anew
    opterr = 0;
    while ((found = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
        const int status = take_option(out, found, argv);
        if (status != CLI_OK)
            return status;
    }
    if (out->wants_help)
        return CLI_OK;
    if (optind < argc)
        return cli_fail_usage("connect", "unexpected argument '%s'", argv[optind]);
    const struct credential_paths *paths = &out->client.paths;
    if (!out->client.has_proxy || paths->cert == NULL || paths->key == NULL || paths->ca == NULL)
        return cli_fail_usage("connect", "--proxy, --cert, --key and --ca are needed");
    if (out->sidecar.listen_count == 0 && take_listen(out, "127.0.0.1:3128") != CLI_OK)
        return CLI_USAGE;
    return check_listen(out);
}

int connect_command(int argc, char **argv)
{
    struct arguments arguments;
    struct errinfo info;
    enum cause cause = CAUSE_NONE;
    const int status = parse(argc, argv, &arguments);
    if (status != CLI_OK)
        return status;
    if (arguments.wants_help) {
        (void)fputs(usage, stdout);
        return cli_finish("connect");
    }
    struct sidecar_options *sidecar = &arguments.sidecar;
    sidecar->paths = arguments.client.paths;
    sidecar->proxy = arguments.client.proxy;
    for (size_t i = 0; i < arguments.client.server_count; i++)
        sidecar->servers[i] = arguments.client.servers[i];
    sidecar->server_count = arguments.client.server_count;
    if (credentials_load(&sidecar->paths, time(NULL), &sidecar->credentials, &cause, &info) !=
        ERR_OK) {
        cli_say("connect", "%s: %s; %s", cause_name(cause), info.text, cause_advice(cause));
        return CONNECT_UNLOADABLE;
    }
    return sidecar_run(sidecar);
}
