// Targets are gathered by host; hosts that need the same ports, and no special address, share a rule. An address
// that is special is put in only once it was connected to: DNS may have named others beside it.
#include "proxy/history/suggestion.h"

#include <stdlib.h>

struct suggestion {
    const char *client; // borrowed
    bool takes_denied;
    struct suggestion_sums sums;
    json_t *
        hosts; // host -> {"is_address", "requests", "ports": {port: true}, "addresses": {prefix: true}}
    json_t *waiting; // id -> host, of requests whose close tells which address it was
};

struct suggestion *suggestion_create(const char *client, bool takes_denied)
{
    struct suggestion *suggestion = calloc(1, sizeof *suggestion);
    if (suggestion == NULL)
        return NULL;
    suggestion->client = client;
    suggestion->takes_denied = takes_denied;
    suggestion->hosts = json_object();
    suggestion->waiting = json_object();
    if (suggestion->hosts != NULL && suggestion->waiting != NULL)
        return suggestion;
    suggestion_destroy(suggestion);
    return NULL;
}

void suggestion_destroy(struct suggestion *suggestion)
{
    if (suggestion == NULL)
        return;
    json_decref(suggestion->hosts);
    json_decref(suggestion->waiting);
    free(suggestion);
}

// set puts `value`, whose reference it takes, into an object.
static enum err set(json_t *object, const char *key, json_t *value)
{
    return json_object_set_new(object, key, value) == 0 ? ERR_OK : ERR_MEMORY;
}

static enum err add_host(struct suggestion *suggestion, const char *host, bool is_address,
                         json_t **out)
{
    *out = json_object_get(suggestion->hosts, host);
    if (*out != NULL)
        return ERR_OK;
    TRY(set(suggestion->hosts, host,
            json_pack("{s:b,s:i,s:{},s:{}}", "is_address", is_address, "requests", 0, "ports",
                      "addresses")));
    *out = json_object_get(suggestion->hosts, host);
    return ERR_OK;
}

static enum err add_prefix(json_t *host, const struct ip_addr *address)
{
    const struct ip_prefix prefix = {.addr = *address,
                                     .length = address->family == IP_V4 ? 32 : 128};
    char text[IP_PREFIX_TEXT_CAP];
    return set(json_object_get(host, "addresses"), ip_prefix_format(&prefix, text), json_true());
}

// add_forms lets a rule reach exactly this address, and what is embedded in it as well.
static enum err add_forms(json_t *host, const struct ip_addr *address)
{
    struct ip_addr embedded[IP_EMBEDDED_MAX];
    const size_t count = ip_addr_embedded(address, (struct nat64_list){0}, embedded);
    TRY(add_prefix(host, address));
    for (size_t i = 0; i < count; i++)
        TRY(add_prefix(host, &embedded[i]));
    return ERR_OK;
}

// add_address lets a rule reach this address: an ordinary one by the word, others by themselves.
static enum err add_address(json_t *host, const struct ip_addr *address)
{
    struct ip_addr embedded[IP_EMBEDDED_MAX];
    if (ip_addr_classify(address) == IP_CLASS_ORDINARY &&
        ip_addr_embedded(address, (struct nat64_list){0}, embedded) == 0)
        return set(json_object_get(host, "addresses"), "public", json_true());
    return add_forms(host, address);
}

static bool is_special(const struct ip_addr *address)
{
    return ip_addr_classify(address) != IP_CLASS_ORDINARY;
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

static const char *id_of(const struct history_entry *entry)
{
    return history_text(entry->root, "id");
}

static enum err add_target(struct suggestion *suggestion, const struct history_entry *decision,
                           const struct history_decision *past)
{
    char host[TARGET_TEXT_CAP];
    char port[8];
    json_t *entry = NULL;
    const bool is_address = past->target.kind == TARGET_ADDRESS;
    TRY(add_host(suggestion, target_format_host(&past->target, host), is_address, &entry));
    json_t *requests = json_object_get(entry, "requests");
    if (json_integer_set(requests, json_integer_value(requests) + 1) != 0)
        return ERR_MEMORY;
    (void)snprintf(port, sizeof port, "%05u", past->target.port); // sorts as text
    TRY(set(json_object_get(entry, "ports"), port, json_true()));
    if (is_address)
        return add_forms(entry, &past->target.address);
    return may_be_special(past) ? set(suggestion->waiting, id_of(decision), json_string(host))
                                : ERR_OK;
}

static bool has_reason(const struct history_decision *past, enum reason reason)
{
    return strcmp(past->reason, reason_name(reason)) == 0;
}

// is_unreachable tells whether all that is known of a denied name's addresses is that they are special: a rule for the
// name alone does not reach them, and nobody has seen which of them is meant.
static bool is_unreachable(const struct history_decision *past)
{
    bool has_ordinary = past->judged_count == 0 && !has_reason(past, REASON_SPECIAL_RANGE);
    for (size_t i = 0; i < past->judged_count; i++)
        has_ordinary |= !is_special(&past->judged[i].address);
    return past->action == ACTION_DENY && past->target.kind != TARGET_ADDRESS && !has_ordinary;
}

// sum_of gives where a request that is wanted is counted.
static size_t *sum_of(struct suggestion_sums *sums, const struct history_decision *past)
{
    if (is_unreachable(past))
        return &sums->unreachable;
    const bool is_unresolved = past->action == ACTION_DENY && past->judged_count == 0 &&
                               past->target.kind != TARGET_ADDRESS;
    return is_unresolved ? &sums->unresolved : &sums->allowed;
}

// is_wanted tells whether the rules are to let this request pass.
static bool is_wanted(const struct suggestion *suggestion, const struct history_decision *past)
{
    if (past->action == ACTION_ALLOW) // what the proxy says of itself needs no rule
        return !has_reason(past, REASON_WHOAMI);
    return suggestion->takes_denied && past->action == ACTION_DENY &&
           (has_reason(past, REASON_NO_RULE) || is_unreachable(past));
}

static enum err add_decision(struct suggestion *suggestion, const struct history_entry *entry,
                             struct errinfo *info)
{
    struct history_decision past;
    enum err error = history_decision_read(entry, &past, info);
    if (error == ERR_OK && past.has_target && past.client != NULL &&
        strcmp(past.client, suggestion->client) == 0) {
        suggestion->sums.requests++;
        if (is_wanted(suggestion, &past)) {
            ++*sum_of(&suggestion->sums, &past);
            if (!is_unreachable(&past))
                error = add_target(suggestion, entry, &past);
        } else {
            suggestion->sums.denied++;
        }
    }
    history_decision_deinit(&past);
    return error;
}

static enum err add_close(struct suggestion *suggestion, const struct history_entry *entry)
{
    struct ip_addr address;
    const char *host = json_string_value(json_object_get(suggestion->waiting, id_of(entry)));
    if (host == NULL)
        return ERR_OK;
    enum err error = ERR_OK;
    if (history_close_upstream(entry, &address))
        error = add_address(json_object_get(suggestion->hosts, host), &address);
    (void)json_object_del(suggestion->waiting, id_of(entry));
    return error;
}

enum err suggestion_add(struct suggestion *suggestion, const struct history_entry *entry,
                        struct errinfo *info)
{
    if (entry->event == AUDIT_EVENT_DECISION)
        return add_decision(suggestion, entry, info);
    return entry->event == AUDIT_EVENT_CLOSE ? add_close(suggestion, entry) : ERR_OK;
}

struct suggestion_sums suggestion_sums(const struct suggestion *suggestion)
{
    return suggestion->sums;
}

static int compare_strings(const void *a, const void *b)
{
    return strcmp(json_string_value(*(json_t *const *)a), json_string_value(*(json_t *const *)b));
}

static int compare_requests(const void *a, const void *b)
{
    const json_int_t left = json_integer_value(json_object_get(*(json_t *const *)a, "requests"));
    const json_int_t right = json_integer_value(json_object_get(*(json_t *const *)b, "requests"));
    return (left < right) - (left > right);
}

// sorted gives the same values in order, in an array of its own; NULL without memory. It takes the reference to `list`.
static json_t *sorted(json_t *list, int (*compare)(const void *, const void *))
{
    const size_t count = json_array_size(list);
    json_t **values = calloc(count + 1, sizeof(json_t *));
    json_t *out = values == NULL ? NULL : json_array();
    for (size_t i = 0; out != NULL && i < count; i++)
        values[i] = json_array_get(list, i);
    if (out != NULL)
        qsort(values, count, sizeof(json_t *), compare);
    for (size_t i = 0; out != NULL && i < count; i++) {
        if (json_array_append(out, values[i]) != 0) {
            json_decref(out);
            out = NULL;
        }
    }
    free(values);
    json_decref(list);
    return out;
}

// keys gives the keys of an object, sorted.
static json_t *keys(json_t *object)
{
    const char *key = NULL;
    json_t *value = NULL;
    json_t *list = json_array();
    json_object_foreach(object, key, value)
    {
        if (list == NULL || json_array_append_new(list, json_string(key)) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return sorted(list, compare_strings);
}

// port_numbers turns the keys of `ports` into numbers, in place.
static enum err port_numbers(json_t *ports)
{
    for (size_t i = 0; i < json_array_size(ports); i++) {
        const char *port = json_string_value(json_array_get(ports, i));
        if (json_array_set_new(ports, i, json_integer(strtol(port, NULL, 10))) != 0)
            return ERR_MEMORY;
    }
    return ports == NULL ? ERR_MEMORY : ERR_OK;
}

// is_alike tells whether a target with these ports and addresses fits into `rule`: hosts that need no address of
// their own share one, and so do addresses.
static bool is_alike(const json_t *rule, const json_t *ports, bool is_address, bool is_plain)
{
    if (!json_equal(json_object_get(rule, "ports"), ports))
        return false;
    const bool has_hosts = json_object_get(rule, "hosts") != NULL;
    const bool has_addresses = json_object_get(rule, "addresses") != NULL;
    return is_address ? !has_hosts : is_plain && has_hosts && !has_addresses;
}

static enum err extend(json_t *rule, const char *name, json_t *more)
{
    if (json_object_get(rule, name) == NULL)
        TRY(set(rule, name, json_array()));
    return json_array_extend(json_object_get(rule, name), more) == 0 ? ERR_OK : ERR_MEMORY;
}

// is_plain_host tells whether a name was only ever reached at ordinary addresses.
static bool is_plain_host(const json_t *addresses)
{
    return json_array_size(addresses) == 0 ||
           (json_array_size(addresses) == 1 &&
            strcmp(json_string_value(json_array_get(addresses, 0)), "public") == 0);
}

// put_rule adds one target to the rules: to one that has its shape, or to a new one.
static enum err put_rule(json_t *rules, const char *host, json_t *entry, json_t *ports,
                         json_t *addresses)
{
    const bool is_address = json_is_true(json_object_get(entry, "is_address"));
    const bool is_plain = !is_address && is_plain_host(addresses);
    json_t *rule = NULL;
    for (size_t i = 0; i < json_array_size(rules) && rule == NULL; i++) {
        if (is_alike(json_array_get(rules, i), ports, is_address, is_plain))
            rule = json_array_get(rules, i);
    }
    if (rule == NULL) {
        rule = json_pack("{s:O,s:i}", "ports", ports, "requests", 0);
        if (rule == NULL || json_array_append_new(rules, rule) != 0)
            return ERR_MEMORY;
    }
    json_t *requests = json_object_get(rule, "requests");
    (void)json_integer_set(requests, json_integer_value(requests) +
                                         json_integer_value(json_object_get(entry, "requests")));
    if (!is_address) {
        json_t *name = json_pack("[s]", host);
        const enum err error = name == NULL ? ERR_MEMORY : extend(rule, "hosts", name);
        json_decref(name);
        TRY(error);
    }
    return is_plain ? ERR_OK : extend(rule, "addresses", addresses);
}

// mark_special lists those of the rule's addresses that are in special ranges.
static enum err mark_special(json_t *rule)
{
    const json_t *addresses = json_object_get(rule, "addresses");
    for (size_t i = 0; i < json_array_size(addresses); i++) {
        struct ip_prefix prefix;
        struct errinfo info;
        json_t *address = json_array_get(addresses, i);
        if (ip_prefix_parse(slice_of_string(json_string_value(address)), &prefix, &info) !=
                ERR_OK ||
            !is_special(&prefix.addr))
            continue; // the word `public` is no prefix
        if (json_object_get(rule, "special") == NULL)
            TRY(set(rule, "special", json_array()));
        if (json_array_append(json_object_get(rule, "special"), address) != 0)
            return ERR_MEMORY;
    }
    return ERR_OK;
}

static enum err put_host(json_t *rules, const char *host, json_t *entry)
{
    json_t *ports = keys(json_object_get(entry, "ports"));
    json_t *addresses = keys(json_object_get(entry, "addresses"));
    enum err error = addresses == NULL ? ERR_MEMORY : port_numbers(ports);
    if (error == ERR_OK)
        error = put_rule(rules, host, entry, ports, addresses);
    json_decref(ports);
    json_decref(addresses);
    return error;
}

json_t *suggestion_rules(const struct suggestion *suggestion)
{
    const char *host = NULL;
    json_t *entry = NULL;
    json_t *rules = json_array();
    enum err error = rules == NULL ? ERR_MEMORY : ERR_OK;
    json_object_foreach(suggestion->hosts, host, entry)
    {
        if (error == ERR_OK)
            error = put_host(rules, host, entry);
    }
    for (size_t i = 0; error == ERR_OK && i < json_array_size(rules); i++)
        error = mark_special(json_array_get(rules, i));
    if (error == ERR_OK)
        return sorted(rules, compare_requests);
    json_decref(rules);
    return NULL;
}
