// `sallyport connect`: reads the arguments and the files, then runs the sidecar.
#include "proxy/cli/commands.h"

#include <string.h>
#include <time.h>

#include "proxy/cli/client_options.h"
#include "proxy/cli/options.h"
#include "proxy/config/endpoint_text.h"
#include "proxy/config/units.h"
#include "proxy/sidecar/sidecar.h"

enum {
    WORKERS_MAX = 256,
    CONNECTIONS_DEFAULT = 2,
    LIVE_DEFAULT = 10000,
    LIVE_MAX = 1000000,
    IDLE_DEFAULT_MS = 60 * 60 * 1000,
    DRAIN_DEFAULT_MS = 30 * 1000,
    RETRY_MAX_MS = 10 * 60 * 1000,
};

static const struct endpoint LISTEN_DEFAULT = {
    .address = {.family = IP_V4, .bytes = {127, 0, 0, 1}},
    .port = 3128,
};

static const char usage[] =
    "usage: sallyport connect --proxy https://HOST:PORT --cert FILE --key FILE --ca FILE\n"
    "                         [--proxy URL]... [--listen ADDRESS:PORT]...\n"
    "\n"
    "The sidecar: a plain HTTP proxy on this machine, for programs that cannot speak TLS to a proxy\n"
    "or present a certificate to it. It sends everything to the proxy, with this certificate, and\n"
    "nowhere else. When it listens, prints `ready connect=ADDRESS:PORT` on stdout.\n"
    "\n"
    "  --proxy URL            the proxy: https://HOST:PORT; up to 8 times: the next one is used when\n"
    "                         one cannot be reached\n"
    "  --retry-for TIME       when none can be reached, try again for this long, such as 10s, for a\n"
    "                         proxy that restarts (default: not at all)\n"
    "  --cert FILE            PEM: your certificate, then its intermediates\n"
    "  --key FILE             PEM: its private key, without a passphrase, readable by you alone\n"
    "  --ca FILE              PEM: the CAs that the proxy's certificate is checked against\n"
    "  --pin SHA256           also, the proxy's public key must be this one: sha256//BASE64, or 64\n"
    "                         hexadecimal digits; up to 16 times, one of them must fit\n"
    "  --listen ADDRESS:PORT  where local programs connect (default: 127.0.0.1:3128); up to 8 times\n"
    "  --allow-remote         with a --listen that other machines can reach: anybody there acts\n"
    "                         under this certificate\n"
    "  --resolver ADDR:PORT   ask this DNS server for the proxy's name (default: the system's, and\n"
    "                         the hosts file)\n"
    "  --http2 MODE           auto (default): tunnels share connections to a proxy that speaks\n"
    "                         HTTP/2; off: each has its own, over HTTP/1.1\n"
    "  --connections N        how many connections a thread has for tunnels to share (default: 2)\n"
    "  --workers N            threads (default: 1)\n"
    "  --max-connections N    local connections of a thread (default: 10000)\n"
    "  --idle TIME            end connections without a byte for this long (default: 1h)\n"
    "  --drain TIME           how long to wait after SIGTERM (default: 30s)\n"
    "  --sandbox MODE         auto (default): as much of a sandbox as the kernel has; on: no start\n"
    "                         without a whole one; off\n"
    "  --help                 this text\n"
    "\n"
    "Then: export http_proxy=http://127.0.0.1:3128 https_proxy=http://127.0.0.1:3128\n"
    "PAC:  http://127.0.0.1:3128/proxy.pac\n"
    "Renewed files are picked up automatically. Signals: SIGTERM drains and exits, SIGINT exits, SIGHUP\n"
    "reads the files now.\n"
    "Exit: 0 stopped, 1 failed or connections had to be cut, 2 usage, 3 a file cannot be loaded.\n";

struct arguments {
    struct sidecar_options sidecar;
    int64_t workers;
    int64_t live_max;
    int64_t connections;
    const char *http2;
    const char *sandbox;
    bool allows_remote;
};

static enum err take_listen(void *arg, const char *value, struct errinfo *info)
{
    struct sidecar_options *sidecar = arg;
    if (sidecar->listen_count == SIDECAR_LISTENERS_MAX)
        return errinfo_set(info, ERR_LIMIT, "no more than %d", SIDECAR_LISTENERS_MAX);
    TRY(endpoint_parse(slice_of_string(value), &sidecar->listen[sidecar->listen_count], info));
    sidecar->listen_count++;
    return ERR_OK;
}

// check_listen refuses what other machines can reach, unless that is meant. CLI_OK, or the exit status.
static int check_listen(const struct arguments *arguments)
{
    for (size_t i = 0; i < arguments->sidecar.listen_count; i++) {
        const struct endpoint *endpoint = &arguments->sidecar.listen[i];
        char text[ENDPOINT_TEXT_CAP];
        if (ip_addr_is_loopback(&endpoint->address))
            continue;
        (void)endpoint_format(endpoint, text);
        if (!arguments->allows_remote)
            return cli_fail_usage(
                "connect",
                "--listen %s can be reached by other machines, and anybody who reaches it acts under your certificate; if that is intended, add --allow-remote",
                text);
        cli_say("connect", "warning: anybody who reaches %s acts under your certificate", text);
    }
    return CLI_OK;
}

// take_sandbox reads --sandbox. False: the word is none.
static bool take_sandbox(const char *word, enum sidecar_sandbox *out)
{
    static const char *const words[] = {[SIDECAR_SANDBOX_AUTO] = "auto",
                                        [SIDECAR_SANDBOX_ON] = "on",
                                        [SIDECAR_SANDBOX_OFF] = "off"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        *out = (enum sidecar_sandbox)i;
        if (strcmp(word, words[i]) == 0)
            return true;
    }
    return false;
}

static struct cli_line read_line(int argc, char **argv, struct arguments *out)
{
    struct sidecar_options *sidecar = &out->sidecar;
    *out = (struct arguments){
        .sidecar = {.idle_ms = IDLE_DEFAULT_MS, .drain_ms = DRAIN_DEFAULT_MS},
        .workers = 1,
        .live_max = LIVE_DEFAULT,
        .connections = CONNECTIONS_DEFAULT,
        .http2 = "auto",
        .sandbox = "auto",
    };
    const struct cli_option options[] = {
        {"listen", .take = take_listen, .arg = sidecar},
        {"allow-remote", .flag = &out->allows_remote},
        {"retry-for", .milliseconds = &sidecar->way.route.retry_ms},
        {"http2", .text = &out->http2},
        {"connections", .number = &out->connections, .min = 1, .max = SIDECAR_CONNECTIONS_MAX},
        {"workers", .number = &out->workers, .min = 1, .max = WORKERS_MAX},
        {"max-connections", .number = &out->live_max, .min = 1, .max = LIVE_MAX},
        {"idle", .milliseconds = &sidecar->idle_ms},
        {"drain", .milliseconds = &sidecar->drain_ms},
        {"sandbox", .text = &out->sandbox},
        {.name = NULL},
    };
    const struct cli_syntax syntax = {.command = "connect", .usage = usage, .options = options};
    const struct cli_line line = client_options_read(&syntax, argc, argv, &sidecar->way);
    const struct credential_paths *paths = &sidecar->way.paths;
    if (line.is_over)
        return line;
    sidecar->workers = (uint32_t)out->workers;
    sidecar->live_max = (size_t)out->live_max;
    const struct slice http2 = slice_of_string(out->http2);
    const bool is_off = slice_equal(http2, SLICE_LITERAL("off"));
    if (!is_off && !slice_equal(http2, SLICE_LITERAL("auto")))
        return cli_end(
            cli_fail_usage("connect", "--http2: '%.20s' is neither auto nor off", out->http2));
    sidecar->connections_most = is_off ? 0 : (size_t)out->connections;
    if (!take_sandbox(out->sandbox, &sidecar->sandbox))
        return cli_end(cli_fail_usage("connect", "--sandbox: '%.20s' is neither auto, on nor off",
                                      out->sandbox));
    if (sidecar->way.route.retry_ms > RETRY_MAX_MS)
        return cli_end(cli_fail_usage(
            "connect", "--retry-for: no longer than 10m: a program waits all the while"));
    if (sidecar->way.route.proxy_count == 0 || paths->cert == NULL || paths->key == NULL ||
        paths->ca == NULL)
        return cli_end(cli_fail_usage("connect", "--proxy, --cert, --key and --ca are needed"));
    if (sidecar->listen_count == 0)
        sidecar->listen[sidecar->listen_count++] = LISTEN_DEFAULT;
    const int status = check_listen(out);
    return status == CLI_OK ? line : cli_end(status);
}

int connect_command(int argc, char **argv)
{
    struct arguments arguments;
    struct errinfo info;
    enum cause cause = CAUSE_NONE;
    const struct cli_line line = read_line(argc, argv, &arguments);
    if (line.is_over)
        return line.exit_status;
    struct credentials *credentials = NULL;
    if (credentials_load(&arguments.sidecar.way.paths, time(NULL), &credentials, &cause, &info) !=
        ERR_OK) {
        cli_say("connect", "%s: %s; %s", cause_info(cause)->name, info.text,
                cause_info(cause)->advice);
        return CLI_UNLOADABLE;
    }
    return sidecar_run(&arguments.sidecar, credentials);
}
