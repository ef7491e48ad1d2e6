// Targets are gathered by host; hosts that need the same ports, and no special address, share a rule. An address
// that is special is put in only once it was connected to: DNS may have named others beside it.
#include "proxy/history/suggestion.h"

#include <search.h>
#include <stdlib.h>

#include "auth/base/array.h"

// waiting is a request whose close tells which address it was, and what its tunnel carried.
struct waiting {
    uint64_t id;
    uint16_t port;
    bool is_tunnel;
    bool needs_address;
    struct suggested *target; // borrowed
};

static int compare_hosts(const void *a, const void *b)
{
    return strcmp(((const struct suggested *)a)->host, ((const struct suggested *)b)->host);
}

static int compare_ids(const void *a, const void *b)
{
    const uint64_t left = ((const struct waiting *)a)->id;
    const uint64_t right = ((const struct waiting *)b)->id;
    return (left > right) - (left < right);
}

static void free_target(void *node)
{
    struct suggested *target = node;
    free(target->ports.items);
    free(target->addresses.items);
    free(target);
}

void suggestion_deinit(struct suggestion *suggestion)
{
    tdestroy(suggestion->waiting, free);
    tdestroy(suggestion->carried_tree, free);
    free(suggestion->carried);
    tdestroy(suggestion->hosts, free_target);
    free(suggestion->targets);
    *suggestion = (struct suggestion){0};
}

static int compare_words(const void *a, const void *b)
{
    return strcmp(((const struct word *)a)->text, ((const struct word *)b)->text);
}

// settle sorts words, and leaves each only once.
static void settle(struct words *words)
{
    size_t kept = 0;
    if (words->count > 0)
        qsort(words->items, words->count, sizeof *words->items, compare_words);
    for (size_t i = 0; i < words->count; i++) {
        if (kept == 0 || compare_words(&words->items[kept - 1], &words->items[i]) != 0)
            words->items[kept++] = words->items[i];
    }
    words->count = kept;
}

// add_word adds at the end. Full words are settled, and grow if that has not halved them: so each add is cheap on average.
static void add_word(struct suggestion *suggestion, struct words *words, const char *text,
                     bool is_special)
{
    const bool is_full = words->count == words->cap;
    if (is_full)
        settle(words);
    if (is_full && words->count >= words->cap / 2) {
        struct word *items = array_make_room(words->items, words->cap, &words->cap, sizeof *items);
        if (items == NULL) {
            suggestion->has_failed = true;
            return;
        }
        words->items = items;
    }
    struct word *added = &words->items[words->count++];
    added->is_special = is_special;
    (void)string_copy(added->text, sizeof added->text, slice_of_string(text));
}

// target_for finds what is known of a host, or begins it; NULL without memory.
static struct suggested *target_for(struct suggestion *suggestion, const struct target *target)
{
    struct suggested like = {.is_address = target->kind == TARGET_ADDRESS};
    (void)target_format_host(target, like.host);
    struct suggested **known = tfind(&like, &suggestion->hosts, compare_hosts);
    if (known != NULL)
        return *known;
    struct suggested **targets = array_make_room(suggestion->targets, suggestion->count,
                                                 &suggestion->cap, sizeof(struct suggested *));
    if (targets == NULL)
        return NULL;
    suggestion->targets = targets;
    struct suggested *added = malloc(sizeof *added);
    if (added != NULL)
        *added = like;
    if (added == NULL || tsearch(added, &suggestion->hosts, compare_hosts) == NULL) {
        free(added);
        return NULL;
    }
    targets[suggestion->count++] = added;
    return added;
}

static bool is_special(const struct ip_addr *address)
{
    return ip_addr_classify(address) != IP_CLASS_ORDINARY;
}

static void add_prefix(struct suggestion *suggestion, struct suggested *target,
                       const struct ip_addr *address)
{
    const struct ip_prefix prefix = {.addr = *address,
                                     .length = address->family == IP_V4 ? 32 : 128};
    char text[IP_PREFIX_TEXT_CAP];
    add_word(suggestion, &target->addresses, ip_prefix_format(&prefix, text), is_special(address));
}

// add_forms lets a rule reach exactly this address, and what is embedded in it as well.
static void add_forms(struct suggestion *suggestion, struct suggested *target,
                      const struct ip_addr *address)
{
    struct ip_addr embedded[IP_EMBEDDED_MAX];
    const size_t count = ip_addr_embedded(address, (struct nat64_list){0}, embedded);
    add_prefix(suggestion, target, address);
    for (size_t i = 0; i < count; i++)
        add_prefix(suggestion, target, &embedded[i]);
}

// add_address lets a rule reach this address: an ordinary one by the word, others by themselves.
static void add_address(struct suggestion *suggestion, struct suggested *target,
                        const struct ip_addr *address)
{
    struct ip_addr embedded[IP_EMBEDDED_MAX];
    if (!is_special(address) && ip_addr_embedded(address, (struct nat64_list){0}, embedded) == 0)
        add_word(suggestion, &target->addresses, "public", false);
    else
        add_forms(suggestion, target, address);
}

// await keeps the request until its close comes.
static void await(struct suggestion *suggestion, const struct waiting *like)
{
    struct waiting *waiting = malloc(sizeof *waiting);
    if (waiting != NULL)
        *waiting = *like;
    struct waiting **kept =
        waiting == NULL ? NULL : tsearch(waiting, &suggestion->waiting, compare_ids);
    suggestion->has_failed |= kept == NULL;
    if (kept == NULL || *kept != waiting)
        free(waiting);
}

// may_be_special tells whether the addresses leave open which kind was used.
static bool may_be_special(const struct history_decision *past)
{
    for (size_t i = 0; i < past->judged_count; i++) {
        if (is_special(&past->judged[i].address))
            return true;
    }
    return false;
}

static void add_target(struct suggestion *suggestion, const struct history_entry *decision,
                       const struct history_decision *past)
{
    char port[8];
    struct suggested *target = target_for(suggestion, &past->target);
    if (target == NULL) {
        suggestion->has_failed = true;
        return;
    }
    target->requests++;
    target->asks |= past->was_put;
    if (past->via[0] != '\0')
        (void)string_copy(target->via, sizeof target->via, slice_of_string(past->via));
    (void)snprintf(port, sizeof port, "%05u", past->target.port); // sorts as text
    add_word(suggestion, &target->ports, port, false);
    if (target->is_address)
        add_forms(suggestion, target, &past->target.address);
    const struct waiting waiting = {
        .id = decision->id,
        .port = past->target.port,
        .is_tunnel = past->is_tunnel && past->action == ACTION_ALLOW,
        .needs_address = !target->is_address && may_be_special(past),
        .target = target,
    };
    suggestion->routed += past->has_asked;
    if (waiting.is_tunnel || waiting.needs_address)
        await(suggestion, &waiting);
}

static bool has_reason(const struct history_decision *past, enum reason reason)
{
    return strcmp(past->reason, reason_name(reason)) == 0;
}

// is_unreachable tells whether all that is known of a denied name's addresses is that they are special: a rule for the
// name alone does not reach them, and nobody has seen which of them is meant.
static bool is_unreachable(const struct history_decision *past)
{
    if (!has_reason(past, REASON_NO_RULE) && !has_reason(past, REASON_SPECIAL_RANGE))
        return false;
    bool has_ordinary = past->judged_count == 0 && !has_reason(past, REASON_SPECIAL_RANGE);
    for (size_t i = 0; i < past->judged_count; i++)
        has_ordinary |= !is_special(&past->judged[i].address);
    return past->action == ACTION_DENY && past->target.kind != TARGET_ADDRESS && !has_ordinary;
}

// sum_of gives where a request that is wanted is counted.
static size_t *sum_of(struct suggestion *suggestion, const struct history_decision *past)
{
    if (is_unreachable(past))
        return &suggestion->unreachable;
    const bool is_unresolved = past->action == ACTION_DENY && past->judged_count == 0 &&
                               past->target.kind != TARGET_ADDRESS;
    return is_unresolved ? &suggestion->unresolved : &suggestion->allowed;
}

// is_wanted tells whether the rules are to let this request pass.
static bool is_wanted(const struct suggestion *suggestion, const struct history_decision *past)
{
    if (past->action == ACTION_ALLOW) // what the proxy says of itself needs no rule
        return !has_reason(past, REASON_WHOAMI);
    return suggestion->takes_denied && past->action == ACTION_DENY &&
           (has_reason(past, REASON_NO_RULE) || is_unreachable(past));
}

static void add_decision(struct suggestion *suggestion, const struct history_entry *entry,
                         const struct history_decision *past)
{
    const bool is_meant =
        (past->client.name != NULL && strcmp(past->client.name, suggestion->client) == 0) ||
        (past->client.entry != NULL && strcmp(past->client.entry, suggestion->client) == 0);
    if (!past->has_target || !is_meant || past->is_passed_on)
        return;
    suggestion->requests++;
    if (!is_wanted(suggestion, past)) {
        suggestion->denied++;
        return;
    }
    ++*sum_of(suggestion, past);
    if (!is_unreachable(past))
        add_target(suggestion, entry, past);
}

static int compare_carried(const void *a, const void *b)
{
    const struct carried *left = a;
    const struct carried *right = b;
    const int hosts = strcmp(left->asked->host, right->asked->host);
    if (hosts != 0)
        return hosts;
    if (left->name.port != right->name.port)
        return left->name.port < right->name.port ? -1 : 1;
    return strcmp(left->name.name.text, right->name.name.text);
}

// carried_for finds what is known of a name inside, or begins it; NULL without memory.
static struct carried *carried_for(struct suggestion *suggestion, const struct carried *like)
{
    struct carried **known = tfind(like, &suggestion->carried_tree, compare_carried);
    if (known != NULL)
        return *known;
    struct carried **all = array_make_room(suggestion->carried, suggestion->carried_count,
                                           &suggestion->carried_cap, sizeof(struct carried *));
    if (all == NULL)
        return NULL;
    suggestion->carried = all;
    struct carried *added = malloc(sizeof *added);
    if (added != NULL)
        *added = *like;
    if (added == NULL || tsearch(added, &suggestion->carried_tree, compare_carried) == NULL) {
        free(added);
        return NULL;
    }
    all[suggestion->carried_count++] = added;
    return added;
}

// add_inside notes what a tunnel carried.
static void add_inside(struct suggestion *suggestion, const struct waiting *waiting,
                       const struct history_close *close)
{
    struct suggested *target = waiting->target;
    const struct client_hello *hello = &close->inner.hello;
    if (close->has_inner && close->inner.kind == INNER_NOTHING && !close->has_answer)
        return; // it carried nothing
    target->tunnels++;
    target->seen += close->has_inner;
    if (!close->has_inner || hello->naming != CLIENT_HELLO_NAMED)
        return;
    if (strcmp(target->host, hello->name.text) == 0) {
        target->same++;
        return;
    }
    const struct carried like = {
        .asked = target,
        .name = {.kind = TARGET_NAME, .port = waiting->port, .name = hello->name},
    };
    struct carried *carried = carried_for(suggestion, &like);
    suggestion->has_failed |= carried == NULL;
    target->named++;
    if (carried != NULL)
        carried->tunnels++;
}

static void add_close(struct suggestion *suggestion, const struct history_entry *entry)
{
    struct history_close close;
    const struct waiting like = {.id = entry->id};
    struct waiting **found = tfind(&like, &suggestion->waiting, compare_ids);
    if (found == NULL)
        return;
    struct waiting *waiting = *found;
    (void)tdelete(waiting, &suggestion->waiting, compare_ids);
    history_close_read(entry, &close);
    if (waiting->needs_address && close.has_upstream)
        add_address(suggestion, waiting->target, &close.upstream);
    if (waiting->is_tunnel)
        add_inside(suggestion, waiting, &close);
    free(waiting);
}

void suggestion_add(struct suggestion *suggestion, const struct history_entry *entry,
                    const struct history_decision *past)
{
    if (past != NULL)
        add_decision(suggestion, entry, past);
    else if (entry->event == AUDIT_EVENT_CLOSE)
        add_close(suggestion, entry);
}

static bool is_same(const struct words *a, const struct words *b)
{
    size_t same = 0;
    while (same < a->count && same < b->count &&
           strcmp(a->items[same].text, b->items[same].text) == 0)
        same++;
    return same == a->count && same == b->count;
}

// may_share tells whether two targets fit into one rule: names that need no address of their own do, and addresses.
static bool may_share(const struct suggested *a, const struct suggested *b)
{
    return a->is_address == b->is_address && a->inner == b->inner && a->asks == b->asks &&
           strcmp(a->via, b->via) == 0 && is_same(&a->ports, &b->ports) &&
           (a->is_address || (a->addresses.count == 0 && b->addresses.count == 0));
}

static int compare_requests(const void *a, const void *b)
{
    const size_t left = (*(struct suggested *const *)a)->requests;
    const size_t right = (*(struct suggested *const *)b)->requests;
    return (left < right) - (left > right);
}

// may_route tells whether the client can be routed by name: it asks for addresses, and all its tunnels name what they
// lead to.
static bool may_route(const struct suggestion *suggestion)
{
    bool asks_addresses = suggestion->routed > 0;
    for (size_t i = 0; i < suggestion->count; i++) {
        const struct suggested *target = suggestion->targets[i];
        if (target->seen != target->same + target->named ||
            (target->is_address ? target->seen != target->requests : target->named > 0))
            return false;
        asks_addresses |= target->is_address;
    }
    return asks_addresses;
}

// put_names lets the names inside tunnels to addresses take the place of these.
static void put_names(struct suggestion *suggestion)
{
    for (size_t i = 0; i < suggestion->carried_count; i++) {
        char port[8];
        struct ip_addr address;
        const struct carried *carried = suggestion->carried[i];
        struct suggested *target = target_for(suggestion, &carried->name);
        if (target == NULL) {
            suggestion->has_failed = true;
            return;
        }
        target->requests += carried->tunnels;
        target->asks |= carried->asked->asks;
        (void)string_copy(target->via, sizeof target->via, slice_of_string(carried->asked->via));
        (void)snprintf(port, sizeof port, "%05u", carried->name.port);
        add_word(suggestion, &target->ports, port, false);
        if (ip_addr_parse(slice_of_string(carried->asked->host), &address) == ERR_OK)
            add_address(suggestion, target, &address);
    }
    size_t kept = 0;
    for (size_t i = 0; i < suggestion->count; i++) {
        if (!suggestion->targets[i]->is_address)
            suggestion->targets[kept++] = suggestion->targets[i];
    }
    suggestion->count = kept;
}

static void settle_all(struct suggestion *suggestion)
{
    for (size_t i = 0; i < suggestion->count; i++) {
        settle(&suggestion->targets[i]->ports);
        settle(&suggestion->targets[i]->addresses);
    }
}

// find_listed finds which names inside the suggestion allows.
static void find_listed(struct suggestion *suggestion)
{
    for (size_t i = 0; i < suggestion->carried_count; i++) {
        struct carried *carried = suggestion->carried[i];
        struct suggested like = {0};
        struct word port;
        (void)target_format_host(&carried->name, like.host);
        (void)snprintf(port.text, sizeof port.text, "%05u", carried->name.port);
        struct suggested *const *known = tfind(&like, &suggestion->hosts, compare_hosts);
        carried->is_listed =
            known != NULL && bsearch(&port, (*known)->ports.items, (*known)->ports.count,
                                     sizeof port, compare_words) != NULL;
        carried->asked->has_unlisted |= !carried->is_listed;
    }
}

static enum suggested_inner inner_for(const struct suggestion *suggestion,
                                      const struct suggested *target)
{
    if (suggestion->routes || target->seen == 0 || target->has_unlisted ||
        target->seen != target->same + target->named)
        return SUGGESTED_NOTHING;
    return target->named == 0 || target->is_address ? SUGGESTED_REQUIRE : SUGGESTED_LISTED;
}

void suggestion_join(struct suggestion *suggestion)
{
    size_t rules = 0;
    suggestion->routes = may_route(suggestion);
    if (suggestion->routes)
        put_names(suggestion);
    settle_all(suggestion);
    find_listed(suggestion);
    for (size_t i = 0; i < suggestion->count; i++)
        suggestion->targets[i]->inner = inner_for(suggestion, suggestion->targets[i]);
    for (size_t i = 0; i < suggestion->count; i++) {
        struct suggested *target = suggestion->targets[i];
        size_t at = 0;
        if (target->addresses.count == 1 && strcmp(target->addresses.items[0].text, "public") == 0)
            target->addresses.count = 0; // what a rule without addresses means
        while (at < rules && !may_share(suggestion->targets[at], target))
            at++;
        target->end = &target->next;
        if (at == rules) {
            suggestion->targets[rules++] = target;
            continue;
        }
        struct suggested *first = suggestion->targets[at];
        first->requests += target->requests;
        *first->end = target;
        first->end = &target->next;
    }
    suggestion->count = rules;
    if (rules > 0)
        qsort(suggestion->targets, rules, sizeof(struct suggested *), compare_requests);
}
