// Compiled sets, sealed policies and traced decisions against plain lists tried one by one, on many
// random cases out of a small world, in which things often meet.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "auth/claim.h"
#include "auth/client_index.h"
#include "auth/policy.h"
#include "auth/policy_trace.h"
#include "tests/unit/auth/identity_maker.h"
#include "tests/unit/auth/reference.h"
#include "tests/unit/proxy/random.h"

enum { POOL_MAX = 64, RULES_MAX = 48, CANDIDATES_MAX = 12 };

static struct hostname host(const char *text)
{
    struct hostname out;
    assert_int_equal(ERR_OK, hostname_parse(slice_of_string(text), &out));
    return out;
}

// ---- a small world ------------------------------------------------------------------------------

static struct hostname random_host(struct random *random)
{
    static const char *const labels[] = {"a", "b", "ab", "a-b", "xn--p1ai"};
    char buffer[HOSTNAME_MAX_LEN + 1];
    struct text text;
    text_init(&text, buffer, sizeof buffer);
    for (size_t i = random_below(random, 5); i-- > 0;)
        text_append_format(&text, "%s.", labels[random_below(random, 5)]);
    text_append_string(&text, labels[random_below(random, 3)]);
    return host(buffer);
}

static struct host_pattern random_pattern(struct random *random)
{
    const size_t kind = random_below(random, 40);
    struct host_pattern out = {.kind = kind == 0   ? HOST_PATTERN_ANY
                                       : kind < 18 ? HOST_PATTERN_SUFFIX
                                                   : HOST_PATTERN_EXACT};
    if (out.kind == HOST_PATTERN_ANY)
        return out;
    out.name = random_host(random);
    // Stars in place of labels inside, now and then: neither the last one, nor next to the `*` in front.
    for (size_t i = 1; i < out.name.len && random_below(random, 2) == 0; i++) {
        char *label = strchr(out.name.text + i, '.');
        char *end = label == NULL ? NULL : strchr(label + 1, '.');
        if (end == NULL || out.star_count == HOST_PATTERN_STARS_MAX)
            break;
        i = (size_t)(label + 1 - out.name.text);
        if (random_below(random, 2) == 0)
            continue;
        label[1] = '*';
        memmove(label + 2, end, strlen(end) + 1);
        out.name.len = (uint8_t)strlen(out.name.text);
        out.star_count++;
    }
    if (out.star_count > 0 && out.kind == HOST_PATTERN_EXACT)
        out.kind = HOST_PATTERN_LABELS;
    return out;
}

// random_range gives one of the special ranges, of either family, or an ordinary one.
static struct ip_prefix random_range(struct random *random)
{
    static const char *const ordinary[] = {"1.0.0.0/8", "9.9.9.0/24", "2620:fe::/32", "2a00::/12"};
    struct ip_prefix out;
    struct errinfo info;
    const enum ip_family family = random_below(random, 2) == 0 ? IP_V4 : IP_V6;
    size_t count = 0;
    while (ip_special_range_at(count) != NULL)
        count++;
    if (random_below(random, 3) == 0) {
        assert_int_equal(ERR_OK, ip_prefix_parse(slice_of_string(ordinary[random_below(random, 4)]),
                                                 &out, &info));
        return out;
    }
    do
        out = *ip_special_range_at(random_below(random, count));
    while (out.addr.family != family);
    return out;
}

// random_prefix gives a prefix near a range: a little wider, the same, or inside at one of its ends.
static struct ip_prefix random_prefix(struct random *random)
{
    struct ip_prefix out = random_range(random);
    const int bits = out.addr.family == IP_V4 ? 32 : 128;
    int length = (int)out.length + (int)random_below(random, 12) - 3;
    if (random_below(random, 4) == 0)
        length = bits;
    if (random_below(random, 2) == 0) {
        for (int i = out.length; i < bits; i++)
            out.addr.bytes[i / 8] |= (uint8_t)(0x80U >> i % 8);
    }
    out.length = (uint8_t)(length < 0 ? 0 : length > bits ? bits : length);
    for (int i = out.length; i < bits; i++)
        out.addr.bytes[i / 8] &= (uint8_t) ~(0x80U >> i % 8);
    return out;
}

// random_address gives one at an edge of a range, or next to it.
static struct ip_addr random_address(struct random *random)
{
    const struct ip_prefix range = random_prefix(random);
    struct ip_addr out = range.addr;
    const int bits = out.family == IP_V4 ? 32 : 128;
    if (random_below(random, 2) == 0) {
        for (int i = range.length; i < bits; i++)
            out.bytes[i / 8] |= (uint8_t)(0x80U >> i % 8);
    }
    if (random_below(random, 3) == 0)
        out.bytes[bits / 8 - 1] = (uint8_t)(out.bytes[bits / 8 - 1] + 1 - random_below(random, 3));
    if (random_below(random, 50) == 0)
        out = (struct ip_addr){0};
    return out;
}

// ---- sets ---------------------------------------------------------------------------------------

static const struct host_set *compile_hosts(struct arena *arena, const struct host_pattern *list,
                                            size_t count)
{
    struct host_set_builder builder = {0};
    for (size_t i = 0; i < count; i++)
        assert_int_equal(ERR_OK, host_set_builder_add(&builder, &list[i]));
    const struct host_set *set = host_set_builder_finish(&builder, arena);
    assert_non_null(set);
    return set;
}

static const struct ip_set *compile_addresses(struct arena *arena, const struct ref_set *list)
{
    struct ip_set_builder builder = {0};
    for (size_t i = 0; i < list->prefix_count; i++)
        assert_int_equal(ERR_OK, ip_set_builder_add(&builder, &list->prefixes[i]));
    if (list->has_public)
        builder.has_public = true;
    const struct ip_set *set = ip_set_builder_finish(&builder, arena);
    assert_non_null(set);
    return set;
}

static void a_host_set_matches_what_one_of_its_patterns_matches(void **state)
{
    (void)state;
    struct random random = {.state = 1};
    size_t hits = 0;
    for (size_t round = 0; round < 400; round++) {
        struct host_pattern patterns[POOL_MAX];
        struct arena *arena = arena_create();
        const size_t count = random_below(&random, POOL_MAX);
        for (size_t i = 0; i < count; i++)
            patterns[i] = random_pattern(&random);
        const struct host_set *set = compile_hosts(arena, patterns, count);
        for (size_t i = 0; i < 100; i++) {
            const struct hostname asked = random_host(&random);
            bool expected = false;
            for (size_t k = 0; k < count; k++)
                expected |= ref_pattern_matches(&patterns[k], &asked);
            if (host_set_matches(set, &asked) != expected)
                fail_msg("round %zu: %s should be %d", round, asked.text, expected);
            hits += expected;
        }
        const struct hostname nothing = {0};
        assert_false(host_set_matches(set, &nothing));
        arena_destroy(arena);
    }
    assert_in_range(hits, 4000, 36000);
}

// plainly_in tells whether a list of prefixes holds, or opens, the address.
static bool plainly_in(const struct ref_set *list, const struct ip_addr *addr, bool opens)
{
    if (list->has_public && ip_addr_classify(addr) == IP_CLASS_ORDINARY)
        return true;
    for (size_t i = 0; i < list->prefix_count; i++) {
        if (opens ? ip_prefix_opens(&list->prefixes[i], addr)
                  : ip_prefix_contains(&list->prefixes[i], addr))
            return true;
    }
    return false;
}

static void a_pattern_matches_what_its_labels_match(void **state)
{
    (void)state;
    struct random random = {.state = 7};
    size_t hits = 0;
    for (size_t round = 0; round < 200000; round++) {
        const struct host_pattern pattern = random_pattern(&random);
        const struct hostname asked = random_host(&random);
        const bool expected = ref_pattern_matches(&pattern, &asked);
        if (host_pattern_matches(&pattern, &asked) != expected)
            fail_msg("kind %d of %s: %s should be %d", pattern.kind, pattern.name.text, asked.text,
                     expected);
        hits += expected && pattern.star_count > 0;
    }
    assert_in_range(hits, 100, 10000);
}

static void an_ip_set_holds_and_opens_what_one_of_its_prefixes_does(void **state)
{
    (void)state;
    struct random random = {.state = 2};
    size_t held = 0;
    size_t opened = 0;
    for (size_t round = 0; round < 400; round++) {
        struct ip_prefix prefixes[POOL_MAX];
        struct arena *arena = arena_create();
        const struct ref_set list = {.prefixes = prefixes,
                                     .prefix_count = random_below(&random, POOL_MAX),
                                     .has_public = random_below(&random, 8) == 0};
        for (size_t i = 0; i < list.prefix_count; i++)
            prefixes[i] = random_prefix(&random);
        const struct ip_set *set = compile_addresses(arena, &list);
        for (size_t i = 0; i < 200; i++) {
            char text[IP_TEXT_CAP];
            const struct ip_addr asked = random_address(&random);
            const enum ip_class class = ip_addr_classify(&asked);
            const bool holds = plainly_in(&list, &asked, false);
            const bool opens = plainly_in(&list, &asked, true);
            if (ip_set_holds(set, &asked, class) != holds ||
                ip_set_opens(set, &asked, class) != opens)
                fail_msg("round %zu: %s: holds %d, opens %d", round, ip_addr_format(&asked, text),
                         holds, opens);
            held += holds;
            opened += opens;
        }
        arena_destroy(arena);
    }
    assert_in_range(held, 20000, 70000);
    assert_in_range(opened, 10000, held - 5000);
}

// ---- policies -----------------------------------------------------------------------------------

// world is one random policy, as lists and compiled twice: as it is, and sealed.
struct world {
    struct ref_policy reference;
    struct ref_client ref_client;
    struct policy *plain;
    struct policy *sealed;
    struct client plain_client;
    struct client sealed_client;
};

static void *room(struct world *world, size_t count, size_t size)
{
    void *out = arena_alloc(world->plain->arena, count, size);
    assert_non_null(out);
    return out;
}

static struct ref_set random_set(struct world *world, struct random *random, size_t most)
{
    struct ref_set out = {.prefix_count = random_below(random, most + 1),
                          .has_public = random_below(random, 6) == 0};
    out.prefixes = room(world, out.prefix_count, sizeof *out.prefixes);
    for (size_t i = 0; i < out.prefix_count; i++)
        out.prefixes[i] = random_prefix(random);
    return out;
}

static void random_rule(struct world *world, struct random *random, const char *list, size_t index,
                        struct ref_rule *out)
{
    static const uint16_t ports[] = {443, 80, 8000};
    char name[32];
    (void)snprintf(name, sizeof name, "%s[%zu]", list, index);
    *out = (struct ref_rule){.name = arena_copy_string(world->plain->arena, slice_of_string(name)),
                             .has_hosts = random_below(random, 3) != 0,
                             .has_addresses = random_below(random, 2) == 0,
                             .port_count = random_below(random, 3)};
    out->host_count =
        out->has_hosts ? random_below(random, random_below(random, 9) == 0 ? 80 : 4) : 0;
    out->hosts = room(world, out->host_count, sizeof *out->hosts);
    for (size_t i = 0; i < out->host_count; i++)
        out->hosts[i] = random_pattern(random);
    if (out->has_addresses)
        out->addresses = random_set(world, random, random_below(random, 9) == 0 ? 90 : 4);
    out->ports = room(world, out->port_count, sizeof *out->ports);
    for (size_t i = 0; i < out->port_count; i++) {
        out->ports[i].first = ports[random_below(random, 3)];
        out->ports[i].last = (uint16_t)(out->ports[i].first + random_below(random, 2) * 400);
    }
}

#define SOME_MONDAY_S                                                                              \
    (INT64_C(86400) * (4 + 7 * 2900)) // in 2025: around it is when things are asked

// random_schedule is open about half of the time, and begins or ends now and then in the three weeks that are asked about.
static const struct schedule *random_schedule(struct world *world, struct random *random)
{
    struct schedule *out = room(world, 1, sizeof *out);
    *out = (struct schedule){.from_s = INT64_MIN, .until_s = INT64_MAX};
    if (random_below(random, 3) == 0)
        out->from_s = SOME_MONDAY_S + (int64_t)random_below(random, 21) * 86400;
    if (random_below(random, 3) == 0)
        out->until_s = SOME_MONDAY_S + (int64_t)(1 + random_below(random, 21)) * 86400;
    out->has_hours = random_below(random, 2) == 0;
    out->hours = (struct hours){.days = (uint8_t)(1 + random_below(random, 127)),
                                .from_s = (int32_t)random_below(random, 12) * 7200,
                                .to_s = (int32_t)random_below(random, 12) * 7200 + 3600};
    return out;
}

static struct ref_rule *random_rules(struct world *world, struct random *random, const char *list,
                                     size_t most, size_t *out_count)
{
    *out_count = random_below(random, most + 1);
    struct ref_rule *rules = room(world, *out_count, sizeof *rules);
    for (size_t i = 0; i < *out_count; i++) {
        random_rule(world, random, list, i, &rules[i]);
        if (slice_ends_with(slice_of_string(list), SLICE_LITERAL("allow")) &&
            random_below(random, 4) == 0)
            rules[i].schedule = random_schedule(world, random);
    }
    return rules;
}

// compile_sets splits a list in two, as a rule does that names a shared set.
static struct ip_sets compile_ip_sets(struct policy *policy, const struct ref_set *list)
{
    const struct ip_set **items = arena_alloc(policy->arena, 2, sizeof *items);
    assert_non_null(items);
    const struct ref_set first = {.prefixes = list->prefixes,
                                  .prefix_count = list->prefix_count / 2};
    const struct ref_set second = {
        .prefixes = first.prefix_count == 0 ? list->prefixes : list->prefixes + first.prefix_count,
        .prefix_count = list->prefix_count - first.prefix_count,
        .has_public = list->has_public};
    items[0] = compile_addresses(policy->arena, &first);
    items[1] = compile_addresses(policy->arena, &second);
    return (struct ip_sets){.items = items, .count = 2};
}

static struct rule *compile_rules(struct policy *policy, const struct ref_rule *rules, size_t count)
{
    struct rule *out = arena_alloc(policy->arena, count, sizeof *out);
    assert_non_null(out);
    for (size_t i = 0; i < count; i++) {
        const struct host_set **hosts = arena_alloc(policy->arena, 2, sizeof *hosts);
        assert_non_null(hosts);
        const size_t half = rules[i].host_count / 2;
        hosts[0] = compile_hosts(policy->arena, rules[i].hosts, half);
        hosts[1] = compile_hosts(policy->arena, rules[i].hosts + half, rules[i].host_count - half);
        out[i] = (struct rule){.name = rules[i].name,
                               .hosts = {.items = hosts, .count = 2},
                               .has_hosts = rules[i].has_hosts,
                               .addresses = compile_ip_sets(policy, &rules[i].addresses),
                               .has_addresses = rules[i].has_addresses,
                               .schedule = rules[i].schedule,
                               .ports = rules[i].ports,
                               .port_count = (uint32_t)rules[i].port_count};
    }
    return out;
}

static void compile_policy(const struct world *world, struct policy *policy, struct client *client)
{
    const struct ref_client *from = &world->ref_client;
    *client = (struct client){.name = from->name,
                              .sources = compile_ip_sets(policy, &from->sources),
                              .has_sources = from->has_sources,
                              .mode = from->mode,
                              .schedule = from->schedule,
                              .has_times = from->schedule != NULL,
                              .allow = compile_rules(policy, from->allow, from->allow_count),
                              .allow_count = from->allow_count,
                              .deny = compile_rules(policy, from->deny, from->deny_count),
                              .deny_count = from->deny_count};
    for (size_t i = 0; i < client->allow_count; i++)
        client->has_times = client->has_times || client->allow[i].schedule != NULL;
    policy->clients = client;
    policy->client_count = 1;
    policy->deny = compile_rules(policy, world->reference.deny, world->reference.deny_count);
    policy->deny_count = world->reference.deny_count;
    policy->own = world->reference.own;
    policy->own_count = world->reference.own_count;
    policy->nat64 = world->reference.nat64;
}

static void world_init(struct world *world, struct random *random)
{
    static const enum policy_mode modes[] = {POLICY_ENFORCE, POLICY_ENFORCE, POLICY_REPORT,
                                             POLICY_OPEN};
    struct ip_prefix *nat64;
    struct errinfo info;
    *world = (struct world){.plain = policy_create(), .sealed = policy_create()};
    assert_true(world->plain != NULL && world->sealed != NULL);
    world->reference.own = room(world, 1, sizeof *world->reference.own);
    world->reference.own_count = random_below(random, 2);
    *world->reference.own = (struct endpoint){.address = random_address(random), .port = 443};
    nat64 = room(world, 1, sizeof *nat64);
    assert_int_equal(ERR_OK, nat64_prefix_parse(SLICE_LITERAL("2620:fe::/32"), nat64, &info));
    world->reference.nat64 =
        (struct nat64_list){.prefixes = nat64, .count = random_below(random, 2)};
    const size_t most = random_below(random, 3) == 0 ? RULES_MAX : 6;
    world->reference.deny = random_rules(world, random, "deny", random_below(random, 2) * most,
                                         &world->reference.deny_count);
    struct ref_client *client = &world->ref_client;
    client->name = "c";
    client->mode = modes[random_below(random, 4)];
    if (random_below(random, 8) == 0)
        client->schedule = random_schedule(world, random);
    client->has_sources = random_below(random, 4) == 0;
    client->sources = random_set(world, random, 20);
    client->allow = random_rules(world, random, "c.allow", most, &client->allow_count);
    client->deny = random_rules(world, random, "c.deny", random_below(random, 2) * most / 2,
                                &client->deny_count);
    compile_policy(world, world->plain, &world->plain_client);
    compile_policy(world, world->sealed, &world->sealed_client);
    assert_int_equal(ERR_OK, policy_seal(world->sealed));
}

static void world_deinit(struct world *world)
{
    policy_destroy(world->plain);
    policy_destroy(world->sealed);
}

// question is what is asked of all of them.
struct question {
    struct target target;
    struct ip_addr source;
    int64_t now_s;
    struct candidate candidates[CANDIDATES_MAX];
    size_t count;
};

static void random_question(struct random *random, struct question *out)
{
    static const uint16_t ports[] = {443, 443, 80, 8200};
    *out = (struct question){
        .source = random_address(random),
        .now_s = SOME_MONDAY_S + (int64_t)random_below(random, 21 * 24) * 3600,
        .count = random_below(random, random_below(random, 8) == 0 ? CANDIDATES_MAX : 4)};
    out->target.port = ports[random_below(random, 4)];
    out->target.kind = random_below(random, 3) == 0 ? TARGET_ADDRESS : TARGET_NAME;
    for (size_t i = 0; i < out->count; i++)
        out->candidates[i] = (struct candidate){.address = random_address(random),
                                                .is_local = random_below(random, 6) == 0};
    if (out->target.kind == TARGET_NAME) {
        out->target.name = random_host(random);
    } else {
        out->target.address = random_address(random);
        out->candidates[0].address = out->target.address;
        out->count = 1;
    }
}

static bool is_same_text(const char *a, const char *b)
{
    return (a == NULL) == (b == NULL) && (a == NULL || strcmp(a, b) == 0);
}

static void assert_same(const struct decision *a, const struct question *qa,
                        const struct decision *b, const struct question *qb, const char *what,
                        size_t round)
{
    bool is_same = a->action == b->action && a->reason == b->reason && a->mode == b->mode &&
                   a->would_deny == b->would_deny && is_same_text(a->rule, b->rule) &&
                   a->changes_s == b->changes_s;
    for (size_t i = 0; i < qa->count; i++)
        is_same &= qa->candidates[i].is_admitted == qb->candidates[i].is_admitted &&
                   qa->candidates[i].reason == qb->candidates[i].reason &&
                   is_same_text(qa->candidates[i].rule, qb->candidates[i].rule) &&
                   qa->candidates[i].until_s == qb->candidates[i].until_s;
    if (!is_same)
        fail_msg("round %zu, %s: %s %s %s, but it should be %s %s %s", round, what,
                 action_name(b->action), reason_name(b->reason), b->rule == NULL ? "-" : b->rule,
                 action_name(a->action), reason_name(a->reason), a->rule == NULL ? "-" : a->rule);
}

// ledger counts what a trace is told.
struct ledger {
    size_t verdicts;
    size_t admissions; // rules that admit an address
    size_t denials;    // rules that deny one
};

static void note(void *arg, const struct policy_step *step)
{
    struct ledger *ledger = arg;
    ledger->verdicts += step->kind == POLICY_STEP_VERDICT;
    if (step->kind != POLICY_STEP_ADDRESS || !step->is_fit)
        return;
    ledger->admissions += step->list == POLICY_LIST_ALLOW;
    ledger->denials += step->list != POLICY_LIST_ALLOW;
}

// ask asks all four, and gives the verdict of the reference.
static enum reason ask(const struct world *world, const struct question *question, size_t round)
{
    struct question asked[4] = {*question, *question, *question, *question};
    struct decision said[4];
    struct ledger ledger = {0};
    const struct policy_trace trace = {.told = note, .arg = &ledger};
    ref_decide_target(&world->reference, &world->ref_client, &question->source, question->now_s,
                      &question->target, &said[0]);
    policy_decide_target(world->sealed, &world->sealed_client, &question->source, question->now_s,
                         &question->target, NULL, &said[1]);
    const struct question none = {0};
    assert_same(&said[0], &none, &said[1], &none, "target, sealed", round);
    ref_decide_addresses(&world->reference, &world->ref_client, &question->source, question->now_s,
                         &question->target, asked[0].candidates, question->count, &said[0]);
    policy_decide_addresses(world->plain, &world->plain_client, &question->source, question->now_s,
                            &question->target, asked[1].candidates, question->count, NULL,
                            &said[1]);
    policy_decide_addresses(world->sealed, &world->sealed_client, &question->source,
                            question->now_s, &question->target, asked[2].candidates,
                            question->count, NULL, &said[2]);
    policy_decide_addresses(world->sealed, &world->sealed_client, &question->source,
                            question->now_s, &question->target, asked[3].candidates,
                            question->count, &trace, &said[3]);
    assert_same(&said[0], &asked[0], &said[1], &asked[1], "plain", round);
    assert_same(&said[0], &asked[0], &said[2], &asked[2], "sealed", round);
    assert_same(&said[0], &asked[0], &said[3], &asked[3], "traced", round);
    size_t admitted = 0;
    size_t denied = 0;
    for (size_t i = 0; i < question->count; i++) {
        admitted += asked[0].candidates[i].reason == REASON_RULE;
        denied += asked[0].candidates[i].reason == REASON_DENIED_BY_RULE;
    }
    if (ledger.verdicts != 0) { // the second step was reached
        assert_int_equal(ledger.verdicts, question->count);
        assert_int_equal(ledger.admissions, admitted);
        assert_int_equal(ledger.denials, denied);
    }
    return said[0].reason;
}

static void sealed_policies_decide_as_plain_lists_do(void **state)
{
    (void)state;
    struct random random = {.state = 3};
    size_t reasons[REASON_COUNT] = {0};
    for (size_t round = 0; round < 450; round++) {
        struct world world;
        world_init(&world, &random);
        for (size_t i = 0; i < 150; i++) {
            struct question question;
            random_question(&random, &question);
            reasons[ask(&world, &question, round)]++;
        }
        world_deinit(&world);
    }
    // Each verdict was met often enough to mean something.
    static const enum reason met[] = {REASON_RULE,
                                      REASON_NO_RULE,
                                      REASON_DENIED_BY_RULE,
                                      REASON_SPECIAL_RANGE,
                                      REASON_SOURCE_NOT_ALLOWED,
                                      REASON_NOT_VALID_NOW,
                                      REASON_OUTSIDE_HOURS,
                                      REASON_OWN_LISTENER};
    for (size_t i = 0; i < sizeof met / sizeof met[0]; i++) {
        if (reasons[met[i]] < 50)
            fail_msg("%s was met %zu times only", reason_name(met[i]), reasons[met[i]]);
    }
}

// ---- clients ------------------------------------------------------------------------------------

static const char *const people[] = {
    "cn=a trust=staff",
    "cn=b trust=staff",
    "cn=a trust=partners",
    "cn=a cn=b trust=staff",
    "cn=a issuer=CA-1 serial=4f01 trust=staff",
    "cn=b issuer=CA-1 serial=4f02 trust=staff",
    "cn=b issuer=CA-2 serial=4f01 trust=partners",
    "cn=a uri=spiffe://x/t/one trust=staff",
    "cn=a uri=spiffe://x/t/one/deep trust=staff",
    "cn=a uri=spiffe://x/t/ trust=staff",
    "cn=a uri=spiffe://x/u/one trust=staff",
    "cn=a uri=spiffe://x/t/one uri=spiffe://x/u/two trust=staff",
    "cn=a uri=https://x/t/one uri=https://y trust=staff",
    "cn=a dns=h.x.example trust=staff",
    "cn=a dns=H.X.Example dns=x.example trust=staff",
    "cn=a dns=x.example trust=partners",
    "cn=a dns=*.x.example trust=staff",
    "cn=b email=Joe@X.example trust=staff",
    "cn=b email=joe@x.example trust=staff",
    "cn=b ip=10.0.0.1 trust=staff",
    "cn=b ip=2001:db8::1 trust=partners",
    "cn=b uri=spiffe://x/t/one dns=h.x.example email=joe@x.example ip=10.0.0.1 trust=staff",
    "cn=a ou=a ou=b o=a trust=staff",
    "ou=b o=a o=b trust=partners",
    "cn=a",
};
enum { PEOPLE = sizeof people / sizeof people[0] };

// random_entry takes each part with some luck, from a small choice.
static void random_entry(struct random *random, struct identity *const *known,
                         struct match_entry *out)
{
    static const char *const uris[] = {
        "spiffe://x/t/*",     "spiffe://x/t/one", "spiffe://x/*",     "https://x/t/*",
        "spiffe://x/t/one/*", "spiffe://*",       "spiffe://x/t/*/y", ""};
    static const char *const names[] = {"h.x.example", "*.x.example",   "*.example",
                                        "X.EXAMPLE",   "*.h.x.example", "*."};
    static const char *const emails[] = {"joe@x.example", "Joe@x.EXAMPLE", "JOE@x.example", "joe"};
    static const char *const trusts[] = {"staff", "partners", "nobody"};
    static const char *const cns[] = {"a", "b", "A", ""};
    static const struct ip_addr ips[] = {{.family = IP_V4, .bytes = {10, 0, 0, 1}},
                                         {.family = IP_V6, .bytes = {0x20, 1, 0xD, 0xB8, [15] = 1}},
                                         {.family = IP_NONE}};
    const struct identity *like = known[random_below(random, PEOPLE)];
    *out = (struct match_entry){0};
    if (random_below(random, 3) == 0)
        out->trust = trusts[random_below(random, 3)];
    if (random_below(random, 3) == 0)
        out->uri = uris[random_below(random, 8)];
    if (random_below(random, 4) == 0)
        out->dns = names[random_below(random, 6)];
    if (random_below(random, 6) == 0)
        out->email = emails[random_below(random, 4)];
    if (random_below(random, 6) == 0)
        out->ip = &ips[random_below(random, 3)];
    if (random_below(random, 5) == 0)
        out->cn = cns[random_below(random, 4)];
    if (random_below(random, 5) == 0)
        out->ou = cns[random_below(random, 4)];
    if (random_below(random, 8) == 0)
        out->o = cns[random_below(random, 4)];
    if (random_below(random, 8) == 0)
        out->subject = slice_of(like->subject.bytes, like->subject.len);
    if (random_below(random, 8) == 0)
        out->issuer = slice_of(like->issuer.bytes, like->issuer.len);
    if (random_below(random, 8) == 0)
        out->serial = like->serial;
    if (random_below(random, 12) == 0)
        out->sha256 = like->sha256;
    if (random_below(random, 12) == 0)
        out->spki_sha256 = like->spki_sha256;
    out->any = random_below(random, 30) == 0;
    out->anonymous = random_below(random, 20) == 0;
}

static void count_entries(void *arg, const struct policy_step *step)
{
    ++*(size_t *)arg;
    assert_int_equal(POLICY_STEP_ENTRY, step->kind);
}

// find_plainly tries one entry after the other; `*out_tried` says how many.
static const struct client *find_plainly(const struct policy *policy, const struct identity *who,
                                         size_t *out_tried)
{
    *out_tried = 0;
    for (size_t i = 0; i < policy->client_count; i++) {
        for (size_t k = 0; k < policy->clients[i].match_count; k++) {
            ++*out_tried;
            if (match_entry_fits(&policy->clients[i].matches[k], who))
                return &policy->clients[i];
        }
    }
    return NULL;
}

static void sealed_policies_find_the_client_that_is_first_in_the_file(void **state)
{
    (void)state;
    enum { CLIENTS = 40, ENTRIES = 3 };
    struct random random = {.state = 4};
    struct identity *known[PEOPLE];
    size_t told = 0;
    const struct policy_trace trace = {.told = count_entries, .arg = &told};
    size_t found = 0;
    for (size_t i = 0; i < PEOPLE; i++)
        known[i] = identity_make(people[i]);
    for (size_t round = 0; round < 1500; round++) {
        struct policy *policy = policy_create();
        struct client clients[CLIENTS] = {0};
        struct match_entry entries[CLIENTS][ENTRIES];
        assert_non_null(policy);
        policy->clients = clients;
        policy->client_count = 1 + random_below(&random, CLIENTS);
        for (size_t i = 0; i < policy->client_count; i++) {
            clients[i].matches = entries[i];
            clients[i].match_count = 1 + random_below(&random, ENTRIES);
            for (size_t k = 0; k < clients[i].match_count; k++)
                random_entry(&random, known, &entries[i][k]);
        }
        assert_int_equal(ERR_OK, policy_seal(policy));
        assert_non_null(policy->client_index);
        for (size_t i = 0; i <= PEOPLE; i++) {
            const struct identity *who = i == PEOPLE ? NULL : known[i];
            size_t tried = 0;
            told = 0;
            const struct client *linear = find_plainly(policy, who, &tried);
            assert_ptr_equal(linear, policy_find_client(policy, who, &trace));
            assert_int_equal(tried, told); // one by one, whatever index there is
            if (policy_find_client(policy, who, NULL) != linear)
                fail_msg("round %zu: %s", round, i == PEOPLE ? "nobody" : people[i]);
            found += linear != NULL;
        }
        policy_destroy(policy);
    }
    assert_in_range(found, 5000, 1500 * PEOPLE - 5000);
    for (size_t i = 0; i < PEOPLE; i++)
        identity_destroy(known[i]);
}

static void a_pattern_alone_is_found_however_deep_it_is(void **state)
{
    (void)state;
    static const struct {
        struct match_entry entry;
        const char *person;
    } rows[] = {
        {{.uri = "a://x//////*"}, "cn=a uri=a://x//////y trust=staff"},
        {{.uri = "a://x/*"}, "cn=a uri=a://x/y/z trust=staff"},
        {{.dns = "*.a"}, "cn=a dns=d.c.b.a trust=staff"},
        {{.dns = "*.d.c.b.a"}, "cn=a dns=e.d.c.b.a trust=staff"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct policy *policy = policy_create();
        struct client client = {.name = "c", .matches = &rows[i].entry, .match_count = 1};
        struct identity *identity = identity_make(rows[i].person);
        assert_non_null(policy);
        policy->clients = &client;
        policy->client_count = 1;
        assert_int_equal(ERR_OK, policy_seal(policy));
        assert_ptr_equal(&client, policy_find_client(policy, identity, NULL));
        identity_destroy(identity);
        policy_destroy(policy);
    }
}

// fill_patterns gives each client one pattern. `texts` is what they are written in.
static void fill_patterns(struct client *clients, struct match_entry *entries, char (*texts)[48],
                          size_t count, bool is_uri)
{
    for (size_t i = 0; i < count; i++) {
        struct text text;
        text_init(&text, texts[i], sizeof texts[i]);
        text_append_format(&text, is_uri ? "https://client%zu.example/*" : "*.client%zu.example",
                           i);
        entries[i] =
            is_uri ? (struct match_entry){.uri = texts[i]} : (struct match_entry){.dns = texts[i]};
        clients[i] = (struct client){.name = "c", .matches = &entries[i], .match_count = 1};
    }
}

static void many_names_and_many_patterns_do_not_multiply(void **state)
{
    (void)state;
    enum { CLIENTS = 10000, COMPARED_MAX = 4 * IDENTITY_MAX_SANS };
    static struct client clients[CLIENTS];
    static struct match_entry entries[CLIENTS];
    static char texts[CLIENTS][48];
    static struct claimed_san sans[IDENTITY_MAX_SANS];
    static char names[IDENTITY_MAX_SANS][32];
    for (int is_uri = 0; is_uri < 2; is_uri++) {
        struct policy *policy = policy_create();
        struct identity *identity = NULL;
        struct errinfo info = {0};
        size_t compared = 0;
        for (size_t i = 0; i < IDENTITY_MAX_SANS; i++) {
            struct text text;
            text_init(&text, names[i], sizeof names[i]);
            text_append_format(&text, is_uri ? "https://h%zu.example/x" : "h%zu.example", i);
            sans[i] = (struct claimed_san){is_uri ? SAN_URI : SAN_DNS, text_slice(&text)};
        }
        const struct claim claim = {
            .trust_name = "staff", .sans = sans, .san_count = IDENTITY_MAX_SANS};
        assert_int_equal(ERR_OK, claim_to_identity(&claim, &identity, &info));
        fill_patterns(clients, entries, texts, CLIENTS, is_uri);
        assert_non_null(policy);
        policy->clients = clients;
        policy->client_count = CLIENTS;
        assert_int_equal(ERR_OK, policy_seal(policy));
        assert_null(client_index_find(policy->client_index, identity, &compared));
        if (compared > COMPARED_MAX) // one by one it is ten million
            fail_msg("%s: %zu comparisons", is_uri ? "uri" : "dns", compared);
        identity_destroy(identity);
        policy_destroy(policy);
    }
}

// Entries that name one thing of their kind are found by it: of a thousand few are compared.
static void an_entry_is_looked_up_by_what_it_names(void **state)
{
    (void)state;
    enum { CLIENTS = 1000, COMPARED_MAX = 50 };
    enum kind {
        CERTIFICATE,
        SPKI,
        URI,
        IP,
        EMAIL,
        DNS,
        SUBJECT,
        CN,
        SERIAL,
        OU,
        O,
        URI_PREFIX,
        DNS_SUFFIX,
        KINDS
    };
    struct identity *identity = identity_make(
        "cn=a ou=a ou=b o=a uri=https://a.example/x dns=x.a.example email=a@a.example ip=10.0.0.1 "
        "serial=4f trust=staff");
    for (enum kind kind = CERTIFICATE; kind < KINDS; kind++) {
        static struct client clients[CLIENTS];
        static struct match_entry entries[CLIENTS];
        static uint8_t digests[CLIENTS][IDENTITY_DIGEST_LEN];
        static char texts[CLIENTS][48];
        static struct ip_addr ips[CLIENTS];
        struct policy *policy = policy_create();
        size_t compared = 0;
        assert_non_null(policy);
        for (size_t i = 0; i < CLIENTS; i++) {
            static const char *const formats[KINDS] = {[URI] = "https://c%zu.example/x",
                                                       [EMAIL] = "c%zu@a.example",
                                                       [DNS] = "c%zu.a.example",
                                                       [CN] = "c%zu",
                                                       [OU] = "c%zu",
                                                       [O] = "c%zu",
                                                       [URI_PREFIX] = "https://c%zu.example/*",
                                                       [DNS_SUFFIX] = "*.c%zu.example"};
            struct match_entry *entry = &entries[i];
            struct text text;
            *entry = (struct match_entry){.trust = "staff"};
            text_init(&text, texts[i], sizeof texts[i]);
            text_append_format(&text, formats[kind] == NULL ? "%zu" : formats[kind], i);
            digests[i][0] = (uint8_t)(i >> 8);
            digests[i][1] = (uint8_t)i;
            ips[i] =
                (struct ip_addr){.family = IP_V4, .bytes = {11, 0, (uint8_t)(i >> 8), (uint8_t)i}};
            entry->sha256 = kind == CERTIFICATE ? digests[i] : NULL;
            entry->spki_sha256 = kind == SPKI ? digests[i] : NULL;
            entry->uri = kind == URI || kind == URI_PREFIX ? texts[i] : NULL;
            entry->ip = kind == IP ? &ips[i] : NULL;
            entry->email = kind == EMAIL ? texts[i] : NULL;
            entry->dns = kind == DNS || kind == DNS_SUFFIX ? texts[i] : NULL;
            entry->cn = kind == CN ? texts[i] : NULL;
            entry->ou = kind == OU ? texts[i] : NULL;
            entry->o = kind == O ? texts[i] : NULL;
            if (kind == SUBJECT)
                entry->subject = text_slice(&text);
            if (kind == SERIAL)
                entry->serial = slice_of(digests[i], 2);
            clients[i] = (struct client){.name = "c", .matches = entry, .match_count = 1};
        }
        policy->clients = clients;
        policy->client_count = CLIENTS;
        assert_int_equal(ERR_OK, policy_seal(policy));
        assert_null(client_index_find(policy->client_index, identity, &compared));
        if (compared > COMPARED_MAX)
            fail_msg("kind %d: %zu comparisons", (int)kind, compared);
        policy_destroy(policy);
    }
    identity_destroy(identity);
}

// Entries that ask for one extension are found by what is written of it: its exact text, the beginning of it, or a member.
static void an_extension_is_looked_up_by_what_is_written_of_it(void **state)
{
    (void)state;
    enum { CLIENTS = 1000, COMPARED_MAX = 20, WANTED = 500 };
    enum kind { TEXT, PREFIX, MEMBER, KINDS };
    static const char oid[] = "\x2A\x03";
    static const char *const formats[KINDS] = {
        [TEXT] = "t/%03zu/a", [PREFIX] = "t/%03zu/*", [MEMBER] = "%03zu"};
    static const char text_value[] = "\x0C\x07t/500/a";
    static const char object[] = "{\"id\":\"x\",\"team\":\"500\"}";
    for (enum kind kind = TEXT; kind < KINDS; kind++) {
        static struct client clients[CLIENTS];
        static struct match_entry entries[CLIENTS];
        static struct extension_match wanted[CLIENTS];
        static struct extension_member members[CLIENTS][2];
        static char texts[CLIENTS][16];
        static char keys[CLIENTS][32];
        const struct extension extension = {
            .oid = slice_of_string(oid),
            .value = slice_of_string(kind == MEMBER ? object : text_value)};
        const struct claim claim = {
            .trust_name = "staff", .extensions = &extension, .extension_count = 1};
        struct policy *policy = policy_create();
        struct identity *identity = NULL;
        struct errinfo info = {0};
        size_t compared = 0;
        assert_non_null(policy);
        assert_int_equal(ERR_OK, claim_to_identity(&claim, &identity, &info));
        for (size_t i = 0; i < CLIENTS; i++) {
            struct text text;
            text_init(&text, texts[i], sizeof texts[i]);
            text_append_format(&text, formats[kind], i);
            (void)snprintf(keys[i], sizeof keys[i], "\x02%s%c%.15s", oid, kind == MEMBER ? 3 : 1,
                           texts[i]);
            members[i][0] = (struct extension_member){.name = SLICE_LITERAL("id"), .is_any = true};
            members[i][1] = (struct extension_member){.name = SLICE_LITERAL("team"),
                                                      .equals = {.head = text_slice(&text)}};
            wanted[i] =
                (struct extension_match){.oid = extension.oid,
                                         .kind = kind == MEMBER ? EXTENSION_JSON : EXTENSION_TEXT,
                                         .value = text_slice(&text),
                                         .members = members[i],
                                         .member_count = 2,
                                         .key = slice_of_string(keys[i])};
            entries[i] = (struct match_entry){.extension = &wanted[i]};
            clients[i] = (struct client){.name = "c", .matches = &entries[i], .match_count = 1};
        }
        policy->clients = clients;
        policy->client_count = CLIENTS;
        assert_int_equal(ERR_OK, policy_seal(policy));
        const struct client *found = client_index_find(policy->client_index, identity, &compared);
        assert_ptr_equal(found, &clients[WANTED]);
        if (compared > COMPARED_MAX)
            fail_msg("kind %d: %zu comparisons", (int)kind, compared);
        identity_destroy(identity);
        policy_destroy(policy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_host_set_matches_what_one_of_its_patterns_matches),
        cmocka_unit_test(a_pattern_matches_what_its_labels_match),
        cmocka_unit_test(an_ip_set_holds_and_opens_what_one_of_its_prefixes_does),
        cmocka_unit_test(sealed_policies_decide_as_plain_lists_do),
        cmocka_unit_test(sealed_policies_find_the_client_that_is_first_in_the_file),
        cmocka_unit_test(a_pattern_alone_is_found_however_deep_it_is),
        cmocka_unit_test(many_names_and_many_patterns_do_not_multiply),
        cmocka_unit_test(an_entry_is_looked_up_by_what_it_names),
        cmocka_unit_test(an_extension_is_looked_up_by_what_is_written_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
