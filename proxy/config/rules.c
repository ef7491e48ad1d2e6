// What rules mean is said in docs/CONFIG.md and done in auth/policy.c; here is only how they are
// written, and the findings for rules that do less or more than their writer may think.
#include "proxy/config/rules.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "auth/base/text.h"
#include "proxy/config/idn.h"

void rule_names_deinit(struct rule_names *names)
{
    free(names->places);
    *names = (struct rule_names){0};
}

// refuse_set reports an entry that names a set or a file, which come later.
static bool refuse_set(struct reader *reader, const struct node *node)
{
    if (node->kind == NODE_MAP && node_get(node, "file") != NULL) {
        reader_not_yet(reader, node, "a list from a `file`");
        return true;
    }
    if (node->kind == NODE_SCALAR && node->text.len > 0 && node->text.data[0] == '@') {
        reader_not_yet(reader, node, "a set (`@name`)");
        return true;
    }
    return false;
}

bool host_pattern_read(struct reader *reader, const struct node *node, const char *what,
                       struct host_pattern *out)
{
    char quoted[CONFIG_QUOTE_CAP];
    char ascii[IDN_CAP];
    struct slice text = {0};
    struct errinfo info = {0};
    if (!reader_text(reader, node, what, CONFIG_TEXT_MAX, &text))
        return false;
    if (idn_to_ascii(text, ascii, &info) != ERR_OK) {
        (void)reader_error(reader, node, "%s `%s`: %s", what, reader_quote(text, quoted),
                           info.text);
        return false;
    }
    if (host_pattern_parse(slice_of_string(ascii), out, &info) == ERR_OK)
        return true;
    (void)reader_error(reader, node, "%s: %s", what, info.text); // which repeats the name
    return false;
}

static void hosts_read(struct reader *reader, const struct node *node, struct rule *rule)
{
    rule->has_hosts = node != NULL;
    if (!reader_list(reader, node, "`hosts`", 1, RULE_HOSTS_MAX))
        return;
    struct host_pattern *hosts = reader_alloc(reader, node->child_count, sizeof *hosts);
    if (hosts == NULL)
        return;
    for (const struct node *entry = node->child; entry != NULL; entry = entry->next) {
        if (!refuse_set(reader, entry) &&
            host_pattern_read(reader, entry, "host", &hosts[rule->host_count]))
            rule->host_count++;
    }
    rule->hosts = hosts;
}

bool address_set_read(struct reader *reader, const struct node *node, const char *what,
                      struct address_set *out)
{
    *out = (struct address_set){0};
    if (!reader_list(reader, node, what, 1, RULE_ADDRESSES_MAX))
        return false;
    struct ip_prefix *prefixes = reader_alloc(reader, node->child_count, sizeof *prefixes);
    if (prefixes == NULL)
        return false;
    for (const struct node *entry = node->child; entry != NULL; entry = entry->next) {
        struct slice text = {0};
        struct errinfo info = {0};
        if (refuse_set(reader, entry) ||
            !reader_text(reader, entry, "address", CONFIG_TEXT_MAX, &text))
            continue;
        if (slice_equal(text, SLICE_LITERAL("public")))
            out->has_public = true;
        else if (ip_prefix_parse(text, &prefixes[out->prefix_count], &info) == ERR_OK)
            out->prefix_count++;
        else
            (void)reader_error(reader, entry, "address: %s", info.text); // which repeats it
    }
    out->prefixes = prefixes;
    return true;
}

// port_range_parse reads `443` or `8000-8999`.
static bool port_range_parse(struct slice s, struct port_range *out)
{
    const size_t dash = slice_find(s, '-');
    if (port_parse(slice_first(s, dash), &out->first) != ERR_OK)
        return false;
    out->last = out->first;
    if (dash == s.len)
        return true;
    return port_parse(slice_from(s, dash + 1), &out->last) == ERR_OK && out->first <= out->last;
}

static void port_read(struct reader *reader, const struct node *node, struct rule *rule,
                      struct port_range *ports)
{
    char quoted[CONFIG_QUOTE_CAP];
    struct slice text = {0};
    if (!reader_text(reader, node, "port", CONFIG_TEXT_MAX, &text))
        return;
    struct port_range *range = &ports[rule->port_count];
    if (slice_equal(text, SLICE_LITERAL("any")))
        *range = (struct port_range){.first = 1, .last = UINT16_MAX};
    else if (!port_range_parse(text, range)) {
        (void)reader_error(reader, node,
                           "port `%s`: expected 1 to 65535 without leading zeros, a range such as "
                           "8000-8999, or any",
                           reader_quote(text, quoted));
        return;
    }
    rule->port_count++;
}

static void ports_read(struct reader *reader, const struct node *node, struct rule *rule)
{
    const bool is_any =
        node != NULL && node->kind == NODE_SCALAR && slice_equal(node->text, SLICE_LITERAL("any"));
    if (!is_any && !reader_list(reader, node, "`ports`", 1, RULE_PORTS_MAX))
        return;
    struct port_range *ports = reader_alloc(reader, is_any ? 1 : node->child_count, sizeof *ports);
    if (ports == NULL)
        return;
    if (is_any) {
        port_read(reader, node, rule, ports);
    } else {
        for (const struct node *entry = node->child; entry != NULL; entry = entry->next)
            port_read(reader, entry, rule, ports);
    }
    rule->ports = ports;
}

// remember_name keeps a rule's own name for the check that names are unique.
static void remember_name(struct reader *reader, struct rule_names *names, const char *name,
                          const struct node *node)
{
    if (names->count == names->cap) {
        const size_t cap = names->cap == 0 ? 64 : names->cap * 2;
        struct named_place *grown = reallocarray(names->places, cap, sizeof *grown);
        if (grown == NULL) {
            (void)reader_no_memory(reader);
            return;
        }
        names->places = grown;
        names->cap = cap;
    }
    names->places[names->count++] = (struct named_place){.name = name, .node = node};
}

static void rule_name_read(struct reader *reader, const struct node *node, enum rule_kind kind,
                           const char *owner, size_t index, struct rule_names *names,
                           struct rule *rule)
{
    const struct node *own = node_get(node, "name");
    if (own != NULL) {
        if (reader_name(reader, own, "rule name", &rule->name))
            remember_name(reader, names, rule->name, own);
        return;
    }
    char buffer[CONFIG_NAME_MAX + 32];
    struct text name;
    text_init(&name, buffer, sizeof buffer);
    text_append_format(&name, "%s%s%s[%zu]", owner, owner[0] == '\0' ? "" : ".",
                       kind == RULE_ALLOW ? "allow" : "deny", index);
    rule->name = reader_copy(reader, text_slice(&name));
}

// check_prefixes finds prefixes of an allow that open less than they seem to.
static void check_prefixes(struct reader *reader, const struct node *node, const struct rule *rule)
{
    for (size_t i = 0; i < rule->addresses.prefix_count; i++) {
        const struct ip_prefix *prefix = &rule->addresses.prefixes[i];
        const uint8_t full = prefix->addr.family == IP_V4 ? 32 : 128;
        const enum ip_class first = ip_addr_classify(&prefix->addr);
        char text[IP_PREFIX_TEXT_CAP];
        if (prefix->length == full && (first == IP_CLASS_CLOSED || first == IP_CLASS_METADATA))
            diagnostic_set_hint(reader_warning(reader, node,
                                               "`%s` is never reachable, whatever a rule says",
                                               ip_prefix_format(prefix, text)),
                                "take it out");
        else if (prefix->length != full && first != IP_CLASS_ORDINARY &&
                 !ip_prefix_opens_special(prefix))
            diagnostic_set_hint(
                reader_warning(reader, node,
                               "`%s` is wider than a special range: it opens only the ordinary "
                               "addresses in it",
                               ip_prefix_format(prefix, text)),
                "write `public` for all ordinary addresses, and each special range by itself");
    }
}

// check_wildcards finds wildcards whose owner could choose a special address.
static void check_wildcards(struct reader *reader, const struct node *node, const struct rule *rule)
{
    bool opens_special = false;
    for (size_t i = 0; i < rule->addresses.prefix_count; i++)
        opens_special |= ip_prefix_opens_special(&rule->addresses.prefixes[i]);
    for (size_t i = 0; i < rule->host_count; i++) {
        if (rule->hosts[i].kind == HOST_PATTERN_EXACT)
            continue;
        if (rule->hosts[i].kind == HOST_PATTERN_ANY)
            (void)reader_warning(reader, node, "`*` allows every host name");
        if (!opens_special)
            continue;
        diagnostic_set_hint(
            reader_warning(reader, node,
                           "a wildcard together with a special address range: whoever owns that "
                           "DNS chooses which of its addresses is reached"),
            "name the hosts, or narrow the addresses to single ones");
        break;
    }
}

static void rule_read(struct reader *reader, const struct node *node, enum rule_kind kind,
                      struct rule *rule)
{
    static const struct key keys[] = {
        {"hosts", KEY_OPTIONAL},
        {"ports", KEY_OPTIONAL},
        {"addresses", KEY_OPTIONAL},
        {"name", KEY_OPTIONAL},
    };
    const char *what = kind == RULE_ALLOW ? "an `allow` rule" : "a `deny` rule";
    if (!reader_map(reader, node, what, keys, sizeof keys / sizeof keys[0]))
        return;
    const struct node *hosts = node_get(node, "hosts");
    const struct node *addresses = node_get(node, "addresses");
    const struct node *ports = node_get(node, "ports");
    if (kind == RULE_ALLOW && hosts == NULL && addresses == NULL)
        diagnostic_set_hint(
            reader_error(reader, node, "an `allow` rule needs `hosts`, `addresses` or both"),
            "`hosts: [\"*\"]` is any name, `addresses: [public]` any ordinary address");
    if (kind == RULE_DENY && hosts == NULL && addresses == NULL && ports == NULL)
        (void)reader_error(reader, node, "a `deny` rule needs `hosts`, `addresses` or `ports`");
    hosts_read(reader, hosts, rule);
    rule->has_addresses = addresses != NULL;
    (void)address_set_read(reader, addresses, "`addresses`", &rule->addresses);
    ports_read(reader, ports, rule);
    if (kind == RULE_ALLOW) {
        check_prefixes(reader, addresses, rule);
        check_wildcards(reader, hosts, rule);
    }
}

void rules_read(struct reader *reader, const struct node *node, enum rule_kind kind,
                const char *owner, struct rule_names *names, const struct rule **out,
                size_t *out_count)
{
    const char *what = kind == RULE_ALLOW ? "`allow`" : "`deny`";
    *out = NULL;
    *out_count = 0;
    if (!reader_list(reader, node, what, 0, RULES_MAX))
        return;
    struct rule *rules = reader_alloc(reader, node->child_count, sizeof *rules);
    if (rules == NULL)
        return;
    for (const struct node *entry = node->child; entry != NULL; entry = entry->next) {
        struct rule *rule = &rules[*out_count];
        rule_name_read(reader, entry, kind, owner, *out_count, names, rule);
        rule_read(reader, entry, kind, rule);
        (*out_count)++;
    }
    *out = rules;
}
