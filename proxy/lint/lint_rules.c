// Checks every list of rules: rules that are redundant or unreachable, wildcards under which anybody can have a name,
// special ranges that are opened, denials that a literal address bypasses.
#include <libpsl.h>

#include "auth/rule_fit.h"
#include "proxy/lint/fronts.h"
#include "proxy/lint/parts.h"
#include "proxy/lint/rule_names.h"
#include "proxy/net/host_table.h"

// A special range opened as wide as this, or wider, is a warning; narrower it is a note.
enum { WIDE_V4_BITS = 16, WIDE_V6_BITS = 64 };

// rule_list is one `allow` or `deny` with its place.
struct rule_list {
    const struct rule *rules;
    size_t count;
    const struct node *node; // the list, or NULL
};

static bool is_same_inner(const struct inner *a, const struct inner *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    return a->tls == b->tls && a->names == b->names && a->plain == b->plain &&
           a->denies_ech == b->denies_ech;
}

// does_same tells whether it makes no difference which of two rules admits an address.
static bool does_same(const struct rule *a, const struct rule *b)
{
    const bool is_same_way = (a->via == NULL) == (b->via == NULL) && via_equal(a->via, b->via);
    return is_same_inner(a->inner, b->inner) && a->sends_proxy == b->sends_proxy &&
           a->asks == b->asks && is_same_way;
}

// look_for_shadows finds rules that other rules of the same list make redundant. Of two equal rules the later one is. A
// narrower rule that comes first decides what its tunnels may carry.
static void look_for_shadows(struct lint *lint, const struct rule_list *list,
                             bool (*covers)(const struct rule *, const struct rule *,
                                            struct budget *))
{
    for (size_t i = 0; i < list->count; i++) {
        const struct rule *rule = &list->rules[i];
        for (size_t j = 0; j < list->count && lint->budget.left > 0; j++) {
            const struct rule *other = &list->rules[j];
            const bool is_same = does_same(rule, other);
            if (i == j || (j > i && !is_same) || !covers(other, rule, &lint->budget) ||
                (j > i && covers(rule, other, &lint->budget)))
                continue;
            lint_find(
                lint, SEVERITY_WARNING, places_item(list->node, i),
                "rule `%s` adds nothing: `%s` says all of it%s"
                "\n%s",
                rule->name, other->name,
                is_same
                    ? ""
                    : ", and comes first, so that its `inner`, `send_proxy`, `via` and `ask` hold",
                is_same ? "remove it, or narrow the other one" : "put the narrower rule first");
            break;
        }
    }
}

// look_for_unasked notes what is not put to the authorizer because a narrower rule comes before the one that asks. That may
// be meant: the first rule decides.
static void look_for_unasked(struct lint *lint, const struct rule_list *allow)
{
    for (size_t i = 0; i < allow->count; i++) {
        const struct rule *rule = &allow->rules[i];
        for (size_t j = i + 1; j < allow->count && !rule->asks; j++) {
            const struct rule *asking = &allow->rules[j];
            if (!asking->asks || !allow_covers(asking, rule, &lint->budget))
                continue;
            lint_find(
                lint, SEVERITY_NOTE, places_item(allow->node, i),
                "nobody asks the authorizer about what rule `%s` admits: it comes before `%s`, "
                "which asks and would admit it, too"
                "\nif it has to be asked about, add `ask: true` to this rule or remove it",
                rule->name, asking->name);
            break;
        }
    }
}

// look_for_denied finds allows that a denial denies completely.
static void look_for_denied(struct lint *lint, const struct rule_list *allow,
                            const struct rule_list *deny)
{
    for (size_t i = 0; i < allow->count; i++) {
        for (size_t j = 0; j < deny->count && lint->budget.left > 0; j++) {
            if (!deny_covers_allow(&deny->rules[j], &allow->rules[i], &lint->budget))
                continue;
            lint_find(lint, SEVERITY_WARNING, places_item(allow->node, i),
                      "rule `%s` allows nothing: `%s` denies all of it"
                      "\na `deny` always wins: narrow it, or remove the rule",
                      allow->rules[i].name, deny->rules[j].name);
            break;
        }
    }
}

static void look_for_bypasses(struct lint *lint, const struct rule_list *deny,
                              const struct rule_list *allow)
{
    for (size_t i = 0; i < deny->count; i++) {
        for (size_t j = 0; j < allow->count; j++) {
            if (!deny_is_bypassed(&deny->rules[i], &allow->rules[j]))
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

static bool is_public_suffix(const struct lint *lint, struct slice name)
{
    char text[HOSTNAME_MAX_LEN + 1];
    return lint->suffixes != NULL && string_copy(text, sizeof text, name) &&
           psl_is_public_suffix2(lint->suffixes, text, PSL_TYPE_ANY | PSL_TYPE_NO_STAR_RULE) == 1;
}

// commons_of tells what makes names under this one free for all; NULL: it belongs to somebody. A last label that is not
// on the list does not count: `internal` belongs to the operator of that DNS.
static const char *commons_of(const struct lint *lint, struct slice name)
{
    if (is_public_suffix(lint, name))
        return "a public suffix";
    return front_is_shared(name) ? "a front that many share" : NULL;
}

// tell_commons reports a wildcard that strangers may fill.
static void tell_commons(struct lint *lint, const struct rule *rule, const struct node *node,
                         const struct host_record *record, struct slice under, const char *commons)
{
    const int len = (int)record->name.len;
    const char *name = (const char *)record->name.data;
    if (under.len == record->name.len)
        lint_find(
            lint, SEVERITY_WARNING, node,
            "rule `%s`: anybody can have a name under `*.%.*s`, which is %s"
            "\nname the intended hosts: `inner` holds a tunnel to such a wildcard to next to nothing",
            rule->name, len, name, commons);
    else
        lint_find(
            lint, SEVERITY_WARNING, node,
            "rule `%s`: anybody can have a name that `%s%.*s` fits: a `*` in it is under `%.*s`, which is %s"
            "\nname the intended hosts: `inner` holds a tunnel to such a wildcard to next to nothing",
            rule->name, record->kind == HOST_PATTERN_SUFFIX ? "*." : "", len, name, (int)under.len,
            (const char *)under.data, commons);
}

// look_for_commons finds wildcards under which anybody may have a name. What is after a `*` decides; another `*` in it
// stands for a label that is on no list.
static void look_for_commons(struct lint *lint, const struct rule *rule, const struct node *node)
{
    struct name_walk walk = {0};
    while (rule_names_next(lint, rule, &walk)) {
        const struct slice name = walk.record.name;
        char plain[HOSTNAME_MAX_LEN + 1];
        const char *commons = NULL;
        if (walk.record.kind == HOST_PATTERN_EXACT || walk.record.kind == HOST_PATTERN_ANY ||
            !string_copy(plain, sizeof plain, name))
            continue;
        for (size_t i = 0; i < name.len; i++)
            plain[i] = plain[i] == '*' ? 'x' : plain[i];
        if (walk.record.kind == HOST_PATTERN_SUFFIX)
            commons = commons_of(lint, slice_of(plain, name.len));
        if (commons != NULL) {
            tell_commons(lint, rule, node, &walk.record, name, commons);
            continue;
        }
        for (size_t i = 0; i < name.len && commons == NULL; i++) {
            if (name.data[i] != '*')
                continue;
            commons = commons_of(lint, slice_of(plain + i + 2, name.len - i - 2));
            if (commons != NULL)
                tell_commons(lint, rule, node, &walk.record, slice_from(name, i + 2), commons);
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

// look_for_unreachable_names finds names whose addresses are known here, and none of them is admitted by the rule.
static void look_for_unreachable_names(struct lint *lint, const struct rule *rule,
                                       const struct node *node)
{
    struct name_walk walk = {0};
    while (rule_names_next(lint, rule, &walk)) {
        size_t count = 0;
        char address[IP_TEXT_CAP];
        const struct slice name = walk.record.name;
        const struct host_entry *entries =
            walk.record.kind != HOST_PATTERN_EXACT
                ? NULL
                : host_table_find_known(lint->snapshot->resolver.hosts, name, &count);
        if (count == 0 || is_admitted(lint, rule, entries, count))
            continue;
        const struct ip_addr *last = &entries[count - 1].address; // of localhost that is IPv4
        const char *text = ip_addr_format(last, address);
        const char *range = ip_addr_special_name(last);
        const bool has_addresses = rule->has_addresses;
        lint_find(lint, SEVERITY_WARNING, node,
                  "rule `%s` never lets anybody reach `%.*s`: that is at %s (%s)"
                  "\n%s\"%s/%d\"%s, if this is intended",
                  rule->name, (int)name.len, (const char *)name.data, text,
                  range == NULL ? "public" : range,
                  has_addresses ? "add "
                                : "without `addresses` a rule reaches public addresses only: "
                                  "add `addresses: [",
                  text, last->family == IP_V4 ? 32 : 128,
                  has_addresses ? " to its `addresses`" : "]`");
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

// look_for_unreachable finds a rule that can never admit anything, and names that it can never admit.
static void look_for_unreachable(struct lint *lint, const struct rule *rule,
                                 const struct node *node)
{
    if (rule->has_addresses && opens_nothing(lint, &rule->addresses))
        lint_find(lint, SEVERITY_WARNING, node,
                  "rule `%s` allows nothing: no rule opens any of its `addresses`"
                  "\nmetadata services, multicast and the like are always closed: name other "
                  "addresses, or remove the rule",
                  rule->name);
    else
        look_for_unreachable_names(lint, rule, node);
}

// is_wide tells whether the range is at least as wide as a prefix of WIDE_V4_BITS or WIDE_V6_BITS.
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

static void look_for_special(struct lint *lint, const struct rule *rule, const struct node *node)
{
    struct ip_addr first;
    struct ip_addr last;
    char from[IP_TEXT_CAP];
    char to[IP_TEXT_CAP];
    if (!find_opened(&lint->listing, rule, &first, &last))
        return;
    const char *range = ip_addr_special_name(&first);
    lint_find(lint, is_wide(&first, &last) ? SEVERITY_WARNING : SEVERITY_NOTE, node,
              "rule `%s` opens %s to %s (%s)"
              "\nname the hosts and their single addresses, where they are known",
              rule->name, ip_addr_format(&first, from), ip_addr_format(&last, to),
              range == NULL ? "special" : range);
}

// denials_of_file gives the denials that an included file has for its own clients.
static struct rule_list denials_of_file(const struct lint *lint, size_t client)
{
    const struct client_file *file = lint->snapshot->policy->clients[client].file;
    return (struct rule_list){file->deny, file->deny_count, lint->places.denials[client]};
}

void lint_rules(struct lint *lint)
{
    const struct policy *policy = lint->snapshot->policy;
    const struct rule_list for_all = {policy->deny, policy->deny_count, lint->places.deny};
    look_for_shadows(lint, &for_all, deny_covers);
    for (size_t i = 0; i < policy->client_count; i++) {
        const struct client *client = &policy->clients[i];
        const struct node *place = lint->places.clients[i];
        const struct rule_list allow = {client->allow, client->allow_count,
                                        node_get(place, "allow")};
        const struct rule_list deny = {client->deny, client->deny_count, node_get(place, "deny")};
        const struct rule_list of_file = denials_of_file(lint, i);
        look_for_shadows(lint, &allow, allow_covers);
        look_for_shadows(lint, &deny, deny_covers);
        look_for_unasked(lint, &allow);
        look_for_denied(lint, &allow, &for_all);
        look_for_denied(lint, &allow, &of_file);
        look_for_denied(lint, &allow, &deny);
        look_for_bypasses(lint, &deny, &allow);
        look_for_bypasses(lint, &of_file, &allow);
        look_for_bypasses(lint, &for_all, &allow);
        for (size_t j = 0; j < allow.count; j++) {
            const struct node *node = places_item(allow.node, j);
            look_for_commons(lint, &allow.rules[j], node);
            look_for_special(lint, &allow.rules[j], node);
            look_for_unreachable(lint, &allow.rules[j], node);
        }
    }
}
