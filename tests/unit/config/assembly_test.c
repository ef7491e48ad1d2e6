// The main file and included files together: what an included file may not say, which of two files loses, and what a refused
// one goes back to. The texts are read as they are: no file is opened.
#include "proxy/config/assembly.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/config/findings.h"

enum { FILES_MAX = 24 };

// file is an included file of a case.
struct file {
    const char *path; // NULL: the case has no further file
    const char *text; // NULL: it cannot be read
    const char *old;  // what is in force of it; NULL: nothing
};

static const char MAIN[] =
    "sets: {hosts: {shared: [s.example]}}\n"
    "clients:\n"
    "  - {name: boss, match: [{cn: boss}], allow: [{name: bosses, hosts: ['@shared']}]}\n"
    "  - {name: board, match: [{ou: board}], allow: [{hosts: [x]}]}\n"
    "  - {name: 'robot-{cn}', match: [{uri: 'spiffe://x/robot/*', trust: staff}],\n"
    "     allow: [{hosts: [x]}]}\n"
    "  - {name: odd, match: [{extension: {oid: 1.3.6.1.4.1.1, text: odd}}], allow: [{hosts: [x]}]}\n"
    "deny: [{hosts: [evil.example]}]\n";

struct fixture {
    struct diagnostics diagnostics;
    struct policy *policy;
    struct assembly assembly;
};

// assert_states compares what counts of each file with a letter for it: g(ood), c(ontested), h(eld), r(efused).
static void assert_states(const struct fixture *fixture, const char *wanted, const char *what)
{
    const struct included_parts *parts = &fixture->assembly.parts;
    char found[FILES_MAX + 1] = "";
    for (size_t i = 0; i < parts->count; i++)
        found[i] = included_state_name(parts->items[i].state)[0];
    if (strcmp(found, wanted) == 0)
        return;
    for (size_t i = 0; i < fixture->diagnostics.count; i++)
        (void)fprintf(stderr, "%s:%u %s\n", fixture->diagnostics.items[i].file,
                      fixture->diagnostics.items[i].line, fixture->diagnostics.items[i].message);
    fail_msg("%s: %s and not %s", what, found, wanted);
}

// read_parts reads `main_text` and the files, after what `before` says.
static void read_parts(struct fixture *fixture, const char *main_text, const struct file *files,
                       const struct included_parts *before)
{
    static const char *const trusts[] = {"staff"};
    static const struct name_list names = {.names = trusts, .count = 1};
    static const struct parent_names no_parents = {0};
    struct included_file included[FILES_MAX] = {0};
    struct include_list list = {.files = included};
    struct yaml_document *document = NULL;
    *fixture = (struct fixture){0};
    diagnostics_init(&fixture->diagnostics);
    fixture->policy = policy_create();
    assert_non_null(fixture->policy);
    for (; list.count < FILES_MAX && files[list.count].path != NULL; list.count++) {
        const struct file *file = &files[list.count];
        included[list.count] =
            (struct included_file){.path = file->path, .is_read = file->text != NULL};
        (void)errinfo_set(&included[list.count].problem, ERR_SYSTEM, "it cannot be read");
        if (file->text != NULL)
            included[list.count].content.bytes = slice_of_string(file->text);
    }
    fixture->assembly = (struct assembly){.trusts = &names,
                                          .parents = &no_parents,
                                          .included = &list,
                                          .in_force = before,
                                          .arena = fixture->policy->arena};
    struct reader reader = {.diagnostics = &fixture->diagnostics,
                            .file = "main.yaml",
                            .arena = fixture->policy->arena,
                            .files_arena = fixture->policy->arena};
    assert_int_equal(yaml_document_parse(slice_of_string(main_text), "main.yaml",
                                         &fixture->diagnostics, &document),
                     ERR_OK);
    assembly_read(&reader, yaml_document_root(document), &fixture->assembly, fixture->policy);
    yaml_document_destroy(document);
    assert_false(reader.is_out_of_memory);
}

static void fixture_deinit(struct fixture *fixture)
{
    policy_destroy(fixture->policy);
    diagnostics_deinit(&fixture->diagnostics);
}

// read_after reads them after what each file said before; with `is_start` only what that holds is known.
static void read_after(struct fixture *fixture, const char *main_text, const struct file *files,
                       bool is_start)
{
    struct fixture former[FILES_MAX];
    struct included_part items[FILES_MAX] = {0};
    struct included_parts before = {.items = items};
    for (; before.count < FILES_MAX && files[before.count].path != NULL; before.count++) {
        const struct file *file = &files[before.count];
        const struct file alone[FILES_MAX] = {{file->path, file->old, NULL}};
        struct included_part *item = &items[before.count];
        read_parts(&former[before.count],
                   "clients: []\n"
                   "deny: [{hosts: [evil.example]}]\n",
                   alone, NULL);
        *item = (struct included_part){.path = file->path};
        if (file->old == NULL)
            continue;
        assert_states(&former[before.count], "g", "what was said before");
        *item = former[before.count].assembly.parts.items[0];
        if (is_start)
            item->text = (struct slice){0};
    }
    read_parts(fixture, main_text, files, &before);
    for (size_t i = 0; i < before.count; i++)
        fixture_deinit(&former[i]);
}

static void read_all(struct fixture *fixture, const char *main_text, const struct file *files)
{
    read_after(fixture, main_text, files, false);
}

static const struct client *find(const struct fixture *fixture, const char *name)
{
    for (size_t i = 0; i < fixture->policy->client_count; i++) {
        if (strcmp(fixture->policy->clients[i].name, name) == 0)
            return &fixture->policy->clients[i];
    }
    return NULL;
}

static void clients_of_the_main_file_come_first_and_then_file_by_file(void **state)
{
    (void)state;
    struct fixture fixture;
    static const struct file files[FILES_MAX] = {
        {.path = "d/a.yaml",
         .text = "sets: {hosts: {own: [o.example]}}\n"
                 "clients: [{name: a, match: [{cn: a}], allow: [{hosts: ['@own', '@shared']}]}]\n"
                 "deny: [{hosts: [bad.example]}, {name: mine, ports: [25]}]\n"},
        {.path = "d/b.yaml",
         .text = "sets: {hosts: {own: [p.example]}}\n"
                 "clients:\n- {name: b, match: [{cn: b}], allow: [{hosts: ['@own']}]}\n"
                 "- {name: c, match: [{cn: c}], mode: report, allow: [{hosts: [x]}]}\n"}};
    read_all(&fixture, MAIN, files);
    assert_states(&fixture, "gg", "two good files");
    assert_no_errors(&fixture.diagnostics);
    static const char *const names[] = {"boss", "board", "robot-{cn}", "odd", "a", "b", "c"};
    assert_int_equal(fixture.policy->client_count, 7);
    for (size_t i = 0; i < 7; i++)
        assert_string_equal(fixture.policy->clients[i].name, names[i]);
    const struct client *a = find(&fixture, "a");
    assert_string_equal(a->file->name, "d/a.yaml");
    assert_int_equal(a->line, 2);
    assert_int_equal(a->file->deny_count, 2);
    assert_string_equal(a->file->deny[0].name, "file:a.yaml.deny[0]");
    assert_string_equal(a->file->deny[1].name, "mine");
    assert_int_equal(find(&fixture, "b")->file->deny_count, 0);
    assert_int_equal(find(&fixture, "boss")->file->deny_count, 0);
    assert_int_equal(fixture.policy->deny_count, 1);
    fixture_deinit(&fixture);
}

// Each of these files is refused by itself, and nothing else is.
static void refuses_what_concerns_others(void **state)
{
    static const struct {
        const char *text;
        const char *part; // of the finding
    } cases[] = {
        {"", "empty"},
        {"[]", "expected a map"},
        {"clients: {}", "`clients` is a map"},
        {"listeners: []\n", "`listeners` belongs into the main file"},
        {"version: 1\nclients: []\n", "`version` belongs into the main file"},
        {"include: ['*.yaml']\n", "`include` belongs into the main file"},
        {"limits: {tunnels: 1}\n", "`limits` belongs into the main file"},
        {"client: []\n", "did you mean `clients`"},
        {"clients: [{name: a, match: [{any: true}], allow: [{hosts: [x]}]}]",
         "only the main file may"},
        {"clients: [{name: a, match: [{any: true, trust: staff}], allow: [{hosts: [x]}]}]",
         "only the main file may"},
        {"clients: [{name: a, match: [{anonymous: true}], allow: [{hosts: [x]}]}]",
         "only the main file may"},
        {"clients: [{name: a, match: [{o: Example}], allow: [{hosts: [x]}]}]", "names nobody"},
        {"clients: [{name: a, match: [{ou: x, o: y, issuer: 'CN=c'}], allow: [{hosts: [x]}]}]",
         "names nobody"},
        {"clients: [{name: a, match: [{subject: 'O=SPIRE,C=US'}], allow: [{hosts: [x]}]}]",
         "names nobody"},
        {"clients: [{name: a, match: [{uri: 'spiffe://x/ns/*'}], allow: [{hosts: [x]}]}]",
         "all of its namespaces"},
        {"clients: [{name: a, match: [{uri: 'spiffe://x/spire/agent/*'}], allow: [{hosts: [x]}]}]",
         "all of its namespaces"},
        {"clients: [{name: a, match: [{cn: a}, {ou: x}], allow: [{hosts: [x]}]}]",
         "match[1] of client `a` names nobody"},
        {"clients: [{name: a, match: [{cn: a}], mode: open, allow: [{hosts: [x]}]}]",
         "mode `open` is for clients of the main file"},
        {"clients: [{name: a, match: [{cn: a}], speaks_for: {trust: staff}}]",
         "`speaks_for` is for clients of the main file"},
        {"clients: [{name: a, match: [{cn: a}], egress: {addresses: [127.0.0.1]},\n"
         "           allow: [{hosts: [x]}]}]",
         "`egress` is for clients of the main file"},
        {"clients: [{name: a, match: [{cn: a, trust: other}], allow: [{hosts: [x]}]}]",
         "trust profile `other` is not known"},
        {"clients: [{name: a, match: [{cn: a}], via: [paris], allow: [{hosts: [x]}]}]", "paris"},
        {"clients: [{name: a, match: [{extension: {oid: 1.3.6.1.4.1.2, text: t}}],\n"
         "           allow: [{hosts: [x]}]}]",
         "that gives it a meaning"},
        {"clients: [{name: a, match: [{cn: a, policies: [1.2.3]}], allow: [{hosts: [x]}]}]",
         "that gives it a meaning"},
        {"clients: [{name: a, match: [{extension: {oid: 1.3.6.1.4.1.1, equals: '{cn}'}}],\n"
         "           allow: [{hosts: [x]}]}]",
         "names nobody"},
        {"clients: [{name: a, match: [{cn: a}], allow: [{hosts: ['@own']}]}]",
         "there is no set `@own`"},
        {"sets: {hosts: {shared: [y.example]}}\n", "the main file has a set `@shared`"},
        {"clients: [{name: a, match: [{cn: a}], allow: [{hosts: [{file: x.txt}]}]}]", "file"},
        {"clients: [{name: a, match: [{cn: a}], allow: [{hosts: [x]}]},\n"
         "          {name: a, match: [{cn: b}], allow: [{hosts: [x]}]}]",
         "client name `a` is used twice"},
        {"clients: [{name: boss, match: [{cn: a}], allow: [{hosts: [x]}]}]",
         "the client name `boss` is one of another file (main.yaml:3)"},
        {"clients: [{name: a, match: [{cn: a}], allow: [{name: bosses, hosts: [x]}]}]",
         "the rule name `bosses` is one of another file (main.yaml:3)"},
        {"clients: [{name: robot-7, match: [{cn: a}], allow: [{hosts: [x]}]}]",
         "can be the same for some certificate"},
        {"clients: [{name: '{cn}', match: [{uri: 'spiffe://x/y/*', trust: staff}],\n"
         "           allow: [{hosts: [x]}]}]",
         "can be the same for some certificate"},
        {"clients: [{name: a, match: [{cn: boss}], allow: [{hosts: [x]}]}]",
         "can fit certificates of the client `boss` of another file (main.yaml:3)"},
        {"clients: [{name: a, match: [{cn: boss, o: Example}], allow: [{hosts: [x]}]}]",
         "can fit certificates of the client `boss`"},
        {"clients: [{name: a, match: [{cn: a, ou: board}], allow: [{hosts: [x]}]}]",
         "can fit certificates of the client `board` of another file (main.yaml:4)"},
        {"clients: [{name: a, match: [{uri: 'spiffe://x/*'}], allow: [{hosts: [x]}]}]",
         "everybody of a domain"},
        {"clients: [{name: a, match: [{uri: 'h://y/*', ou: o}], allow: [{hosts: [x]}]}]",
         "match[0] of client `a` is for everybody of a domain"},
        {"clients: [{name: a, match: [{dns: '*.org'}], allow: [{hosts: [x]}]}]",
         "everybody of a domain"},
        {"clients: [{name: a, match: [{dns: '*.org.'}], allow: [{hosts: [x]}]}]",
         "everybody of a domain"},
        {"clients: [{name: a, match: [{extension: {oid: 1.3.6.1.4.1.1, text: 'h://y/*'}}],\n"
         "           allow: [{hosts: [x]}]}]",
         "everybody of a domain"},
        {"clients: [{name: a, match: [{uri: 'spiffe://x/robot/a/*'}], allow: [{hosts: [x]}]}]",
         "can fit certificates of the client `robot-{cn}`"},
        {"clients: [{name: a, match: [{uri: 'spiffe://x/robot/7'}], allow: [{hosts: [x]}]}]",
         "can fit certificates of the client `robot-{cn}`"},
        {"clients: [{name: a, match: [{extension: {oid: 1.3.6.1.4.1.1, text: odd}}],\n"
         "           allow: [{hosts: [x]}]}]",
         "can fit certificates of the client `odd`"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture fixture;
        const struct file files[FILES_MAX] = {
            {.path = "d/a.yaml", .text = cases[i].text},
            {.path = "d/z.yaml",
             .text = "clients: [{name: z, match: [{cn: z}], allow: [{hosts: [x]}]}]"}};
        read_all(&fixture, MAIN, files);
        assert_states(&fixture, "rg", cases[i].text);
        assert_finding(&fixture.diagnostics, SEVERITY_ERROR, 0, 0, cases[i].part);
        assert_int_equal(fixture.diagnostics.error_count, fixture.diagnostics.included_count);
        assert_int_equal(fixture.policy->client_count, 5);
        assert_non_null(find(&fixture, "z"));
        fixture_deinit(&fixture);
    }
}

// A client may have many entries, on as many lines: a finding stands at the one, and names the other one's.
static void a_conflict_is_found_where_its_entry_stands(void **state)
{
#define TWO(name, third)                                                                           \
    "clients:\n- name: " name "\n  match:\n  - {cn: " name "}\n  - {cn: " third "}\n"              \
    "  allow: [{hosts: [x]}]\n"
    static const struct file files[FILES_MAX] = {{.path = "d/a.yaml", .text = TWO("a", "boss")},
                                                 {.path = "d/b.yaml", .text = TWO("b", "c")},
                                                 {.path = "d/c.yaml", .text = TWO("c", "d")}};
    struct fixture fixture;
    (void)state;
    read_all(&fixture, MAIN, files);
    assert_states(&fixture, "rrr", "three files");
    assert_finding(&fixture.diagnostics, SEVERITY_ERROR, 5, 5,
                   "match[1] of client `a` can fit certificates of the client `boss` of another "
                   "file (main.yaml:3)");
    assert_finding(&fixture.diagnostics, SEVERITY_ERROR, 5, 5,
                   "match[1] of client `b` can fit certificates of the client `c` of another file "
                   "(d/c.yaml:4)");
    assert_finding(&fixture.diagnostics, SEVERITY_ERROR, 4, 5,
                   "match[0] of client `c` can fit certificates of the client `b` of another file "
                   "(d/b.yaml:5)");
    fixture_deinit(&fixture);
}

#define ONE(name, match) "clients: [{name: " name ", match: [" match "], allow: [{hosts: [x]}]}]\n"

// Which of several files lose.
static void what_is_new_gives_way(void **state)
{
    static const struct {
        const char *states;
        const char *clients; // of the included files, in order
        struct file files[FILES_MAX];
    } cases[] = {
        // Both at once.
        {"rr", "", {{"a", ONE("a", "{cn: x}"), NULL}, {"b", ONE("b", "{cn: x}"), NULL}}},
        // What is in force stays, wherever it stands.
        {"rg",
         "b",
         {{"a", ONE("a", "{cn: x}"), NULL}, {"b", ONE("b", "{cn: x}"), ONE("b", "{cn: x}")}}},
        {"gr",
         "a",
         {{"a", ONE("a", "{cn: x}"), ONE("a", "{cn: x}")}, {"b", ONE("b", "{cn: x}"), NULL}}},
        // What a file in force says new comes after what another one held.
        {"cg",
         "ab",
         {{"a", ONE("a", "{cn: x}"), ONE("a", "{cn: y}")},
          {"b", ONE("b", "{cn: x}"), ONE("b", "{cn: x}")}}},
        {"cc",
         "ab",
         {{"a", ONE("a", "{cn: x}"), ONE("a", "{cn: 1}")},
          {"b", ONE("b", "{cn: x}"), ONE("b", "{cn: 2}")}}},
        // What one gives up another one may take at the same time, and not before.
        {"gg",
         "ab",
         {{"a", ONE("a", "{cn: y}"), ONE("a", "{cn: x}")}, {"b", ONE("b", "{cn: x}"), NULL}}},
        {"hr", "a", {{"a", "clients: [", ONE("a", "{cn: x}")}, {"b", ONE("b", "{cn: x}"), NULL}}},
        // A file that is refused because of one in force harms no third one.
        {"rgg",
         "bc",
         {{"a", ONE("a", "{cn: x}, {cn: y}"), NULL},
          {"b", ONE("b", "{cn: x}"), ONE("b", "{cn: x}")},
          {"c", ONE("c", "{cn: y}"), NULL}}},
        // What a file gives up is free, also when it does not get what it wants.
        {"cgg",
         "abc",
         {{"a", ONE("a", "{cn: x}"), ONE("a", "{cn: y}")},
          {"b", ONE("b", "{cn: x}"), ONE("b", "{cn: x}")},
          {"c", ONE("c", "{cn: y}"), NULL}}},
        // One that cannot be read keeps what it said, or has nothing to keep.
        {"hr", "a", {{"a", NULL, ONE("a", "{cn: x}")}, {"b", NULL, NULL}}},
        // The main file may take what is in force.
        {"c", "a", {{"a", ONE("a", "{cn: boss}"), ONE("a", "{cn: boss}")}}},
        {"h", "a", {{"a", "clients: [", ONE("a", "{cn: boss}")}}},
        // Different things may fit one certificate, which nobody can know.
        {"gg", "ab", {{"a", ONE("a", "{cn: x}"), NULL}, {"b", ONE("b", "{dns: x}"), NULL}}},
        {"gg",
         "ab",
         {{"a", ONE("a", "{cn: x, o: p}"), NULL}, {"b", ONE("b", "{cn: x, o: q}"), NULL}}},
        {"gg", "ab", {{"a", ONE("a", "{dns: p}"), NULL}, {"b", ONE("b", "{dns: q}"), NULL}}},
        // A certificate can have both values of what they differ in.
        {"rr",
         "",
         {{"a", ONE("a", "{cn: x, dns: p}"), NULL}, {"b", ONE("b", "{cn: x, dns: q}"), NULL}}},
        {"rg",
         "b",
         {{"a", ONE("a", "{cn: x, ou: p}, {cn: y, dns: p}"), NULL},
          {"b", ONE("b", "{cn: x, ou: q}"), ONE("b", "{cn: x, ou: q}")}}},
        {"rr",
         "",
         {{"a", ONE("a", "{cn: x, dns: p}"), NULL}, {"b", ONE("b", "{cn: x, email: q@r}"), NULL}}},
        {"rr",
         "",
         {{"a", ONE("a", "{dns: '*.y.x'}"), NULL}, {"b", ONE("b", "{dns: A.B.Y.X}"), NULL}}},
        {"gg",
         "ab",
         {{"a", ONE("a", "{dns: '*.y.x'}"), NULL}, {"b", ONE("b", "{dns: ay.x}"), NULL}}},
        {"rr",
         "",
         {{"a", ONE("a", "{email: a@X.org}"), NULL}, {"b", ONE("b", "{email: a@x.ORG}"), NULL}}},
        {"gg",
         "ab",
         {{"a", ONE("a", "{email: a@x.org}"), NULL}, {"b", ONE("b", "{email: A@x.org}"), NULL}}},
        {"rr",
         "",
         {{"a", ONE("a", "{uri: 'h://x/a/*'}"), NULL},
          {"b", ONE("b", "{uri: 'h://x/a/b/*'}"), NULL}}},
        {"gg",
         "ab",
         {{"a", ONE("a", "{uri: 'h://x/a/*'}"), NULL}, {"b", ONE("b", "{uri: 'h://x/ab'}"), NULL}}},
        // A subject says what its CN and O are.
        {"rr",
         "",
         {{"a", ONE("a", "{subject: 'CN=x,O=p'}"), NULL}, {"b", ONE("b", "{cn: x}"), NULL}}},
        {"rg",
         "b",
         {{"a", ONE("a", "{subject: 'CN=x,O=p'}"), NULL},
          {"b", ONE("b", "{cn: x, dns: y}"), ONE("b", "{cn: x, dns: y}")}}},
        {"gg",
         "ab",
         {{"a", ONE("a", "{subject: 'CN=x,O=p'}"), NULL}, {"b", ONE("b", "{cn: x, o: q}"), NULL}}},
        {"gg",
         "ab",
         {{"a", ONE("a", "{subject: 'O=SPIRE', dns: p}"), NULL},
          {"b", ONE("b", "{subject: 'O=SPIRE', dns: q}"), NULL}}},
        {"gg",
         "ab",
         {{"a", ONE("a", "{uri: 'spiffe://x/ns/a/*'}"), NULL},
          {"b", ONE("b", "{uri: 'spiffe://x/ns/b/*'}"), NULL}}},
        // A pattern for a whole domain, beside a name.
        {"g", "a", {{"a", ONE("a", "{uri: 'h://x/*', cn: a}"), NULL}}},
        // A pattern between an entry and the pattern that fits it.
        {"rgr",
         "b",
         {{"a", ONE("a", "{uri: 'h://x/a/*'}"), NULL},
          {"b", ONE("b", "{uri: 'h://y/b/*'}"), NULL},
          {"c", ONE("c", "{uri: 'h://x/a/b/c'}"), NULL}}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture fixture;
        char what[32];
        char clients[FILES_MAX + 1] = "";
        size_t count = 0;
        (void)snprintf(what, sizeof what, "case %zu", i);
        read_all(&fixture, ONE("boss", "{cn: boss}"), cases[i].files);
        assert_states(&fixture, cases[i].states, what);
        for (size_t c = 1; c < fixture.policy->client_count; c++)
            clients[count++] = fixture.policy->clients[c].name[0];
        assert_string_equal(clients, cases[i].clients);
        fixture_deinit(&fixture);
    }
}

// At a start, what each file held is its own, whatever it says now, and also while it is refused.
static void at_a_start_what_was_held_stays_held(void **state)
{
    static const struct {
        const char *states;
        struct file files[FILES_MAX];
    } cases[] = {
        {"cgg",
         {{"a", ONE("a", "{cn: x}, {cn: y}"), ONE("a", "{cn: z}")},
          {"b", ONE("b", "{cn: x}"), ONE("b", "{cn: x}")},
          {"c", ONE("c", "{cn: y}"), ONE("c", "{cn: y}")}}},
        {"rg", {{"a", ONE("a", "{cn: x}"), NULL}, {"b", ONE("b", "{cn: x}"), ONE("b", "{cn: x}")}}},
        {"rg", {{"a", ONE("a", "{cn: x}"), NULL}, {"b", ONE("b", "{cn: x}"), ONE("b", "{cn: z}")}}},
        {"rr", {{"a", ONE("a", "{cn: x}"), NULL}, {"b", ONE("b", "{cn: x}"), NULL}}},
        {"rr", {{"a", "clients: [", ONE("a", "{cn: x}")}, {"b", ONE("b", "{cn: x}"), NULL}}},
        {"r", {{"a", NULL, ONE("a", "{cn: x}")}}},
        {"c", {{"a", ONE("a", "{cn: boss}"), ONE("a", "{cn: boss}")}}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture fixture;
        char what[32];
        (void)snprintf(what, sizeof what, "case %zu", i);
        read_after(&fixture, ONE("boss", "{cn: boss}"), cases[i].files, true);
        assert_states(&fixture, cases[i].states, what);
        for (size_t p = 0; p < fixture.assembly.parts.count; p++) {
            const struct included_part *part = &fixture.assembly.parts.items[p];
            assert_int_equal(part->holdings.data != NULL,
                             part->state != INCLUDED_REFUSED || cases[i].files[p].old != NULL);
        }
        fixture_deinit(&fixture);
    }
}

#define X(match) "{extension: {oid: 1.3.6.1.4.1.1, " match "}}"

// What two new files ask of one extension: they lose where one value could be what both ask for.
static void one_extension_belongs_to_one_file_however_it_is_written(void **state)
{
    static const struct {
        const char *a;
        const char *b;
        const char *states;
    } cases[] = {
        {X("text: t"), X("text: t"), "rr"},
        {X("text: t"), X("text: u"), "gg"},
        {X("text: 'a/*'"), X("text: a/b"), "rr"},
        {X("text: 'a/*'"), X("der: 0c03612f62"), "rr"},
        {X("text: t"), X("der: 0c0174"), "rr"},
        {X("text: t"), X("der: 130174"), "rr"},
        {X("text: t"), X("der: 30060c01750c0174"), "rr"},
        {X("text: t"), X("der: 0c0175"), "gg"},
        {X("der: 0c0174"), X("der: 0c0174"), "rr"},
        {X("der: 0c0174"), X("der: 130174"), "gg"},
        {X("json: {team: s}"), X("json: {team: s}"), "rr"},
        {X("json: {team: s}"), X("json: {team: s, env: '*'}"), "rr"},
        {X("json: {team: s, id: '{cn}'}"), X("json: {team: s, env: '*'}"), "rr"},
        {X("json: {team: s, id: '{cn}'}"), X("json: {team: s, id: x}"), "rr"},
        {X("json: {team: s, env: x}"), X("json: {team: s, env: y}"), "gg"},
        {X("json: {team: s}"), X("json: {team: t}"), "gg"},
        {X("json: {t: s}"), X("der: 7b2274223a2273227d"), "rr"},
        {X("json: {t: s}"), X("der: 7b2274223a2274227d"), "gg"},
        {X("json: {t: s}"), X("text: s"), "gg"},
        // With a name in common beside the extension.
        {"{cn: x, extension: {oid: 1.3.6.1.4.1.1, equals: '{uri.path[0]}'}}",
         "{cn: x, extension: {oid: 1.3.6.1.4.1.1, text: t}}", "rr"},
        {"{cn: x, extension: {oid: 1.3.6.1.4.1.1, equals: 'p-{uri.path[0]}'}}",
         "{cn: x, extension: {oid: 1.3.6.1.4.1.1, text: t}}", "gg"},
        {"{cn: x, extension: {oid: 1.3.6.1.4.1.1, equals: 'p-{uri.path[0]}'}}",
         "{cn: x, extension: {oid: 1.3.6.1.4.1.1, equals: '{dns[0]}'}}", "rr"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture fixture;
        char a[256];
        char b[256];
        char what[32];
        (void)snprintf(what, sizeof what, "case %zu", i);
        (void)snprintf(a, sizeof a, ONE("a", "%s"), cases[i].a);
        (void)snprintf(b, sizeof b, ONE("b", "%s"), cases[i].b);
        const struct file files[FILES_MAX] = {{"a", a, NULL}, {"b", b, NULL}};
        read_all(&fixture, MAIN, files);
        assert_states(&fixture, cases[i].states, what);
        fixture_deinit(&fixture);
    }
}

static void everybody_of_the_main_file_leaves_nobody_to_other_files(void **state)
{
    (void)state;
    struct fixture fixture;
    static const struct file files[FILES_MAX] = {{"a", ONE("a", "{cn: x}"), NULL}};
    read_all(&fixture, ONE("all", "{any: true}"), files);
    assert_states(&fixture, "r", "any in the main file");
    assert_finding(&fixture.diagnostics, SEVERITY_ERROR, 1, 29, "of the client `all`");
    fixture_deinit(&fixture);
    read_all(&fixture, ONE("all", "{anonymous: true}"), files);
    assert_states(&fixture, "g", "anonymous in the main file");
    fixture_deinit(&fixture);
}

static void a_mistake_of_the_main_file_refuses_everything(void **state)
{
    (void)state;
    struct fixture fixture;
    static const struct file files[FILES_MAX] = {{"a", ONE("a", "{cn: x}"), NULL}};
    read_all(&fixture, "clients: [{name: boss}]\n", files);
    assert_true(fixture.diagnostics.error_count > fixture.diagnostics.included_count);
    fixture_deinit(&fixture);
}

// alike makes the text of a file with one client of `count` entries; `format` has a place for the number of each.
static char *alike(const char *name, int count, const char *format)
{
    char entry[64];
    const size_t cap = 128 + (size_t)count * sizeof entry;
    char *out = malloc(cap);
    struct text text;
    assert_non_null(out);
    text_init(&text, out, cap);
    text_append_format(&text, "clients: [{name: %s, allow: [{hosts: [x]}], match: [", name);
    for (int i = 1; i <= count; i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        (void)snprintf(entry, sizeof entry, format, i);
#pragma GCC diagnostic pop
        text_append_string(&text, entry);
    }
    text_append_string(&text, "]}]");
    assert_false(text.is_cut);
    return out;
}

// Files whose entries are all alike are refused in bounded time, and without harm for others.
static void a_file_of_entries_that_are_all_alike_is_refused(void **state)
{
    enum { ALIKE = 2100 };
    (void)state;
    struct fixture fixture;
    char *one = alike("a", ALIKE, "{cn: s, serial: '1%04d'},");
    char *two = alike("b", ALIKE, "{cn: s, serial: '2%04d'},");
    const struct file files[FILES_MAX] = {
        {"a", one, NULL}, {"b", two, NULL}, {"c", ONE("c", "{cn: c}"), NULL}};
    read_all(&fixture, ONE("boss", "{cn: boss}"), files);
    const struct included_parts *parts = &fixture.assembly.parts;
    assert_true(parts->items[0].state == INCLUDED_REFUSED ||
                parts->items[1].state == INCLUDED_REFUSED);
    assert_int_equal(parts->items[2].state, INCLUDED_GOOD);
    assert_finding(&fixture.diagnostics, SEVERITY_ERROR, 0, 0, "so much alike");
    fixture_deinit(&fixture);
    free(one);
    free(two);
}

// A new file that is like one in force pays for that itself.
static void a_new_file_cannot_use_up_the_share_of_one_in_force(void **state)
{
    (void)state;
    struct fixture fixture;
    char *old = alike("a", 300, "{uri: 'h://x/a/*', cn: a%d},");
    char *new = alike("b", 4000, "{uri: 'h://x/a/%d', cn: b},");
    const struct file files[FILES_MAX] = {{"a", old, old}, {"b", new, NULL}};
    read_all(&fixture, ONE("boss", "{cn: boss}"), files);
    assert_states(&fixture, "gr", "the new one pays");
    assert_finding(&fixture.diagnostics, SEVERITY_ERROR, 0, 0, "so much alike");
    fixture_deinit(&fixture);
    const struct file first[FILES_MAX] = {{"a", new, NULL}, {"b", old, old}};
    read_all(&fixture, ONE("boss", "{cn: boss}"), first);
    assert_states(&fixture, "rg", "in either order");
    fixture_deinit(&fixture);
    const struct file both[FILES_MAX] = {{"a", old, old}, {"b", new, new}};
    read_all(&fixture, ONE("boss", "{cn: boss}"), both);
    assert_states(&fixture, "gg", "what is in force together stays");
    fixture_deinit(&fixture);
    free(old);
    free(new);
}

// The entries of one file are its own affair.
static void a_file_may_have_many_entries_under_one_pattern(void **state)
{
    (void)state;
    struct fixture fixture;
    char *text = alike("a", 3000, "{uri: 'h://x/a/*', cn: a%d},");
    const struct file files[FILES_MAX] = {{"a", text, NULL}};
    read_all(&fixture, ONE("boss", "{cn: boss}"), files);
    assert_states(&fixture, "g", "nobody else is concerned");
    fixture_deinit(&fixture);
    free(text);
}

// Each file wants what the next one gives up, and the first one does not get what it wants. That is nothing to the others.
static void a_row_of_files_that_pass_things_on_waits_for_nobody(void **state)
{
    enum { ROW = 20 };
    (void)state;
    struct fixture fixture;
    struct file files[FILES_MAX] = {0};
    char texts[ROW][2][256];
    char paths[ROW][8];
    for (int i = 0; i < ROW; i++) {
        (void)snprintf(paths[i], sizeof paths[i], "a%02d", i);
        (void)snprintf(texts[i][0], sizeof texts[i][0], ONE("a%02d", "{cn: '%s'}"), i,
                       i == 0 ? "boss" : paths[i - 1]);
        (void)snprintf(texts[i][1], sizeof texts[i][1], ONE("a%02d", "{cn: '%s'}"), i, paths[i]);
        files[i] = (struct file){paths[i], texts[i][0], texts[i][1]};
    }
    files[ROW] = (struct file){"z", ONE("z", "{cn: new}"), ONE("z", "{cn: old}")};
    read_all(&fixture, ONE("boss", "{cn: boss}"), files);
    assert_states(&fixture, "cgggggggggggggggggggg", "a row of twenty, and one more");
    fixture_deinit(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clients_of_the_main_file_come_first_and_then_file_by_file),
        cmocka_unit_test(refuses_what_concerns_others),
        cmocka_unit_test(a_conflict_is_found_where_its_entry_stands),
        cmocka_unit_test(what_is_new_gives_way),
        cmocka_unit_test(at_a_start_what_was_held_stays_held),
        cmocka_unit_test(one_extension_belongs_to_one_file_however_it_is_written),
        cmocka_unit_test(everybody_of_the_main_file_leaves_nobody_to_other_files),
        cmocka_unit_test(a_mistake_of_the_main_file_refuses_everything),
        cmocka_unit_test(a_file_of_entries_that_are_all_alike_is_refused),
        cmocka_unit_test(a_row_of_files_that_pass_things_on_waits_for_nobody),
        cmocka_unit_test(a_new_file_cannot_use_up_the_share_of_one_in_force),
        cmocka_unit_test(a_file_may_have_many_entries_under_one_pattern),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
