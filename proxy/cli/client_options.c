// The shared options, with a hint for the likely mistakes.
#include "proxy/cli/client_options.h"

#include <getopt.h>

#include "proxy/cli/options.h"
#include "proxy/config/endpoint_text.h"

enum err proxy_url_parse(const char *url, struct target *out, struct errinfo *info)
{
    struct slice rest = slice_of_string(url);
    static const struct slice scheme = {(const uint8_t *)"https://", 8};
    if (!slice_equal_ignore_case(slice_first(rest, scheme.len), scheme))
        return errinfo_set(info, ERR_INPUT,
                           "'%.100s' does not begin with https://: the proxy speaks TLS; write "
                           "https://HOST:PORT",
                           url);
    rest = slice_from(rest, scheme.len);
    if (slice_ends_with(rest, SLICE_LITERAL("/")))
        rest = slice_first(rest, rest.len - 1);
    if (target_parse(rest, out) == ERR_OK)
        return ERR_OK;
    struct target host;
    const bool lacks_port = target_host_parse(rest, &host) == ERR_OK;
    return errinfo_set(info, ERR_INPUT,
                       lacks_port ? "'%.100s' has no port; write https://HOST:PORT"
                                  : "'%.100s' is not https://HOST:PORT: a host name or an address "
                                    "(IPv6 in brackets), a port, and nothing else",
                       url);
}

static int take_server(struct client_options *options, const char *command, const char *text)
{
    struct errinfo info;
    struct endpoint endpoint;
    if (options->server_count == CLIENT_SERVERS_MAX)
        return cli_fail_usage(command, "more than %d times --resolver", CLIENT_SERVERS_MAX);
    if (endpoint_parse(slice_of_string(text), &endpoint, &info) != ERR_OK)
        return cli_fail_usage(command, "--resolver: %s", info.text);
    options->servers[options->server_count++] =
        (struct dns_server){endpoint.address, endpoint.port};
    return CLI_OK;
}

int client_options_take(struct client_options *options, const char *command, int found,
                        char *const *argv)
{
    struct errinfo info;
    switch (found) {
    case OPTION_PROXY:
        if (proxy_url_parse(optarg, &options->proxy, &info) != ERR_OK)
            return cli_fail_usage(command, "--proxy: %s", info.text);
        options->has_proxy = true;
        return CLI_OK;
    case OPTION_CERT:
        options->paths.cert = optarg;
        return CLI_OK;
    case OPTION_KEY:
        options->paths.key = optarg;
        return CLI_OK;
    case OPTION_CA:
        options->paths.ca = optarg;
        return CLI_OK;
    case OPTION_RESOLVER:
        return take_server(options, command, optarg);
    default: // a number of getopt's, no enum of ours
        return cli_fail_option(command, found, argv);
    }
}
