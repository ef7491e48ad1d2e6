// Values by table; servers, hosts and NAT64 prefixes by hand.
#include "proxy/config/resolving.h"

#include "proxy/config/dns_servers.h"
#include "proxy/config/host_list.h"
#include "proxy/config/idn.h"
#include "proxy/config/named_files.h"
#include "proxy/config/system_resolver.h"
#include "proxy/config/system_text.h"

enum {
    HOSTS_MAX = 10000,                 // names in `hosts`
    HOST_ADDRESSES_MAX = 16,           // of one of them
    HOSTS_FILE_MAX = 16 * 1024 * 1024, // bytes
    RESOLV_CONF_MAX = 1024 * 1024,     // bytes
    CACHE_ENTRY_BYTES = 512,           // on average at most
};

static const char RESOLV_CONF[] = "/etc/resolv.conf";

static const char *const family_words[] = {[RESOLVER_ANY] = "any",
                                           [RESOLVER_IPV4] = "ipv4",
                                           [RESOLVER_IPV6] = "ipv6",
                                           [RESOLVER_PREFER_IPV4] = "prefer_ipv4",
                                           NULL};

#define RESOLVER(key, kind, field, ...)                                                            \
    KEY_ROW(key, kind, struct resolver_options, field, __VA_ARGS__)

static const struct key cache_keys[] = {
    RESOLVER("entries", KEY_NUMBER, cache_entries, .max = 1000000, .fallback = 10000),
    RESOLVER("min_ttl", KEY_DURATION, min_ttl_ms, .max = HOUR_MS),
    RESOLVER("max_ttl", KEY_DURATION, max_ttl_ms, .max = DAY_MS, .fallback = HOUR_MS),
};

const struct section cache_section = SECTION("`cache`", cache_keys);

static const struct key resolver_keys[] = {
    KEY_KNOWN("servers", KEY_OPTIONAL),
    KEY_KNOWN("ca", KEY_OPTIONAL),
    KEY_KNOWN("resolv_conf", KEY_OPTIONAL),
    KEY_KNOWN("hosts", KEY_OPTIONAL),
    KEY_KNOWN("hosts_file", KEY_OPTIONAL),
    RESOLVER("timeout", KEY_DURATION, timeout_ms, .min = 10, .max = MINUTE_MS, .fallback = 1500),
    RESOLVER("tries", KEY_NUMBER, tries, .min = 1, .max = 10, .fallback = 2),
    RESOLVER("family", KEY_CHOICE, family, .words = family_words),
    {.name = "cache", .kind = KEY_SECTION, .section = &cache_section}, // the same struct
    KEY_KNOWN("nat64", KEY_OPTIONAL),
};

const struct section resolver_section = SECTION("`resolver`", resolver_keys);

// system_servers_read takes the servers of the system's file, or of the one that `node` names.
static void system_servers_read(struct reader *reader, const struct node *node,
                                const struct node *resolver, struct resolver_options *options)
{
    struct file_content content = {0};
    struct errinfo info = {0};
    const char *path = RESOLV_CONF;
    size_t skipped = 0;
    if (node != NULL) {
        if (reader_file(reader, node, "`resolv_conf`", RESOLV_CONF_MAX, FILE_PUBLIC, &path,
                        &content))
            skipped = system_servers_add(options, content.bytes);
    } else if (file_read(path, RESOLV_CONF_MAX, FILE_PUBLIC, &content, &info) == ERR_OK) {
        reader_note_file(reader, path, content.bytes);
        skipped = system_servers_add(options, content.bytes);
    } else if (file_is_there(path)) { // other servers than it names are not to be asked
        reader_error(reader, resolver, "`resolver`: %s", info.text);
    }
    file_content_deinit(&content);
    if (skipped > 0)
        reader_warning(
            reader, node != NULL ? node : resolver,
            "`resolver`: %zu of the servers in %s cannot be used (an address with a zone, "
            "or more than %d)"
            "\nname the servers under `servers`",
            skipped, path, DNS_MAX_SERVERS);
    if (system_servers_default(options))
        reader_note(reader, resolver,
                    "`resolver`: there is no server in %s: 127.0.0.1:53 is asked for names"
                    "\nname the servers under `servers`",
                    path);
}

// known is what is gathered of names that need no DNS.
struct known {
    struct reader *reader; // borrowed
    struct host_list list;
    // borrowed; names that stand in `hosts` are not taken from the file
    const struct host_table *first;
};

static bool on_hosts_line(void *arg, const struct ip_addr *address, const struct hostname *name)
{
    struct known *known = arg;
    size_t count = 0;
    (void)host_table_find(known->first, hostname_slice(name), &count);
    return count > 0 || host_list_add(&known->list, address, name);
}

static bool host_name_read(struct reader *reader, const struct node *key, struct hostname *out)
{
    char ascii[IDN_CAP];
    struct errinfo info = {0};
    if (idn_to_ascii(key->text, ascii, &info) == ERR_OK &&
        hostname_parse(slice_of_string(ascii), out) == ERR_OK)
        return true;
    return reader_error(reader, key,
                        "`hosts`: `%s` is not a host name"
                        "\na whole name, without `*`: `db.example.org: [10.2.0.7]`",
                        reader_quote(reader, key->text));
}

static void host_read(struct known *known, const struct node *node)
{
    struct reader *reader = known->reader;
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
            reader_error(reader, entry, "`%s` is not an address", reader_quote(reader, text));
        else
            (void)host_list_add(&known->list, &address, &name);
    }
}

static struct host_table *table_make(struct known *known)
{
    struct host_table *table = host_table_create(known->list.entries, known->list.count);
    if (table == NULL || known->list.error == ERR_MEMORY)
        reader_no_memory(known->reader);
    return table;
}

static void hosts_read(struct known *known, const struct node *node)
{
    struct reader *reader = known->reader;
    if (node == NULL)
        return;
    if (node->kind != NODE_MAP || node->child_count > HOSTS_MAX) {
        reader_error(reader, node,
                     "`hosts`: expected a map of at most %d names"
                     "\n`hosts: {db.example.org: [10.2.0.7]}`",
                     HOSTS_MAX);
        return;
    }
    for (const struct node *entry = node->child; entry != NULL; entry = entry->next)
        host_read(known, entry);
}

static void hosts_file_read(struct known *known, const struct node *node)
{
    struct reader *reader = known->reader;
    struct file_content content = {0};
    struct diagnostics *diagnostics = reader->diagnostics;
    const char *path = NULL;
    if (node == NULL ||
        !reader_file(reader, node, "`hosts_file`", HOSTS_FILE_MAX, FILE_PUBLIC, &path, &content))
        return;
    struct host_table *first = table_make(known);
    known->first = first;
    const struct hosts_text seen = hosts_text_parse(content.bytes, on_hosts_line, known);
    known->first = NULL;
    host_table_unref(first);
    file_content_deinit(&content);
    if (known->list.error == ERR_LIMIT)
        (void)diagnostics_add(diagnostics, SEVERITY_ERROR, path, seen.line, 1,
                              "`hosts_file`: more than %d names, from this line on",
                              HOST_ENTRIES_MAX);
    if (seen.skipped > 0)
        (void)diagnostics_add(diagnostics, SEVERITY_WARNING, path, seen.first_skipped, 1,
                              "`hosts_file`: this line cannot be read and says nothing (%zu in "
                              "this file)"
                              "\na line is an address without a zone, and names: `10.2.0.7 "
                              "db.example.org`",
                              seen.skipped);
}

// known_read makes the table of the names that need no DNS.
static void known_read(struct reader *reader, const struct node *hosts, const struct node *file,
                       struct resolver_options *out)
{
    struct known known = {.reader = reader};
    if (hosts == NULL && file == NULL)
        return;
    hosts_read(&known, hosts);
    hosts_file_read(&known, file);
    out->hosts = table_make(&known);
    host_list_deinit(&known.list);
}

static bool nat64_prefix_read(struct reader *reader, const struct node *node, void *out, void *arg)
{
    struct slice text = {0};
    struct errinfo info = {0};
    (void)arg;
    if (!reader_text(reader, node, "NAT64 prefix", CONFIG_TEXT_MAX, &text))
        return false;
    if (nat64_prefix_parse(text, out, &info) == ERR_OK)
        return true;
    return reader_error(reader, node, "`nat64`: %s", info.text);
}

// nat64_read gives the policy the prefixes of the site's translators: addresses below them are judged
// by the IPv4 address inside.
static void nat64_read(struct reader *reader, const struct node *node, struct policy *policy)
{
    static const struct items prefixes = {.what = "`nat64`",
                                          .max = NAT64_PREFIXES_MAX,
                                          .size = sizeof(struct ip_prefix),
                                          .read = nat64_prefix_read};
    policy->nat64.prefixes = reader_items(reader, node, &prefixes, &policy->nat64.count);
}

void resolver_read(struct reader *reader, const struct node *node, struct snapshot *snapshot)
{
    struct resolver_options *out = &snapshot->resolver;
    const struct node *map = section_read(reader, node, &resolver_section, out) ? node : NULL;
    const struct node *servers = node_get(map, "servers");
    const struct node *resolv_conf = node_get(map, "resolv_conf");
    if (servers != NULL && resolv_conf != NULL)
        reader_error(reader, resolv_conf, "`resolv_conf` and `servers`: expected one of them");
    if (servers == NULL && node_get(map, "ca") != NULL)
        reader_error(reader, node_get(map, "ca"),
                     "`ca` belongs to `servers` that are asked over TLS");
    if (servers != NULL)
        dns_servers_read(reader, map, out);
    else
        system_servers_read(reader, resolv_conf, node, out);
    for (size_t i = 0; i < out->server_count; i++)
        out->servers[i].standing = dns_standing_create(); // without memory nobody counts
    known_read(reader, node_get(map, "hosts"), node_get(map, "hosts_file"), out);
    if (out->min_ttl_ms > out->max_ttl_ms)
        reader_error(reader, node_get(map, "cache"), "`cache`: `min_ttl` is longer than `max_ttl`");
    out->cache_bytes = out->cache_entries * CACHE_ENTRY_BYTES;
    nat64_read(reader, node_get(map, "nat64"), snapshot->policy);
}
