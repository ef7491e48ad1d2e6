// Two teams edit their files in any order, with renames, mistakes, restarts, and both at once. Whatever one of them writes, the
// other one keeps every certificate that it had, as long as it does not give up itself what it had it by; and what a good text
// does not allow any more is not allowed.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "auth/match.h"
#include "auth/policy_trace.h"
#include "proxy/config/assembly.h"
#include "tests/unit/auth/identity_maker.h"

enum { PEOPLE = 8, TEXT_CAP = 2048, ROUNDS = 40, STEPS = 40 };

static const char *const people[PEOPLE] = {
    "cn=a uri=spiffe://x/t/1 dns=a.t.x serial=01 trust=staff",
    "cn=a uri=spiffe://x/t/2 dns=b.t.x serial=02 trust=staff",
    "cn=b uri=spiffe://x/t/1 dns=a.t.x ou=p serial=03 trust=staff",
    "cn=b uri=spiffe://x/u/1 dns=a.u.x ou=p ou=q serial=04 trust=staff",
    "cn=c uri=spiffe://x/u/2 dns=b.u.x serial=05 trust=staff",
    "cn=c ou=q dns=a.t.x serial=06 trust=staff",
    "cn=d uri=spiffe://x/t/1 serial=07 trust=staff",
    "cn=d uri=spiffe://x/v/1 serial=08 trust=staff"};

static const char *const entries[] = {"{cn: a}",
                                      "{cn: b}",
                                      "{cn: c}",
                                      "{cn: d}",
                                      "{cn: b, ou: p}",
                                      "{cn: b, ou: q}",
                                      "{uri: 'spiffe://x/t/*'}",
                                      "{uri: 'spiffe://x/u/*'}",
                                      "{uri: 'spiffe://x/t/1'}",
                                      "{uri: 'spiffe://x/t/1', cn: d}",
                                      "{dns: '*.t.x'}",
                                      "{dns: a.t.x}",
                                      "{dns: a.t.x, cn: a}",
                                      "{serial: '01'}",
                                      "{serial: '03'}",
                                      "{serial: '06'}",
                                      "{serial: '08', cn: d}",
                                      "{subject: 'CN=a'}",
                                      "{subject: 'CN=d'}"};

enum { ENTRIES = sizeof entries / sizeof *entries };

static uint32_t below(uint64_t *random, uint32_t bound)
{
    *random = *random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*random >> 33) % bound;
}

// team is a file with what its owner wrote last.
struct team {
    char path[16];
    char text[TEXT_CAP];
    char good[TEXT_CAP]; // the last text that was no mistake
};

// load is a configuration in force.
struct load {
    struct policy *policy;
    struct diagnostics diagnostics;
    struct included_parts parts;
};

static void load_deinit(struct load *load)
{
    policy_destroy(load->policy);
    diagnostics_deinit(&load->diagnostics);
    *load = (struct load){0};
}

// load_files reads some files, in order of their paths, after what is in force.
static void load_files(const struct team *const *teams, size_t count,
                       const struct included_parts *in_force, struct load *out)
{
    static const char main_text[] = "clients: [{name: boss, match: [{cn: boss}]}]\n";
    static const char *const trusts[] = {"staff"};
    static const struct name_list names = {.names = trusts, .count = 1};
    static const struct parent_names no_parents = {0};
    struct included_file files[2];
    const struct include_list list = {.files = files, .count = count};
    struct yaml_document *document = NULL;
    *out = (struct load){.policy = policy_create()};
    assert_non_null(out->policy);
    diagnostics_init(&out->diagnostics);
    for (size_t i = 0; i < count; i++)
        files[i] = (struct included_file){.path = teams[i]->path,
                                          .content = {.bytes = slice_of_string(teams[i]->text)},
                                          .is_read = true};
    struct assembly assembly = {.trusts = &names,
                                .parents = &no_parents,
                                .included = &list,
                                .in_force = in_force,
                                .arena = out->policy->arena};
    struct reader reader = {.diagnostics = &out->diagnostics,
                            .file = "main.yaml",
                            .arena = out->policy->arena,
                            .files_arena = out->policy->arena};
    assert_int_equal(
        yaml_document_parse(slice_of_string(main_text), "main.yaml", &out->diagnostics, &document),
        ERR_OK);
    assembly_read(&reader, yaml_document_root(document), &assembly, out->policy);
    yaml_document_destroy(document);
    assert_int_equal(out->diagnostics.error_count, out->diagnostics.included_count);
    out->parts = assembly.parts;
}

// says gives the client that a text alone has for somebody; NULL: none. `*out_is_good`: the text can be read.
static const struct client *says(const struct load *alone, const struct identity *who)
{
    const struct client *found = policy_find_client(alone->policy, who, NULL);
    return found == NULL || found->matches[0].since == 0 ? NULL : found;
}

// write_text makes a text: a few clients with a few entries each, whose names and rules another team may have, too.
static void write_text(uint64_t *random, const char *own, struct team *team)
{
    struct text text;
    const uint32_t clients = 1 + below(random, 3);
    text_init(&text, team->text, sizeof team->text);
    text_append_string(&text, "clients:\n");
    for (uint32_t i = 0; i < clients; i++) {
        text_append_format(&text, "- name: %s%u\n  allow: [",
                           below(random, 4) == 0 ? "shared" : own, i);
        const uint32_t rules = below(random, 3);
        for (uint32_t j = 0; j < rules; j++)
            text_append_format(&text, "{hosts: [h%u], name: %s-%u-%u},", j,
                               below(random, 6) == 0 ? "shared" : own, i, j);
        text_append_string(&text, "]\n  match: [");
        const uint32_t count = 1 + below(random, 3);
        for (uint32_t j = 0; j < count; j++)
            text_append_format(&text, "%s,", entries[below(random, ENTRIES)]);
        text_append_string(&text, "]\n");
    }
    if (below(random, 10) == 0)
        text_append_string(&text, "mistake: [");
    assert_false(text.is_cut);
}

// world is both teams and what is in force.
struct world {
    uint64_t random;
    struct team teams[2];
    struct load load;
    int owners[PEOPLE]; // -1: nobody
    struct identity *people[PEOPLE];
    size_t kept;      // certificates that were kept
    size_t contested; // loads in which something was
};

static const struct included_part *part_of(const struct load *load, const char *path)
{
    for (size_t i = 0; i < load->parts.count; i++) {
        if (strcmp(load->parts.items[i].path, path) == 0)
            return &load->parts.items[i];
    }
    return NULL;
}

static int owner_of(const struct world *world, const struct client *found)
{
    for (int i = 0; found != NULL && i < 2; i++) {
        if (strcmp(found->file->name, world->teams[i].path) == 0)
            return i;
    }
    return -1;
}

// covers tells whether a text alone has an entry that covers this one.
static bool covers(const struct load *alone, const struct match_entry *entry)
{
    for (size_t i = 0; i < alone->policy->client_count; i++) {
        const struct client *client = &alone->policy->clients[i];
        for (size_t j = 0; j < client->match_count; j++) {
            if (match_entry_covers(&client->matches[j], entry))
                return true;
        }
    }
    return false;
}

// still_asks tells whether a text has everything, or more, by which the one before had somebody.
static bool still_asks(const struct load *alone, const struct load *before,
                       const struct identity *who)
{
    for (size_t i = 0; i < before->policy->client_count; i++) {
        const struct client *client = &before->policy->clients[i];
        for (size_t j = 0; j < client->match_count; j++) {
            if (match_entry_fits(&client->matches[j], who) && !covers(alone, &client->matches[j]))
                return false;
        }
    }
    return true;
}

// check_one looks at one certificate of one team that had it.
static void check_one(struct world *world, int team, size_t person, const struct load *alone,
                      const struct load *before, bool is_good, const char *what)
{
    const struct identity *who = world->people[person];
    const struct client *found = policy_find_client(world->load.policy, who, NULL);
    const struct client *wanted = is_good ? says(alone, who) : NULL;
    if (world->owners[person] != team ||
        (is_good && (wanted == NULL || !still_asks(alone, before, who))))
        return;
    if (owner_of(world, found) != team)
        fail_msg("%s: %s has lost `%s`:\n%s\n%s", what, world->teams[team].path, people[person],
                 world->teams[team].text, world->teams[1 - team].text);
    world->kept++;
    if (!is_good)
        return;
    assert_int_equal(found->line, wanted->line);
    const bool has_name = strncmp(found->name, "file:", 5) != 0;
    assert_int_equal(found->allow_count, has_name ? wanted->allow_count : 0);
}

static void check_names(const struct policy *policy)
{
    for (size_t i = 0; i < policy->client_count; i++) {
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(policy->clients[i].name, policy->clients[j].name);
        for (size_t k = 0; k < policy->clients[i].allow_count; k++) {
            for (size_t j = 0; j < i; j++) {
                for (size_t m = 0; m < policy->clients[j].allow_count; m++)
                    assert_string_not_equal(policy->clients[i].allow[k].name,
                                            policy->clients[j].allow[m].name);
            }
        }
    }
}

static void look_on(void *arg, const struct policy_step *step)
{
    (void)arg;
    (void)step;
}

// check compares what is in force with who had what, and notes who has what now.
static void check(struct world *world, const char *what)
{
    for (int team = 0; team < 2; team++) {
        struct team *alone_team = &world->teams[team];
        struct team former = {.path = "former"};
        const struct team *pair[] = {alone_team, &former};
        struct load alone;
        struct load before;
        (void)snprintf(former.text, sizeof former.text, "%s", alone_team->good);
        load_files(&pair[0], 1, NULL, &alone);
        load_files(&pair[1], 1, NULL, &before);
        const bool is_good = alone.parts.items[0].state == INCLUDED_GOOD;
        for (size_t i = 0; i < PEOPLE; i++)
            check_one(world, team, i, &alone, &before, is_good, what);
        if (is_good)
            (void)snprintf(alone_team->good, sizeof alone_team->good, "%s", alone_team->text);
        load_deinit(&alone);
        load_deinit(&before);
        world->contested += part_of(&world->load, alone_team->path)->state == INCLUDED_CONTESTED;
    }
    for (size_t i = 0; i < PEOPLE; i++) {
        const struct client *found = policy_find_client(world->load.policy, world->people[i], NULL);
        world->owners[i] = owner_of(world, found);
        // One by one, without the index.
        const struct policy_trace trace = {.told = look_on};
        assert_ptr_equal(found, policy_find_client(world->load.policy, world->people[i], &trace));
    }
    check_names(world->load.policy);
}

// reload reads both files; with `is_restart` what was said before is not known, but what was held.
static void reload(struct world *world, bool is_restart)
{
    struct load next;
    struct included_part items[2] = {0};
    struct included_parts in_force = {.items = items, .count = world->load.parts.count};
    const bool in_order = strcmp(world->teams[0].path, world->teams[1].path) < 0;
    const struct team *teams[] = {&world->teams[!in_order], &world->teams[in_order]};
    for (size_t i = 0; i < in_force.count; i++) {
        items[i] = world->load.parts.items[i];
        if (is_restart)
            items[i].text = (struct slice){0};
    }
    load_files(teams, 2, &in_force, &next);
    load_deinit(&world->load);
    world->load = next;
}

static void step(struct world *world, int number)
{
    char what[64];
    const uint32_t actor = below(&world->random, 3); // 2: both
    const bool is_restart = below(&world->random, 4) == 0;
    const bool renames = below(&world->random, 8) == 0;
    for (uint32_t team = 0; team < 2; team++) {
        if (actor == team || actor == 2)
            write_text(&world->random, team == 0 ? "a" : "b", &world->teams[team]);
    }
    // The first team's file, while its text is as it was, and good.
    if (renames && actor == 1 && strstr(world->teams[0].text, "mistake") == NULL)
        world->teams[0].path[0] = world->teams[0].path[0] == 'a' ? 'z' : 'a';
    (void)snprintf(what, sizeof what, "step %d, by %u%s%s", number, actor,
                   is_restart ? ", restarted" : "", renames ? ", renamed" : "");
    reload(world, is_restart);
    check(world, what);
}

static void nobody_takes_from_another_team_whatever_it_writes(void **state)
{
    struct world world = {.random = 7};
    (void)state;
    for (size_t i = 0; i < PEOPLE; i++)
        world.people[i] = identity_make(people[i]);
    for (int round = 0; round < ROUNDS; round++) {
        world.teams[0] = (struct team){.path = "a"};
        world.teams[1] = (struct team){.path = "m"};
        for (size_t i = 0; i < PEOPLE; i++)
            world.owners[i] = -1;
        for (uint32_t team = 0; team < 2; team++)
            write_text(&world.random, team == 0 ? "a" : "b", &world.teams[team]);
        load_deinit(&world.load);
        for (int i = 0; i < STEPS; i++)
            step(&world, round * STEPS + i);
    }
    assert_true(world.kept > 500 && world.contested > 50);
    load_deinit(&world.load);
    for (size_t i = 0; i < PEOPLE; i++)
        identity_destroy(world.people[i]);
}

// In each row the first team has an entry, then the other one has one for the same certificate, and then the first one writes
// another entry in the place of its own.
static void an_entry_that_asks_for_less_or_more_is_as_old_as_what_is_left_of_it(void **state)
{
    static const struct {
        const char *first;
        const char *rival;
        const char *then;
        int owner; // of people[0]
    } rows[] = {
        {"{uri: 'spiffe://x/t/*'}", "{serial: '01'}", "{uri: 'spiffe://x/t/1'}", 0},
        {"{uri: 'spiffe://x/t/*'}", "{serial: '01'}", "{uri: 'spiffe://x/t/*', cn: a}", 0},
        {"{uri: 'spiffe://x/t/1'}", "{serial: '01'}", "{uri: 'spiffe://x/t/*'}", 0},
        {"{uri: 'spiffe://x/t/1', cn: a}", "{serial: '01'}", "{uri: 'spiffe://x/t/1'}", 0},
        {"{cn: a}", "{serial: '01'}", "{subject: 'CN=a'}", 0},
        {"{cn: a}", "{serial: '01'}", "{uri: 'spiffe://x/t/1'}", 1},
        {"{cn: a}", "{serial: '01'}", "{cn: b}", 1},
    };
    static const char format[] = "clients: [{name: %s, match: [%s], allow: [{hosts: [h]}]}]";
    struct world world = {.people = {identity_make(people[0])}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *const texts[][2] = {{rows[i].first, "{cn: nobody}"},
                                        {rows[i].first, rows[i].rival},
                                        {rows[i].then, rows[i].rival}};
        world.teams[0] = (struct team){.path = "z"};
        world.teams[1] = (struct team){.path = "m"};
        load_deinit(&world.load);
        for (size_t step = 0; step < 3; step++) {
            for (size_t team = 0; team < 2; team++)
                (void)snprintf(world.teams[team].text, TEXT_CAP, format, team == 0 ? "a" : "b",
                               texts[step][team]);
            reload(&world, step == 2 && i % 2 == 0);
            const int owner =
                owner_of(&world, policy_find_client(world.load.policy, world.people[0], NULL));
            if (owner != (step < 2 ? 0 : rows[i].owner))
                fail_msg("row %zu, step %zu: %d", i, step, owner);
        }
    }
    load_deinit(&world.load);
    identity_destroy(world.people[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_takes_from_another_team_whatever_it_writes),
        cmocka_unit_test(an_entry_that_asks_for_less_or_more_is_as_old_as_what_is_left_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
