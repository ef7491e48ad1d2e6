// The policy tables, and what they cannot say: the reason of each address, and the edges of every
// special range seen through a whole decision.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "auth/cert_policies.h"
#include "auth/extension.h"
#include "auth/name_template.h"
#include "auth/policy.h"
#include "tests/unit/auth/eval.h"
#include "tests/unit/auth/range_list.h"
#include "tests/unit/auth/set_maker.h"

// Each table with the number of rows below which somebody has lost some.
#define TABLES(X)                                                                                  \
    X(hosts, 100)                                                                                  \
    X(targets, 80)                                                                                 \
    X(addresses, 70)                                                                               \
    X(special_ranges, 85)                                                                          \
    X(always_closed, 50)                                                                           \
    X(embedded, 60)                                                                                \
    X(deny, 60)                                                                                    \
    X(order, 34)                                                                                   \
    X(modes, 50)                                                                                   \
    X(sources, 26)                                                                                 \
    X(own_listener, 30)                                                                            \
    X(identities, 70)

#define X(name, least)                                                                             \
    static void table_##name##_holds_in_every_row(void **state)                                    \
    {                                                                                              \
        (void)state;                                                                               \
        const struct eval_result result = eval_run_file("tests/data/" #name ".eval");              \
        assert_int_equal(0, result.failure_count);                                                 \
        assert_in_range(result.row_count, least, SIZE_MAX);                                        \
    }
TABLES(X)
#undef X

static struct ip_addr address(const char *text)
{
    struct ip_addr out;
    assert_int_equal(ERR_OK, ip_addr_parse(slice_of_string(text), &out));
    return out;
}

static struct target target(const char *text)
{
    struct target out;
    assert_int_equal(ERR_OK, target_parse(slice_of_string(text), &out));
    return out;
}

// sets holds what the tests make, until the end of each.
static struct arena *sets;

static int begin_sets(void **state)
{
    (void)state;
    sets = arena_create();
    return sets == NULL;
}

static int end_sets(void **state)
{
    (void)state;
    arena_destroy(sets);
    return 0;
}

// allow_all is an allow of every name.
static struct rule allow_all(void)
{
    return (struct rule){.name = "all", .hosts = make_hosts(sets, "*"), .has_hosts = true};
}

static void every_candidate_has_its_own_reason_and_rule(void **state)
{
    (void)state;
    const struct rule allow = allow_all();
    const struct rule deny = {
        .name = "bad", .has_addresses = true, .addresses = make_addresses(sets, "9.9.9.0/24")};
    const struct client client = {
        .name = "c", .allow = &allow, .allow_count = 1, .deny = &deny, .deny_count = 1};
    const struct endpoint own = {address("0.0.0.0"), 443};
    const struct policy policy = {
        .clients = &client, .client_count = 1, .own = &own, .own_count = 1};
    struct candidate candidates[] = {
        {.address = address("9.9.9.9")},
        {.address = address("1.1.1.1")},
        {.address = address("10.0.0.1")},
        {.address = address("169.254.169.254")},
        {.address = address("224.0.0.1")},
        {.address = address("1.0.0.1"), .is_local = true},
        {.address = address("8.8.8.8")},
        // Teredo: its server is one of a cloud's metadata, its client 224.0.0.1
        {.address = address("2001:0:a9fe:a9fe::1fff:fffe")},
    };
    enum { COUNT = sizeof candidates / sizeof candidates[0] };
    static const enum reason reasons[] = {
        REASON_DENIED_BY_RULE, REASON_RULE,         REASON_SPECIAL_RANGE, REASON_METADATA,
        REASON_SPECIAL_RANGE,  REASON_OWN_LISTENER, REASON_RULE,          REASON_METADATA,
    };
    static const char *const rules[COUNT] = {"bad", "all", NULL, NULL, NULL, NULL, "all", NULL};
    const struct ip_addr source = address("192.0.2.1");
    const struct target asked = target("a.example:443");
    // What was in there before counts for nothing.
    for (size_t i = 0; i < COUNT; i++) {
        candidates[i].is_admitted = true;
        candidates[i].rule = "stale";
        candidates[i].reason = REASON_RULE;
    }
    struct decision decision;
    policy_decide_addresses(&policy, &client, &source, 0, &asked, candidates, COUNT, NULL,
                            &decision);
    for (size_t i = 0; i < COUNT; i++) {
        assert_string_equal(reason_name(reasons[i]), reason_name(candidates[i].reason));
        assert_int_equal(reasons[i] == REASON_RULE, candidates[i].is_admitted);
        if (rules[i] == NULL)
            assert_null(candidates[i].rule);
        else
            assert_string_equal(rules[i], candidates[i].rule);
    }
    assert_int_equal(ACTION_ALLOW, decision.action);
    assert_string_equal("all", decision.rule);
}

static void the_last_of_many_rules_that_speak_about_a_name_admits(void **state)
{
    (void)state;
    enum { MOST = 20 };
    struct rule allows[MOST];
    const struct ip_addr source = address("192.0.2.1");
    const struct target asked = target("a.example:443");
    for (uint32_t count = 1; count <= MOST; count++) {
        for (uint32_t i = 0; i < count; i++) {
            allows[i] = allow_all();
            allows[i].has_addresses = true;
            allows[i].addresses = make_addresses(sets, "10.0.0.0/24");
        }
        allows[count - 1].name = "last";
        allows[count - 1].addresses = make_addresses(sets, "public");
        const struct client client = {.name = "c", .allow = allows, .allow_count = count};
        const struct policy policy = {.clients = &client, .client_count = 1};
        struct candidate candidates[] = {{.address = address("1.1.1.1")},
                                         {.address = address("10.0.1.1")}};
        struct decision decision;
        policy_decide_addresses(&policy, &client, &source, 0, &asked, candidates, 2, NULL,
                                &decision);
        assert_int_equal(ACTION_ALLOW, decision.action);
        assert_string_equal("last", decision.rule);
        assert_int_equal(REASON_SPECIAL_RANGE, candidates[1].reason);
    }
}

static void an_address_that_is_no_address_is_never_admitted(void **state)
{
    (void)state;
    struct rule allow = allow_all();
    allow.has_addresses = true;
    allow.addresses = make_addresses(sets, "0.0.0.0/0,::/0,0.0.0.0/8,public");
    const struct client client = {
        .name = "c", .allow = &allow, .allow_count = 1, .mode = POLICY_OPEN};
    const struct policy policy = {.clients = &client, .client_count = 1};
    const struct ip_addr source = address("192.0.2.1");
    const struct target asked = target("a.example:443");
    struct candidate candidate = {0};
    struct decision decision;
    policy_decide_addresses(&policy, &client, &source, 0, &asked, &candidate, 1, NULL, &decision);
    assert_int_equal(ACTION_DENY, decision.action);
    assert_false(candidate.is_admitted);
}

static void a_source_that_is_no_address_is_in_no_set(void **state)
{
    (void)state;
    const struct client client = {
        .name = "c",
        .mode = POLICY_OPEN,
        .has_sources = true,
        .sources = make_addresses(sets, "0.0.0.0/0,::/0,public"),
    };
    const struct policy policy = {.clients = &client, .client_count = 1};
    const struct ip_addr nothing = {0};
    const struct target asked = target("a.example:443");
    struct decision decision;
    policy_decide_target(&policy, &client, &nothing, 0, &asked, NULL, &decision);
    assert_int_equal(ACTION_DENY, decision.action);
    assert_int_equal(REASON_SOURCE_NOT_ALLOWED, decision.reason);
}

static void a_written_address_is_no_name_whatever_stands_in_its_name(void **state)
{
    (void)state;
    const struct rule allow = allow_all();
    const struct client client = {.name = "c", .allow = &allow, .allow_count = 1};
    const struct policy policy = {.clients = &client, .client_count = 1};
    const struct ip_addr source = address("192.0.2.1");
    struct target asked = target("a.example:443");
    asked.kind = TARGET_ADDRESS;
    asked.address = address("9.9.9.9");
    struct candidate candidate = {.address = asked.address};
    struct decision decision;
    policy_decide_addresses(&policy, &client, &source, 0, &asked, &candidate, 1, NULL, &decision);
    assert_int_equal(ACTION_DENY, decision.action);
    assert_int_equal(REASON_NO_RULE, decision.reason);
}

static void own_ports_are_those_of_wildcard_listeners(void **state)
{
    (void)state;
    const struct endpoint own[] = {
        {address("0.0.0.0"), 8443}, {address("::"), 9443}, {address("127.0.0.1"), 7443}};
    const struct policy policy = {.own = own, .own_count = 3};
    assert_true(policy_is_own_port(&policy, 8443));
    assert_true(policy_is_own_port(&policy, 9443));
    assert_false(policy_is_own_port(&policy, 7443));
    assert_false(policy_is_own_port(&policy, 443));
}

static void a_listener_written_as_a_mapped_address_is_its_ipv4_address(void **state)
{
    (void)state;
    const struct endpoint own = {address("::ffff:1.1.1.1"), 443};
    const struct rule allow = allow_all();
    const struct client client = {.name = "c", .allow = &allow, .allow_count = 1};
    const struct policy policy = {.own = &own, .own_count = 1};
    const struct ip_addr source = address("192.0.2.1");
    const struct target asked = target("a.example:443");
    struct candidate candidate = {.address = address("1.1.1.1")};
    struct decision decision;
    policy_decide_addresses(&policy, &client, &source, 0, &asked, &candidate, 1, NULL, &decision);
    assert_int_equal(REASON_OWN_LISTENER, decision.reason);
}

// The forms of candidates after the eighth are worked out in one place, one after the other.
static void the_forms_of_one_candidate_count_for_no_other(void **state)
{
    (void)state;
    const struct endpoint own = {address("8.8.8.8"), 443};
    const struct rule allow = allow_all();
    const struct client client = {.name = "c", .allow = &allow, .allow_count = 1};
    const struct policy policy = {.own = &own, .own_count = 1};
    const struct ip_addr source = address("192.0.2.1");
    const struct target asked = target("a.example:443");
    enum { COUNT = 10 };
    struct candidate candidates[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        candidates[i] = (struct candidate){.address = address("2606:4700::1")};
    candidates[COUNT - 2].address = address("2001:0:808:808::1"); // Teredo: its server is 8.8.8.8
    struct decision decision;
    policy_decide_addresses(&policy, &client, &source, 0, &asked, candidates, COUNT, NULL,
                            &decision);
    assert_false(candidates[COUNT - 2].is_admitted);
    assert_string_equal("rule", reason_name(candidates[COUNT - 1].reason));
    assert_true(candidates[COUNT - 1].is_admitted);
}

// judge gives the verdict on one address under `client`, which has one allow for every name.
static enum reason judge(const struct client *client, const struct ip_addr *addr)
{
    const struct policy policy = {.clients = client, .client_count = 1};
    const struct ip_addr source = address("192.0.2.1");
    const struct target asked = target("a.example:443");
    struct candidate candidate = {.address = *addr};
    struct decision decision;
    policy_decide_addresses(&policy, client, &source, 0, &asked, &candidate, 1, NULL, &decision);
    assert_int_equal(decision.action == ACTION_ALLOW, candidate.is_admitted);
    return decision.reason;
}

static bool carries_ipv4(const struct ip_addr *addr)
{
    struct ip_addr embedded[IP_EMBEDDED_MAX];
    return ip_addr_embedded(addr, (struct nat64_list){0}, embedded) != 0;
}

// make_prefix makes a set of one prefix, which no text may say: its last bits may be set.
static struct ip_sets make_prefix(const struct ip_prefix *prefix)
{
    struct ip_set_builder builder = {0};
    const struct ip_set **items = arena_alloc(sets, 1, sizeof *items);
    assert_non_null(items);
    assert_int_equal(ERR_OK, ip_set_builder_add(&builder, prefix));
    items[0] = ip_set_builder_finish(&builder, sets);
    assert_non_null(items[0]);
    return (struct ip_sets){.items = items, .count = 1};
}

// check_edge judges one address under a plain allow, one that opens exactly `range`, one that is a
// bit wider, and everything at once in the widest mode.
static void check_edge(const struct range_list *list, const struct range_row *range,
                       const struct ip_addr *addr)
{
    const struct range_row *expected = range_list_find(list, addr);
    struct ip_prefix wider = range->prefix;
    wider.length = (uint8_t)(wider.length - 1);
    struct rule allow = allow_all();
    struct client client = {.name = "c", .allow = &allow, .allow_count = 1};
    const bool is_ordinary = expected == NULL;
    assert_int_equal(is_ordinary, judge(&client, addr) == REASON_RULE);

    allow.has_addresses = true;
    allow.addresses = make_prefix(&wider);
    if (!is_ordinary && expected->prefix.length >= range->prefix.length)
        assert_int_not_equal(REASON_RULE, judge(&client, addr));
    allow.addresses = make_prefix(&range->prefix);
    if (!carries_ipv4(addr))
        assert_int_equal(expected == range && range->ip_class == IP_CLASS_SPECIAL,
                         judge(&client, addr) == REASON_RULE);

    client.mode = POLICY_OPEN;
    allow.addresses = make_addresses(sets, "0.0.0.0/0,::/0,public");
    assert_int_equal(is_ordinary, judge(&client, addr) == REASON_RULE);
    allow.addresses = (struct ip_sets){0};
    assert_int_equal(is_ordinary, judge(&client, addr) == REASON_NO_RULE);
    if (!is_ordinary && expected->ip_class == IP_CLASS_METADATA)
        assert_int_equal(REASON_METADATA, judge(&client, addr));
}

static void every_range_opens_at_its_edges_only_to_a_prefix_inside_it(void **state)
{
    (void)state;
    struct range_list list;
    range_list_load(&list, "tests/data/special_ranges.list");
    size_t checked = 0;
    for (size_t i = 0; i < list.count; i++) {
        struct ip_addr edges[RANGE_EDGES];
        const size_t count = range_edges(&list.rows[i].prefix, edges);
        for (size_t k = 0; k < count; k++)
            check_edge(&list, &list.rows[i], &edges[k]);
        checked += count;
    }
    assert_in_range(checked, 250, SIZE_MAX);
}

static void modes_and_actions_have_their_names(void **state)
{
    (void)state;
    assert_string_equal("enforce", policy_mode_name(POLICY_ENFORCE));
    assert_string_equal("report", policy_mode_name(POLICY_REPORT));
    assert_string_equal("open", policy_mode_name(POLICY_OPEN));
    assert_string_equal("allow", action_name(ACTION_ALLOW));
    assert_string_equal("deny", action_name(ACTION_DENY));
    assert_string_equal("error", action_name(ACTION_ERROR));
}

static void a_tunnel_may_carry_what_its_rule_says_or_else_its_client(void **state)
{
    (void)state;
    static const struct inner of_rule = {.tls = INNER_REQUIRE};
    static const struct inner of_client = {.tls = INNER_OBSERVE};
    static const struct {
        bool has_rule;
        const struct inner *rule;
        const struct inner *client;
        const struct inner *expected;
    } rows[] = {
        {true, NULL, NULL, NULL},
        {true, &of_rule, NULL, &of_rule},
        {true, NULL, &of_client, &of_client},
        {true, &of_rule, &of_client, &of_rule},
        {false, NULL, &of_client, &of_client},
        {false, NULL, NULL, NULL},
    };
    const struct ip_addr source = address("192.0.2.1");
    const struct target asked = target("a.example:443");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rule allow = allow_all();
        allow.inner = rows[i].rule;
        const struct client client = {.name = "c",
                                      .allow = &allow,
                                      .allow_count = rows[i].has_rule ? 1 : 0,
                                      .inner = rows[i].client,
                                      .mode = POLICY_OPEN};
        const struct policy policy = {.clients = &client, .client_count = 1};
        struct candidate candidate = {.address = address("1.1.1.1")};
        struct decision decision;
        policy_decide_addresses(&policy, &client, &source, 0, &asked, &candidate, 1, NULL,
                                &decision);
        assert_int_equal(ACTION_ALLOW, decision.action);
        assert_ptr_equal(candidate.inner, rows[i].expected);
        assert_ptr_equal(decision.inner, rows[i].expected);
    }
}

static void a_target_is_told_who_is_there_where_the_rule_that_admits_it_says_so(void **state)
{
    (void)state;
    static const struct {
        size_t rule_count;
        bool rules[2]; // which of them say so
        bool expected;
    } rows[] = {
        {0, {false, false}, false}, // by the mode alone
        {1, {true, false}, true},   {1, {false, false}, false},
        {2, {true, false}, true},   {2, {false, true}, false},
    };
    const struct ip_addr source = address("192.0.2.1");
    const struct target asked = target("a.example:443");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rule allow[2] = {allow_all(), allow_all()};
        for (size_t j = 0; j < 2; j++)
            allow[j].sends_proxy = allow[j].asks = rows[i].rules[j];
        const struct client client = {
            .name = "c", .allow = allow, .allow_count = rows[i].rule_count, .mode = POLICY_OPEN};
        const struct policy policy = {.clients = &client, .client_count = 1};
        struct candidate candidate = {
            .address = address("1.1.1.1"), .sends_proxy = true, .asks = true};
        struct decision decision;
        policy_decide_addresses(&policy, &client, &source, 0, &asked, &candidate, 1, NULL,
                                &decision);
        assert_int_equal(ACTION_ALLOW, decision.action);
        assert_int_equal(candidate.sends_proxy, rows[i].expected);
        assert_int_equal(candidate.asks, rows[i].expected);
    }
}

static void the_way_is_that_of_the_rule_that_admits_and_else_of_the_client(void **state)
{
    (void)state;
    static const struct via paris = {.parents = {"paris"}, .count = 1};
    static const struct via paris_or_direct = {.parents = {"paris", NULL}, .count = 2};
    static const struct via direct = {.count = 1};
    static const struct {
        const struct via *client;
        const struct via *rule;
        bool has_rule; // otherwise the mode admits it
        bool through_paris;
        bool straight;
    } rows[] = {
        {NULL, NULL, true, false, true},       {&paris, NULL, true, true, false},
        {&paris, NULL, false, true, false},    {&paris, &direct, true, false, true},
        {&paris, &direct, false, true, false}, {&paris, &paris_or_direct, true, true, true},
        {NULL, &paris, true, true, false},     {&direct, NULL, true, false, true},
    };
    const struct ip_addr source = address("192.0.2.1");
    const struct target asked = target("a.example:443");
    const struct rule all = allow_all();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rule allow = all;
        allow.via = rows[i].rule;
        const struct client client = {.name = "c",
                                      .allow = &allow,
                                      .allow_count = rows[i].has_rule ? 1 : 0,
                                      .via = rows[i].client,
                                      .mode = POLICY_OPEN};
        const struct policy policy = {.clients = &client, .client_count = 1};
        struct candidate candidate = {.address = address("1.1.1.1")};
        struct decision decision;
        policy_decide_addresses(&policy, &client, &source, 0, &asked, &candidate, 1, NULL,
                                &decision);
        assert_int_equal(ACTION_ALLOW, decision.action);
        assert_ptr_equal(decision.via, candidate.via);
        assert_int_equal(via_allows(candidate.via, "paris"), rows[i].through_paris);
        assert_int_equal(via_allows(candidate.via, NULL), rows[i].straight);
        assert_false(via_allows(candidate.via, "rome"));
    }
}

static void a_name_goes_on_only_by_the_first_rule_that_needs_no_address(void **state)
{
    (void)state;
    static const struct via up = {.parents = {"up"}, .count = 1, .by_name = true};
    static const struct via here = {.parents = {"paris"}, .count = 1};
    struct rule none = allow_all();
    struct rule addressed = allow_all();
    struct rule elsewhere = allow_all();
    struct rule other_port = allow_all();
    struct rule named = allow_all();
    none.hosts = make_hosts(sets, "b.example");
    addressed.has_addresses = true;
    addressed.addresses = make_addresses(sets, "0.0.0.0/0,::/0,0.0.0.0/8,public");
    elsewhere.via = &here;
    other_port.ports = &(const struct port_range){80, 80};
    other_port.port_count = 1;
    named.name = "named";
    const struct rule bad_name = {
        .name = "bad", .hosts = make_hosts(sets, "a.example"), .has_hosts = true};
    const struct rule bad_address = {
        .name = "bad", .has_addresses = true, .addresses = make_addresses(sets, "0.0.0.0/0,::/0")};
    const struct {
        const struct rule *first; // before `named`; NULL: only that
        const struct rule *deny;
        const struct via *via; // of the client
        enum policy_mode mode;
        bool goes_on;
    } rows[] = {
        {NULL, NULL, &up, POLICY_ENFORCE, true},
        {&none, NULL, &up, POLICY_ENFORCE, true},
        {&other_port, NULL, &up, POLICY_ENFORCE, true},
        {&addressed, NULL, &up, POLICY_ENFORCE, true},
        {&named, &bad_address, &up, POLICY_ENFORCE, true},
        {&elsewhere, NULL, &up, POLICY_ENFORCE, false},
        {NULL, &bad_name, &up, POLICY_ENFORCE, false},
        {NULL, NULL, &here, POLICY_ENFORCE, false},
        {NULL, NULL, NULL, POLICY_ENFORCE, false},
        {NULL, NULL, &here, POLICY_OPEN, false},
        {NULL, NULL, NULL, POLICY_REPORT, false},
    };
    const struct ip_addr source = address("192.0.2.1");
    const struct target asked = target("a.example:443");
    const struct target written = target("192.0.2.7:443");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct rule allows[] = {rows[i].first == NULL ? none : *rows[i].first, named};
        const struct client client = {.name = "c",
                                      .allow = allows,
                                      .allow_count = 2,
                                      .deny = rows[i].deny,
                                      .deny_count = rows[i].deny == NULL ? 0 : 1,
                                      .mode = rows[i].mode,
                                      .via = rows[i].via,
                                      .has_names = true};
        const struct endpoint own = {address("0.0.0.0"), 443};
        const struct policy policy = {
            .clients = &client, .client_count = 1, .own = &own, .own_count = 1};
        assert_int_equal(policy_goes_by_name(&policy, &client, &source, 0, &asked),
                         rows[i].goes_on);
        assert_false(policy_goes_by_name(&policy, &client, &source, 0, &written));
        struct candidate name = {0};
        struct decision decision;
        policy_decide_addresses(&policy, &client, &source, 0, &asked, &name, 1, NULL, &decision);
        assert_int_equal(decision.action == ACTION_ALLOW, rows[i].goes_on);
        assert_int_equal(name.is_admitted && name.via->by_name, rows[i].goes_on);
    }
    assert_false(policy_goes_by_name(&(struct policy){0}, NULL, &source, 0, &asked));
}

// Another rule speaks about the name, but needs an address: it is not what a name was refused for.
static void a_name_outside_the_time_of_its_rule_is_refused_for_that(void **state)
{
    (void)state;
    static const struct via up = {.parents = {"up"}, .count = 1, .by_name = true};
    static const struct via here = {.parents = {"paris"}, .count = 1};
    static const struct schedule later = {.from_s = 100, .until_s = INT64_MAX};
    const struct ip_addr source = address("192.0.2.1");
    const struct target asked = target("a.example:443");
    struct rule addressed = allow_all();
    addressed.has_addresses = true;
    addressed.addresses = make_addresses(sets, "10.0.0.0/8");
    const struct {
        bool needs_address; // the rule with the time
        const struct via *via;
        int64_t now_s;
        enum reason reason;
    } rows[] = {
        {false, &up, 100, REASON_RULE},     {false, &up, 99, REASON_NOT_VALID_NOW},
        {false, &here, 99, REASON_NO_RULE}, {true, &up, 99, REASON_NO_RULE},
        {false, NULL, 99, REASON_NO_RULE},
    };
    for (enum policy_mode mode = POLICY_ENFORCE; mode <= POLICY_OPEN; mode++) {
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            struct rule timed = allow_all();
            timed.name = "timed";
            timed.schedule = &later;
            timed.has_addresses = rows[i].needs_address;
            timed.addresses = addressed.addresses;
            timed.via = rows[i].via;
            const struct rule allows[] = {addressed, timed};
            const struct client client = {.name = "c",
                                          .mode = mode,
                                          .allow = allows,
                                          .allow_count = 2,
                                          .has_names = true,
                                          .has_times = true};
            const struct policy policy = {.clients = &client, .client_count = 1};
            struct candidate name = {0};
            struct decision decision;
            policy_decide_addresses(&policy, &client, &source, rows[i].now_s, &asked, &name, 1,
                                    NULL, &decision);
            assert_int_equal(decision.reason, rows[i].reason);
            assert_int_equal(decision.action == ACTION_ALLOW, rows[i].reason == REASON_RULE);
            if (rows[i].reason == REASON_NOT_VALID_NOW)
                assert_int_equal(decision.changes_s, 100);
        }
    }
}

static void no_mode_admits_a_name_without_a_rule(void **state)
{
    (void)state;
    static const struct via up = {.parents = {"up"}, .count = 1, .by_name = true};
    const struct ip_addr source = address("192.0.2.1");
    const struct target asked = target("a.example:443");
    for (enum policy_mode mode = POLICY_ENFORCE; mode <= POLICY_OPEN; mode++) {
        const struct client client = {.name = "c", .mode = mode, .via = &up, .has_names = true};
        const struct policy policy = {.clients = &client, .client_count = 1};
        assert_false(policy_goes_by_name(&policy, &client, &source, 0, &asked));
    }
}

static void ways_are_equal_where_they_lead_through_the_same_parents_in_the_same_order(void **state)
{
    (void)state;
    static const struct via ways[] = {
        {.parents = {"paris"}, .count = 1},         {.parents = {"rome"}, .count = 1},
        {.parents = {"paris", "rome"}, .count = 2}, {.parents = {"rome", "paris"}, .count = 2},
        {.parents = {"paris", NULL}, .count = 2},   {.count = 1},
    };
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        for (size_t j = 0; j < sizeof ways / sizeof *ways; j++)
            assert_int_equal(via_equal(&ways[i], &ways[j]), i == j);
        assert_int_equal(via_equal(NULL, &ways[i]), ways[i].parents[0] == NULL);
    }
}

static void what_is_denied_is_told_nothing(void **state)
{
    (void)state;
    const struct ip_addr source = address("192.0.2.1");
    const struct target asked = target("a.example:443");
    const struct client client = {.name = "c"};
    const struct policy policy = {.clients = &client, .client_count = 1};
    struct candidate candidate = {.address = address("1.1.1.1"), .sends_proxy = true, .asks = true};
    struct decision decision;
    policy_decide_addresses(&policy, &client, &source, 0, &asked, &candidate, 1, NULL, &decision);
    assert_int_equal(ACTION_DENY, decision.action);
    assert_false(candidate.sends_proxy);
    assert_false(candidate.asks);
}

static void denials_of_a_file_bind_its_own_clients_alone(void **state)
{
    (void)state;
    const struct rule denials[] = {
        {.name = "by name", .has_hosts = true, .hosts = make_hosts(sets, "bad.example")},
        {.name = "by address",
         .has_addresses = true,
         .addresses = make_addresses(sets, "198.51.99.0/24")}};
    const struct rule allow = {
        .name = "all", .has_hosts = true, .hosts = make_hosts(sets, "*.example")};
    const struct client_file file = {.name = "f", .deny = denials, .deny_count = 2};
    const struct client clients[] = {
        {.name = "in", .file = &file, .allow = &allow, .allow_count = 1},
        {.name = "out", .allow = &allow, .allow_count = 1}};
    const struct policy policy = {.clients = clients, .client_count = 2};
    const struct ip_addr source = address("192.0.2.1");
    const struct target bad = target("bad.example:443");
    const struct target other = target("other.example:443");
    for (size_t i = 0; i < 2; i++) {
        const enum action wanted = i == 0 ? ACTION_DENY : ACTION_ALLOW;
        struct candidate candidate = {.address = address("198.51.99.1")};
        struct decision decision;
        policy_decide_target(&policy, &clients[i], &source, 0, &bad, NULL, &decision);
        assert_int_equal(wanted, decision.action);
        policy_decide_target(&policy, &clients[i], &source, 0, &other, NULL, &decision);
        assert_int_equal(ACTION_ALLOW, decision.action);
        policy_decide_addresses(&policy, &clients[i], &source, 0, &other, &candidate, 1, NULL,
                                &decision);
        assert_int_equal(wanted, decision.action);
        assert_string_equal(i == 0 ? "by address" : "all", decision.rule);
    }
}

// oid_of gives an OID of `len` bytes that differs with `last`; static memory, for two at a time.
static struct slice oid_of(size_t len, uint8_t last)
{
    static uint8_t bytes[2][EXTENSION_OID_MAX];
    static size_t next;
    uint8_t *out = bytes[next++ % 2];
    memset(out, 0x2B, len);
    out[len - 1] = last;
    return slice_of(out, len);
}

// named_by gives the OIDs that the entries of one client name for a profile.
static enum err named_by(const struct match_entry *entries, size_t count, const char *trust,
                         uint8_t out[POLICY_EXTENSIONS_CAP], struct slice *set)
{
    const struct client client = {.name = "c", .matches = entries, .match_count = count};
    const struct policy policy = {.clients = &client, .client_count = 1};
    size_t len = 0;
    const enum err error = policy_name_extensions(&policy, trust, out, &len);
    *set = slice_of(out, len);
    return error;
}

static void the_extensions_that_entries_name_are_a_set_of_each_profile(void **state)
{
    (void)state;
    uint8_t out[POLICY_EXTENSIONS_CAP];
    struct slice set;
    const struct extension_match first = {.oid = oid_of(3, 1)};
    const struct extension_match second = {.oid = oid_of(5, 2)};
    const struct match_entry entries[] = {
        {.extension = &first, .trust = "staff"},
        {.extension = &first, .trust = "staff"},
        {.extension = &second},
        {.policies = SLICE_LITERAL("x"), .trust = "partners"},
        {.qc = SLICE_LITERAL("x"), .trust = "partners"},
        {.any = true},
    };
    enum { COUNT = sizeof entries / sizeof entries[0] };
    assert_int_equal(named_by(entries, COUNT, NULL, out, &set), ERR_OK);
    assert_int_equal(set.len,
                     (1 + 3) + (1 + 5) + (1 + CERT_POLICIES_OID.len) + (1 + QC_STATEMENTS_OID.len));
    assert_int_equal(named_by(entries, COUNT, "staff", out, &set), ERR_OK);
    assert_int_equal(set.len, (1 + 3) + (1 + 5));
    assert_true(oid_set_has(set, first.oid) && oid_set_has(set, second.oid));
    assert_int_equal(named_by(entries, COUNT, "partners", out, &set), ERR_OK);
    assert_true(oid_set_has(set, second.oid) && oid_set_has(set, CERT_POLICIES_OID) &&
                oid_set_has(set, QC_STATEMENTS_OID));
    assert_false(oid_set_has(set, first.oid));
    assert_int_equal(named_by(entries, COUNT, "other", out, &set), ERR_OK);
    assert_int_equal(set.len, 1 + 5);
    assert_int_equal(named_by(entries + COUNT - 1, 1, NULL, out, &set), ERR_OK);
    assert_int_equal(set.len, 0);
}

static void more_extensions_than_a_set_holds_are_an_error(void **state)
{
    (void)state;
    uint8_t out[POLICY_EXTENSIONS_CAP];
    uint8_t oids[EXTENSIONS_NAMED_MAX + 1][EXTENSION_NAMED_OID_MAX];
    struct extension_match named[EXTENSIONS_NAMED_MAX + 1];
    struct match_entry entries[EXTENSIONS_NAMED_MAX + 1];
    struct slice set;
    for (size_t i = 0; i <= EXTENSIONS_NAMED_MAX; i++) {
        memset(oids[i], 0x2B, sizeof oids[i]);
        oids[i][0] = (uint8_t)i;
        named[i] = (struct extension_match){.oid = slice_of(oids[i], sizeof oids[i])};
        entries[i] = (struct match_entry){.extension = &named[i]};
    }
    assert_int_equal(named_by(entries, EXTENSIONS_NAMED_MAX, NULL, out, &set), ERR_OK);
    assert_int_equal(set.len, EXTENSIONS_NAMED_MAX * (1 + EXTENSION_NAMED_OID_MAX));
    for (size_t i = 0; i < EXTENSIONS_NAMED_MAX; i++)
        assert_true(oid_set_has(set, named[i].oid));
    assert_int_equal(named_by(entries, EXTENSIONS_NAMED_MAX + 1, NULL, out, &set), ERR_LIMIT);
    assert_int_equal(set.len, 0);
    // Also where they are short, and there is room for more bytes.
    for (size_t i = 0; i <= EXTENSIONS_NAMED_MAX; i++)
        named[i].oid.len = 3;
    assert_int_equal(named_by(entries, EXTENSIONS_NAMED_MAX, NULL, out, &set), ERR_OK);
    assert_int_equal(named_by(entries, EXTENSIONS_NAMED_MAX + 1, NULL, out, &set), ERR_LIMIT);
    const struct extension_match large = {.oid = oid_of(EXTENSION_NAMED_OID_MAX + 1, 1)};
    const struct match_entry too_large = {.extension = &large};
    assert_int_equal(named_by(&too_large, 1, NULL, out, &set), ERR_LIMIT);
}

static void a_sealed_policy_has_what_its_entries_name_and_its_names(void **state)
{
    (void)state;
    struct errinfo info;
    struct name_template name;
    const struct extension_match named = {.oid = oid_of(3, 1)};
    const struct match_entry entry = {.extension = &named};
    assert_int_equal(
        name_template_parse(SLICE_LITERAL("a-{cn}"), NAME_ALPHABET_ACCOUNT, &name, &info), ERR_OK);
    const struct client client = {
        .name = "a-{cn}", .name_template = &name, .matches = &entry, .match_count = 1};
    struct policy *policy = policy_create();
    assert_non_null(policy);
    policy->clients = &client;
    policy->client_count = 1;
    assert_int_equal(policy_seal(policy), ERR_OK);
    assert_true(oid_set_has(policy->extensions, named.oid));
    assert_non_null(policy->account_index);
    policy_destroy(policy);
}

static void destroying_no_policy_does_nothing(void **state)
{
    (void)state;
    policy_destroy(NULL);
    struct policy *policy = policy_create();
    assert_non_null(policy);
    assert_non_null(policy->arena);
    policy_destroy(policy);
}

// What stands after the count of a way is nothing.
static const struct via to_paris = {.parents = {"paris", "oslo"}, .count = 1};
static const struct via to_paris_only = {.parents = {"paris", NULL}, .count = 1};
static const struct via then_oslo = {.parents = {"paris", "oslo", "rome"}, .count = 2};
static const struct via then_direct = {.parents = {"paris", NULL, "rome"}, .count = 2};
static const struct via nowhere_else = {.parents = {NULL, "paris"}, .count = 1};

static void ways_are_the_same_where_their_proxies_are(void **state)
{
    (void)state;
    assert_true(via_equal(NULL, NULL));
    assert_true(via_equal(NULL, &nowhere_else));
    assert_true(via_equal(&to_paris, &to_paris_only));
    assert_false(via_equal(&to_paris, NULL));
    assert_false(via_equal(&to_paris, &then_oslo));
    assert_false(via_equal(&then_oslo, &then_direct));
}

static void a_way_is_written_with_all_its_proxies_and_nothing_else(void **state)
{
    static const struct {
        const struct via *via;
        const char *text;
        const char *json;
    } rows[] = {
        {NULL, "", ""},
        {&nowhere_else, "", ""},
        {&to_paris, "paris", "\"via\":[\"paris\"]"},
        {&then_oslo, "paris, oslo", "\"via\":[\"paris\",\"oslo\"]"},
        {&then_direct, "paris, direct", "\"via\":[\"paris\",\"direct\"]"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char out[VIA_TEXT_CAP];
        char data[64];
        struct text text;
        text_init(&text, data, sizeof data);
        assert_string_equal(via_format(rows[i].via, out), rows[i].text);
        via_append_json(rows[i].via, &text);
        assert_string_equal(data, rows[i].json);
    }
}

static void a_client_speaks_for_others_at_its_own_place_and_time(void **state)
{
    (void)state;
    const struct schedule times = {.from_s = 100, .until_s = 200};
    const struct ip_sets none = {.items = NULL};
    const struct ip_addr source = {.family = IP_V4, .bytes = {192, 0, 2, 1}};
    const struct client guest = {.name = "guest"};
    const struct client speaker = {.name = "s", .speaks_for = "staff", .schedule = &times};
    const struct client elsewhere = {
        .name = "e", .speaks_for = "staff", .has_sources = true, .sources = none};
    static const int64_t now_s[] = {99, 100, 199, 200};
    static const enum reason expected[] = {REASON_NOT_VALID_NOW, REASON_NONE, REASON_NONE,
                                           REASON_NOT_VALID_NOW};
    static const int64_t changes_s[] = {100, 200, 200, INT64_MAX};
    int64_t until_s = 0;
    for (size_t i = 0; i < sizeof now_s / sizeof *now_s; i++) {
        assert_int_equal(policy_decide_speaker(&speaker, &guest, &source, now_s[i], &until_s),
                         expected[i]);
        assert_int_equal(until_s, changes_s[i]);
    }
    assert_int_equal(policy_decide_speaker(&speaker, NULL, &source, 150, &until_s), REASON_NONE);
    assert_int_equal(policy_decide_speaker(&speaker, &speaker, &source, 150, &until_s),
                     REASON_NOT_SPOKEN_FOR);
    assert_int_equal(policy_decide_speaker(&elsewhere, &guest, &source, 150, &until_s),
                     REASON_SOURCE_NOT_ALLOWED);
    assert_int_equal(policy_decide_speaker(&guest, &guest, &source, 150, &until_s),
                     REASON_BAD_REQUEST);
    assert_int_equal(policy_decide_speaker(NULL, &guest, &source, 150, &until_s),
                     REASON_BAD_REQUEST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define X(name, least) cmocka_unit_test(table_##name##_holds_in_every_row),
        TABLES(X)
#undef X
            cmocka_unit_test(ways_are_the_same_where_their_proxies_are),
        cmocka_unit_test(a_way_is_written_with_all_its_proxies_and_nothing_else),
        cmocka_unit_test_setup_teardown(every_candidate_has_its_own_reason_and_rule, begin_sets,
                                        end_sets),
        cmocka_unit_test_setup_teardown(the_last_of_many_rules_that_speak_about_a_name_admits,
                                        begin_sets, end_sets),
        cmocka_unit_test_setup_teardown(an_address_that_is_no_address_is_never_admitted, begin_sets,
                                        end_sets),
        cmocka_unit_test_setup_teardown(a_source_that_is_no_address_is_in_no_set, begin_sets,
                                        end_sets),
        cmocka_unit_test_setup_teardown(a_written_address_is_no_name_whatever_stands_in_its_name,
                                        begin_sets, end_sets),
        cmocka_unit_test(own_ports_are_those_of_wildcard_listeners),
        cmocka_unit_test_setup_teardown(the_forms_of_one_candidate_count_for_no_other, begin_sets,
                                        end_sets),
        cmocka_unit_test_setup_teardown(a_listener_written_as_a_mapped_address_is_its_ipv4_address,
                                        begin_sets, end_sets),
        cmocka_unit_test_setup_teardown(every_range_opens_at_its_edges_only_to_a_prefix_inside_it,
                                        begin_sets, end_sets),
        cmocka_unit_test(modes_and_actions_have_their_names),
        cmocka_unit_test_setup_teardown(a_tunnel_may_carry_what_its_rule_says_or_else_its_client,
                                        begin_sets, end_sets),
        cmocka_unit_test_setup_teardown(
            a_target_is_told_who_is_there_where_the_rule_that_admits_it_says_so, begin_sets,
            end_sets),
        cmocka_unit_test_setup_teardown(
            the_way_is_that_of_the_rule_that_admits_and_else_of_the_client, begin_sets, end_sets),
        cmocka_unit_test_setup_teardown(a_name_goes_on_only_by_the_first_rule_that_needs_no_address,
                                        begin_sets, end_sets),
        cmocka_unit_test(no_mode_admits_a_name_without_a_rule),
        cmocka_unit_test_setup_teardown(a_name_outside_the_time_of_its_rule_is_refused_for_that,
                                        begin_sets, end_sets),
        cmocka_unit_test(ways_are_equal_where_they_lead_through_the_same_parents_in_the_same_order),
        cmocka_unit_test(what_is_denied_is_told_nothing),
        cmocka_unit_test_setup_teardown(denials_of_a_file_bind_its_own_clients_alone, begin_sets,
                                        end_sets),
        cmocka_unit_test(the_extensions_that_entries_name_are_a_set_of_each_profile),
        cmocka_unit_test(more_extensions_than_a_set_holds_are_an_error),
        cmocka_unit_test(a_sealed_policy_has_what_its_entries_name_and_its_names),
        cmocka_unit_test(a_client_speaks_for_others_at_its_own_place_and_time),
        cmocka_unit_test(destroying_no_policy_does_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
