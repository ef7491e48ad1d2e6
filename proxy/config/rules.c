// What rules mean is said in docs/CONFIG.md and done in auth/policy.c; here is only how they are
// written, and the findings for rules that do less or more than their writer may think.
#include "proxy/config/rules.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "auth/base/text.h"

void rule_names_deinit(struct rule_names *names)
{
    free(names->places);
    *names = (struct rule_names){0};
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

// is_range_downwards tells whether a range would be one with its ends exchanged.
static bool is_range_downwards(struct slice text)
{
    const size_t dash = slice_find(text, '-');
    uint16_t first = 0;
    uint16_t last = 0;
    return dash < text.len && port_parse(slice_first(text, dash), &first) == ERR_OK &&
           port_parse(slice_from(text, dash + 1), &last) == ERR_OK && first > last;
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
        struct diagnostic *found =
            reader_error(reader, node,
                         "port `%s`: expected 1 to 65535 without leading zeros, a range such as "
                         "8000-8999, or any",
                         reader_quote(text, quoted));
        if (is_range_downwards(text))
            diagnostic_set_hint(found, "a range begins with its lower port");
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

// check_wildcards finds wildcards whose owner could choose a special address.
static void check_wildcards(struct reader *reader, const struct node *node,
                            const struct list_facts *hosts, const struct list_facts *addresses)
{
    if (hosts->has_any)
        diagnostic_set_hint(reader_warning(reader, node, "`*` allows every host name"),
                            "name the hosts; `mode: report` shows which ones are needed");
    if (!hosts->has_wildcard || !addresses->opens_special)
        return;
    diagnostic_set_hint(
        reader_warning(reader, node,
                       "a wildcard together with a special address range: the owner of that "
                       "DNS chooses which of its addresses is reached"),
        "name the hosts, or narrow the addresses to single ones");
}

static void rule_read(struct reader *reader, struct sets *sets, const struct node *node,
                      enum rule_kind kind, struct rule *rule)
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
    struct list_facts host_facts = {0};
    struct list_facts address_facts = {0};
    rule->has_hosts = hosts != NULL;
    rule->has_addresses = addresses != NULL;
    (void)sets_read_hosts(sets, hosts, "`hosts`", &rule->hosts, &host_facts);
    (void)sets_read_addresses(sets, addresses, "`addresses`", kind == RULE_ALLOW, &rule->addresses,
                              &address_facts);
    ports_read(reader, ports, rule);
    if (kind == RULE_ALLOW)
        check_wildcards(reader, hosts, &host_facts, &address_facts);
}

void rules_read(struct reader *reader, struct sets *sets, const struct node *node,
                enum rule_kind kind, const char *owner, struct rule_names *names,
                const struct rule **out, size_t *out_count)
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
        rule_read(reader, sets, entry, kind, rule);
        (*out_count)++;
    }
    *out = rules;
}
