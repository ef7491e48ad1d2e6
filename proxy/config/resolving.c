// The section `resolver`: servers, their bounds, and what is known without them. The system's files are read here, at
// the same time as the configuration, so that all workers see the same and a change of them is a reload.
#include "proxy/config/loader.h"

#include "proxy/config/endpoint_text.h"
#include "proxy/config/host_list.h"
#include "proxy/config/idn.h"
#include "proxy/config/system_text.h"

#define SECOND_MS INT64_C(1000)
#define MINUTE_MS (60 * SECOND_MS)
#define HOUR_MS   (60 * MINUTE_MS)
#define DAY_MS    (24 * HOUR_MS)

enum {
    TRIES_MAX = 10,
    DNS_PORT = 53,
    HOSTS_MAX = 10000,                 // names in `hosts`
    HOST_ADDRESSES_MAX = 16,           // of one of them
    HOSTS_FILE_MAX = 16 * 1024 * 1024, // bytes
    RESOLV_CONF_MAX = 1024 * 1024,     // bytes
    CACHE_DEFAULT_ENTRIES = 10000,
    CACHE_MAX_ENTRIES = 1000000,
    CACHE_ENTRY_BYTES = 512, // on average at most
};

static const char RESOLV_CONF[] = "/etc/resolv.conf";

static bool server_read(struct reader *reader, const struct node *node, struct dns_server *out)
{
    char quoted[CONFIG_QUOTE_CAP];
    struct slice text = {0};
    struct errinfo info = {0};
    struct endpoint endpoint;
    if (!reader_text(reader, node, "DNS server", CONFIG_TEXT_MAX, &text))
        return false;
    if (endpoint_parse(text, &endpoint, &info) != ERR_OK) {
        diagnostic_set_hint(reader_error(reader, node, "DNS server `%s`: %s",
                                         reader_quote(text, quoted), info.text),
                            "DNS is at port 53: \"127.0.0.53:53\"");
        return false;
    }
    *out = (struct dns_server){endpoint.address, endpoint.port};
    if (endpoint.port != 0 && ip_addr_classify(&endpoint.address) != IP_CLASS_CLOSED)
        return true;
    (void)reader_error(reader, node, "DNS server `%s`: no server can be there",
                       reader_quote(text, quoted));
    return false;
}

static void servers_read(struct reader *reader, const struct node *node,
                         struct resolver_options *out)
{
    if (!reader_list(reader, node, "`servers`", 1, DNS_MAX_SERVERS))
        return;
    for (const struct node *entry = node->child; entry != NULL; entry = entry->next) {
        if (server_read(reader, entry, &out->servers[out->server_count]))
            out->server_count++;
    }
}

// system_servers_add takes over the servers of a resolv.conf's text.
static void system_servers_add(struct loader *loader, const struct node *node, const char *path,
                               struct slice text)
{
    struct resolver_options *options = &loader->snapshot->resolver;
    struct ip_addr found[DNS_MAX_SERVERS];
    size_t skipped = 0;
    const size_t count = resolv_conf_parse(text, found, DNS_MAX_SERVERS, &skipped);
    for (size_t i = 0; i < count; i++) {
        if (ip_addr_classify(&found[i]) == IP_CLASS_CLOSED) {
            skipped++;
            continue;
        }
        options->servers[options->server_count++] = (struct dns_server){found[i], DNS_PORT};
    }
    if (skipped > 0)
        diagnostic_set_hint(reader_warning(loader->reader, node,
                                           "`resolver`: %zu of the servers in %s cannot be used "
                                           "(an address with a zone, or more than %d)",
                                           skipped, path, DNS_MAX_SERVERS),
                            "name the servers under `servers`");
}

// system_servers_read asks the system, as libc would: without any server it is the one on this machine.
static void system_servers_read(struct loader *loader, const struct node *node,
                                const struct node *resolver)
{
    struct resolver_options *options = &loader->snapshot->resolver;
    struct file_content content = {0};
    struct errinfo info = {0};
    const char *path = RESOLV_CONF;
    bool is_there = false;
    if (node != NULL) {
        is_there = loader_file(loader, node, "`resolv_conf`", RESOLV_CONF_MAX, FILE_PUBLIC, &path,
                               &content);
    } else if (file_read(path, RESOLV_CONF_MAX, FILE_PUBLIC, &content, &info) == ERR_OK) {
        loader_note_file(loader, path, content.bytes);
        is_there = true;
    }
    if (is_there)
        system_servers_add(loader, node != NULL ? node : resolver, path, content.bytes);
    file_content_deinit(&content);
    if (options->server_count > 0)
        return;
    options->servers[options->server_count++] = (struct dns_server){
        .address = {.family = IP_V4, .bytes = {127, 0, 0, 1}}, .port = DNS_PORT};
    diagnostic_set_hint(reader_note(loader->reader, resolver,
                                    "`resolver`: there is no server in %s: names are asked of "
                                    "127.0.0.1:53",
                                    path),
                        "name the servers under `servers`");
}

// known is what is gathered of names that need no DNS.
struct known {
    struct loader *loader; // borrowed
    struct host_list list;
    const struct host_table
        *first; // borrowed; names that stand in `hosts` are not taken from the file
};

static bool known_add(struct known *known, const struct ip_addr *address,
                      const struct hostname *name)
{
    const enum err error = host_list_add(&known->list, address, name);
    if (error == ERR_MEMORY)
        (void)reader_no_memory(known->loader->reader);
    return error == ERR_OK;
}

static bool on_hosts_line(void *arg, const struct ip_addr *address, const struct hostname *name)
{
    struct known *known = arg;
    size_t count = 0;
    (void)host_table_find(known->first, hostname_slice(name), &count);
    return count > 0 || known_add(known, address, name);
}

static bool host_name_read(struct reader *reader, const struct node *key, struct hostname *out)
{
    char quoted[CONFIG_QUOTE_CAP];
    char ascii[IDN_CAP];
    struct errinfo info = {0};
    if (idn_to_ascii(key->text, ascii, &info) == ERR_OK &&
        hostname_parse(slice_of_string(ascii), out) == ERR_OK)
        return true;
    diagnostic_set_hint(
        reader_error(reader, key, "`hosts`: `%s` is no host name", reader_quote(key->text, quoted)),
        "a whole name, without `*`: `db.example.org: [10.2.0.7]`");
    return false;
}

static void host_read(struct known *known, const struct node *node)
{
    struct reader *reader = known->loader->reader;
    char quoted[CONFIG_QUOTE_CAP];
    struct hostname name;
    if (!host_name_read(reader, node->key, &name) ||
        !reader_list(reader, node, "the addresses of a host", 1, HOST_ADDRESSES_MAX))
        return;
    for (const struct node *entry = node->child; entry != NULL; entry = entry->next) {
        struct slice text = {0};
        struct ip_addr address;
        if (!reader_text(reader, entry, "address", CONFIG_TEXT_MAX, &text))
            continue;
        if (ip_addr_parse(text, &address) != ERR_OK)
            (void)reader_error(reader, entry, "`%s` is not an address", reader_quote(text, quoted));
        else
            (void)known_add(known, &address, &name);
    }
}

static struct host_table *table_make(struct known *known)
{
    struct host_table *table = host_list_make(&known->list);
    if (table == NULL)
        (void)reader_no_memory(known->loader->reader);
    return table;
}

static void hosts_read(struct known *known, const struct node *node)
{
    struct reader *reader = known->loader->reader;
    if (node == NULL)
        return;
    if (node->kind != NODE_MAP || node->child_count > HOSTS_MAX) {
        diagnostic_set_hint(
            reader_error(reader, node, "`hosts`: expected a map of at most %d names", HOSTS_MAX),
            "`hosts: {db.example.org: [10.2.0.7]}`");
        return;
    }
    for (const struct node *entry = node->child; entry != NULL; entry = entry->next)
        host_read(known, entry);
}

static void hosts_file_read(struct known *known, const struct node *node)
{
    struct loader *loader = known->loader;
    struct file_content content = {0};
    struct diagnostics *diagnostics = loader->reader->diagnostics;
    const char *path = NULL;
    if (node == NULL ||
        !loader_file(loader, node, "`hosts_file`", HOSTS_FILE_MAX, FILE_PUBLIC, &path, &content))
        return;
    struct host_table *first = table_make(known);
    known->first = first;
    const struct hosts_text seen = hosts_text_parse(content.bytes, on_hosts_line, known);
    known->first = NULL;
    host_table_unref(first);
    file_content_deinit(&content);
    if (known->list.is_full)
        (void)diagnostics_add(diagnostics, SEVERITY_ERROR, path, seen.line, 1,
                              "`hosts_file`: more than %d names, from this line on",
                              HOST_ENTRIES_MAX);
    if (seen.skipped > 0)
        diagnostic_set_hint(diagnostics_add(diagnostics, SEVERITY_WARNING, path, seen.first_skipped,
                                            1,
                                            "`hosts_file`: this line cannot be read and says "
                                            "nothing (%zu in this file)",
                                            seen.skipped),
                            "a line is an address without a zone, and names: `10.2.0.7 "
                            "db.example.org`");
}

// known_read makes the table of the names that need no DNS.
static void known_read(struct loader *loader, const struct node *hosts, const struct node *file)
{
    struct known known = {.loader = loader};
    if (hosts == NULL && file == NULL)
        return;
    hosts_read(&known, hosts);
    hosts_file_read(&known, file);
    loader->snapshot->resolver.hosts = table_make(&known);
    host_list_deinit(&known.list);
}

static void cache_read(struct reader *reader, const struct node *node, struct resolver_options *out)
{
    static const struct key keys[] = {
        {"entries", KEY_OPTIONAL}, {"min_ttl", KEY_OPTIONAL}, {"max_ttl", KEY_OPTIONAL}};
    int64_t entries = CACHE_DEFAULT_ENTRIES;
    out->min_ttl_ms = 0;
    out->max_ttl_ms = HOUR_MS;
    if (reader_map(reader, node, "`cache`", keys, sizeof keys / sizeof keys[0])) {
        if (node_get(node, "entries") != NULL)
            (void)reader_integer(reader, node_get(node, "entries"), "`entries`", 0,
                                 CACHE_MAX_ENTRIES, &entries);
        if (node_get(node, "min_ttl") != NULL)
            (void)reader_duration(reader, node_get(node, "min_ttl"), "`min_ttl`", 0, HOUR_MS,
                                  &out->min_ttl_ms);
        if (node_get(node, "max_ttl") != NULL)
            (void)reader_duration(reader, node_get(node, "max_ttl"), "`max_ttl`", 0, DAY_MS,
                                  &out->max_ttl_ms);
        if (out->min_ttl_ms > out->max_ttl_ms)
            (void)reader_error(reader, node, "`cache`: `min_ttl` is longer than `max_ttl`");
    }
    out->cache_entries = (size_t)entries;
    out->cache_bytes = out->cache_entries * CACHE_ENTRY_BYTES;
}

static void family_read(struct reader *reader, const struct node *node,
                        struct resolver_options *out)
{
    static const char *const words[] = {"any", "ipv4", "ipv6", "prefer_ipv4"};
    static const enum resolver_family families[] = {RESOLVER_ANY, RESOLVER_IPV4, RESOLVER_IPV6,
                                                    RESOLVER_PREFER_IPV4};
    size_t index = 0;
    if (node != NULL && reader_choice(reader, node, "family", words, 4, &index))
        out->family = families[index];
}

// nat64_read gives the policy the prefixes of the site's translators: addresses below them are judged by the IPv4
// address inside.
static void nat64_read(struct loader *loader, const struct node *node)
{
    struct reader *reader = loader->reader;
    struct policy *policy = loader->snapshot->policy;
    if (!reader_list(reader, node, "`nat64`", 0, NAT64_PREFIXES_MAX))
        return;
    struct ip_prefix *prefixes = arena_alloc(policy->arena, node->child_count, sizeof *prefixes);
    if (prefixes == NULL) {
        (void)reader_no_memory(reader);
        return;
    }
    size_t count = 0;
    for (const struct node *entry = node->child; entry != NULL; entry = entry->next) {
        struct slice text = {0};
        struct errinfo info = {0};
        if (!reader_text(reader, entry, "NAT64 prefix", CONFIG_TEXT_MAX, &text))
            continue;
        if (nat64_prefix_parse(text, &prefixes[count], &info) == ERR_OK)
            count++;
        else
            (void)reader_error(reader, entry, "`nat64`: %s", info.text);
    }
    policy->nat64 = (struct nat64_list){.prefixes = prefixes, .count = count};
}

void resolver_read(struct loader *loader, const struct node *node)
{
    static const struct key keys[] = {
        {"servers", KEY_OPTIONAL},    {"resolv_conf", KEY_OPTIONAL}, {"hosts", KEY_OPTIONAL},
        {"hosts_file", KEY_OPTIONAL}, {"timeout", KEY_OPTIONAL},     {"tries", KEY_OPTIONAL},
        {"family", KEY_OPTIONAL},     {"cache", KEY_OPTIONAL},       {"nat64", KEY_OPTIONAL},
    };
    struct reader *reader = loader->reader;
    struct resolver_options *out = &loader->snapshot->resolver;
    int64_t tries = 2;
    out->timeout_ms = 1500;
    const bool has_map = reader_map(reader, node, "`resolver`", keys, sizeof keys / sizeof keys[0]);
    const struct node *map = has_map ? node : NULL;
    const struct node *servers = node_get(map, "servers");
    const struct node *resolv_conf = node_get(map, "resolv_conf");
    if (servers != NULL && resolv_conf != NULL)
        (void)reader_error(reader, resolv_conf,
                           "`resolv_conf` and `servers`: expected one of them");
    servers_read(reader, servers, out);
    if (servers == NULL)
        system_servers_read(loader, resolv_conf, node);
    known_read(loader, node_get(map, "hosts"), node_get(map, "hosts_file"));
    if (node_get(map, "timeout") != NULL)
        (void)reader_duration(reader, node_get(map, "timeout"), "`timeout`", 10, MINUTE_MS,
                              &out->timeout_ms);
    if (node_get(map, "tries") != NULL)
        (void)reader_integer(reader, node_get(map, "tries"), "`tries`", 1, TRIES_MAX, &tries);
    out->tries = (uint32_t)tries;
    family_read(reader, node_get(map, "family"), out);
    cache_read(reader, node_get(map, "cache"), out);
    nat64_read(loader, node_get(map, "nat64"));
}
