// What a trace is told, word for word: which entry and why not, which rule and why not, each address
// and what decided about it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "auth/base/text.h"
#include "auth/policy.h"
#include "auth/policy_trace.h"
#include "tests/unit/auth/identity_maker.h"
#include "tests/unit/auth/set_maker.h"

// story is what was told, a line a step.
struct story {
    char buffer[4096];
    struct text text;
};

static const char *address_text(const struct ip_addr *addr, char out[IP_TEXT_CAP])
{
    return ip_addr_format(addr, out);
}

static void told(void *arg, const struct policy_step *step)
{
    static const char *const lists[] = {[POLICY_LIST_GLOBAL_DENY] = "deny for all",
                                        [POLICY_LIST_FILE_DENY] = "deny of the file",
                                        [POLICY_LIST_CLIENT_DENY] = "deny",
                                        [POLICY_LIST_ALLOW] = "allow"};
    struct text *text = &((struct story *)arg)->text;
    char addr[IP_TEXT_CAP];
    char form[IP_TEXT_CAP];
    switch (step->kind) {
    case POLICY_STEP_ENTRY:
        text_append_format(text, "%s[%zu] %s\n", step->client->name, step->entry,
                           entry_part_name(step->entry_part));
        return;
    case POLICY_STEP_SOURCE:
        text_append_format(text, "%s source %d\n", step->client->name, step->is_fit);
        return;
    case POLICY_STEP_RULE:
        text_append_format(text, "%s: %s %s\n", lists[step->list], step->rule->name,
                           rule_part_name(step->rule_part));
        return;
    case POLICY_STEP_ADDRESS:
        text_append_format(text, "%s: %s at %s by %s %d\n", lists[step->list], step->rule->name,
                           address_text(&step->candidate->address, addr),
                           address_text(step->form, form), step->is_fit);
        return;
    case POLICY_STEP_VERDICT:
        text_append_format(text, "%s by %s: %d %s %s\n",
                           address_text(&step->candidate->address, addr),
                           address_text(step->form, form), step->candidate->is_admitted,
                           reason_name(step->candidate->reason),
                           step->candidate->rule == NULL ? "-" : step->candidate->rule);
        return;
    }
}

static struct policy_trace listen(struct story *story)
{
    text_init(&story->text, story->buffer, sizeof story->buffer);
    return (struct policy_trace){.told = told, .arg = story};
}

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

// A world with one rule of every kind; lists longer than an index needs.
enum { RULES = 20 };

struct world {
    struct policy *policy;
    struct client client;
    struct rule allow[RULES];
    struct rule deny[2];
    struct rule deny_all[2];
    struct endpoint own;
};

static const struct port_range mail_port = {25, 25};

static void world_init(struct world *world)
{
    *world = (struct world){.policy = policy_create()};
    assert_non_null(world->policy);
    struct arena *arena = world->policy->arena;
    for (size_t i = 0; i < RULES; i++)
        world->allow[i] = (struct rule){
            .name = "filler", .has_hosts = true, .hosts = make_hosts(arena, "filler.example")};
    world->allow[17] =
        (struct rule){.name = "web", .has_hosts = true, .hosts = make_hosts(arena, "*.a.example")};
    world->allow[18] = (struct rule){
        .name = "office", .has_addresses = true, .addresses = make_addresses(arena, "10.0.0.0/8")};
    world->allow[19] = (struct rule){.name = "db",
                                     .has_hosts = true,
                                     .hosts = make_hosts(arena, "x.a.example"),
                                     .has_addresses = true,
                                     .addresses = make_addresses(arena, "10.0.0.0/8,64:ff9b::/96")};
    world->deny[0] = (struct rule){
        .name = "admin", .has_hosts = true, .hosts = make_hosts(arena, "admin.a.example")};
    world->deny[1] = (struct rule){
        .name = "bad", .has_addresses = true, .addresses = make_addresses(arena, "9.9.9.0/24")};
    world->deny_all[0] = (struct rule){.name = "mail", .ports = &mail_port, .port_count = 1};
    world->deny_all[1] = (struct rule){
        .name = "tracker", .has_hosts = true, .hosts = make_hosts(arena, "*.tracker.example")};
    world->own = (struct endpoint){address("1.1.1.1"), 443};
    world->client = (struct client){.name = "c",
                                    .has_sources = true,
                                    .sources = make_addresses(arena, "192.0.2.0/24"),
                                    .allow = world->allow,
                                    .allow_count = RULES,
                                    .deny = world->deny,
                                    .deny_count = 2};
    world->policy->clients = &world->client;
    world->policy->client_count = 1;
    world->policy->deny = world->deny_all;
    world->policy->deny_count = 2;
    world->policy->own = &world->own;
    world->policy->own_count = 1;
    assert_int_equal(ERR_OK, policy_seal(world->policy));
}

static void every_entry_up_to_the_one_that_fits_is_told_with_what_did_not(void **state)
{
    (void)state;
    static const uint8_t digest[IDENTITY_DIGEST_LEN] = {1};
    static const struct ip_addr ip = {.family = IP_V4, .bytes = {10, 0, 0, 1}};
    struct identity *identity = identity_make("cn=a issuer=CA serial=05 trust=staff");
    const struct slice other = SLICE_LITERAL("other");
    const struct match_entry entries[] = {
        {0},
        {.anonymous = true},
        {.anonymous = true, .any = true},
        {.trust = "partners"},
        {.cn = "b"},
        {.subject = other},
        {.issuer = other},
        {.serial = other},
        {.sha256 = digest},
        {.spki_sha256 = digest},
        {.uri = "spiffe://x/y", .trust = "staff"},
        {.dns = "a.example"},
        {.email = "a@b.example"},
        {.ip = &ip},
        {.ou = "a"},
        {.o = "a"},
        {.cn = "a", .trust = "staff"},
        {.any = true},
    };
    const struct client clients[] = {
        {.name = "x", .matches = entries, .match_count = 10},
        {.name = "y", .matches = entries + 10, .match_count = 8},
    };
    const struct policy policy = {.clients = clients, .client_count = 2};
    struct story story;
    const struct policy_trace trace = listen(&story);
    assert_ptr_equal(&clients[1], policy_find_client(&policy, identity, &trace));
    assert_string_equal(story.buffer, "x[0] empty\n"
                                      "x[1] anonymous\n"
                                      "x[2] empty\n"
                                      "x[3] trust\n"
                                      "x[4] cn\n"
                                      "x[5] subject\n"
                                      "x[6] issuer\n"
                                      "x[7] serial\n"
                                      "x[8] sha256\n"
                                      "x[9] spki_sha256\n"
                                      "y[0] uri\n"
                                      "y[1] dns\n"
                                      "y[2] email\n"
                                      "y[3] ip\n"
                                      "y[4] ou\n"
                                      "y[5] o\n"
                                      "y[6] fits\n");
    identity_destroy(identity);
    identity = identity_make("cn=a"); // only presented
    (void)listen(&story);
    assert_null(policy_find_client(&(struct policy){.clients = &clients[1], .client_count = 1},
                                   identity, &trace));
    assert_non_null(strstr(story.buffer, "y[7] unverified\n"));
    identity_destroy(identity);
    (void)listen(&story);
    assert_ptr_equal(&clients[0], policy_find_client(&policy, NULL, &trace));
    assert_string_equal(story.buffer, "x[0] empty\nx[1] fits\n");
    (void)listen(&story);
    assert_null(policy_find_client(&(struct policy){.clients = &clients[1], .client_count = 1},
                                   NULL, &trace));
    assert_non_null(strstr(story.buffer, "y[7] certificate\n"));
}

static void the_source_is_told_and_a_wrong_one_ends_it(void **state)
{
    (void)state;
    struct world world;
    struct story story;
    struct decision decision;
    const struct policy_trace trace = listen(&story);
    const struct target asked = target("x.a.example:443");
    const struct ip_addr outside = address("198.51.100.1");
    world_init(&world);
    policy_decide_target(world.policy, &world.client, &outside, 0, &asked, &trace, &decision);
    assert_string_equal(story.buffer, "c source 0\n");
    assert_int_equal(REASON_SOURCE_NOT_ALLOWED, decision.reason);
    world.client.has_sources = false;
    (void)listen(&story);
    policy_decide_target(world.policy, &world.client, &outside, 0, &asked, &trace, &decision);
    assert_null(strstr(story.buffer, "source"));
    policy_destroy(world.policy);
}

// Every rule of a long list is told, those too that the index would pass over.
#define FILLERS_OF(why)                                                                            \
    "allow: filler " why "\nallow: filler " why "\nallow: filler " why "\nallow: filler " why      \
    "\nallow: filler " why "\nallow: filler " why "\nallow: filler " why "\nallow: filler " why    \
    "\nallow: filler " why "\nallow: filler " why "\nallow: filler " why "\nallow: filler " why    \
    "\nallow: filler " why "\nallow: filler " why "\nallow: filler " why "\nallow: filler " why    \
    "\nallow: filler " why "\n"

static void every_rule_is_told_with_what_did_not_fit(void **state)
{
    (void)state;
    struct world world;
    struct story story;
    struct decision decision;
    const struct policy_trace trace = listen(&story);
    const struct ip_addr source = address("192.0.2.1");
    world_init(&world);
    struct target asked = target("x.a.example:443");
    policy_decide_target(world.policy, &world.client, &source, 0, &asked, &trace, &decision);
    assert_int_equal(ACTION_ALLOW, decision.action);
    assert_string_equal(story.buffer,
                        "c source 1\n"
                        "deny for all: mail ports\n"
                        "deny for all: tracker hosts\n"
                        "deny: admin hosts\n"
                        "deny: bad needs_address\n" FILLERS_OF("hosts") "allow: web fits\n");
    (void)listen(&story);
    asked = target("admin.a.example:443");
    policy_decide_target(world.policy, &world.client, &source, 0, &asked, &trace, &decision);
    assert_string_equal("admin", decision.rule);
    assert_string_equal(story.buffer, "c source 1\n"
                                      "deny for all: mail ports\n"
                                      "deny for all: tracker hosts\n"
                                      "deny: admin fits\n");
    (void)listen(&story);
    asked = target("b.example:443");
    policy_decide_target(world.policy, &world.client, &source, 0, &asked, &trace, &decision);
    assert_int_equal(REASON_NO_RULE, decision.reason);
    assert_non_null(strstr(story.buffer, FILLERS_OF("hosts") "allow: web hosts\n"
                                                             "allow: office for_addresses\n"
                                                             "allow: db hosts\n"));
    policy_destroy(world.policy);
}

static void every_address_is_told_with_what_decided(void **state)
{
    (void)state;
    struct world world;
    struct story story;
    struct decision decision;
    const struct policy_trace trace = listen(&story);
    const struct ip_addr source = address("192.0.2.1");
    const struct target asked = target("x.a.example:443");
    struct candidate candidates[] = {
        {.address = address("64:ff9b::a9fe:a9fe")},
        {.address = address("1.1.1.1")},
        {.address = address("9.9.9.9")},
        {.address = address("8.8.8.8")},
        {.address = address("10.0.0.1")},
        {.address = address("64:ff9b::10.0.0.1")},
        {.address = address("192.168.0.1")},
        {.address = address("224.0.0.1")},
    };
    world_init(&world);
    policy_decide_addresses(world.policy, &world.client, &source, 0, &asked, candidates, 8, &trace,
                            &decision);
    assert_string_equal("web", decision.rule);
    assert_string_equal(story.buffer,
                        "64:ff9b::a9fe:a9fe by 169.254.169.254: 0 metadata -\n"
                        "224.0.0.1 by 224.0.0.1: 0 special_range -\n"
                        "1.1.1.1 by 1.1.1.1: 0 own_listener -\n"
                        "deny for all: mail ports\n"
                        "deny for all: tracker hosts\n"
                        "deny: admin hosts\n"
                        "deny: bad fits\n"
                        "deny: bad at 9.9.9.9 by 9.9.9.9 1\n"
                        "9.9.9.9 by 9.9.9.9: 0 denied_by_rule bad\n"
                        "deny: bad at 8.8.8.8 by 8.8.8.8 0\n"
                        "deny: bad at 10.0.0.1 by 10.0.0.1 0\n"
                        "deny: bad at 64:ff9b::a00:1 by 64:ff9b::a00:1 0\n"
                        "deny: bad at 192.168.0.1 by 192.168.0.1 0\n" FILLERS_OF(
                            "hosts") "allow: web fits\n"
                                     "allow: web at 8.8.8.8 by 8.8.8.8 1\n"
                                     "8.8.8.8 by 8.8.8.8: 1 rule web\n"
                                     "allow: web at 10.0.0.1 by 10.0.0.1 0\n"
                                     "allow: web at 64:ff9b::a00:1 by 64:ff9b::a00:1 0\n"
                                     "allow: web at 192.168.0.1 by 192.168.0.1 0\n"
                                     "allow: office for_addresses\n"
                                     "allow: db fits\n"
                                     "allow: db at 10.0.0.1 by 10.0.0.1 1\n"
                                     "10.0.0.1 by 10.0.0.1: 1 rule db\n"
                                     "allow: db at 64:ff9b::a00:1 by 64:ff9b::a00:1 1\n"
                                     "64:ff9b::a00:1 by 64:ff9b::a00:1: 1 rule db\n"
                                     "allow: db at 192.168.0.1 by 192.168.0.1 0\n"
                                     "192.168.0.1 by 192.168.0.1: 0 special_range -\n");
    policy_destroy(world.policy);
}

static void a_written_address_meets_the_rules_for_addresses_only(void **state)
{
    (void)state;
    struct world world;
    struct story story;
    struct decision decision;
    const struct policy_trace trace = listen(&story);
    const struct ip_addr source = address("192.0.2.1");
    const struct target asked = target("10.1.2.3:443");
    struct candidate candidate = {.address = asked.address};
    world_init(&world);
    policy_decide_target(world.policy, &world.client, &source, 0, &asked, &trace, &decision);
    assert_string_equal(story.buffer, "c source 1\n");
    (void)listen(&story);
    policy_decide_addresses(world.policy, &world.client, &source, 0, &asked, &candidate, 1, &trace,
                            &decision);
    assert_string_equal(story.buffer, "deny for all: mail ports\n"
                                      "deny for all: tracker for_names\n"
                                      "deny: admin for_names\n"
                                      "deny: bad fits\n"
                                      "deny: bad at 10.1.2.3 by 10.1.2.3 0\n" FILLERS_OF(
                                          "for_names") "allow: web for_names\n"
                                                       "allow: office fits\n"
                                                       "allow: office at 10.1.2.3 by 10.1.2.3 1\n"
                                                       "10.1.2.3 by 10.1.2.3: 1 rule office\n"
                                                       "allow: db for_names\n");
    policy_destroy(world.policy);
}

static void a_mode_that_admits_is_told_as_no_rule(void **state)
{
    (void)state;
    struct world world;
    struct story story;
    struct decision decision;
    const struct policy_trace trace = listen(&story);
    const struct ip_addr source = address("192.0.2.1");
    const struct target asked = target("b.example:443");
    struct candidate candidates[] = {{.address = address("10.0.0.1")},
                                     {.address = address("8.8.8.8")}};
    world_init(&world);
    world.client.mode = POLICY_REPORT;
    policy_decide_addresses(world.policy, &world.client, &source, 0, &asked, candidates, 2, &trace,
                            &decision);
    assert_true(decision.would_deny);
    assert_non_null(strstr(story.buffer, "10.0.0.1 by 10.0.0.1: 0 special_range -\n"
                                         "8.8.8.8 by 8.8.8.8: 1 no_rule -\n"));
    policy_destroy(world.policy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_entry_up_to_the_one_that_fits_is_told_with_what_did_not),
        cmocka_unit_test(the_source_is_told_and_a_wrong_one_ends_it),
        cmocka_unit_test(every_rule_is_told_with_what_did_not_fit),
        cmocka_unit_test(every_address_is_told_with_what_decided),
        cmocka_unit_test(a_written_address_meets_the_rules_for_addresses_only),
        cmocka_unit_test(a_mode_that_admits_is_told_as_no_rule),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
