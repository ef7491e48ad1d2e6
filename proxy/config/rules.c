// How rules are written, and the findings for rules that do less or more than their author may think.
// What they mean is said in docs/CONFIG.md and decided in auth/policy.c.
#include "proxy/config/rules.h"

#include "auth/base/text.h"
#include "proxy/config/inner_rules.h"
#include "proxy/config/schedules.h"

// port_range_parse reads `443` or `8000-8999`. A range with its ends exchanged is no good, but set.
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

static bool port_read(struct reader *reader, const struct node *node, void *out, void *arg)
{
    struct port_range *range = out;
    struct slice text = {0};
    (void)arg;
    if (!reader_text(reader, node, "port", CONFIG_TEXT_MAX, &text))
        return false;
    if (slice_equal(text, SLICE_LITERAL("any"))) {
        *range = (struct port_range){.first = 1, .last = UINT16_MAX};
        return true;
    }
    if (port_range_parse(text, range))
        return true;
    return reader_refuse(
        reader, node, "port",
        "expected 1 to 65535 without leading zeros, a range such as 8000-8999, or any",
        range->first > range->last ? "a range begins with its lower port" : "");
}

// ports_read reads a list, or the word `any` alone.
static void ports_read(struct reader *reader, const struct node *node, struct rule *rule)
{
    static const struct items ranges = {.what = "`ports`",
                                        .min = 1,
                                        .max = RULE_PORTS_MAX,
                                        .size = sizeof(struct port_range),
                                        .read = port_read};
    const bool is_any =
        node != NULL && node->kind == NODE_SCALAR && slice_equal(node->text, SLICE_LITERAL("any"));
    struct node alone = is_any ? *node : (struct node){0};
    const struct node list = {.kind = NODE_LIST, .child = &alone, .child_count = 1};
    size_t count = 0;
    alone.next = NULL; // it stands in a map, with other keys after it
    rule->ports = reader_items(reader, is_any ? &list : node, &ranges, &count);
    rule->port_count = (uint32_t)count;
}

// rule_list is what the rules of one `allow` or `deny` share while they are read.
struct rule_list {
    struct sets *sets;
    const struct parent_names *parents;
    struct named_places *names;
    enum rule_kind kind;
    const char *owner;
    const size_t *count; // of those that have been read
};

static void rule_name_read(struct reader *reader, const struct node *node,
                           const struct rule_list *list, struct rule *rule)
{
    const struct node *own = node_get(node, "name");
    if (own != NULL) {
        if (reader_name(reader, own, "rule name", &rule->name))
            reader_note_name(reader, list->names, rule->name, own);
        return;
    }
    char buffer[CLIENT_NAME_MAX + 32];
    struct text name;
    text_init(&name, buffer, sizeof buffer);
    text_append_format(&name, "%s%s%s[%zu]", list->owner, list->owner[0] == '\0' ? "" : ".",
                       list->kind == RULE_ALLOW ? "allow" : "deny", *list->count);
    rule->name = reader_copy(reader, text_slice(&name));
}

// check_wildcards finds wildcards whose owner could choose a special address.
static void check_wildcards(struct reader *reader, const struct node *node,
                            const struct list_facts *hosts, const struct list_facts *addresses)
{
    if (hosts->has_any)
        reader_warning(reader, node,
                       "`*` allows every host name"
                       "\nname the hosts; `mode: report` shows which ones are needed");
    if (hosts->has_wildcard && addresses->opens_range)
        reader_warning(reader, node,
                       "a wildcard together with a special address range: the owner of that DNS "
                       "chooses which of its addresses is reached"
                       "\nname the hosts, or narrow the addresses to single ones");
    else if (hosts->has_any && addresses->opens_special)
        reader_warning(reader, node,
                       "`*` together with a special address: the owner of that DNS "
                       "may be anybody, and leads the client there"
                       "\nname the hosts");
}

// send_proxy_read reads the version of the PROXY header that goes to a target first.
static bool send_proxy_read(struct reader *reader, const struct node *node, bool is_allow)
{
    static const char *const versions[] = {"v2"};
    size_t version = 0;
    if (node == NULL)
        return false;
    if (!is_allow)
        return reader_error(reader, node,
                            "a `deny` rule has no `send_proxy`"
                            "\nit says what is sent to a target: write it in an `allow` rule");
    return reader_choice(reader, node, "`send_proxy`", versions, 1, &version);
}

// ask_read reads whether the authorizer has to say yes, too.
static bool ask_read(struct reader *reader, const struct node *node, bool is_allow)
{
    bool asks = false;
    if (node == NULL)
        return false;
    if (!is_allow)
        return reader_error(reader, node,
                            "a `deny` rule has no `ask`: what it denies is denied"
                            "\nwrite it in an `allow` rule");
    return reader_boolean(reader, node, "`ask`", &asks) && asks;
}

static const struct key keys[] = {
    KEY_KNOWN("hosts", KEY_OPTIONAL),     KEY_KNOWN("ports", KEY_OPTIONAL),
    KEY_KNOWN("addresses", KEY_OPTIONAL), KEY_KNOWN("name", KEY_OPTIONAL),
    KEY_KNOWN("inner", KEY_OPTIONAL),     KEY_KNOWN("send_proxy", KEY_OPTIONAL),
    KEY_KNOWN("via", KEY_OPTIONAL),       KEY_KNOWN("valid", KEY_OPTIONAL),
    KEY_KNOWN("hours", KEY_OPTIONAL),     KEY_KNOWN("ask", KEY_OPTIONAL),
};

const struct section rule_section = SECTION("a rule", keys);

static bool rule_read(struct reader *reader, const struct node *node, void *out, void *arg)
{
    const struct rule_list *list = arg;
    const bool is_allow = list->kind == RULE_ALLOW;
    struct section section = rule_section;
    struct rule *rule = out;
    struct list_facts host_facts = {0};
    struct list_facts address_facts = {0};
    const struct node *hosts = node_get(node, "hosts");
    const struct node *addresses = node_get(node, "addresses");
    const struct node *ports = node_get(node, "ports");
    const struct node *inner = node_get(node, "inner");
    const struct node *via = node_get(node, "via");
    section.what = is_allow ? "an `allow` rule" : "a `deny` rule";
    rule_name_read(reader, node, list, rule);
    if (!section_read(reader, node, &section, NULL))
        return true;
    if (is_allow && hosts == NULL && addresses == NULL)
        reader_error(reader, node,
                     "an `allow` rule needs `hosts`, `addresses` or both"
                     "\n`hosts: [\"*\"]` is any name, `addresses: [public]` any ordinary address");
    if (!is_allow && hosts == NULL && addresses == NULL && ports == NULL)
        reader_error(reader, node, "a `deny` rule needs `hosts`, `addresses` or `ports`");
    if (!is_allow && inner != NULL)
        reader_error(
            reader, inner,
            "a `deny` rule has no `inner`"
            "\nit says what a tunnel may carry: write it in an `allow` rule, or in the client");
    if (is_allow)
        rule->via = via_read(reader, via, list->parents);
    else if (via != NULL)
        reader_error(reader, via,
                     "a `deny` rule has no `via`"
                     "\nit says which way a request takes: write it in an `allow` rule, or in the "
                     "client");
    rule->inner = is_allow ? inner_rules_read(reader, inner, false) : NULL;
    rule->sends_proxy = send_proxy_read(reader, node_get(node, "send_proxy"), is_allow);
    rule->asks = ask_read(reader, node_get(node, "ask"), is_allow);
    if (is_allow)
        rule->schedule = schedule_read(reader, node);
    else
        schedule_refuse(
            reader, node,
            "what it denies would be open when its time ends: give the `allow` its times");
    rule->has_hosts = hosts != NULL;
    rule->has_addresses = addresses != NULL;
    sets_read_hosts(list->sets, hosts, "`hosts`", &rule->hosts, &host_facts);
    sets_read_addresses(list->sets, addresses, "`addresses`", is_allow, &rule->addresses,
                        &address_facts);
    ports_read(reader, ports, rule);
    if (is_allow)
        check_wildcards(reader, hosts, &host_facts, &address_facts);
    return true;
}

void rules_read(struct reader *reader, struct sets *sets, const struct parent_names *parents,
                const struct node *node, enum rule_kind kind, const char *owner,
                struct named_places *names, const struct rule **out, size_t *out_count)
{
    struct rule_list list = {.sets = sets,
                             .parents = parents,
                             .names = names,
                             .kind = kind,
                             .owner = owner,
                             .count = out_count};
    const struct items rules = {.what = kind == RULE_ALLOW ? "`allow`" : "`deny`",
                                .max = RULES_MAX,
                                .size = sizeof(struct rule),
                                .read = rule_read,
                                .arg = &list};
    *out = reader_items(reader, node, &rules, out_count);
}
