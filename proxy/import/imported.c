// The order of the keys is that of docs/CONFIG.md. Every text of the source is quoted as JSON, which is YAML.
#include "proxy/import/imported.h"

enum {
    LIST_MAX = 1000,   // bytes of a list of files
    FEW = 6,           // entries of a list in one line
    RANGES_MAX = 1000, // of ports in a rule
    SUFFIX_MAX = 4,    // bytes of `-999`
};

static bool has_name(const struct imported *imported, const char *name)
{
    for (const struct imported_client *client = imported->clients; client != NULL;
         client = client->next) {
        if (strcmp(client->name, name) == 0)
            return true;
    }
    return false;
}

static bool is_name_byte(uint8_t byte)
{
    return (byte >= '0' && byte <= '9') || (ascii_lower(byte) >= 'a' && ascii_lower(byte) <= 'z') ||
           byte == '.' || byte == '_' || byte == '-';
}

void imported_name(const struct imported *imported, struct slice text,
                   char out[IMPORTED_NAME_MAX + 1])
{
    char base[IMPORTED_NAME_MAX - SUFFIX_MAX + 1];
    struct text name;
    text_init(&name, base, sizeof base);
    for (size_t i = 0; i < text.len && name.len + 1 < name.cap; i++) {
        const uint8_t byte = is_name_byte(text.data[i]) ? text.data[i] : '-';
        text_append(&name, slice_of(&byte, 1));
    }
    if (name.len == 0)
        text_append_string(&name, "client");
    struct text whole;
    text_init(&whole, out, IMPORTED_NAME_MAX + 1);
    text_append(&whole, text_slice(&name));
    for (unsigned i = 2; has_name(imported, out) && i < 1000; i++) {
        text_init(&whole, out, IMPORTED_NAME_MAX + 1);
        text_append_format(&whole, "%s-%u", base, i);
    }
}

void imported_add_client(struct imported *imported, struct imported_client *client)
{
    struct imported_client **end = &imported->clients;
    while (*end != NULL)
        end = &(*end)->next;
    *end = client;
}

void imported_add_listener(struct imported *imported, struct imported_listener *listener)
{
    struct imported_listener **end = &imported->listeners;
    while (*end != NULL)
        end = &(*end)->next;
    *end = listener;
}

void imported_add_parent(struct imported *imported, struct imported_parent *parent)
{
    struct imported_parent **end = &imported->parents;
    while (*end != NULL)
        end = &(*end)->next;
    *end = parent;
}

void imported_add_rule(struct imported_rule **list, struct imported_rule *rule)
{
    while (*list != NULL)
        list = &(*list)->next;
    *list = rule;
}

void imported_add_match(struct import_notes *notes, struct imported_client *client, const char *key,
                        struct slice value)
{
    struct imported_match **end = &client->matches;
    struct imported_match *match = import_alloc(notes, 1, sizeof *match);
    if (match == NULL)
        return;
    *match = (struct imported_match){.key = key, .value = import_copy(notes, value)};
    while (*end != NULL)
        end = &(*end)->next;
    *end = match;
}

void imported_set_time(struct import_notes *notes, struct imported *imported, const char *key,
                       int64_t milliseconds)
{
    struct imported_time **end = &imported->timeouts;
    while (*end != NULL && strcmp((*end)->key, key) != 0)
        end = &(*end)->next;
    if (*end == NULL)
        *end = import_alloc(notes, 1, sizeof **end);
    if (*end != NULL)
        **end =
            (struct imported_time){.key = key, .milliseconds = milliseconds, .next = (*end)->next};
}

const char *imported_list(struct import_notes *notes, const char *list, struct slice entry)
{
    char buffer[LIST_MAX];
    struct text text;
    text_init(&text, buffer, sizeof buffer);
    if (list != NULL)
        text_append_format(&text, "%s, ", list);
    text_append_json(&text, entry, SIZE_MAX);
    if (text.is_cut)
        notes->is_out_of_memory = true; // nobody has so long a list
    return import_copy(notes, text_slice(&text));
}

static void quote(struct text *out, const char *string)
{
    text_append_json(out, slice_of_string(string), SIZE_MAX);
}

// separate writes what stands in front of the entry `index` of a list; long lists have several lines.
static void separate(struct text *out, size_t index)
{
    if (index > 0)
        text_append_string(out, index % FEW == 0 ? ",\n          " : ", ");
}

static void append_prefixes(struct text *out, const struct import_prefixes *prefixes)
{
    char prefix[IP_PREFIX_TEXT_CAP];
    text_append_string(out, "[");
    for (size_t i = 0; i < prefixes->count; i++) {
        separate(out, i);
        text_append_format(out, "\"%s\"", ip_prefix_format(&prefixes->items[i], prefix));
    }
    text_append_string(out, "]");
}

static void append_hosts(struct text *out, const struct imported_rule *rule)
{
    text_append_string(out, rule->has_any_host ? "hosts: [\"*\"" : "hosts: [");
    for (size_t i = 0; i < rule->hosts.count; i++) {
        const struct import_host *host = &rule->hosts.items[i];
        separate(out, i);
        text_append_string(out, host->is_suffix ? "\"*." : "\"");
        text_append(out, host->name);
        text_append_string(out, "\"");
    }
    text_append_string(out, "]");
}

// append_ports writes the ranges. More than a rule takes: a denial denies every port, an `allow` has the first ones.
static void append_ports(struct text *out, const struct imported_rule *rule, bool is_allow)
{
    struct port_range range;
    uint32_t port = 0;
    size_t count = 0;
    while (import_ports_next(&rule->ports, &port, &range))
        count++;
    if (count > RANGES_MAX && !is_allow)
        return;
    text_append_string(out, "ports: [");
    port = 0;
    for (size_t i = 0; i < RANGES_MAX && import_ports_next(&rule->ports, &port, &range); i++) {
        separate(out, i);
        if (range.first == 1 && range.last == UINT16_MAX)
            text_append_string(out, "any");
        else if (range.first == range.last)
            text_append_format(out, "%u", (unsigned)range.first);
        else
            text_append_format(out, "%u-%u", (unsigned)range.first, (unsigned)range.last);
    }
    text_append_string(out, "]");
}

static void append_rule(struct text *out, const struct imported_rule *rule, bool is_allow)
{
    const char *between = "";
    text_append_string(out, "- {");
    if (rule->has_hosts) {
        append_hosts(out, rule);
        between = ", ";
    }
    if (rule->has_addresses) {
        text_append_format(out, "%saddresses: ", between);
        append_prefixes(out, &rule->addresses);
        between = ", ";
    }
    if (is_allow || rule->has_ports) {
        text_append_string(out, between);
        append_ports(out, rule, is_allow);
    }
    text_append_format(out, "}    # line %u\n", (unsigned)rule->place.line);
}

static void append_rules(struct text *out, const char *key, const char *indent,
                         const struct imported_rule *rules)
{
    if (rules != NULL)
        text_append_format(out, "%s%s:\n", indent, key);
    for (const struct imported_rule *rule = rules; rule != NULL; rule = rule->next) {
        text_append_format(out, "%s  ", indent);
        append_rule(out, rule, strcmp(key, "allow") == 0);
    }
}

static void append_listener(struct text *out, const struct imported_listener *listener,
                            size_t index)
{
    text_append_format(out, "  - name: \"port-%zu\"\n    address: ", index + 1);
    quote(out, listener->address);
    text_append_string(out, "\n    certificates:\n      - {chain: ");
    quote(out, listener->chain == NULL ? "server.crt" : listener->chain);
    text_append_string(out, ", key: ");
    quote(out, listener->key == NULL ? "server.key" : listener->key);
    text_append_string(out, "}\n    trust: clients\n");
    if (listener->min_is_1_3 || listener->max_is_1_2)
        text_append_format(out, "    tls: {%s}\n",
                           listener->min_is_1_3 ? "min: \"1.3\"" : "max: \"1.2\"");
    if (listener->balancers != NULL)
        text_append_format(out, "    proxy_protocol: {from: [%s]}\n", listener->balancers);
}

static void append_listeners(struct text *out, const struct imported *imported)
{
    static const struct imported_listener starter = {.address = "127.0.0.1:8443"};
    const struct imported_listener *first =
        imported->listeners == NULL ? &starter : imported->listeners;
    size_t index = 0;
    text_append_string(out, "listeners:\n");
    for (const struct imported_listener *listener = first; listener != NULL;
         listener = listener->next)
        append_listener(out, listener, index++);
    text_append_string(out, "trust:\n  clients:\n    ca: [");
    text_append_string(out, first->ca == NULL ? "\"ca.crt\"" : first->ca);
    text_append_string(out, "]\n");
    if (first->crl == NULL)
        return;
    text_append_string(out, "    crl: [");
    text_append_string(out, first->crl);
    text_append_format(out, "]\n%s", first->is_leaf_only ? "    crl_scope: leaf\n" : "");
}

static void append_parents(struct text *out, const struct imported_parent *parents)
{
    if (parents != NULL)
        text_append_string(out, "parents:\n");
    for (const struct imported_parent *parent = parents; parent != NULL; parent = parent->next) {
        text_append_format(out, "  - name: \"%s\"\n    to: [", parent->name);
        quote(out, parent->url);
        text_append_string(out, "]\n");
        if (parent->ca != NULL) {
            text_append_string(out, "    ca: [");
            quote(out, parent->ca);
            text_append_string(out, "]\n");
        }
        if (parent->certificate != NULL) {
            text_append_string(out, "    certificate: {chain: ");
            quote(out, parent->certificate);
            text_append_string(out, ", key: ");
            quote(out, parent->key);
            text_append_string(out, "}\n");
        }
    }
}

static void append_way(struct text *out, const struct imported *imported)
{
    char address[IP_TEXT_CAP];
    if (imported->egress.count > 0)
        text_append_string(out, "    egress: {addresses: [");
    for (size_t i = 0; i < imported->egress.count; i++)
        text_append_format(out, "%s\"%s\"", i == 0 ? "" : ", ",
                           ip_addr_format(&imported->egress.items[i].addr, address));
    if (imported->egress.count > 0)
        text_append_string(out, "]}\n");
    if (imported->parents != NULL)
        text_append_string(out, "    via: [");
    for (const struct imported_parent *parent = imported->parents; parent != NULL;
         parent = parent->next)
        text_append_format(out, "%s\"%s\"", parent == imported->parents ? "" : ", ", parent->name);
    if (imported->parents != NULL)
        text_append_string(out, "]\n");
}

static void append_client(struct text *out, const struct imported *imported,
                          const struct imported_client *client)
{
    text_append_format(out, "  - name: \"%s\"\n    match:\n", client->name);
    for (const struct imported_match *match = client->matches; match != NULL; match = match->next) {
        text_append_format(out, "      - {%s: ", match->key);
        if (strcmp(match->key, "any") == 0)
            text_append_string(out, "true");
        else
            quote(out, match->value);
        text_append_string(out, "}\n");
    }
    if (client->sources != NULL) {
        text_append_string(out, "    sources: ");
        append_prefixes(out, client->sources);
        text_append_string(out, "\n");
    }
    if (client->mode != NULL)
        text_append_format(out, "    mode: %s\n", client->mode);
    if (client->tunnels > 0 && imported->age_ms > 0)
        text_append_format(out, "    limits: {tunnels: %ju, age: %jdms}\n",
                           (uintmax_t)client->tunnels, (intmax_t)imported->age_ms);
    else if (client->tunnels > 0)
        text_append_format(out, "    limits: {tunnels: %ju}\n", (uintmax_t)client->tunnels);
    else if (imported->age_ms > 0)
        text_append_format(out, "    limits: {age: %jdms}\n", (intmax_t)imported->age_ms);
    append_way(out, imported);
    append_rules(out, "allow", "    ", client->allow);
    append_rules(out, "deny", "    ", client->deny);
}

static void append_resolver(struct text *out, const struct imported *imported)
{
    if (imported->resolvers == NULL && imported->hosts_file == NULL && imported->family == NULL)
        return;
    text_append_string(out, "resolver:\n");
    if (imported->resolvers != NULL)
        text_append_format(out, "  servers: [%s]\n", imported->resolvers);
    if (imported->hosts_file != NULL) {
        text_append_string(out, "  hosts_file: ");
        quote(out, imported->hosts_file);
        text_append_string(out, "\n");
    }
    if (imported->family != NULL)
        text_append_format(out, "  family: %s\n", imported->family);
}

void imported_format(const struct imported *imported, struct text *out)
{
    text_append_format(
        out,
        "# Made by `sallyport import` from a configuration of %s. Read what it said about the lines\n"
        "# that are not in it. The comments name the lines that a rule comes from.\nversion: 1\n",
        imported->source);
    if (imported->workers > 0)
        text_append_format(out, "workers: %ju\n", (uintmax_t)imported->workers);
    append_listeners(out, imported);
    append_parents(out, imported->parents);
    if (imported->clients == NULL)
        text_append_string(out, "# No client: nobody may go anywhere.\n");
    else
        text_append_string(out, "clients:\n");
    for (const struct imported_client *client = imported->clients; client != NULL;
         client = client->next)
        append_client(out, imported, client);
    append_rules(out, "deny", "", imported->deny);
    append_resolver(out, imported);
    if (imported->timeouts != NULL)
        text_append_string(out, "timeouts:\n");
    for (const struct imported_time *time = imported->timeouts; time != NULL; time = time->next)
        text_append_format(out, "  %s: %jdms\n", time->key, (intmax_t)time->milliseconds);
    if (imported->tunnels > 0)
        text_append_format(out, "limits: {tunnels: %ju}\n", (uintmax_t)imported->tunnels);
    text_append_string(out, "audit: {file: audit.jsonl}\n"
                            "control: {socket: control.sock, state: state.json}\n");
}
