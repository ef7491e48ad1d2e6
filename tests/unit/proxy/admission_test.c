// Admission: each verdict with its reason and status, which of two reasons counts, and what is refused for good.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proxy/session/admission.h"
#include "tests/unit/auth/set_maker.h"

#define NOW    INT64_C(1800000000)
#define CONFIG "0123456789abcdef"

enum { CANDIDATES_MAX = 8, NAME_CAP = 32 };

enum who { NOBODY = -1, STRICT, WATCHED, OPEN, CLIENT_COUNT };

// world is a snapshot with one policy, on the heap, so that a test can take it away.
struct world {
    struct arena *arena;
    struct snapshot snapshot;
    struct policy policy;
    struct client clients[CLIENT_COUNT];
    struct rule denials_of_all[1];
    struct rule denials[2];
    struct rule allows[3];
    struct endpoint own;
    char names[6][NAME_CAP]; // of the rules
};

static struct ip_addr address(const char *text)
{
    struct ip_addr out;
    assert_int_equal(ip_addr_parse(slice_of_string(text), &out), ERR_OK);
    return out;
}

static struct target target(const char *text)
{
    struct target out;
    assert_int_equal(target_parse(slice_of_string(text), &out), ERR_OK);
    return out;
}

static const char *name_rule(struct world *world, size_t index, const char *name)
{
    assert_true(string_copy(world->names[index], NAME_CAP, slice_of_string(name)));
    return world->names[index];
}

static void make_rules(struct world *world)
{
    struct arena *arena = world->arena;
    world->denials_of_all[0] = (struct rule){.name = name_rule(world, 0, "never"),
                                             .hosts = make_hosts(arena, "*.bad.example"),
                                             .has_hosts = true};
    world->denials[0] = (struct rule){.name = name_rule(world, 1, "mine"),
                                      .hosts = make_hosts(arena, "mine.example,mine.bad.example"),
                                      .has_hosts = true};
    world->denials[1] = (struct rule){.name = name_rule(world, 2, "net"),
                                      .addresses = make_addresses(arena, "9.9.9.0/24"),
                                      .has_addresses = true};
    world->allows[0] = (struct rule){
        .name = name_rule(world, 3, "web"),
        .hosts = make_hosts(arena, "good.example,*.bad.example,mine.example,mine.bad.example"),
        .has_hosts = true};
    world->allows[1] = (struct rule){.name = name_rule(world, 4, "lan"),
                                     .hosts = make_hosts(arena, "lan.example"),
                                     .has_hosts = true,
                                     .addresses = make_addresses(arena, "10.2.0.0/16"),
                                     .has_addresses = true};
    world->allows[2] = (struct rule){.name = name_rule(world, 5, "direct"),
                                     .addresses = make_addresses(arena, "1.1.1.0/24"),
                                     .has_addresses = true};
}

static int begin_world(void **state)
{
    static const char *const names[] = {"strict", "watched", "open"};
    static const enum policy_mode modes[] = {POLICY_ENFORCE, POLICY_REPORT, POLICY_OPEN};
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    world->arena = arena_create();
    assert_non_null(world->arena);
    make_rules(world);
    for (size_t i = 0; i < CLIENT_COUNT; i++)
        world->clients[i] = (struct client){.name = names[i],
                                            .mode = modes[i],
                                            .sources = make_addresses(world->arena, "10.0.0.0/8"),
                                            .has_sources = true,
                                            .allow = world->allows,
                                            .allow_count = 3,
                                            .deny = world->denials,
                                            .deny_count = 2};
    world->own = (struct endpoint){address("0.0.0.0"), 443};
    world->policy = (struct policy){.clients = world->clients,
                                    .client_count = CLIENT_COUNT,
                                    .deny = world->denials_of_all,
                                    .deny_count = 1,
                                    .own = &world->own,
                                    .own_count = 1};
    world->snapshot.policy = &world->policy;
    assert_true(string_copy(world->snapshot.id, sizeof world->snapshot.id, SLICE_LITERAL(CONFIG)));
    *state = world;
    return 0;
}

static void end_world(struct world *world)
{
    arena_destroy(world->arena);
    memset(world, 'x', sizeof *world);
    free(world);
}

static int end_state(void **state)
{
    if (*state != NULL)
        end_world(*state);
    return 0;
}

static const struct client *client_of(const struct world *world, enum who who)
{
    return who == NOBODY ? NULL : &world->clients[who];
}

static enum policy_mode mode_of(const struct world *world, enum who who)
{
    return who == NOBODY ? POLICY_ENFORCE : world->clients[who].mode;
}

// assert_undecided: nothing but the kind is set.
static void assert_undecided(const struct verdict *verdict, enum verdict_kind kind)
{
    assert_int_equal(verdict->kind, kind);
    assert_int_equal(verdict->action, ACTION_ALLOW);
    assert_int_equal(verdict->reason, REASON_NONE);
    assert_int_equal(verdict->status, 0);
    assert_int_equal(verdict->mode, POLICY_ENFORCE);
    assert_false(verdict->would_deny || verdict->ends_connection || verdict->is_of_whole_proxy);
    assert_null(verdict->detail);
    assert_null(verdict->help);
    assert_string_equal(verdict->rule, "");
    assert_string_equal(verdict->config, "");
}

// ---- room ---------------------------------------------------------------------------------------

static void draining_is_said_before_a_full_audit(void **state)
{
    (void)state;
    static const struct {
        bool is_draining;
        bool has_records;
        enum reason reason; // REASON_NONE: go on
    } rows[] = {
        {false, true, REASON_NONE},
        {true, true, REASON_DRAINING},
        {false, false, REASON_AUDIT_FULL},
        {true, false, REASON_DRAINING},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct verdict verdict =
            admission_decide_room(rows[i].is_draining, rows[i].has_records);
        if (rows[i].reason == REASON_NONE) {
            assert_undecided(&verdict, VERDICT_GO);
            continue;
        }
        assert_int_equal(verdict.kind, VERDICT_REFUSE);
        assert_int_equal(verdict.action, ACTION_ERROR);
        assert_string_equal(reason_name(verdict.reason), reason_name(rows[i].reason));
        assert_int_equal(verdict.status, 503);
        assert_false(verdict.ends_connection);
        assert_string_equal(verdict.config, "");
    }
}

// ---- right --------------------------------------------------------------------------------------

static void a_right_is_lost_for_its_reason_or_one_second_after_its_end(void **state)
{
    const struct world *world = *state;
    static const struct {
        enum reason asked;
        int64_t not_after_s;
        enum reason reason; // REASON_NONE: go on
    } rows[] = {
        {REASON_NONE, NOW + 1, REASON_NONE},
        {REASON_NONE, NOW, REASON_NONE}, // the last second is good
        {REASON_NONE, INT64_MAX, REASON_NONE},
        {REASON_NONE, NOW - 1, REASON_EXPIRED},
        {REASON_NONE, 0, REASON_EXPIRED},
        {REASON_NONE, INT64_MIN, REASON_EXPIRED},
        {REASON_REVOKED, NOW, REASON_REVOKED},
        {REASON_BLOCKED, NOW, REASON_BLOCKED},
        {REASON_NO_CLIENT, NOW, REASON_NO_CLIENT},
        {REASON_DENIED_CERTIFICATE, NOW, REASON_DENIED_CERTIFICATE}, // as it is, no word of an end
        {REASON_UNKNOWN_CA, NOW, REASON_UNKNOWN_CA},
        {REASON_EXPIRED, NOW, REASON_EXPIRED},
        {REASON_REVOKED, NOW - 1, REASON_REVOKED}, // two causes: what was said counts
        {REASON_BLOCKED, NOW - 1, REASON_BLOCKED},
        {REASON_CRL_EXPIRED, NOW - 1, REASON_CRL_EXPIRED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct verdict verdict =
            admission_decide_right(&world->snapshot, rows[i].asked, NULL, rows[i].not_after_s, NOW);
        if (rows[i].reason == REASON_NONE) {
            assert_undecided(&verdict, VERDICT_GO);
            continue;
        }
        assert_int_equal(verdict.kind, VERDICT_REFUSE);
        assert_int_equal(verdict.action, ACTION_DENY);
        assert_string_equal(reason_name(verdict.reason), reason_name(rows[i].reason));
        assert_int_equal(verdict.status, 403);
        assert_true(verdict.ends_connection);
        assert_string_equal(verdict.detail, "no longer accepted");
        assert_string_equal(verdict.config, CONFIG);
        assert_string_equal(verdict.rule, "");
    }
}

// ---- target -------------------------------------------------------------------------------------

#define HOME "10.0.0.7"
#define AWAY "192.0.2.7"

struct target_row {
    enum who who;
    const char *source;
    const char *target;
    enum reason reason; // REASON_NONE: go on
    const char *rule;   // "": none
};

static const struct target_row target_rows[] = {
    {STRICT, HOME, "good.example:443", REASON_NONE, ""},
    {STRICT, HOME, "lan.example:443", REASON_NONE, ""},
    {STRICT, HOME, "1.1.1.1:443", REASON_NONE, ""},
    {STRICT, HOME, "9.9.9.9:443", REASON_NONE, ""}, // an address is judged in the second step
    {WATCHED, HOME, "other.example:443", REASON_NONE, ""},
    {OPEN, HOME, "other.example:22", REASON_NONE, ""},
    {NOBODY, HOME, "good.example:443", REASON_NO_CLIENT, ""},
    {NOBODY, HOME, "1.1.1.1:443", REASON_NO_CLIENT, ""},
    {STRICT, AWAY, "good.example:443", REASON_SOURCE_NOT_ALLOWED, ""},
    {STRICT, AWAY, "1.1.1.1:443", REASON_SOURCE_NOT_ALLOWED, ""},
    {WATCHED, AWAY, "good.example:443", REASON_SOURCE_NOT_ALLOWED, ""},
    {OPEN, AWAY, "good.example:443", REASON_SOURCE_NOT_ALLOWED, ""},
    {STRICT, HOME, "a.bad.example:443", REASON_DENIED_BY_RULE, "never"},
    {WATCHED, HOME, "a.bad.example:443", REASON_DENIED_BY_RULE, "never"},
    {OPEN, HOME, "a.bad.example:22", REASON_DENIED_BY_RULE, "never"},
    {STRICT, HOME, "mine.example:443", REASON_DENIED_BY_RULE, "mine"},
    {OPEN, HOME, "mine.example:443", REASON_DENIED_BY_RULE, "mine"},
    {STRICT, HOME, "other.example:443", REASON_NO_RULE, ""},
    {STRICT, HOME, "good.example:80", REASON_NO_RULE, ""},
    // Two causes: client, source, the denials of all, those of the client, no rule.
    {NOBODY, AWAY, "a.bad.example:443", REASON_NO_CLIENT, ""},
    {STRICT, AWAY, "a.bad.example:443", REASON_SOURCE_NOT_ALLOWED, ""},
    {STRICT, AWAY, "other.example:443", REASON_SOURCE_NOT_ALLOWED, ""},
    {STRICT, HOME, "mine.bad.example:443", REASON_DENIED_BY_RULE, "never"},
    {STRICT, HOME, "mine.example:80", REASON_DENIED_BY_RULE, "mine"},
};

static void a_target_is_refused_for_the_first_reason_in_the_policys_order(void **state)
{
    const struct world *world = *state;
    for (size_t i = 0; i < sizeof target_rows / sizeof *target_rows; i++) {
        const struct target_row *row = &target_rows[i];
        const struct ip_addr source = address(row->source);
        const struct target asked = target(row->target);
        const struct admission admission = {&world->snapshot, client_of(world, row->who), &source,
                                            &asked, 0};
        const struct verdict verdict = admission_decide_target(&admission);
        const bool is_refused = row->reason != REASON_NONE;
        if (verdict.reason != row->reason)
            fail_msg("row %zu: %s", i, reason_name(verdict.reason));
        assert_int_equal(verdict.kind, is_refused ? VERDICT_REFUSE : VERDICT_GO);
        assert_int_equal(verdict.action, is_refused ? ACTION_DENY : ACTION_ALLOW);
        if (is_refused)
            assert_int_equal(verdict.status, 403);
        assert_string_equal(verdict.rule, row->rule);
        assert_string_equal(verdict.config, CONFIG);
        assert_int_equal(verdict.mode, mode_of(world, row->who));
        assert_false(verdict.ends_connection || verdict.would_deny);
    }
}

// ---- addresses ----------------------------------------------------------------------------------

// What the machine can dial, and whether addresses are still to come.
enum { V4 = 1, V6 = 2, MORE = 4, BOTH = V4 | V6 };

struct address_row {
    enum who who;
    const char *source;
    const char *target;
    const char *candidates; // `1.1.1.1,10.0.0.1`; `!` before one that is local
    unsigned facts;
    enum verdict_kind kind;
    uint16_t status; // of a refusal
    enum reason reason;
    const char *rule;
    const char *admitted; // `+` or `-` for each candidate
    bool would_deny;
};

#define GO    VERDICT_GO, 0
#define WAIT  VERDICT_WAIT, 0, REASON_NONE, ""
#define DENY  VERDICT_REFUSE, 403
#define FAIL  VERDICT_REFUSE, 502
#define GOOD  "good.example:443"
#define OTHER "other.example:443"

static const struct address_row address_rows[] = {
    // By a rule: final, whatever is still to come.
    {STRICT, HOME, GOOD, "1.1.1.1", BOTH, GO, REASON_RULE, "web", "+", false},
    {STRICT, HOME, GOOD, "1.1.1.1", BOTH | MORE, GO, REASON_RULE, "web", "+", false},
    {STRICT, HOME, GOOD, "10.0.0.1,1.1.1.1", BOTH | MORE, GO, REASON_RULE, "web", "-+", false},
    {STRICT, HOME, "lan.example:443", "10.2.0.1", BOTH, GO, REASON_RULE, "lan", "+", false},
    {STRICT, HOME, "1.1.1.1:443", "1.1.1.1", BOTH, GO, REASON_RULE, "direct", "+", false},
    {WATCHED, HOME, GOOD, "1.1.1.1", BOTH | MORE, GO, REASON_RULE, "web", "+", false},
    {OPEN, HOME, GOOD, "1.1.1.1", BOTH | MORE, GO, REASON_RULE, "web", "+", false},
    // By the mode: final once nothing more comes.
    {WATCHED, HOME, OTHER, "1.1.1.1", BOTH, GO, REASON_NO_RULE, "", "+", true},
    {OPEN, HOME, OTHER, "1.1.1.1", BOTH, GO, REASON_NO_RULE, "", "+", false},
    {WATCHED, HOME, OTHER, "1.1.1.1", BOTH | MORE, WAIT, "+", false},
    {OPEN, HOME, OTHER, "1.1.1.1", BOTH | MORE, WAIT, "+", false},
    // A denial, and nothing at all, wait for what is still to come.
    {STRICT, HOME, GOOD, "", BOTH | MORE, WAIT, "", false},
    {STRICT, HOME, GOOD, "10.0.0.1", BOTH | MORE, WAIT, "-", false},
    {STRICT, HOME, GOOD, "9.9.9.9", BOTH | MORE, WAIT, "-", false},
    {STRICT, HOME, GOOD, "169.254.169.254", BOTH | MORE, WAIT, "-", false},
    {STRICT, HOME, GOOD, "", BOTH, FAIL, REASON_DNS_FAILED, "", "", false},
    {OPEN, HOME, GOOD, "", BOTH, FAIL, REASON_DNS_FAILED, "", "", false},
    // Denials of addresses.
    {STRICT, HOME, GOOD, "10.0.0.1", BOTH, DENY, REASON_SPECIAL_RANGE, "", "-", false},
    {OPEN, HOME, OTHER, "10.0.0.1", BOTH, DENY, REASON_SPECIAL_RANGE, "", "-", false},
    {STRICT, HOME, GOOD, "169.254.169.254", BOTH, DENY, REASON_METADATA, "", "-", false},
    {STRICT, HOME, GOOD, "!1.1.1.1", BOTH, DENY, REASON_OWN_LISTENER, "", "-", false},
    {STRICT, HOME, GOOD, "9.9.9.9", BOTH, DENY, REASON_DENIED_BY_RULE, "net", "-", false},
    {WATCHED, HOME, OTHER, "9.9.9.9", BOTH, DENY, REASON_DENIED_BY_RULE, "net", "-", false},
    {STRICT, HOME, "lan.example:443", "1.1.1.1", BOTH, DENY, REASON_NO_RULE, "", "-", false},
    {STRICT, HOME, "8.8.8.8:443", "8.8.8.8", BOTH, DENY, REASON_NO_RULE, "", "-", false},
    // What the first step denies is denied again.
    {NOBODY, HOME, GOOD, "1.1.1.1", BOTH, DENY, REASON_NO_CLIENT, "", "-", false},
    {STRICT, AWAY, GOOD, "1.1.1.1", BOTH, DENY, REASON_SOURCE_NOT_ALLOWED, "", "-", false},
    {STRICT, HOME, "a.bad.example:443", "1.1.1.1", BOTH, DENY, REASON_DENIED_BY_RULE, "never", "-",
     false},
    {STRICT, HOME, OTHER, "1.1.1.1", BOTH, DENY, REASON_NO_RULE, "", "-", false},
    // Two causes: metadata, closed, own listener, denials.
    {STRICT, HOME, GOOD, "9.9.9.9,169.254.169.254", BOTH, DENY, REASON_METADATA, "", "--", false},
    {STRICT, HOME, GOOD, "!1.1.1.1,224.0.0.1", BOTH, DENY, REASON_SPECIAL_RANGE, "", "--", false},
    {STRICT, HOME, GOOD, "!9.9.9.9", BOTH, DENY, REASON_OWN_LISTENER, "", "-", false},
    {STRICT, HOME, "a.bad.example:443", "9.9.9.9", BOTH, DENY, REASON_DENIED_BY_RULE, "never", "-",
     false},
    {STRICT, AWAY, GOOD, "169.254.169.254", BOTH, DENY, REASON_SOURCE_NOT_ALLOWED, "", "-", false},
    // Of a family that egress cannot dial.
    {STRICT, HOME, GOOD, "1.1.1.1,2606:4700::1", V4, GO, REASON_RULE, "web", "++", false},
    {STRICT, HOME, GOOD, "1.1.1.1,2606:4700::1", V6, GO, REASON_RULE, "web", "++", false},
    {STRICT, HOME, GOOD, "1.1.1.1", V6, FAIL, REASON_EGRESS_UNAVAILABLE, "", "+", false},
    {STRICT, HOME, GOOD, "2606:4700::1", V4, FAIL, REASON_EGRESS_UNAVAILABLE, "", "+", false},
    {STRICT, HOME, GOOD, "1.1.1.1,2606:4700::1", 0, FAIL, REASON_EGRESS_UNAVAILABLE, "", "++",
     false},
    {WATCHED, HOME, OTHER, "1.1.1.1", V6, FAIL, REASON_EGRESS_UNAVAILABLE, "", "+", false},
    {OPEN, HOME, OTHER, "2606:4700::1", V4, FAIL, REASON_EGRESS_UNAVAILABLE, "", "+", false},
    // A family that can be dialled counts only with an admitted address.
    {STRICT, HOME, GOOD, "10.0.0.1,2606:4700::1", V4, FAIL, REASON_EGRESS_UNAVAILABLE, "", "-+",
     false},
    // Another family may still come.
    {STRICT, HOME, GOOD, "1.1.1.1", V6 | MORE, WAIT, "+", false},
    {STRICT, HOME, GOOD, "2606:4700::1", V4 | MORE, WAIT, "+", false},
    // Two causes: a denial is said before egress.
    {STRICT, HOME, GOOD, "9.9.9.9", V6, DENY, REASON_DENIED_BY_RULE, "net", "-", false},
    {STRICT, HOME, GOOD, "", 0, FAIL, REASON_DNS_FAILED, "", "", false},
};

static size_t read_candidates(const char *text, struct candidate out[CANDIDATES_MAX])
{
    struct slice rest = slice_of_string(text);
    size_t count = 0;
    while (rest.len > 0) {
        const size_t end = slice_find(rest, ',');
        const bool is_local = rest.data[0] == '!';
        assert_in_range(count, 0, CANDIDATES_MAX - 1);
        // What was in there before counts for nothing.
        out[count] = (struct candidate){.is_local = is_local, .is_admitted = true, .rule = "old"};
        assert_int_equal(ip_addr_parse(slice_from(slice_first(rest, end), is_local ? 1 : 0),
                                       &out[count].address),
                         ERR_OK);
        rest = slice_from(rest, end + 1);
        count++;
    }
    return count;
}

static void assert_decided(const struct world *world, const struct address_row *row,
                           const struct verdict *verdict)
{
    if (row->kind == VERDICT_WAIT) {
        assert_undecided(verdict, VERDICT_WAIT);
        return;
    }
    const enum action refusal = row->status == 502 ? ACTION_ERROR : ACTION_DENY;
    assert_int_equal(verdict->action, row->kind == VERDICT_GO ? ACTION_ALLOW : refusal);
    if (row->kind == VERDICT_REFUSE)
        assert_int_equal(verdict->status, row->status);
    assert_string_equal(verdict->rule, row->rule);
    assert_string_equal(verdict->config, CONFIG);
    assert_int_equal(verdict->mode, mode_of(world, row->who));
    assert_int_equal(verdict->would_deny, row->would_deny);
    assert_false(verdict->ends_connection);
}

static void addresses_are_admitted_refused_or_waited_for(void **state)
{
    const struct world *world = *state;
    for (size_t i = 0; i < sizeof address_rows / sizeof *address_rows; i++) {
        const struct address_row *row = &address_rows[i];
        const struct ip_addr source = address(row->source);
        const struct target asked = target(row->target);
        const struct admission admission = {&world->snapshot, client_of(world, row->who), &source,
                                            &asked, 0};
        const bool is_complete = (row->facts & MORE) == 0;
        struct candidate candidates[CANDIDATES_MAX];
        const size_t count = read_candidates(row->candidates, candidates);
        struct verdict verdict =
            admission_decide_addresses(&admission, candidates, count, is_complete);
        if (verdict.kind == VERDICT_GO)
            verdict = admission_decide_egress(&verdict, candidates, count, is_complete,
                                              (row->facts & V4) != 0, (row->facts & V6) != 0);
        if (verdict.kind != row->kind || verdict.reason != row->reason)
            fail_msg("row %zu: kind %d, %s", i, (int)verdict.kind, reason_name(verdict.reason));
        assert_decided(world, row, &verdict);
        assert_int_equal(strlen(row->admitted), count);
        for (size_t j = 0; j < count; j++) {
            assert_int_equal(candidates[j].is_admitted, row->admitted[j] == '+');
            assert_null(candidates[j].rule); // candidates live longer than the policy
        }
    }
}

static void a_tunnel_without_a_name_is_denied_in_each_mode(void **state)
{
    const struct world *world = *state;
    static const enum who clients[] = {STRICT, WATCHED, OPEN};
    for (size_t i = 0; i < sizeof clients / sizeof *clients; i++) {
        const struct client *client = client_of(world, clients[i]);
        const struct admission admission = {.snapshot = &world->snapshot, .client = client};
        const struct verdict verdict = admission_decide_unnamed(&admission, REASON_INNER_NO_NAME);
        assert_int_equal(verdict.kind, VERDICT_REFUSE);
        assert_int_equal(verdict.action, ACTION_DENY);
        assert_int_equal(verdict.reason, REASON_INNER_NO_NAME);
        assert_int_equal(verdict.mode, client->mode);
        assert_false(verdict.would_deny);
        assert_string_equal(verdict.config, CONFIG);
    }
}

static void one_address_is_admitted_by_a_rule_by_the_mode_or_not(void **state)
{
    const struct world *world = *state;
    static const struct {
        enum who who;
        const char *source;
        const char *target;
        const char *candidate;
        bool is_admitted;
        bool is_by_rule;
    } rows[] = {
        {STRICT, HOME, GOOD, "1.1.1.1", true, true},
        {WATCHED, HOME, GOOD, "1.1.1.1", true, true},
        {STRICT, HOME, "1.1.1.1:443", "1.1.1.1", true, true},
        {WATCHED, HOME, OTHER, "1.1.1.1", true, false},
        {OPEN, HOME, OTHER, "2606:4700::1", true, false},
        {STRICT, HOME, OTHER, "1.1.1.1", false, false},
        {STRICT, HOME, GOOD, "10.0.0.1", false, false},
        {STRICT, HOME, GOOD, "9.9.9.9", false, false},
        {STRICT, HOME, GOOD, "!1.1.1.1", false, false},
        {OPEN, HOME, OTHER, "169.254.169.254", false, false},
        {OPEN, HOME, "a.bad.example:443", "1.1.1.1", false, false},
        {STRICT, AWAY, GOOD, "1.1.1.1", false, false},
        {NOBODY, HOME, GOOD, "1.1.1.1", false, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct ip_addr source = address(rows[i].source);
        const struct target asked = target(rows[i].target);
        const struct admission admission = {&world->snapshot, client_of(world, rows[i].who),
                                            &source, &asked, 0};
        struct candidate candidates[CANDIDATES_MAX];
        assert_int_equal(read_candidates(rows[i].candidate, candidates), 1);
        const struct standing standing = admission_judge_address(&admission, candidates);
        if (standing.is_admitted != rows[i].is_admitted)
            fail_msg("row %zu", i);
        assert_int_equal(standing.is_by_rule, rows[i].is_by_rule);
        assert_int_equal(admission_reason_of_end(&standing),
                         rows[i].is_admitted ? REASON_NONE : REASON_POLICY_CHANGED);
        assert_int_equal(candidates[0].is_admitted, rows[i].is_admitted);
        assert_null(candidates[0].rule);
    }
}

// ---- today --------------------------------------------------------------------------------------

static void what_was_allowed_is_refused_late_with_the_word_of_its_end(void **state)
{
    (void)state;
    static const struct {
        enum reason asked;
        int64_t not_after_s;
        enum reason reason; // REASON_NONE: go on
    } rows[] = {
        {REASON_NONE, NOW + 1, REASON_NONE},
        {REASON_NONE, NOW, REASON_NONE}, // the last second is good
        {REASON_NONE, NOW - 1, REASON_EXPIRED},
        {REASON_NONE, INT64_MIN, REASON_EXPIRED},
        {REASON_POLICY_CHANGED, NOW, REASON_POLICY_CHANGED},
        {REASON_REVOKED, NOW, REASON_REVOKED},
        {REASON_DENIED_CERTIFICATE, NOW, REASON_REVOKED},
        {REASON_BLOCKED, NOW, REASON_BLOCKED},
        {REASON_EXPIRED, NOW, REASON_EXPIRED},
        {REASON_NO_MEMORY, NOW, REASON_NO_MEMORY},
        {REASON_NO_CLIENT, NOW, REASON_POLICY_CHANGED},
        {REASON_UNKNOWN_CA, NOW, REASON_POLICY_CHANGED},
        {REASON_OUTSIDE_HOURS, NOW, REASON_OUTSIDE_HOURS},
        {REASON_NOT_VALID_NOW, NOW, REASON_NOT_VALID_NOW},
        // Two causes: what was said of the client or by the policy, and the end of its certificate.
        {REASON_REVOKED, NOW, REASON_REVOKED},
        {REASON_BLOCKED, NOW - 1, REASON_BLOCKED},
        {REASON_NO_CLIENT, NOW - 1, REASON_POLICY_CHANGED},
        {REASON_POLICY_CHANGED, NOW - 1, REASON_POLICY_CHANGED},
        {REASON_REVOKED, NOW - 1, REASON_REVOKED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct verdict verdict =
            admission_decide_today(rows[i].asked, rows[i].not_after_s, NOW);
        if (rows[i].reason == REASON_NONE) {
            assert_undecided(&verdict, VERDICT_GO);
            continue;
        }
        assert_int_equal(verdict.kind, VERDICT_REFUSE_LATE);
        assert_int_equal(verdict.action, ACTION_ERROR);
        assert_string_equal(reason_name(verdict.reason), reason_name(rows[i].reason));
        assert_int_equal(verdict.status, 403);
        assert_int_equal(verdict.ends_connection, !reason_is_of_time(rows[i].reason));
    }
}

// ---- names --------------------------------------------------------------------------------------

static void verdicts_keep_their_names_when_the_policy_is_gone(void **state)
{
    struct world *world = *state;
    const struct ip_addr source = address(HOME);
    const struct target good = target(GOOD);
    const struct target bad = target("a.bad.example:443");
    const struct admission asks_good = {&world->snapshot, &world->clients[STRICT], &source, &good,
                                        0};
    const struct admission asks_bad = {&world->snapshot, &world->clients[STRICT], &source, &bad, 0};
    struct candidate candidate = {.address = address("1.1.1.1")};
    const struct verdict allowed = admission_decide_addresses(&asks_good, &candidate, 1, true);
    const struct verdict denied = admission_decide_target(&asks_bad);
    const struct verdict lost =
        admission_decide_right(&world->snapshot, REASON_REVOKED, NULL, NOW, NOW);
    end_world(world);
    *state = NULL;
    assert_string_equal(allowed.rule, "web");
    assert_string_equal(allowed.config, CONFIG);
    assert_string_equal(denied.rule, "never");
    assert_string_equal(denied.config, CONFIG);
    assert_string_equal(lost.rule, "");
    assert_string_equal(lost.config, CONFIG);
    assert_null(candidate.rule);
}

#define WITH_WORLD(test) cmocka_unit_test_setup_teardown(test, begin_world, end_state)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draining_is_said_before_a_full_audit),
        WITH_WORLD(a_right_is_lost_for_its_reason_or_one_second_after_its_end),
        WITH_WORLD(a_target_is_refused_for_the_first_reason_in_the_policys_order),
        WITH_WORLD(addresses_are_admitted_refused_or_waited_for),
        WITH_WORLD(one_address_is_admitted_by_a_rule_by_the_mode_or_not),
        WITH_WORLD(a_tunnel_without_a_name_is_denied_in_each_mode),
        cmocka_unit_test(what_was_allowed_is_refused_late_with_the_word_of_its_end),
        WITH_WORLD(verdicts_keep_their_names_when_the_policy_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
