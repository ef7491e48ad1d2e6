// One table of keys. What restricts in a way that nothing here says is left out by what is written: the listener wants TLS and
// a certificate whatever the source says, and addresses that are not opened stay closed.
#include "proxy/import/smokescreen_settings.h"

#include "auth/target.h"

#define SECOND INT64_C(1000)
#define HOUR   (3600 * SECOND)
#define DAY    (24 * HOUR)

enum { DEFAULT_PORT = 4750, SHOWN = 80 };

typedef enum err take_fn(struct smokescreen *state, const struct node *node, struct errinfo *info);

static void leave(struct smokescreen *state, const struct node *node, const char *key,
                  const char *why)
{
    import_say(state->notes, IMPORT_LEFT_OUT, smokescreen_place(state, node), "%s: left out: %s",
               key, why);
}

// duration_parse reads what Go's time.ParseDuration does, in whole milliseconds: `10s`, `1m30s`.
static bool duration_parse(struct slice text, int64_t *out)
{
    static const struct {
        const char *unit;
        int64_t milliseconds;
    } units[] = {{"ms", 1}, {"h", HOUR}, {"m", 60 * SECOND}, {"s", SECOND}};
    *out = 0;
    while (text.len > 0) {
        size_t digits = 0, i = 0;
        uint64_t number = 0;
        while (digits < text.len && text.data[digits] >= '0' && text.data[digits] <= '9')
            digits++;
        if (!decimal_parse(slice_first(text, digits), UINT32_MAX, &number))
            return false;
        text = slice_from(text, digits);
        while (i < 4 && !slice_starts_with(text, slice_of_string(units[i].unit)))
            i++;
        if (i == 4 || (int64_t)number > (INT64_MAX / 2 - *out) / units[i].milliseconds)
            return false;
        *out += (int64_t)number * units[i].milliseconds;
        text = slice_from(text, strlen(units[i].unit));
    }
    return *out > 0;
}

// take_time tells whether a key is a time.
static bool take_time(struct smokescreen *state, const struct node *node)
{
    static const struct {
        const char *theirs;
        const char *ours;
        int64_t most;
    } times[] = {{"connect_timeout", "connect", HOUR},
                 {"idle_timeout", "idle", 30 * DAY},
                 {"exit_timeout", "drain", 30 * DAY},
                 {"read_header_timeout", "request", HOUR},
                 {"dns_timeout", "resolve", HOUR}};
    int64_t milliseconds = 0;
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        if (!slice_equal(node->key->text, slice_of_string(times[i].theirs)))
            continue;
        if (node->kind == NODE_SCALAR && duration_parse(node->text, &milliseconds) &&
            milliseconds <= times[i].most)
            imported_set_time(state->notes, state->imported, times[i].ours, milliseconds);
        else
            leave(state, node, times[i].theirs,
                  "write `timeouts` in the units and bounds of docs/CONFIG.md");
        return true;
    }
    return false;
}

static struct imported_listener *listener_of(struct smokescreen *state)
{
    return state->imported->listeners;
}

// leave_unknown says which keys of `tls` nothing is taken from.
static void leave_unknown(struct smokescreen *state, const struct node *tls)
{
    static const char *const known[] = {"cert_file", "key_file", "client_ca_files", "crl_files"};
    for (const struct node *node = tls->child; node != NULL; node = node->next) {
        size_t i = 0;
        while (i < sizeof known / sizeof *known &&
               !slice_equal(node->key->text, slice_of_string(known[i])))
            i++;
        if (i == sizeof known / sizeof *known)
            import_say(state->notes, IMPORT_LEFT_OUT, smokescreen_place(state, node),
                       "tls: %.*s: left out: it is not known here",
                       (int)slice_first(node->key->text, SHOWN).len,
                       (const char *)node->key->text.data);
    }
}

// add_files adds the paths of a list, which may be absent, to `*list`.
static enum err add_files(struct smokescreen *state, const struct node *paths, const char **list,
                          struct errinfo *info)
{
    if (paths == NULL || (paths->kind == NODE_SCALAR && paths->text.len == 0))
        return ERR_OK;
    if (paths->kind != NODE_LIST)
        return smokescreen_refuse(state, paths, info, "expected a list of files");
    for (const struct node *path = paths->child; path != NULL; path = path->next) {
        if (path->kind != NODE_SCALAR)
            return smokescreen_refuse(state, path, info, "expected a path");
        *list = imported_list(state->notes, *list, path->text);
    }
    return ERR_OK;
}

static enum err take_tls(struct smokescreen *state, const struct node *node, struct errinfo *info)
{
    struct imported_listener *listener = listener_of(state);
    const struct node *chain = node_get(node, "cert_file");
    const struct node *key = node_get(node, "key_file");
    if (chain == NULL || chain->kind != NODE_SCALAR)
        return smokescreen_refuse(state, node, info, "'tls' section requires 'cert_file'");
    listener->chain = import_copy(state->notes, chain->text);
    listener->key = key != NULL && key->kind == NODE_SCALAR ? import_copy(state->notes, key->text)
                                                            : listener->chain;
    TRY(add_files(state, node_get(node, "client_ca_files"), &listener->ca, info));
    TRY(add_files(state, node_get(node, "crl_files"), &listener->crl, info));
    leave_unknown(state, node);
    if (listener->ca == NULL)
        leave(
            state, node, "tls",
            "it asks no client for a certificate; here each client shows one, of a CA in ca.crt (`trust`)");
    return ERR_OK;
}

// range_parse reads ADDRESS/LENGTH, or, without `is_range`, ADDRESS or ADDRESS:PORT.
static bool range_parse(struct slice text, bool is_range, struct smokescreen_range *out)
{
    struct target target;
    const bool has_slash = slice_find(text, '/') < text.len;
    if (has_slash == is_range && import_prefix_parse(text, &out->prefix))
        return true;
    if (is_range || target_parse(text, &target) != ERR_OK || target.kind != TARGET_ADDRESS)
        return false;
    out->prefix = (struct ip_prefix){.addr = target.address,
                                     .length = target.address.family == IP_V4 ? 32 : 128};
    out->port = target.port;
    return true;
}

static enum err take_ranges(struct smokescreen *state, const struct node *node, bool is_range,
                            struct smokescreen_range **list, struct errinfo *info)
{
    size_t count = 0;
    for (; *list != NULL; list = &(*list)->next)
        count++;
    if (node->kind != NODE_LIST)
        return smokescreen_refuse(state, node, info, "expected a list");
    for (const struct node *item = node->child; item != NULL; item = item->next) {
        struct smokescreen_range *range = import_alloc(state->notes, 1, sizeof *range);
        if (range == NULL || ++count > SMOKESCREEN_RANGES_MAX)
            return smokescreen_refuse(state, item, info, "more than %d ranges",
                                      SMOKESCREEN_RANGES_MAX);
        *range = (struct smokescreen_range){.place = smokescreen_place(state, item)};
        if (item->kind != NODE_SCALAR || !range_parse(item->text, is_range, range))
            return smokescreen_refuse(state, item, info, "this is no %s",
                                      is_range ? "ADDRESS/LENGTH" : "ADDRESS or ADDRESS:PORT");
        *list = range;
        list = &range->next;
    }
    return ERR_OK;
}

static enum err take_allow_ranges(struct smokescreen *state, const struct node *node,
                                  struct errinfo *info)
{
    return take_ranges(state, node, true, &state->allowed, info);
}

static enum err take_allow_addresses(struct smokescreen *state, const struct node *node,
                                     struct errinfo *info)
{
    return take_ranges(state, node, false, &state->allowed, info);
}

static enum err take_deny_ranges(struct smokescreen *state, const struct node *node,
                                 struct errinfo *info)
{
    return take_ranges(state, node, true, &state->denied, info);
}

static enum err take_deny_addresses(struct smokescreen *state, const struct node *node,
                                    struct errinfo *info)
{
    return take_ranges(state, node, false, &state->denied, info);
}

static enum err take_private(struct smokescreen *state, const struct node *node,
                             struct errinfo *info)
{
    static const char *const ranges[] = {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",
                                         "fc00::/7"};
    (void)info;
    for (size_t i = 0; smokescreen_is_true(node) && i < sizeof ranges / sizeof *ranges; i++) {
        struct smokescreen_range *range = import_alloc(state->notes, 1, sizeof *range);
        if (range == NULL)
            break;
        *range = (struct smokescreen_range){.place = smokescreen_place(state, node),
                                            .next = state->allowed};
        if (import_prefix_parse(slice_of_string(ranges[i]), &range->prefix))
            state->allowed = range;
    }
    return ERR_OK;
}

static enum err take_resolvers(struct smokescreen *state, const struct node *node,
                               struct errinfo *info)
{
    if (node->kind != NODE_LIST && node->text.len > 0)
        return smokescreen_refuse(state, node, info, "expected a list");
    for (const struct node *item = node->child; item != NULL; item = item->next) {
        struct target target;
        if (item->kind == NODE_SCALAR && target_parse(item->text, &target) == ERR_OK &&
            target.kind == TARGET_ADDRESS)
            state->imported->resolvers =
                imported_list(state->notes, state->imported->resolvers, item->text);
        else
            leave(state, item, "resolver_addresses",
                  "write `resolver: {servers: [\"ADDRESS:PORT\"]}`");
    }
    return ERR_OK;
}

static enum err take_network(struct smokescreen *state, const struct node *node,
                             struct errinfo *info)
{
    if (slice_equal(node->text, SLICE_LITERAL("ip4")))
        state->imported->family = "ipv4";
    else if (slice_equal(node->text, SLICE_LITERAL("ip6")))
        state->imported->family = "ipv6";
    else if (node->text.len > 0 && !slice_equal(node->text, SLICE_LITERAL("ip")))
        return smokescreen_refuse(state, node, info, "expected ip, ip4 or ip6");
    return ERR_OK;
}

static enum err take_tunnels(struct smokescreen *state, const struct node *node,
                             struct errinfo *info)
{
    uint64_t number = 0;
    (void)info;
    if (node->kind == NODE_SCALAR && decimal_parse(node->text, 10000000, &number))
        state->imported->tunnels = number;
    else
        leave(state, node, "max_concurrent_connect_tunnels", "write `limits: {tunnels: N}`");
    return ERR_OK;
}

static enum err take_acl(struct smokescreen *state, const struct node *node, struct errinfo *info)
{
    if (node->kind != NODE_SCALAR)
        return smokescreen_refuse(state, node, info, "expected a path");
    if (node->text.len > 0)
        state->acl_path = import_copy(state->notes, node->text);
    return ERR_OK;
}

// take_nothing is for what is read elsewhere.
static enum err take_nothing(struct smokescreen *state, const struct node *node,
                             struct errinfo *info)
{
    (void)state;
    (void)node;
    (void)info;
    return ERR_OK;
}

static const struct {
    const char *key;
    take_fn *take;
} taken[] = {
    {"ip", take_nothing},
    {"port", take_nothing},
    {"tls", take_tls},
    {"acl_file", take_acl},
    {"allow_ranges", take_allow_ranges},
    {"allow_addresses", take_allow_addresses},
    {"deny_ranges", take_deny_ranges},
    {"deny_addresses", take_deny_addresses},
    {"unsafe_allow_private_ranges", take_private},
    {"resolver_addresses", take_resolvers},
    {"network", take_network},
    {"max_concurrent_connect_tunnels", take_tunnels},
};

static const struct {
    const char *key;
    enum import_weight weight;
    const char *why;
} others[] = {
    {"statsd_address", IMPORT_REMARK, "metrics are for Prometheus: `admin` in docs/CONFIG.md"},
    {"stats_socket_dir", IMPORT_REMARK, "`sallyport status` and `top` ask the `control` socket"},
    {"stats_socket_file_mode", IMPORT_REMARK,
     "`sallyport status` and `top` ask the `control` socket"},
    {"time_connect", IMPORT_REMARK, "the audit log has the times of each request"},
    {"transport_max_idle_conns", IMPORT_REMARK,
     "connections to targets are kept without a number to set"},
    {"transport_max_idle_conns_per_host", IMPORT_REMARK,
     "connections to targets are kept without a number to set"},
    {"deny_message_extra", IMPORT_REMARK, "a refusal names its rule or reason, and an id"},
    {"read_timeout", IMPORT_REMARK, "`timeouts` in docs/CONFIG.md: `request`, `body` and `idle`"},
    {"write_timeout", IMPORT_REMARK, "`timeouts` in docs/CONFIG.md: `request`, `body` and `idle`"},
    {"support_proxy_protocol", IMPORT_LEFT_OUT,
     "name the balancers that are believed: `proxy_protocol: {from: [...]}` of the listener"},
    {"allow_missing_role", IMPORT_LEFT_OUT,
     "clients without a certificate are refused; `client_certificate: optional` and a client with `match: [{anonymous: true}]` serve them"},
    {"max_concurrent_requests", IMPORT_LEFT_OUT, "write `limits` of the proxy or of clients"},
    {"max_request_rate", IMPORT_LEFT_OUT, "write `limits: {new_tunnels: N/s}` of clients"},
    {"max_request_burst", IMPORT_LEFT_OUT, "write `limits: {burst: N}` of clients"},
    {"mitm_ca_cert_file", IMPORT_LEFT_OUT, "nothing is decrypted here"},
    {"mitm_ca_key_file", IMPORT_LEFT_OUT, "nothing is decrypted here"},
};

static enum err take_key(struct smokescreen *state, const struct node *node, struct errinfo *info)
{
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++) {
        if (slice_equal(node->key->text, slice_of_string(taken[i].key)))
            return taken[i].take(state, node, info);
    }
    if (take_time(state, node))
        return ERR_OK;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (!slice_equal(node->key->text, slice_of_string(others[i].key)))
            continue;
        import_say(state->notes, others[i].weight, smokescreen_place(state, node), "%s: %s: %s",
                   others[i].key, others[i].weight == IMPORT_REMARK ? "not needed" : "left out",
                   others[i].why);
        return ERR_OK;
    }
    return smokescreen_refuse(
        state, node, info,
        "`%.*s` is not known here, and may restrict. Remove it from a copy of the file once you know what takes its place",
        (int)slice_first(node->key->text, SHOWN).len, (const char *)node->key->text.data);
}

// read_address makes the listener.
static enum err read_address(struct smokescreen *state, const struct node *root,
                             struct errinfo *info)
{
    const struct node *ip = node_get(root, "ip");
    const struct node *port = node_get(root, "port");
    uint16_t number = DEFAULT_PORT;
    struct ip_addr addr = {.family = IP_V6};
    char buffer[IP_TEXT_CAP + 12];
    char address[IP_TEXT_CAP];
    struct text text;
    if (port != NULL && port_parse(port->text, &number) != ERR_OK)
        return smokescreen_refuse(state, port, info, "expected a port");
    if (ip != NULL && ip->text.len > 0 && ip_addr_parse(ip->text, &addr) != ERR_OK)
        return smokescreen_refuse(state, ip, info, "expected an address");
    text_init(&text, buffer, sizeof buffer);
    text_append_format(&text, addr.family == IP_V6 ? "[%s]:%u" : "%s:%u",
                       ip_addr_format(&addr, address), (unsigned)number);
    struct imported_listener *listener = import_alloc(state->notes, 1, sizeof *listener);
    if (listener == NULL)
        return errinfo_set(info, ERR_MEMORY, "no memory");
    *listener = (struct imported_listener){.address = import_copy(state->notes, text_slice(&text))};
    imported_add_listener(state->imported, listener);
    return ERR_OK;
}

enum err smokescreen_read_settings(struct smokescreen *state, const struct node *root,
                                   struct errinfo *info)
{
    TRY(read_address(state, root, info));
    for (const struct node *node = root->child; node != NULL; node = node->next)
        TRY(take_key(state, node, info));
    if (node_get(root, "tls") == NULL)
        import_say(
            state->notes, IMPORT_LEFT_OUT, (struct import_place){.file = state->file, .line = 1},
            "tls: there is none: here clients come over TLS, each with a certificate of a CA in ca.crt (`trust`)");
    return ERR_OK;
}
