// The first version of the decision, kept: lists of patterns and prefixes, each tried in order. Slow
// and plain, so that what replaced it has something to agree with. Change it only when the meaning
// of a rule changes.
#include "tests/unit/auth/reference.h"

// ---- an address and the addresses in it ---------------------------------------------------------

enum { FORMS_MAX = 1 + IP_EMBEDDED_MAX };

struct forms {
    struct ip_addr addrs[FORMS_MAX]; // the address itself first
    size_t count;
};

static struct forms forms_of(const struct ip_addr *addr, struct nat64_list nat64)
{
    struct forms forms = {.addrs = {*addr}};
    forms.count = 1 + ip_addr_embedded(addr, nat64, forms.addrs + 1);
    return forms;
}

static bool any_form_has_class(const struct forms *forms, enum ip_class ip_class)
{
    for (size_t i = 0; i < forms->count; i++) {
        if (ip_addr_classify(&forms->addrs[i]) == ip_class)
            return true;
    }
    return false;
}

static bool all_forms_ordinary(const struct forms *forms)
{
    for (size_t i = 0; i < forms->count; i++) {
        if (ip_addr_classify(&forms->addrs[i]) != IP_CLASS_ORDINARY)
            return false;
    }
    return true;
}

// ---- sets and rules -----------------------------------------------------------------------------

// set_holds tells whether `addr` lies in the set, special or not: how sources and denials read it.
static bool set_holds(const struct ref_set *set, const struct ip_addr *addr)
{
    if (set->has_public && ip_addr_classify(addr) == IP_CLASS_ORDINARY)
        return true;
    for (size_t i = 0; i < set->prefix_count; i++) {
        if (ip_prefix_contains(&set->prefixes[i], addr))
            return true;
    }
    return false;
}

// set_opens tells whether the set admits `addr`: how an allow reads it. A prefix opens a special
// range only from inside.
static bool set_opens(const struct ref_set *set, const struct ip_addr *addr)
{
    if (set->has_public && ip_addr_classify(addr) == IP_CLASS_ORDINARY)
        return true;
    for (size_t i = 0; i < set->prefix_count; i++) {
        if (ip_prefix_opens(&set->prefixes[i], addr))
            return true;
    }
    return false;
}

static bool ports_hold(const struct ref_rule *rule, uint16_t port)
{
    for (size_t i = 0; i < rule->port_count; i++) {
        if (port >= rule->ports[i].first && port <= rule->ports[i].last)
            return true;
    }
    return false;
}

// take_label takes the last label off `*rest`; false when there is none left.
static bool take_label(struct slice *rest, struct slice *out)
{
    size_t start = rest->len;
    if (rest->data == NULL)
        return false;
    while (start > 0 && rest->data[start - 1] != '.')
        start--;
    *out = slice_from(*rest, start);
    *rest = start == 0 ? (struct slice){0} : slice_first(*rest, start - 1);
    return true;
}

bool ref_pattern_matches(const struct host_pattern *pattern, const struct hostname *name)
{
    struct slice asked = hostname_slice(name);
    struct slice wanted = hostname_slice(&pattern->name);
    struct slice a;
    struct slice b;
    if (pattern->kind == HOST_PATTERN_ANY)
        return true;
    while (take_label(&wanted, &a)) {
        if (!take_label(&asked, &b) || !(slice_equal(a, SLICE_LITERAL("*")) || slice_equal(a, b)))
            return false;
    }
    return take_label(&asked, &b) == (pattern->kind == HOST_PATTERN_SUFFIX);
}

// hosts_hold tells whether the target is a name that stands in the rule's `hosts`. A written
// address never does, not even in `*`.
static bool hosts_hold(const struct ref_rule *rule, const struct target *target)
{
    if (target->kind != TARGET_NAME)
        return false;
    for (size_t i = 0; i < rule->host_count; i++) {
        if (ref_pattern_matches(&rule->hosts[i], &target->name))
            return true;
    }
    return false;
}

enum { DEFAULT_ALLOW_PORT = 443 };

// allow_concerns tells whether an allow speaks about this target: names through `hosts` only,
// written addresses through `addresses` only; without `ports`, 443.
static bool allow_concerns(const struct ref_rule *rule, const struct target *target)
{
    if (rule->port_count == 0 ? target->port != DEFAULT_ALLOW_PORT
                              : !ports_hold(rule, target->port))
        return false;
    return rule->has_hosts ? hosts_hold(rule, target)
                           : rule->has_addresses && target->kind == TARGET_ADDRESS;
}

// allow_admits tells whether an allow that concerns the target admits the address, in every form.
static bool allow_admits(const struct ref_rule *rule, const struct forms *forms)
{
    if (!rule->has_addresses)
        return all_forms_ordinary(forms);
    for (size_t i = 0; i < forms->count; i++) {
        if (!set_opens(&rule->addresses, &forms->addrs[i]))
            return false;
    }
    return true;
}

// deny_concerns tells whether a denial speaks about this target; what is left out denies more.
static bool deny_concerns(const struct ref_rule *rule, const struct target *target)
{
    return (rule->port_count == 0 || ports_hold(rule, target->port)) &&
           (!rule->has_hosts || hosts_hold(rule, target));
}

// deny_hits tells whether a denial that concerns the target denies the address: any form is enough.
static bool deny_hits(const struct ref_rule *rule, const struct forms *forms)
{
    if (!rule->has_addresses)
        return true;
    for (size_t i = 0; i < forms->count; i++) {
        if (set_holds(&rule->addresses, &forms->addrs[i]))
            return true;
    }
    return false;
}

// ---- before DNS ---------------------------------------------------------------------------------

static void decide(struct decision *out, enum action action, enum reason reason, const char *rule)
{
    out->action = action;
    out->reason = reason;
    out->rule = rule;
}

// reason_of tells why a schedule is closed; REASON_NONE: it is open.
static enum reason reason_of(const struct schedule *schedule, int64_t now_s, int64_t *out_changes_s)
{
    return schedule_reason(schedule_judge(schedule, now_s, out_changes_s));
}

// opens_first gives the allow that concerns the target at another time, the earliest; with `forms`, one that admits them.
static const struct ref_rule *opens_first(const struct ref_client *client,
                                          const struct target *target, int64_t now_s,
                                          const struct forms *forms, int64_t *out_opens_s)
{
    const struct ref_rule *first = NULL;
    *out_opens_s = INT64_MAX;
    for (size_t i = client->allow_count; i-- > 0;) {
        const struct ref_rule *rule = &client->allow[i];
        int64_t opens_s = 0;
        if (!allow_concerns(rule, target) || (forms != NULL && !allow_admits(rule, forms)) ||
            reason_of(rule->schedule, now_s, &opens_s) == REASON_NONE)
            continue;
        if (first == NULL || opens_s <= *out_opens_s) {
            first = rule;
            *out_opens_s = opens_s;
        }
    }
    return first;
}

// client_may_ask decides about client and source; with false, `out` holds the denial.
static bool client_may_ask(const struct ref_client *client, const struct ip_addr *source,
                           int64_t now_s, struct decision *out)
{
    *out = (struct decision){.action = ACTION_ALLOW,
                             .reason = REASON_NONE,
                             .mode = POLICY_ENFORCE,
                             .changes_s = INT64_MAX};
    if (client == NULL) {
        decide(out, ACTION_DENY, REASON_NO_CLIENT, NULL);
        return false;
    }
    out->mode = client->mode;
    if (client->has_sources && !set_holds(&client->sources, source)) {
        decide(out, ACTION_DENY, REASON_SOURCE_NOT_ALLOWED, NULL);
        return false;
    }
    const enum reason reason = reason_of(client->schedule, now_s, &out->changes_s);
    if (reason != REASON_NONE)
        decide(out, ACTION_DENY, reason, NULL);
    return reason == REASON_NONE;
}

// find_denial_by_name gives the first rule that denies the name and port whatever the address.
static const struct ref_rule *find_denial_by_name(const struct ref_rule *rules, size_t count,
                                                  const struct target *target)
{
    for (size_t i = 0; i < count; i++) {
        if (!rules[i].has_addresses && deny_concerns(&rules[i], target))
            return &rules[i];
    }
    return NULL;
}

static bool any_allow_concerns(const struct ref_client *client, const struct target *target,
                               int64_t now_s)
{
    int64_t changes_s = 0;
    for (size_t i = 0; i < client->allow_count; i++) {
        if (allow_concerns(&client->allow[i], target) &&
            reason_of(client->allow[i].schedule, now_s, &changes_s) == REASON_NONE)
            return true;
    }
    return false;
}

void ref_decide_target(const struct ref_policy *policy, const struct ref_client *client,
                       const struct ip_addr *source, int64_t now_s, const struct target *target,
                       struct decision *out)
{
    // A written address goes on to its own judgement, where "always closed" comes before the rules.
    if (!client_may_ask(client, source, now_s, out) || target->kind == TARGET_ADDRESS)
        return;
    const struct ref_rule *denial = find_denial_by_name(policy->deny, policy->deny_count, target);
    if (denial == NULL)
        denial = find_denial_by_name(client->deny, client->deny_count, target);
    if (denial != NULL)
        decide(out, ACTION_DENY, REASON_DENIED_BY_RULE, denial->name);
    else if (client->mode == POLICY_ENFORCE && !any_allow_concerns(client, target, now_s)) {
        int64_t opens_s = 0;
        const struct ref_rule *other = opens_first(client, target, now_s, NULL, &opens_s);
        decide(out, ACTION_DENY,
               other == NULL ? REASON_NO_RULE : reason_of(other->schedule, now_s, &out->changes_s),
               other == NULL ? NULL : other->name);
    }
}

// ---- our own listeners --------------------------------------------------------------------------

static bool is_wildcard(const struct endpoint *endpoint)
{
    static const struct ip_addr zero = {0};
    return slice_equal(slice_of(endpoint->address.bytes, sizeof zero.bytes),
                       slice_of(zero.bytes, sizeof zero.bytes));
}

// is_loopback tells whether `addr` is local on every machine, whether the caller knew or not: all
// of 127.0.0.0/8 is, although only 127.0.0.1 is configured.
static bool is_loopback(const struct ip_addr *addr)
{
    static const struct ip_prefix v4 = {.addr = {.family = IP_V4, .bytes = {127}}, .length = 8};
    static const struct ip_addr v6 = {.family = IP_V6, .bytes = {[15] = 1}};
    return ip_prefix_contains(&v4, addr) || ip_addr_equal(&v6, addr);
}

static bool is_own_listener(const struct ref_policy *policy, const struct forms *forms,
                            bool is_local, uint16_t port)
{
    for (size_t i = 0; i < policy->own_count; i++) {
        if (policy->own[i].port != port)
            continue;
        const bool wildcard = is_wildcard(&policy->own[i]);
        if (wildcard && is_local)
            return true;
        const struct ip_addr own = ip_addr_canonical(&policy->own[i].address);
        for (size_t j = 0; j < forms->count; j++) {
            if (wildcard ? is_loopback(&forms->addrs[j]) : ip_addr_equal(&own, &forms->addrs[j]))
                return true;
        }
    }
    return false;
}

// ---- after DNS ----------------------------------------------------------------------------------

// judgement is one request's addresses while they are judged, step by step in the order of the
// reasons. A candidate is settled once it has a reason; the first denial is the request's own.
struct judgement {
    const struct ref_policy *policy;
    const struct ref_client *client;
    const struct target *target;
    int64_t now_s;
    int64_t client_until_s;
    int64_t opens_s;
    struct candidate *candidates; // borrowed from the caller
    size_t count;
    enum reason denied_for;  // REASON_NONE until a candidate was denied
    const char *denied_rule; // borrowed from the policy; NULL when no rule denied
    bool is_concerned;       // some allow speaks about the target
    bool is_admitted;        // some candidate may be dialled
};

static bool is_open(const struct candidate *candidate)
{
    return candidate->reason == REASON_NONE;
}

static void deny(struct judgement *j, struct candidate *candidate, enum reason reason,
                 const char *rule)
{
    candidate->reason = reason;
    candidate->rule = rule;
    if (j->denied_for == REASON_NONE) {
        j->denied_for = reason;
        j->denied_rule = rule;
    }
}

static void admit(struct judgement *j, struct candidate *candidate, enum reason reason,
                  const char *rule, int64_t until_s)
{
    candidate->until_s = until_s < j->client_until_s ? until_s : j->client_until_s;
    candidate->is_admitted = true;
    candidate->reason = reason;
    candidate->rule = rule;
    j->is_admitted = true;
}

static void deny_class(struct judgement *j, enum ip_class ip_class, enum reason reason)
{
    for (size_t i = 0; i < j->count; i++) {
        const struct forms forms = forms_of(&j->candidates[i].address, j->policy->nat64);
        if (is_open(&j->candidates[i]) && any_form_has_class(&forms, ip_class))
            deny(j, &j->candidates[i], reason, NULL);
    }
}

static void judge_always_closed(struct judgement *j)
{
    deny_class(j, IP_CLASS_METADATA, REASON_METADATA);
    deny_class(j, IP_CLASS_CLOSED, REASON_SPECIAL_RANGE);
    for (size_t i = 0; i < j->count; i++) {
        struct candidate *candidate = &j->candidates[i];
        const struct forms forms = forms_of(&candidate->address, j->policy->nat64);
        if (is_open(candidate) &&
            is_own_listener(j->policy, &forms, candidate->is_local, j->target->port))
            deny(j, candidate, REASON_OWN_LISTENER, NULL);
    }
}

static void judge_denials(struct judgement *j, const struct ref_rule *rules, size_t rule_count)
{
    for (size_t i = 0; i < rule_count; i++) {
        if (!deny_concerns(&rules[i], j->target))
            continue;
        for (size_t k = 0; k < j->count; k++) {
            const struct forms forms = forms_of(&j->candidates[k].address, j->policy->nat64);
            if (is_open(&j->candidates[k]) && deny_hits(&rules[i], &forms))
                deny(j, &j->candidates[k], REASON_DENIED_BY_RULE, rules[i].name);
        }
    }
}

static void judge_allows(struct judgement *j)
{
    for (size_t i = 0; i < j->client->allow_count; i++) {
        const struct ref_rule *rule = &j->client->allow[i];
        int64_t until_s = 0;
        if (!allow_concerns(rule, j->target) ||
            reason_of(rule->schedule, j->now_s, &until_s) != REASON_NONE)
            continue;
        j->is_concerned = true;
        for (size_t k = 0; k < j->count; k++) {
            const struct forms forms = forms_of(&j->candidates[k].address, j->policy->nat64);
            if (is_open(&j->candidates[k]) && allow_admits(rule, &forms))
                admit(j, &j->candidates[k], REASON_RULE, rule->name, until_s);
        }
    }
}

// judge_untimely denies for its time what an allow would admit at another one, unless the mode may let it pass.
static void judge_untimely(struct judgement *j)
{
    for (size_t i = 0; i < j->count; i++) {
        const struct forms forms = forms_of(&j->candidates[i].address, j->policy->nat64);
        int64_t opens_s = 0;
        int64_t changes_s = 0;
        const struct ref_rule *rule = opens_first(j->client, j->target, j->now_s, &forms, &opens_s);
        if (!is_open(&j->candidates[i]) || rule == NULL ||
            (j->client->mode != POLICY_ENFORCE && all_forms_ordinary(&forms)))
            continue;
        if (j->denied_for == REASON_NONE)
            j->opens_s = opens_s;
        deny(j, &j->candidates[i], reason_of(rule->schedule, j->now_s, &changes_s), rule->name);
    }
}

// judge_leftovers settles what no rule admitted. The modes stand in for a missing allow: for
// ordinary addresses only, and only when the rules admitted none, so that a mode never widens an
// allow.
static void judge_leftovers(struct judgement *j)
{
    const bool lifted = j->client->mode != POLICY_ENFORCE;
    const bool mode_admits = lifted && !j->is_admitted;
    for (size_t i = 0; i < j->count && (lifted || j->is_concerned); i++) {
        const struct forms forms = forms_of(&j->candidates[i].address, j->policy->nat64);
        if (is_open(&j->candidates[i]) && !all_forms_ordinary(&forms))
            deny(j, &j->candidates[i], REASON_SPECIAL_RANGE, NULL);
    }
    for (size_t i = 0; i < j->count; i++) {
        if (!is_open(&j->candidates[i]))
            continue;
        if (mode_admits)
            admit(j, &j->candidates[i], REASON_NO_RULE, NULL, INT64_MAX);
        else
            deny(j, &j->candidates[i], REASON_NO_RULE, NULL);
    }
}

// conclude writes the verdict for the request from those for the addresses.
static void conclude(const struct judgement *j, struct decision *out)
{
    decide(out, ACTION_DENY, j->denied_for, j->denied_rule);
    out->changes_s = j->opens_s;
    for (size_t i = 0; i < j->count; i++) {
        if (!j->candidates[i].is_admitted)
            continue;
        decide(out, ACTION_ALLOW, j->candidates[i].reason, j->candidates[i].rule);
        out->changes_s = j->candidates[i].until_s;
        out->would_deny = out->reason == REASON_NO_RULE && out->mode == POLICY_REPORT;
        return;
    }
}

void ref_decide_addresses(const struct ref_policy *policy, const struct ref_client *client,
                          const struct ip_addr *source, int64_t now_s, const struct target *target,
                          struct candidate *candidates, size_t count, struct decision *out)
{
    for (size_t i = 0; i < count; i++) {
        candidates[i].is_admitted = false;
        candidates[i].rule = NULL;
        candidates[i].reason = REASON_NONE;
        candidates[i].until_s = INT64_MAX;
    }
    ref_decide_target(policy, client, source, now_s, target, out);
    if (out->action == ACTION_ALLOW && count == 0)
        decide(out, ACTION_ERROR, REASON_DNS_FAILED, NULL);
    if (out->action != ACTION_ALLOW) {
        for (size_t i = 0; i < count; i++) {
            candidates[i].reason = out->reason;
            candidates[i].rule = out->rule;
        }
        return;
    }
    struct judgement judgement = {
        .policy = policy,
        .client = client,
        .target = target,
        .now_s = now_s,
        .client_until_s = out->changes_s,
        .opens_s = INT64_MAX,
        .candidates = candidates,
        .count = count,
    };
    judge_always_closed(&judgement);
    judge_denials(&judgement, policy->deny, policy->deny_count);
    judge_denials(&judgement, client->deny, client->deny_count);
    judge_allows(&judgement);
    judge_untimely(&judgement);
    judge_leftovers(&judgement);
    conclude(&judgement, out);
}
