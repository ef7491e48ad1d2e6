// Checks `send_proxy`: a target that believes PROXY headers believes the one that a client writes into a tunnel, too.
#include "proxy/lint/parts.h"

// place is one allow of the policy.
struct place {
    const struct client *client;
    size_t client_index;
    size_t rule_index;
};

static const struct rule *rule_at(const struct place *at)
{
    return &at->client->allow[at->rule_index];
}

// comes_after tells whether the rule of the same client that sends a header decides first.
static bool comes_after(const struct place *bare, const struct place *sending)
{
    return bare->client == sending->client && bare->rule_index > sending->rule_index;
}

// meets tells whether the rule without a header reaches what the other one sends headers to. Where one does not include the
// other it is not known.
static bool meets(const struct place *bare, const struct place *sending, struct budget *budget)
{
    return !rule_at(bare)->sends_proxy && !comes_after(bare, sending) &&
           (allow_covers(rule_at(bare), rule_at(sending), budget) ||
            allow_covers(rule_at(sending), rule_at(bare), budget));
}

// look_for_bare finds the first rule of a client by which it reaches such a target without a header.
static void look_for_bare(struct lint *lint, const struct place *sending, size_t client_index)
{
    struct place bare = {.client = &lint->snapshot->policy->clients[client_index],
                         .client_index = client_index};
    for (; bare.rule_index < bare.client->allow_count; bare.rule_index++) {
        if (!meets(&bare, sending, &lint->budget))
            continue;
        const struct node *rules = node_get(lint->places.clients[client_index], "allow");
        lint_find(
            lint, SEVERITY_WARNING, places_item(rules, bare.rule_index),
            "rule `%s` reaches a target of rule `%s` without `send_proxy`: a client can write any PROXY "
            "header into its tunnel, and the target believes it"
            "\nadd `send_proxy: v2`, or keep the two apart by hosts or ports",
            rule_at(&bare)->name, rule_at(sending)->name);
        return;
    }
}

void lint_forgery(struct lint *lint)
{
    const struct policy *policy = lint->snapshot->policy;
    for (size_t i = 0; i < policy->client_count; i++) {
        struct place sending = {.client = &policy->clients[i], .client_index = i};
        for (; sending.rule_index < sending.client->allow_count; sending.rule_index++) {
            for (size_t j = 0; j < policy->client_count && rule_at(&sending)->sends_proxy; j++)
                look_for_bare(lint, &sending, j);
        }
    }
}
