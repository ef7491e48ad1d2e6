// Every list of rules: what is shadowed or unreachable, wildcards that strangers can fill, doors to special ranges,
// denials that a written address walks round.
#include "auth/rule_fit.h"
#include "proxy/lint/parts.h"
#include "proxy/net/host_table.h"

// A special range opened as wide as this, or wider, is a warning; narrower it is a note.
enum { WIDE_V4_BITS = 16, WIDE_V6_BITS = 64 };

// rule_list is one `allow` or `deny` with its place.
struct rule_list {
    const struct rule *rules;
    size_t count;
    const struct node *node; // the list, or NULL
};

static struct rule_list allow_of(const struct lint *lint, size_t client)
{
    const struct client *owner = &lint->snapshot->policy->clients[client];
    return (struct rule_list){owner->allow, owner->allow_count,
                              node_get(lint->places.clients[client], "allow")};
}

static struct rule_list deny_of(const struct lint *lint, size_t client)
{
    const struct client *owner = &lint->snapshot->policy->clients[client];
    return (struct rule_list){owner->deny, owner->deny_count,
                              node_get(lint->places.clients[client], "deny")};
}

static struct rule_list deny_for_all(const struct lint *lint)
{
    const struct policy *policy = lint->snapshot->policy;
    return (struct rule_list){policy->deny, policy->deny_count, lint->places.deny};
}

// look_for_shadows finds rules of a list that others of it make superfluous. Of two that are alike the later one is.
static void look_for_shadows(struct lint *lint, const struct rule_list *list,
                             bool (*covers)(const struct rule *, const struct rule *,
                                            struct budget *))
{
    for (size_t i = 0; i < list->count; i++) {
        const struct rule *rule = &list->rules[i];
        for (size_t j = 0; j < list->count && lint->budget.left > 0; j++) {
            const struct rule *other = &list->rules[j];
            if (i == j || !covers(other, rule, &lint->budget) ||
                (j > i && covers(rule, other, &lint->budget)))
                continue;
            lint_find(lint, SEVERITY_WARNING, places_item(list->node, i),
                      "rule `%s` adds nothing: `%s` says all of it"
                      "\nremove it, or narrow the other one",
                      rule->name, other->name);
            break;
        }
    }
}

// look_for_closed finds allows that a denial closes altogether.
static void look_for_closed(struct lint *lint, const struct rule_list *allow,
                            const struct rule_list *deny)
{
    for (size_t i = 0; i < allow->count; i++) {
        for (size_t j = 0; j < deny->count && lint->budget.left > 0; j++) {
            if (!deny_closes(&deny->rules[j], &allow->rules[i], &lint->budget))
                continue;
            lint_find(lint, SEVERITY_WARNING, places_item(allow->node, i),
                      "rule `%s` allows nothing: `%s` denies all of it"
                      "\na `deny` always wins: narrow it, or remove the rule",
                      allow->rules[i].name, deny->rules[j].name);
            break;
        }
    }
}

static void look_for_ways_round(struct lint *lint, const struct rule_list *deny,
                                const struct rule_list *allow)
{
    for (size_t i = 0; i < deny->count; i++) {
        for (size_t j = 0; j < allow->count; j++) {
            if (!deny_is_walked_round(&deny->rules[i], &allow->rules[j]))
                continue;
            lint_find(
                lint, SEVERITY_WARNING, places_item(deny->node, i),
                "rule `%s` denies names, and `%s` allows literal addresses: a client that knows the address of such a name reaches it"
                "\ndeny the `addresses` too, in a separate rule",
                deny->rules[i].name, allow->rules[j].name);
            break;
        }
    }
}

static void look_for_suffixes(struct lint *lint, const struct rule_list *allow)
{
    for (size_t i = 0; lint->list != NULL && i < allow->count; i++) {
        const struct host_sets *sets = &allow->rules[i].hosts;
        for (size_t j = 0; j < sets->count; j++) {
            struct host_record record;
            size_t cursor = 0;
            while (lint->listing.left > 0 && host_set_next(sets->items[j], &cursor, &record)) {
                lint->listing.left--;
                if (record.kind != HOST_PATTERN_SUFFIX ||
                    !public_suffix_list_has(lint->list, record.name))
                    continue;
                lint_find(lint, SEVERITY_WARNING, places_item(allow->node, i),
                          "rule `%s`: anybody can have a name under `*.%.*s`, which is a public "
                          "suffix"
                          "\nname the intended domains",
                          allow->rules[i].name, (int)record.name.len,
                          (const char *)record.name.data);
            }
        }
    }
}

// is_admitted tells whether the rule admits one of these addresses.
static bool is_admitted(const struct lint *lint, const struct rule *rule,
                        const struct host_entry *entries, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct forms forms;
        forms_of(&entries[i].address, lint->snapshot->policy->nat64, &forms);
        if (allow_find_closed(rule, &forms) == NULL)
            return true;
    }
    return false;
}

// look_for_unreachable_names finds names whose addresses are known here, and of which the rule admits none.
static void look_for_unreachable_names(struct lint *lint, const struct rule *rule,
                                       const struct node *node)
{
    for (size_t i = 0; i < rule->hosts.count; i++) {
        struct host_record record;
        size_t cursor = 0;
        while (lint->listing.left > 0 && host_set_next(rule->hosts.items[i], &cursor, &record)) {
            size_t count = 0;
            char address[IP_TEXT_CAP];
            lint->listing.left--;
            const struct host_entry *entries =
                record.kind != HOST_PATTERN_EXACT
                    ? NULL
                    : host_table_find_known(lint->snapshot->resolver.hosts, record.name, &count);
            if (count == 0 || is_admitted(lint, rule, entries, count))
                continue;
            const struct ip_addr *last = &entries[count - 1].address; // of localhost that is IPv4
            const char *text = ip_addr_format(last, address);
            const char *range = ip_addr_special_name(last);
            const bool has_addresses = rule->has_addresses;
            lint_find(lint, SEVERITY_WARNING, node,
                      "rule `%s` never lets anybody reach `%.*s`: that is at %s (%s)"
                      "\n%s\"%s/%d\"%s, if this is intended",
                      rule->name, (int)record.name.len, (const char *)record.name.data, text,
                      range == NULL ? "public" : range,
                      has_addresses ? "add "
                                    : "without `addresses` a rule reaches public addresses only: "
                                      "add `addresses: [",
                      text, last->family == IP_V4 ? 32 : 128,
                      has_addresses ? " to its `addresses`" : "]`");
        }
    }
}

// is_closed_range tells whether no rule can open any address of a range: it lies in one that is always closed.
static bool is_closed_range(const struct ip_addr *first, const struct ip_addr *last)
{
    const enum ip_class ip_class = ip_addr_classify(first);
    const char *name = ip_addr_special_name(first);
    const char *last_name = ip_addr_special_name(last);
    return (ip_class == IP_CLASS_CLOSED || ip_class == IP_CLASS_METADATA) &&
           ip_addr_classify(last) == ip_class && last_name != NULL && strcmp(name, last_name) == 0;
}

// opens_nothing tells whether there are addresses in these sets, and none that a rule can open.
static bool opens_nothing(struct lint *lint, const struct ip_sets *sets)
{
    bool has_range = false;
    for (size_t i = 0; i < sets->count; i++) {
        for (size_t j = 0; j < ip_set_count(sets->items[i]); j++) {
            struct ip_addr first;
            struct ip_addr last;
            if (lint->listing.left == 0)
                return false;
            lint->listing.left--;
            ip_set_range(sets->items[i], j, &first, &last);
            if (!is_closed_range(&first, &last))
                return false;
            has_range = true;
        }
        if (ip_set_has_public(sets->items[i]))
            return false;
    }
    return has_range;
}

// look_for_unreachable finds allows that can never admit anything, and names that they can never admit.
static void look_for_unreachable(struct lint *lint, const struct rule_list *allow)
{
    for (size_t i = 0; i < allow->count; i++) {
        const struct rule *rule = &allow->rules[i];
        const struct node *node = places_item(allow->node, i);
        if (rule->has_addresses && opens_nothing(lint, &rule->addresses))
            lint_find(lint, SEVERITY_WARNING, node,
                      "rule `%s` allows nothing: no rule opens any of its `addresses`"
                      "\nmetadata services, multicast and the like are always closed: name other "
                      "addresses, or remove the rule",
                      rule->name);
        else
            look_for_unreachable_names(lint, rule, node);
    }
}

// spans_bits tells whether the range is at least as wide as a prefix of `v4` or `v6` bits.
static bool is_wide(const struct ip_addr *first, const struct ip_addr *last)
{
    const size_t bytes = first->family == IP_V4 ? WIDE_V4_BITS / 8 : WIDE_V6_BITS / 8;
    const size_t all = first->family == IP_V4 ? 4 : 16;
    for (size_t i = bytes; i < all; i++) {
        if (first->bytes[i] != 0 || last->bytes[i] != 0xff)
            return memcmp(first->bytes, last->bytes, bytes) != 0;
    }
    return true;
}

// find_opened gives the first special range that the rule opens.
static bool find_opened(struct budget *budget, const struct rule *rule, struct ip_addr *first,
                        struct ip_addr *last)
{
    for (size_t i = 0; i < rule->addresses.count; i++) {
        const struct ip_set *set = rule->addresses.items[i];
        for (size_t j = 0; j < ip_set_count(set) && budget->left > 0; j++) {
            budget->left--;
            ip_set_range(set, j, first, last);
            const enum ip_class ip_class = ip_addr_classify(first);
            if (ip_class == IP_CLASS_SPECIAL && ip_set_opens(set, first, ip_class))
                return true;
        }
    }
    return false;
}

static void look_for_special(struct lint *lint, const struct rule_list *allow)
{
    for (size_t i = 0; i < allow->count; i++) {
        const struct rule *rule = &allow->rules[i];
        struct ip_addr first;
        struct ip_addr last;
        char from[IP_TEXT_CAP];
        char to[IP_TEXT_CAP];
        if (!find_opened(&lint->listing, rule, &first, &last))
            continue;
        const char *range = ip_addr_special_name(&first);
        lint_find(lint, is_wide(&first, &last) ? SEVERITY_WARNING : SEVERITY_NOTE,
                  places_item(allow->node, i),
                  "rule `%s` opens %s to %s (%s)"
                  "\nname the hosts and their single addresses, where they are known",
                  rule->name, ip_addr_format(&first, from), ip_addr_format(&last, to),
                  range == NULL ? "special" : range);
    }
}

void lint_rules(struct lint *lint)
{
    const struct rule_list for_all = deny_for_all(lint);
    look_for_shadows(lint, &for_all, deny_covers);
    for (size_t i = 0; i < lint->snapshot->policy->client_count; i++) {
        const struct rule_list allow = allow_of(lint, i);
        const struct rule_list deny = deny_of(lint, i);
        look_for_shadows(lint, &allow, allow_covers);
        look_for_shadows(lint, &deny, deny_covers);
        look_for_closed(lint, &allow, &for_all);
        look_for_closed(lint, &allow, &deny);
        look_for_ways_round(lint, &deny, &allow);
        look_for_ways_round(lint, &for_all, &allow);
        look_for_suffixes(lint, &allow);
        look_for_special(lint, &allow);
        look_for_unreachable(lint, &allow);
    }
}
