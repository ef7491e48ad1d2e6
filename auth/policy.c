// The decision. In the order of the reasons, which is the order of the code:
//
//   1. client, source, its time   client_may_ask, and again before any address is judged
//   2. always closed              judge_always_closed: metadata; unspecified, multicast, broadcast;
//                                 our own listeners
//   3. global deny, that of the client's file, client deny   judge_denials
//   4. allow                      judge_allows, then judge_untimely for allows outside their time, then judge_leftovers
//                                 for the modes
//
// An address is judged in all its forms: itself and every IPv4 address inside. A form that is
// denied denies it; to be admitted, one rule has to admit every form. What one rule says is
// auth/rule_fit's. Without allocation. Knows nothing of DNS, sockets and config syntax.
#include "auth/policy.h"

#include "auth/account.h"
#include "auth/base/json.h"
#include "auth/client_index.h"
#include "auth/policy_trace.h"

// ---- names of the enums -------------------------------------------------------------------------

const char *policy_mode_name(enum policy_mode mode)
{
    static const char *const names[] = {
        [POLICY_ENFORCE] = "enforce", [POLICY_REPORT] = "report", [POLICY_OPEN] = "open"};
    return names[mode];
}

const char *action_name(enum action action)
{
    static const char *const names[] = {
        [ACTION_ALLOW] = "allow", [ACTION_DENY] = "deny", [ACTION_ERROR] = "error"};
    return names[action];
}

// ---- ways ---------------------------------------------------------------------------------------

static const struct via straight = {.count = 1};

static bool is_same_hop(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

bool via_allows(const struct via *via, const char *parent)
{
    const struct via *way = via == NULL ? &straight : via;
    for (size_t i = 0; i < way->count; i++) {
        if (is_same_hop(way->parents[i], parent))
            return true;
    }
    return false;
}

bool via_equal(const struct via *a, const struct via *b)
{
    const struct via *one = a == NULL ? &straight : a;
    const struct via *other = b == NULL ? &straight : b;
    bool is_equal = one->count == other->count && one->by_name == other->by_name;
    for (size_t i = 0; is_equal && i < one->count; i++)
        is_equal = is_same_hop(one->parents[i], other->parents[i]);
    return is_equal;
}

const char *via_format(const struct via *via, char out[VIA_TEXT_CAP])
{
    struct text text;
    text_init(&text, out, VIA_TEXT_CAP);
    for (size_t i = 0; !via_equal(via, NULL) && i < via->count; i++)
        text_append_format(&text, "%s%s", i == 0 ? "" : ", ",
                           via->parents[i] == NULL ? "direct" : via->parents[i]);
    ASSERT(!text.is_cut);
    return out;
}

void via_append_json(const struct via *via, struct text *out)
{
    if (via_equal(via, NULL))
        return;
    json_begin_array(out, "via");
    for (size_t i = 0; i < via->count; i++)
        json_add_string(out, NULL, via->parents[i] == NULL ? "direct" : via->parents[i]);
    json_end_array(out);
}

void decision_append_json(const struct decision *decision, struct text *out)
{
    json_begin_object(out, "decision");
    json_add_string(out, "action", action_name(decision->action));
    json_add_string(out, "mode", policy_mode_name(decision->mode));
    json_add_bool(out, "would_deny", decision->would_deny);
    json_add_string(out, "reason", reason_name(decision->reason));
    json_add_string(out, "rule", decision->rule);
    json_end_object(out);
}

// ---- telling what is looked at ------------------------------------------------------------------

// tell_rule passes the answer on.
static bool tell_rule(const struct policy_trace *trace, enum policy_list list,
                      const struct rule *rule, enum rule_part part)
{
    if (trace != NULL)
        trace->told(trace->arg,
                    &(struct policy_step){
                        .kind = POLICY_STEP_RULE, .list = list, .rule = rule, .rule_part = part});
    return part == RULE_FITS;
}

// ---- lists of rules -----------------------------------------------------------------------------

struct rule_span {
    enum policy_list list;
    const struct rule *rules;
    size_t count;
};

static struct rule_span denials_of_all(const struct policy *policy)
{
    return (struct rule_span){POLICY_LIST_GLOBAL_DENY, policy->deny, policy->deny_count};
}

// denials_of_file gives the denials that an included file has for its own clients.
static struct rule_span denials_of_file(const struct client *client)
{
    const struct client_file *file = client->file;
    if (file == NULL)
        return (struct rule_span){.list = POLICY_LIST_FILE_DENY};
    return (struct rule_span){POLICY_LIST_FILE_DENY, file->deny, file->deny_count};
}

static struct rule_span denials_of(const struct client *client)
{
    return (struct rule_span){POLICY_LIST_CLIENT_DENY, client->deny, client->deny_count};
}

// ---- the client ---------------------------------------------------------------------------------

// tell_entry passes the answer on.
static bool tell_entry(const struct policy_trace *trace, const struct client *client, size_t entry,
                       enum entry_part part)
{
    if (trace != NULL)
        trace->told(trace->arg, &(struct policy_step){.kind = POLICY_STEP_ENTRY,
                                                      .client = client,
                                                      .entry = entry,
                                                      .entry_part = part});
    return part == ENTRY_FITS;
}

// find_owner gives the client with the entry that fits and is the oldest: its file has the certificate. NULL: nobody fits.
static const struct client *find_owner(const struct policy *policy, const struct identity *identity)
{
    const struct client *owner = NULL;
    uint64_t since = UINT64_MAX;
    for (size_t i = 0; i < policy->client_count; i++) {
        const struct client *client = &policy->clients[i];
        for (size_t j = 0; j < client->match_count; j++) {
            const struct match_entry *entry = &client->matches[j];
            if ((owner != NULL && entry->since >= since) || !match_entry_fits(entry, identity))
                continue;
            owner = client;
            since = entry->since;
        }
    }
    return owner;
}

// find_in_order tries one entry after the other.
static const struct client *find_in_order(const struct policy *policy,
                                          const struct identity *identity,
                                          const struct policy_trace *trace)
{
    const struct client *owner = find_owner(policy, identity);
    for (size_t i = 0; i < policy->client_count; i++) {
        const struct client *client = &policy->clients[i];
        for (size_t j = 0; j < client->match_count; j++) {
            enum entry_part part = match_entry_misfit(&client->matches[j], identity);
            if (part == ENTRY_FITS && owner != NULL && client->file != owner->file)
                part = ENTRY_LATER;
            if (tell_entry(trace, client, j, part))
                return client;
        }
    }
    return NULL;
}

const struct client *policy_find_client(const struct policy *policy,
                                        const struct identity *identity,
                                        const struct policy_trace *trace)
{
    if (policy->client_index == NULL)
        return find_in_order(policy, identity, trace);
    size_t compared = 0;
    const struct client *found = client_index_find(policy->client_index, identity, &compared);
    if (trace != NULL)
        ASSERT(find_in_order(policy, identity, trace) == found); // what is told is what is done
    return found;
}

const struct client *policy_find_other(const struct policy *policy, const struct identity *identity,
                                       const struct client *client)
{
    return client == NULL || policy->client_index == NULL
               ? NULL
               : client_index_find_other(policy->client_index, identity, client);
}

// ---- before DNS ---------------------------------------------------------------------------------

static void decide(struct decision *out, enum action action, enum reason reason, const char *rule)
{
    out->action = action;
    out->reason = reason;
    out->rule = rule;
}

// source_fits tells whether the client may come from there.
static bool source_fits(const struct client *client, const struct ip_addr *source,
                        const struct policy_trace *trace)
{
    if (!client->has_sources)
        return true;
    const bool is_fit = ip_sets_hold(&client->sources, source, ip_addr_classify(source));
    if (trace != NULL)
        trace->told(
            trace->arg,
            &(struct policy_step){.kind = POLICY_STEP_SOURCE, .client = client, .is_fit = is_fit});
    return is_fit;
}

// client_may_ask decides about client, source and the client's time; with false, `out` holds the denial.
static bool client_may_ask(const struct client *client, const struct ip_addr *source, int64_t now_s,
                           const struct policy_trace *trace, struct decision *out)
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
    if (!source_fits(client, source, trace)) {
        decide(out, ACTION_DENY, REASON_SOURCE_NOT_ALLOWED, NULL);
        return false;
    }
    const enum schedule_state state = schedule_judge(client->schedule, now_s, &out->changes_s);
    if (state != SCHEDULE_OPEN)
        decide(out, ACTION_DENY, schedule_reason(state), NULL);
    return state == SCHEDULE_OPEN;
}

enum reason policy_decide_speaker(const struct client *speaker, const struct client *guest,
                                  const struct ip_addr *source, int64_t now_s,
                                  int64_t *out_changes_s)
{
    struct decision decision;
    *out_changes_s = INT64_MAX;
    if (speaker == NULL || speaker->speaks_for == NULL)
        return REASON_BAD_REQUEST;
    const bool may_ask = client_may_ask(speaker, source, now_s, NULL, &decision);
    *out_changes_s = decision.changes_s;
    if (!may_ask)
        return decision.reason;
    return guest != NULL && guest->speaks_for != NULL ? REASON_NOT_SPOKEN_FOR : REASON_NONE;
}

// find_denial_in gives the first rule of a list that denies the name and port whatever the address.
static const struct rule *find_denial_in(struct rule_span span, const struct target *target,
                                         const struct policy_trace *trace)
{
    for (size_t i = 0; i < span.count; i++) {
        const struct rule *rule = &span.rules[i];
        enum rule_part part = deny_misfit(rule, target);
        if (part == RULE_FITS && rule->has_addresses)
            part = RULE_NEEDS_ADDRESS;
        if (tell_rule(trace, span.list, rule, part))
            return rule;
    }
    return NULL;
}

static const struct rule *find_denial_by_name(const struct policy *policy,
                                              const struct client *client,
                                              const struct target *target,
                                              const struct policy_trace *trace)
{
    const struct rule *denial = find_denial_in(denials_of_all(policy), target, trace);
    if (denial == NULL)
        denial = find_denial_in(denials_of_file(client), target, trace);
    return denial != NULL ? denial : find_denial_in(denials_of(client), target, trace);
}

// untimely is an allow that would speak about the target at another time. Zeroed: none is known.
struct untimely {
    const struct rule *rule;
    enum reason reason;
    int64_t opens_s;
};

// note_untimely keeps the one that opens first.
static void note_untimely(struct untimely *known, const struct rule *rule,
                          enum schedule_state state, int64_t opens_s)
{
    if (known->rule == NULL || opens_s < known->opens_s)
        *known =
            (struct untimely){.rule = rule, .reason = schedule_reason(state), .opens_s = opens_s};
}

// allow_part tells why an allow does not speak about the target now. `*out_until_s`: of one that does, when its time ends;
// of RULE_NOT_NOW, when it begins, and `*out_state` why.
static enum rule_part allow_part(const struct rule *rule, const struct target *target,
                                 int64_t now_s, int64_t *out_until_s,
                                 enum schedule_state *out_state)
{
    const enum rule_part part = allow_misfit(rule, target);
    if (part != RULE_FITS)
        return part;
    *out_state = schedule_judge(rule->schedule, now_s, out_until_s);
    return *out_state == SCHEDULE_OPEN ? RULE_FITS : RULE_NOT_NOW;
}

// any_allow_concerns tells whether some allow speaks about the target; otherwise `untimely` is what would.
static bool any_allow_concerns(const struct client *client, const struct target *target,
                               int64_t now_s, const struct policy_trace *trace,
                               struct untimely *untimely)
{
    for (size_t i = 0; i < client->allow_count; i++) {
        const struct rule *rule = &client->allow[i];
        enum schedule_state state = SCHEDULE_OPEN;
        int64_t until_s = INT64_MAX;
        const enum rule_part part = allow_part(rule, target, now_s, &until_s, &state);
        if (tell_rule(trace, POLICY_LIST_ALLOW, rule, part))
            return true;
        if (part == RULE_NOT_NOW)
            note_untimely(untimely, rule, state, until_s);
    }
    return false;
}

// deny_unconcerned denies a target about which no allow speaks now.
static void deny_unconcerned(const struct untimely *untimely, struct decision *out)
{
    if (untimely->rule == NULL) {
        decide(out, ACTION_DENY, REASON_NO_RULE, NULL);
        return;
    }
    decide(out, ACTION_DENY, untimely->reason, untimely->rule->name);
    out->changes_s = untimely->opens_s;
}

void policy_decide_target(const struct policy *policy, const struct client *client,
                          const struct ip_addr *source, int64_t now_s, const struct target *target,
                          const struct policy_trace *trace, struct decision *out)
{
    struct untimely untimely = {0};
    // A written address goes on to its own judgement, where "always closed" comes before the rules.
    if (!client_may_ask(client, source, now_s, trace, out) || target->kind == TARGET_ADDRESS)
        return;
    const struct rule *denial = find_denial_by_name(policy, client, target, trace);
    if (denial != NULL)
        decide(out, ACTION_DENY, REASON_DENIED_BY_RULE, denial->name);
    else if (!any_allow_concerns(client, target, now_s, trace, &untimely) &&
             client->mode == POLICY_ENFORCE)
        deny_unconcerned(&untimely, out);
}

// ---- our own listeners --------------------------------------------------------------------------

// find_own gives the form of an address that is one of our own listeners, or NULL. Loopback is local, whether the caller
// knew or not.
static const struct ip_addr *find_own(const struct policy *policy, const struct forms *forms,
                                      bool is_local, uint16_t port)
{
    for (size_t i = 0; i < policy->own_count; i++) {
        if (policy->own[i].port != port)
            continue;
        const bool wildcard = ip_addr_is_any(&policy->own[i].address);
        if (wildcard && is_local)
            return &forms->addrs[0];
        const struct ip_addr own = ip_addr_canonical(&policy->own[i].address);
        for (size_t j = 0; j < forms->count; j++) {
            if (wildcard ? ip_addr_is_loopback(&forms->addrs[j])
                         : ip_addr_equal(&own, &forms->addrs[j]))
                return &forms->addrs[j];
        }
    }
    return NULL;
}

bool policy_is_own_port(const struct policy *policy, uint16_t port)
{
    for (size_t i = 0; i < policy->own_count; i++) {
        if (policy->own[i].port == port && ip_addr_is_any(&policy->own[i].address))
            return true;
    }
    return false;
}

// ---- after DNS ----------------------------------------------------------------------------------

enum { FORMS_KEPT = 8 }; // candidates whose forms are worked out once; those of others each time

// judgement is one request's addresses while they are judged, step by step in the order of the
// reasons. A candidate is settled once it has a reason; the first denial is the request's own.
struct judgement {
    const struct policy *policy;
    const struct client *client;
    const struct target *target;
    int64_t now_s;
    int64_t client_until_s;       // when the client's time ends
    struct candidate *candidates; // borrowed from the caller
    size_t count;
    const struct policy_trace *trace;
    enum reason denied_for;  // REASON_NONE until a candidate was denied
    const char *denied_rule; // borrowed from the policy; NULL when no rule denied
    int64_t opens_s;         // when what is denied for its time opens
    bool is_concerned;       // some allow speaks about the target
    bool is_admitted;        // some candidate may be dialled
    struct forms *kept;      // written by judge as far as there are candidates; one more is spare
};

static const struct forms *forms_at(struct judgement *j, size_t index)
{
    if (index < FORMS_KEPT)
        return &j->kept[index];
    forms_of(&j->candidates[index].address, j->policy->nat64, &j->kept[FORMS_KEPT]);
    return &j->kept[FORMS_KEPT];
}

static bool is_open(const struct candidate *candidate)
{
    return candidate->reason == REASON_NONE;
}

// is_name tells whether a candidate is the name itself. For a client none of whose ways is by name it is an address that is
// no address, which is closed.
static bool is_name(const struct judgement *j, const struct candidate *candidate)
{
    return candidate->address.family == IP_NONE && j->client->has_names &&
           j->target->kind == TARGET_NAME;
}

// has_address_to_judge tells whether a candidate is open, and a rule about addresses can speak about it.
static bool has_address_to_judge(const struct judgement *j, const struct candidate *candidate)
{
    return is_open(candidate) && !is_name(j, candidate);
}

static void tell_verdict(const struct judgement *j, const struct candidate *candidate,
                         const struct ip_addr *form)
{
    if (j->trace != NULL)
        j->trace->told(j->trace->arg, &(struct policy_step){.kind = POLICY_STEP_VERDICT,
                                                            .candidate = candidate,
                                                            .form = form});
}

// deny and admit settle a candidate; `form` is what decided.
static void deny(struct judgement *j, struct candidate *candidate, enum reason reason,
                 const char *rule, const struct ip_addr *form)
{
    candidate->reason = reason;
    candidate->rule = rule;
    if (j->denied_for == REASON_NONE) {
        j->denied_for = reason;
        j->denied_rule = rule;
    }
    tell_verdict(j, candidate, form);
}

// admit admits an address by a rule, or by the client's mode: `rule` is NULL. `until_s` is when the rule's time ends.
static void admit(struct judgement *j, struct candidate *candidate, const struct rule *rule,
                  int64_t until_s)
{
    candidate->is_admitted = true;
    candidate->reason = rule == NULL ? REASON_NO_RULE : REASON_RULE;
    candidate->rule = rule == NULL ? NULL : rule->name;
    candidate->inner = rule == NULL || rule->inner == NULL ? j->client->inner : rule->inner;
    candidate->sends_proxy = rule != NULL && rule->sends_proxy;
    candidate->asks = rule != NULL && rule->asks;
    candidate->via = rule == NULL || rule->via == NULL ? j->client->via : rule->via;
    candidate->until_s = until_s < j->client_until_s ? until_s : j->client_until_s;
    j->is_admitted = true;
    tell_verdict(j, candidate, &candidate->address);
}

static void deny_class(struct judgement *j, enum ip_class ip_class, enum reason reason)
{
    for (size_t i = 0; i < j->count; i++) {
        if (!has_address_to_judge(j, &j->candidates[i]))
            continue;
        const struct ip_addr *form = forms_find_class(forms_at(j, i), ip_class);
        if (form != NULL)
            deny(j, &j->candidates[i], reason, NULL, form);
    }
}

static void judge_always_closed(struct judgement *j)
{
    deny_class(j, IP_CLASS_METADATA, REASON_METADATA);
    deny_class(j, IP_CLASS_CLOSED, REASON_SPECIAL_RANGE);
    for (size_t i = 0; i < j->count; i++) {
        struct candidate *candidate = &j->candidates[i];
        if (!has_address_to_judge(j, candidate))
            continue;
        const struct ip_addr *form =
            find_own(j->policy, forms_at(j, i), candidate->is_local, j->target->port);
        if (form != NULL)
            deny(j, candidate, REASON_OWN_LISTENER, NULL, form);
    }
}

static void tell_address(const struct judgement *j, enum policy_list list, const struct rule *rule,
                         const struct candidate *candidate, const struct ip_addr *form, bool is_fit)
{
    if (j->trace != NULL)
        j->trace->told(j->trace->arg,
                       &(struct policy_step){.kind = POLICY_STEP_ADDRESS,
                                             .list = list,
                                             .rule = rule,
                                             .candidate = candidate,
                                             .form = form != NULL ? form : &candidate->address,
                                             .is_fit = is_fit});
}

static void apply_denial(struct judgement *j, enum policy_list list, const struct rule *rule)
{
    for (size_t k = 0; k < j->count; k++) {
        struct candidate *candidate = &j->candidates[k];
        if (!has_address_to_judge(j, candidate)) // a name was denied by name, if at all
            continue;
        const struct ip_addr *hit = deny_find_hit(rule, forms_at(j, k));
        tell_address(j, list, rule, candidate, hit, hit != NULL);
        if (hit != NULL)
            deny(j, candidate, REASON_DENIED_BY_RULE, rule->name, hit);
    }
}

static void judge_denials(struct judgement *j, struct rule_span span)
{
    for (size_t i = 0; i < span.count; i++) {
        const struct rule *rule = &span.rules[i];
        if (tell_rule(j->trace, span.list, rule, deny_misfit(rule, j->target)))
            apply_denial(j, span.list, rule);
    }
}

// goes_by_name tells whether an allow sends names on as they are.
static bool goes_by_name(const struct judgement *j, const struct rule *rule)
{
    const struct via *via = rule->via != NULL ? rule->via : j->client->via;
    return via != NULL && via->by_name;
}

// apply_allow_to_name lets the first allow that speaks about a name decide. One that needs an address does not.
static void apply_allow_to_name(struct judgement *j, const struct rule *rule,
                                struct candidate *candidate, int64_t until_s)
{
    if (rule->has_addresses)
        return;
    if (goes_by_name(j, rule))
        admit(j, candidate, rule, until_s);
    else
        deny(j, candidate, REASON_NO_RULE, NULL, &candidate->address);
}

static void apply_allow(struct judgement *j, const struct rule *rule, int64_t until_s)
{
    for (size_t k = 0; k < j->count; k++) {
        struct candidate *candidate = &j->candidates[k];
        if (!is_open(candidate))
            continue;
        if (is_name(j, candidate)) {
            apply_allow_to_name(j, rule, candidate, until_s);
            continue;
        }
        const struct ip_addr *closed = allow_find_closed(rule, forms_at(j, k));
        tell_address(j, POLICY_LIST_ALLOW, rule, candidate, closed, closed == NULL);
        if (closed == NULL)
            admit(j, candidate, rule, until_s);
    }
}

static void judge_allows(struct judgement *j)
{
    for (size_t i = 0; i < j->client->allow_count; i++) {
        const struct rule *rule = &j->client->allow[i];
        enum schedule_state state = SCHEDULE_OPEN;
        int64_t until_s = INT64_MAX;
        const enum rule_part part = allow_part(rule, j->target, j->now_s, &until_s, &state);
        if (tell_rule(j->trace, POLICY_LIST_ALLOW, rule, part))
            apply_allow(j, rule, until_s);
    }
}

// would_admit tells whether an allow that speaks about the target admits this candidate while it counts.
static bool would_admit(struct judgement *j, const struct rule *rule, size_t index)
{
    if (is_name(j, &j->candidates[index]))
        return !rule->has_addresses && goes_by_name(j, rule);
    return allow_find_closed(rule, forms_at(j, index)) == NULL;
}

// find_untimely finds the allow that would admit a candidate at another time.
static void find_untimely(struct judgement *j, size_t index, struct untimely *out)
{
    for (size_t i = 0; i < j->client->allow_count; i++) {
        const struct rule *rule = &j->client->allow[i];
        enum schedule_state state = SCHEDULE_OPEN;
        int64_t opens_s = INT64_MAX;
        if (rule->schedule != NULL &&
            allow_part(rule, j->target, j->now_s, &opens_s, &state) == RULE_NOT_NOW &&
            would_admit(j, rule, index))
            note_untimely(out, rule, state, opens_s);
    }
}

// may_pass tells whether a mode may let a candidate pass without a rule: an ordinary address, and never a name.
static bool may_pass(struct judgement *j, size_t index)
{
    return j->client->mode != POLICY_ENFORCE && !is_name(j, &j->candidates[index]) &&
           forms_find_special(forms_at(j, index)) == NULL;
}

// judge_untimely settles what only an allow outside its time would admit. What a mode may let pass without a rule it lets pass
// then, too.
static void judge_untimely(struct judgement *j)
{
    for (size_t k = 0; j->client->has_times && k < j->count; k++) {
        struct candidate *candidate = &j->candidates[k];
        struct untimely untimely = {0};
        if (!is_open(candidate) || may_pass(j, k))
            continue;
        find_untimely(j, k, &untimely);
        if (untimely.rule == NULL)
            continue;
        if (j->denied_for == REASON_NONE)
            j->opens_s = untimely.opens_s;
        deny(j, candidate, untimely.reason, untimely.rule->name, &candidate->address);
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
        if (!has_address_to_judge(j, &j->candidates[i]))
            continue;
        const struct ip_addr *form = forms_find_special(forms_at(j, i));
        if (form != NULL)
            deny(j, &j->candidates[i], REASON_SPECIAL_RANGE, NULL, form);
    }
    for (size_t i = 0; i < j->count; i++) {
        struct candidate *candidate = &j->candidates[i];
        if (!is_open(candidate))
            continue;
        if (mode_admits && !is_name(j, candidate))
            admit(j, candidate, NULL, INT64_MAX);
        else
            deny(j, candidate, REASON_NO_RULE, NULL, &candidate->address);
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
        out->inner = j->candidates[i].inner;
        out->via = j->candidates[i].via;
        out->changes_s = j->candidates[i].until_s;
        out->would_deny = out->reason == REASON_NO_RULE && out->mode == POLICY_REPORT;
        return;
    }
}

// judge decides about a client that may ask from where it does.
static void judge(struct judgement *j, struct decision *out)
{
    const bool is_named = j->target->kind == TARGET_NAME;
    struct untimely untimely = {0};
    const struct rule *denial =
        is_named ? find_denial_by_name(j->policy, j->client, j->target, NULL) : NULL;
    if (denial != NULL) {
        decide(out, ACTION_DENY, REASON_DENIED_BY_RULE, denial->name);
        return;
    }
    for (size_t i = 0; i < j->count && i < FORMS_KEPT; i++) // of a name it has no meaning
        forms_of(&j->candidates[i].address, j->policy->nat64, &j->kept[i]);
    j->is_concerned = any_allow_concerns(j->client, j->target, j->now_s, NULL, &untimely);
    if (is_named && !j->is_concerned && j->client->mode == POLICY_ENFORCE) {
        deny_unconcerned(&untimely, out);
        return;
    }
    if (j->count == 0) {
        decide(out, ACTION_ERROR, REASON_DNS_FAILED, NULL);
        return;
    }
    judge_always_closed(j);
    judge_denials(j, denials_of_all(j->policy));
    judge_denials(j, denials_of_file(j->client));
    judge_denials(j, denials_of(j->client));
    judge_allows(j);
    judge_untimely(j);
    judge_leftovers(j);
    conclude(j, out);
}

void policy_decide_addresses(const struct policy *policy, const struct client *client,
                             const struct ip_addr *source, int64_t now_s,
                             const struct target *target, struct candidate *candidates,
                             size_t count, const struct policy_trace *trace, struct decision *out)
{
    for (size_t i = 0; i < count; i++) {
        candidates[i].is_admitted = false;
        candidates[i].rule = NULL;
        candidates[i].inner = NULL;
        candidates[i].sends_proxy = false;
        candidates[i].asks = false;
        candidates[i].via = NULL;
        candidates[i].until_s = INT64_MAX;
        candidates[i].reason = REASON_NONE;
    }
    if (client_may_ask(client, source, now_s, NULL, out)) {
        struct forms kept[FORMS_KEPT + 1]; // too large to be zeroed each time
        struct judgement judgement = {.policy = policy,
                                      .client = client,
                                      .target = target,
                                      .now_s = now_s,
                                      .client_until_s = out->changes_s,
                                      .opens_s = INT64_MAX,
                                      .candidates = candidates,
                                      .count = count,
                                      .trace = trace,
                                      .kept = kept};
        judge(&judgement, out);
    }
    // What was decided before any address was looked at holds for each of them.
    for (size_t i = 0; i < count; i++) {
        if (candidates[i].reason != REASON_NONE)
            continue;
        candidates[i].reason = out->reason;
        candidates[i].rule = out->rule;
    }
}

bool policy_goes_by_name(const struct policy *policy, const struct client *client,
                         const struct ip_addr *source, int64_t now_s, const struct target *target)
{
    struct candidate name = {.address = {.family = IP_NONE}};
    struct decision decision;
    if (target->kind != TARGET_NAME || client == NULL || !client->has_names)
        return false;
    policy_decide_addresses(policy, client, source, now_s, target, &name, 1, NULL, &decision);
    return name.is_admitted;
}

// ---- life ---------------------------------------------------------------------------------------

struct policy *policy_create(void)
{
    struct arena *arena = arena_create();
    struct policy *policy = arena == NULL ? NULL : arena_alloc(arena, 1, sizeof *policy);
    if (policy == NULL)
        arena_destroy(arena);
    else
        policy->arena = arena;
    return policy;
}

// name_extension adds an OID to the set, which begins at `start`, if it is not there; false where there is no room.
static bool name_extension(uint8_t *start, struct slice oid, size_t *count, struct slice *set)
{
    if (oid_set_has(*set, oid))
        return true;
    return (*count)++ < EXTENSIONS_NAMED_MAX && oid.len <= EXTENSION_NAMED_OID_MAX &&
           oid_set_put(start, POLICY_EXTENSIONS_CAP, &set->len, oid);
}

// name_extensions_of adds the OIDs that one entry names.
static bool name_extensions_of(const struct match_entry *entry, uint8_t *start, size_t *count,
                               struct slice *set)
{
    const struct slice oids[] = {
        entry->extension == NULL ? (struct slice){0} : entry->extension->oid,
        entry->policies.data == NULL ? (struct slice){0} : CERT_POLICIES_OID,
        entry->qc.data == NULL ? (struct slice){0} : QC_STATEMENTS_OID};
    for (size_t i = 0; i < sizeof oids / sizeof oids[0]; i++) {
        if (oids[i].data != NULL && !name_extension(start, oids[i], count, set))
            return false;
    }
    return true;
}

enum err policy_name_extensions(const struct policy *policy, const char *trust,
                                uint8_t out[POLICY_EXTENSIONS_CAP], size_t *out_len)
{
    struct slice set = slice_of(out, 0);
    size_t count = 0;
    *out_len = 0;
    for (size_t i = 0; i < policy->client_count; i++) {
        for (size_t j = 0; j < policy->clients[i].match_count; j++) {
            const struct match_entry *entry = &policy->clients[i].matches[j];
            const bool is_meant =
                trust == NULL || entry->trust == NULL || strcmp(entry->trust, trust) == 0;
            if (is_meant && !name_extensions_of(entry, out, &count, &set))
                return ERR_LIMIT;
        }
    }
    *out_len = set.len;
    return ERR_OK;
}

enum err policy_seal(struct policy *policy)
{
    uint8_t *set = arena_alloc_bytes(policy->arena, POLICY_EXTENSIONS_CAP);
    size_t len = 0;
    if (set == NULL)
        return ERR_MEMORY;
    TRY(policy_name_extensions(policy, NULL, set, &len));
    policy->extensions = slice_of(set, len);
    TRY(client_index_create(policy->arena, policy->clients, policy->client_count,
                            &policy->client_index));
    return account_index_create(policy->arena, policy->clients, policy->client_count,
                                &policy->account_index);
}

void policy_destroy(struct policy *policy)
{
    if (policy != NULL)
        arena_destroy(policy->arena);
}
