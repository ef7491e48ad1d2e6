// The shared options, with a hint for the likely mistakes.
#include "proxy/cli/client_options.h"

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

static enum err take_proxy(void *arg, const char *value, struct errinfo *info)
{
    struct proxy_route_options *options = arg;
    if (options->proxy_count == ROUTE_PROXIES_MAX)
        return errinfo_set(info, ERR_LIMIT, "no more than %d", ROUTE_PROXIES_MAX);
    TRY(proxy_url_parse(value, &options->proxies[options->proxy_count], info));
    options->proxy_count++;
    return ERR_OK;
}

static enum err take_pin(void *arg, const char *value, struct errinfo *info)
{
    return pins_add(arg, value, info);
}

static enum err take_server(void *arg, const char *value, struct errinfo *info)
{
    struct resolver_options *options = arg;
    struct endpoint endpoint;
    if (options->server_count == CLIENT_SERVERS_MAX)
        return errinfo_set(info, ERR_LIMIT, "no more than %d", CLIENT_SERVERS_MAX);
    TRY(endpoint_parse(slice_of_string(value), &endpoint, info));
    options->servers[options->server_count++] =
        (struct dns_server){.address = endpoint.address, .port = endpoint.port};
    return ERR_OK;
}

struct cli_line client_options_read(const struct cli_syntax *own, int argc, char **argv,
                                    struct proxy_way *out)
{
    const struct cli_option shared[] = {
        {"proxy", .take = take_proxy, .arg = &out->route},
        {"cert", .text = &out->paths.cert},
        {"key", .text = &out->paths.key},
        {"ca", .text = &out->paths.ca},
        {"pin", .take = take_pin, .arg = &out->route.pins},
        {"resolver", .take = take_server, .arg = &out->route.resolver},
    };
    struct cli_option all[CLI_OPTIONS_MAX + 1] = {{.name = NULL}};
    size_t count = 0;
    for (size_t i = 0; i < sizeof shared / sizeof *shared; i++)
        all[count++] = shared[i];
    for (size_t i = 0; own->options[i].name != NULL; i++) {
        ASSERT(count < CLI_OPTIONS_MAX);
        all[count++] = own->options[i];
    }
    struct cli_syntax syntax = *own;
    syntax.options = all;
    return cli_read(&syntax, argc, argv);
}
