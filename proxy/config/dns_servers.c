// All servers that are asked over TLS share one profile of CAs, which each has a revision of.
#include "proxy/config/dns_servers.h"

#include "proxy/config/endpoint_text.h"
#include "proxy/config/trust_profiles.h"
#include "proxy/tls/tls_guard.h"

enum { DNS_TLS_PORT = 853, MAX_DEPTH = 8 };

static const char WHAT[] = "DNS server";
static const struct slice SCHEME = {(const uint8_t *)"tls://", 6};

static const char TLS_HINT[] =
    "write its address, whose port is 853 unless another one stands there, and the name that its "
    "certificate must have: \"tls://192.0.2.53#dns.example.org\"";

static bool address_read(struct reader *reader, const struct node *node, struct slice text,
                         struct dns_server *out)
{
    struct errinfo info = {0};
    struct endpoint endpoint;
    if (endpoint_parse(text, &endpoint, &info) != ERR_OK)
        return reader_refuse(reader, node, WHAT, info.text, "DNS is at port 53: \"127.0.0.53:53\"");
    *out = (struct dns_server){.address = endpoint.address, .port = endpoint.port};
    return true;
}

// tls_address_read reads an address whose port may be left out.
static bool tls_address_read(struct reader *reader, const struct node *node, struct slice text,
                             struct dns_server *out)
{
    struct errinfo info = {0};
    struct target host;
    struct endpoint endpoint;
    const bool is_host = target_host_parse(text, &host) == ERR_OK;
    if (is_host && host.kind == TARGET_ADDRESS) {
        *out = (struct dns_server){.address = host.address, .port = DNS_TLS_PORT};
        return true;
    }
    if (is_host || text.len == 0 || endpoint_parse(text, &endpoint, &info) != ERR_OK)
        return reader_refuse(reader, node, WHAT,
                             "no IP address, with or without a port, stands before the #",
                             TLS_HINT);
    *out = (struct dns_server){.address = endpoint.address, .port = endpoint.port};
    return true;
}

// guard_make has the server's certificate judged by `cas`, and by its name.
static bool guard_make(struct reader *reader, const struct trust *cas, const struct target *name,
                       struct dns_server *out)
{
    struct trust *profile = NULL;
    struct errinfo info;
    enum err error = trust_revise(cas, &profile);
    if (error == ERR_OK)
        error = trust_finish(profile, reader->now_s, &info);
    if (error != ERR_OK) {
        trust_destroy(profile);
        return reader_no_memory(reader);
    }
    struct server_trust *trust = server_trust_of(profile, name);
    out->guard = trust == NULL ? NULL : tls_guard_create(trust);
    return out->guard != NULL || reader_no_memory(reader);
}

// tls_server_read reads what follows `tls://`. `cas` is NULL where its CAs could not be read.
static bool tls_server_read(struct reader *reader, const struct node *node, struct slice text,
                            const struct trust *cas, struct dns_server *out)
{
    struct target name;
    const size_t address_len = slice_find(text, '#');
    if (address_len == text.len)
        return reader_refuse(reader, node, WHAT, "which name must its certificate have?", TLS_HINT);
    if (target_host_parse(slice_from(text, address_len + 1), &name) != ERR_OK)
        return reader_refuse(reader, node, WHAT, "after the # stands no name or address", TLS_HINT);
    return tls_address_read(reader, node, slice_first(text, address_len), out) &&
           (cas == NULL || guard_make(reader, cas, &name, out));
}

static bool is_tls_text(struct slice text)
{
    return slice_equal_ignore_case(slice_first(text, SCHEME.len), SCHEME);
}

// refuse_scheme refuses a URL that is none of DNS over TLS.
static bool refuse_scheme(struct reader *reader, const struct node *node, struct slice text)
{
    const struct slice https = SLICE_LITERAL("https:");
    if (slice_equal_ignore_case(slice_first(text, https.len), https))
        return reader_refuse(reader, node, WHAT, "DNS over HTTPS is not supported; DNS over TLS is",
                             TLS_HINT);
    return reader_refuse(reader, node, WHAT, "neither ADDRESS:PORT nor tls://ADDRESS#NAME",
                         TLS_HINT);
}

static bool server_read(struct reader *reader, const struct node *node, const struct trust *cas,
                        struct dns_server *out)
{
    struct slice text = {0};
    if (!reader_text(reader, node, WHAT, CONFIG_TEXT_MAX, &text))
        return false;
    const bool is_tls = is_tls_text(text);
    if (!is_tls && slice_find(text, '/') < text.len)
        return refuse_scheme(reader, node, text);
    if (!(is_tls ? tls_server_read(reader, node, slice_from(text, SCHEME.len), cas, out)
                 : address_read(reader, node, text, out)))
        return false;
    if (out->port != 0 && ip_addr_classify(&out->address) != IP_CLASS_CLOSED)
        return true;
    stream_guard_unref(out->guard);
    return reader_refuse(reader, node, WHAT, "no server can be there", "");
}

static size_t count_tls(const struct node *servers)
{
    size_t count = 0;
    for (const struct node *entry = servers->child; entry != NULL; entry = entry->next)
        count += is_tls_text(entry->text);
    return count;
}

// cas_read reads the CAs of the servers. NULL where they cannot be read.
static struct trust *cas_read(struct reader *reader, const struct node *resolver)
{
    static const struct trust_options options = {
        .name = "resolver", .max_depth = MAX_DEPTH, .purpose = TRUST_SERVERS};
    struct trust *trust = NULL;
    struct errinfo info;
    const size_t errors_before = reader->diagnostics->error_count;
    if (trust_create(&options, &trust) != ERR_OK) {
        reader_no_memory(reader);
        return NULL;
    }
    if (node_get(resolver, "ca") != NULL)
        profile_add_cas(reader, resolver, trust);
    else
        profile_add_system_cas(reader, resolver, trust);
    if (reader->diagnostics->error_count == errors_before) {
        if (trust_finish(trust, reader->now_s, &info) == ERR_OK)
            return trust;
        reader_error(reader, resolver, "`resolver`: `ca`: %s", info.text);
    }
    trust_destroy(trust);
    return NULL;
}

void dns_servers_read(struct reader *reader, const struct node *resolver,
                      struct resolver_options *out)
{
    const struct node *servers = node_get(resolver, "servers");
    const struct node *ca = node_get(resolver, "ca");
    if (!reader_list(reader, servers, "`servers`", 1, DNS_MAX_SERVERS))
        return;
    const size_t tls_count = count_tls(servers);
    struct trust *cas = tls_count == 0 ? NULL : cas_read(reader, resolver);
    if (ca != NULL && tls_count == 0)
        reader_error(reader, ca,
                     "`ca`: no server in `servers` is asked over TLS"
                     "\nwrite \"tls://192.0.2.53#dns.example.org\"");
    if (tls_count > 0 && tls_count < servers->child_count)
        reader_warning(
            reader, servers,
            "`servers`: not all of them are asked over TLS: when those are silent, names "
            "go out in the clear"
            "\nwrite tls://ADDRESS#NAME for each");
    for (const struct node *entry = servers->child; entry != NULL; entry = entry->next) {
        struct dns_server server = {0};
        if (server_read(reader, entry, cas, &server))
            out->servers[out->server_count++] = server;
    }
    trust_destroy(cas);
}
