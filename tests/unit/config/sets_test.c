// Sets and list files from text to policy: what they become, who shares them, and every way to be
// wrong, with the place in the file that is wrong.
#include "proxy/config/assembly.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "auth/base/text.h"
#include "proxy/config/file.h"
#include "tests/unit/config/findings.h"

// memory_file is a list file of a test.
struct memory_file {
    const char *name;
    const char *text;
    size_t read_count; // out
};

enum { FILES_MAX = 4 };

struct fixture {
    struct diagnostics diagnostics;
    struct policy *policy;
    struct reader reader;
    struct memory_file files[FILES_MAX];
};

static bool read_file(struct reader *reader, const struct node *node, const char *path,
                      struct file_content *out)
{
    struct fixture *fixture = (struct fixture *)((char *)reader - offsetof(struct fixture, reader));
    for (size_t i = 0; i < FILES_MAX && fixture->files[i].name != NULL; i++) {
        if (!slice_equal(slice_of_string(path), slice_of_string(fixture->files[i].name)))
            continue;
        fixture->files[i].read_count++;
        *out = (struct file_content){.bytes = slice_of_string(fixture->files[i].text)};
        return true;
    }
    (void)reader_error(reader, node, "cannot open %s", path);
    return false;
}

// fixture_read reads `text`, whose files are in the fixture, which is zeroed otherwise.
static void fixture_read(struct fixture *fixture, const char *text)
{
    static const char *const trusts[] = {"staff"};
    const struct name_list names = {.names = trusts, .count = 1};
    struct yaml_document *document = NULL;
    diagnostics_init(&fixture->diagnostics);
    fixture->policy = policy_create();
    assert_non_null(fixture->policy);
    fixture->reader = (struct reader){.diagnostics = &fixture->diagnostics,
                                      .file = "t.yaml",
                                      .arena = fixture->policy->arena,
                                      .read_list = read_file};
    assert_int_equal(ERR_OK, yaml_document_parse(slice_of_string(text), "t.yaml",
                                                 &fixture->diagnostics, &document));
    clients_read(&fixture->reader, yaml_document_root(document), &names,
                 &(const struct parent_names){0}, fixture->policy);
    yaml_document_destroy(document);
    diagnostics_sort(&fixture->diagnostics);
}

static void fixture_deinit(struct fixture *fixture)
{
    policy_destroy(fixture->policy);
    diagnostics_deinit(&fixture->diagnostics);
}

#define CLIENT(allow) "clients:\n- {name: a, match: [{any: true}], allow: [" allow "]}\n"

// reaches tells whether the only client may go to `host`:443 at 1.1.1.1.
static bool reaches(const struct fixture *fixture, const char *host)
{
    struct target target = {.kind = TARGET_NAME, .port = 443};
    struct candidate candidate = {.address = {.family = IP_V4, .bytes = {1, 1, 1, 1}}};
    struct decision decision;
    assert_int_equal(ERR_OK, hostname_parse(slice_of_string(host), &target.name));
    policy_decide_addresses(fixture->policy, &fixture->policy->clients[0], &candidate.address, 0,
                            &target, &candidate, 1, NULL, &decision);
    return decision.action == ACTION_ALLOW;
}

// finds tells whether a finding stands at this place of this file.
static bool finds(const struct fixture *fixture, enum severity severity, const char *file,
                  uint32_t line, uint32_t column, const char *part)
{
    for (size_t i = 0; i < fixture->diagnostics.count; i++) {
        const struct diagnostic *found = &fixture->diagnostics.items[i];
        if (found->severity == severity && strcmp(found->file, file) == 0 && found->line == line &&
            found->column == column &&
            (strstr(found->message, part) != NULL || strstr(found->hint, part) != NULL))
            return true;
    }
    diagnostics_print(&fixture->diagnostics, stderr, SEVERITY_NOTE);
    return false;
}

static void a_set_is_compiled_once_and_shared_by_all_who_name_it(void **state)
{
    (void)state;
    struct fixture fixture = {.files = {{.name = "l.txt", .text = "d.example\n"}}};
    fixture_read(&fixture, "sets:\n"
                           "  hosts: {web: [a.example, '*.b.example', {file: l.txt}]}\n"
                           "  addresses: {office: [10.0.0.0/8, public]}\n"
                           "clients:\n"
                           "- {name: a, match: [{any: true}], sources: ['@office'],\n"
                           "   allow: [{hosts: ['@web']}, {hosts: ['@web', c.example]}]}\n"
                           "- {name: b, match: [{any: true}], allow: [{hosts: [{file: l.txt}]}]}\n"
                           "deny: [{hosts: ['@web'], ports: [25]}, {addresses: ['@office'], ports: "
                           "[25]}]\n");
    assert_no_errors(&fixture.diagnostics);
    assert_int_equal(fixture.diagnostics.warning_count, 0);
    const struct client *clients = fixture.policy->clients;
    const struct rule *allow = clients[0].allow;
    assert_int_equal(allow[0].hosts.count, 2); // the plain entries, and those of the file
    assert_int_equal(allow[1].hosts.count, 3);
    assert_ptr_equal(allow[0].hosts.items, fixture.policy->deny[0].hosts.items);
    assert_ptr_equal(allow[0].hosts.items[0], allow[1].hosts.items[1]);
    assert_ptr_equal(allow[0].hosts.items[1], clients[1].allow[0].hosts.items[0]);
    assert_ptr_equal(clients[0].sources.items[0], fixture.policy->deny[1].addresses.items[0]);
    assert_int_equal(fixture.files[0].read_count, 1);
    fixture_deinit(&fixture);
}

static void every_entry_of_a_set_counts(void **state)
{
    (void)state;
    struct fixture fixture = {.files = {{.name = "l.txt", .text = "d.example\n"}}};
    fixture_read(&fixture,
                 "sets: {hosts: {web: [a.example, '*.b.example', {file: l.txt}]}}\n" CLIENT(
                     "{hosts: [c.example, '@web']}"));
    assert_no_errors(&fixture.diagnostics);
    static const char *const inside[] = {"a.example", "x.b.example", "c.example", "d.example"};
    static const char *const outside[] = {"b.example", "x.a.example", "e.example"};
    for (size_t i = 0; i < sizeof inside / sizeof inside[0]; i++)
        assert_true(reaches(&fixture, inside[i]));
    for (size_t i = 0; i < sizeof outside / sizeof outside[0]; i++)
        assert_false(reaches(&fixture, outside[i]));
    fixture_deinit(&fixture);
}

static void a_list_file_has_one_entry_a_line_with_comments(void **state)
{
    (void)state;
    struct fixture fixture = {.files = {{.name = "l.txt",
                                         .text = "\xEF\xBB\xBF# a list\r\n"
                                                 "a.example\r\n"
                                                 "\r\n"
                                                 "  \tB.example.   # with a comment\n"
                                                 "#c.example\n"
                                                 "   \t \n"
                                                 "*.d.example\t# x\n"
                                                 "b\xC3\xBC"
                                                 "cher.example\n"
                                                 "last.example"}}};
    fixture_read(&fixture, CLIENT("{hosts: [{file: l.txt}]}"));
    assert_no_errors(&fixture.diagnostics);
    struct host_record record;
    size_t cursor = 0;
    size_t count = 0;
    while (host_set_next(fixture.policy->clients[0].allow[0].hosts.items[0], &cursor, &record))
        count++;
    assert_int_equal(count, 5);
    static const char *const inside[] = {"a.example", "b.example", "x.d.example",
                                         "xn--bcher-kva.example", "last.example"};
    for (size_t i = 0; i < sizeof inside / sizeof inside[0]; i++)
        assert_true(reaches(&fixture, inside[i]));
    assert_false(reaches(&fixture, "c.example"));
    fixture_deinit(&fixture);
}

static void a_bad_line_is_reported_at_its_place(void **state)
{
    (void)state;
    struct fixture fixture = {
        .files = {{.name = "h.txt",
                   .text = "a.example\n"
                           "  https://b.example\n"
                           "c.example#joined\n"
                           "@web\n"
                           "10.0.0.1\n"
                           "a b\n"
                           "tab\there\n"
                           "\xC3\xBC.\xFF\n"},
                  {.name = "a.txt", .text = "10.0.0.0/8\n\n10.0.0.1/8\n::ffff:1.2.3.4\nPUBLIC\n"}}};
    fixture_read(&fixture, CLIENT("{hosts: [{file: h.txt}], addresses: [{file: a.txt}]}"));
    assert_true(finds(&fixture, SEVERITY_ERROR, "h.txt", 2, 3, "leave out scheme"));
    assert_true(finds(&fixture, SEVERITY_ERROR, "h.txt", 3, 1, "not a host name"));
    assert_true(finds(&fixture, SEVERITY_ERROR, "h.txt", 4, 1, "not a host name"));
    assert_true(finds(&fixture, SEVERITY_ERROR, "h.txt", 5, 1, "under `addresses`"));
    assert_true(finds(&fixture, SEVERITY_ERROR, "h.txt", 6, 1, "not a host name"));
    assert_true(finds(&fixture, SEVERITY_ERROR, "h.txt", 7, 1, "control character"));
    assert_true(finds(&fixture, SEVERITY_ERROR, "h.txt", 8, 1, "host"));
    assert_true(finds(&fixture, SEVERITY_ERROR, "a.txt", 3, 1, "write `10.0.0.0/8`"));
    assert_true(finds(&fixture, SEVERITY_ERROR, "a.txt", 4, 1, "IPv4-mapped"));
    assert_true(finds(&fixture, SEVERITY_ERROR, "a.txt", 5, 1, "not an address range"));
    assert_int_equal(fixture.diagnostics.error_count, 10);
    fixture_deinit(&fixture);
}

static void an_empty_list_file_is_an_error_unless_it_may_be(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "# nothing\n\n", "\xEF\xBB\xBF\r\n"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct fixture strict = {.files = {{.name = "l.txt", .text = texts[i]}}};
        fixture_read(&strict, CLIENT("{hosts: [a.example, {file: l.txt}]}"));
        assert_true(finds(&strict, SEVERITY_ERROR, "t.yaml", 2, 70, "the list l.txt is empty"));
        fixture_deinit(&strict);
        struct fixture lenient = {.files = {{.name = "l.txt", .text = texts[i]}}};
        fixture_read(&lenient, CLIENT("{hosts: [{file: l.txt, allow_empty: true}]}"));
        assert_no_errors(&lenient.diagnostics);
        assert_false(reaches(&lenient, "a.example"));
        fixture_deinit(&lenient);
    }
    // Who did not say so is not helped by who did.
    struct fixture both = {.files = {{.name = "l.txt", .text = ""}}};
    fixture_read(&both, CLIENT("{hosts: [{file: l.txt, allow_empty: true}]}, "
                               "{hosts: [{file: l.txt}]}"));
    assert_int_equal(both.diagnostics.error_count, 1);
    fixture_deinit(&both);
}

static void one_file_may_be_a_list_of_either_kind(void **state)
{
    (void)state;
    struct fixture fixture = {.files = {{.name = "l.txt", .text = "# both\n"}}};
    fixture_read(&fixture, CLIENT("{hosts: [x, {file: l.txt, allow_empty: true}], addresses: "
                                  "[public, {file: l.txt, allow_empty: true}]}"));
    assert_no_errors(&fixture.diagnostics);
    assert_int_equal(fixture.files[0].read_count, 2);
    fixture_deinit(&fixture);
}

struct mistake {
    const char *text;
    uint32_t line;
    uint32_t column;
    const char *part;
};

static void refuses_sets_that_could_be_misread(void **state)
{
    (void)state;
    static const struct mistake rows[] = {
        {CLIENT("{hosts: ['@web']}"), 2, 52, "sets: {hosts: {web: [...]}}"},
        {"sets: {hosts: {web: [a], wob: [a]}}\n" CLIENT("{hosts: ['@wub']}"), 3, 52,
         "did you mean `@web`"},
        {"sets: {hosts: {web: [a]}}\n" CLIENT("{hosts: ['@Web']}"), 3, 52, "did you mean `@web`"},
        {"sets: {addresses: {web: [10.0.0.0/8]}}\n" CLIENT("{hosts: ['@web']}"), 3, 52,
         "one under `sets.addresses`"},
        {"sets: {hosts: {web: [a]}}\n" CLIENT("{addresses: ['@web']}"), 3, 56,
         "one under `sets.hosts`"},
        {"sets: {hosts: {web: [a]}}\n" CLIENT("{hosts: ['@']}"), 3, 52, "there is no set `@`"},
        {"sets: {hosts: {web: [a], all: ['@web']}}\n" CLIENT("{hosts: ['@all', '@web']}"), 1, 32,
         "cannot contain another set"},
        {"sets: {hosts: {web: []}}\n", 1, 21, "the set `@web` is empty"},
        {"sets: {hosts: {web: a}}\n", 1, 21, "expected a list"},
        {"sets: {hosts: {web: [1.2.3.4]}}\n", 1, 22, "under `addresses`"},
        {"sets: {addresses: {web: [a]}}\n", 1, 26, "not an address range"},
        {"sets: {hosts: {'@web': [a]}}\n", 1, 16, "is not a name"},
        {"sets: {hosts: {a b: [a]}}\n", 1, 16, "is not a name"},
        {"sets: {hosts: [a]}\n", 1, 15, "expected a map"},
        {"sets: [a]\n", 1, 7, "expected a map"},
        {"sets: {host: {web: [a]}}\n", 1, 8, "did you mean `hosts`"},
        {CLIENT("{hosts: [{file: none.txt}]}"), 2, 59, "cannot open none.txt"},
        {CLIENT("{hosts: [{}]}"), 2, 52, "without `file`"},
        {CLIENT("{hosts: [{path: x}]}"), 2, 52, "without `file`"},
        {CLIENT("{hosts: [{file: x, path: y}]}"), 2, 62, "unknown key"},
        {CLIENT("{hosts: [{file: [a]}]}"), 2, 59, "expected a value"},
        {CLIENT("{hosts: [{file: x, allow_empty: yes}]}"), 2, 75, "expected true or false"},
        {"clients:\n- {name: a, match: [{any: true}], sources: ['@x'], allow: [{hosts: [a]}]}\n", 2,
         45, "there is no set `@x` under `sets.addresses`"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fixture fixture = {0};
        fixture_read(&fixture, rows[i].text);
        if (!finds(&fixture, SEVERITY_ERROR, "t.yaml", rows[i].line, rows[i].column, rows[i].part))
            fail_msg("row %zu: no error at %u:%u with `%s`", i, rows[i].line, rows[i].column,
                     rows[i].part);
        fixture_deinit(&fixture);
    }
}

static void a_set_is_not_a_file_and_a_file_no_set(void **state)
{
    (void)state;
    struct fixture fixture = {.files = {{.name = "@web", .text = "a.example\n"}}};
    fixture_read(&fixture, CLIENT("{hosts: [{file: '@web'}]}, {hosts: ['@web']}"));
    assert_int_equal(fixture.diagnostics.error_count, 1);
    assert_true(finds(&fixture, SEVERITY_ERROR, "t.yaml", 2, 79, "there is no set"));
    fixture_deinit(&fixture);
}

static void a_mistake_in_a_set_is_said_once(void **state)
{
    (void)state;
    struct fixture fixture = {.files = {{.name = "l.txt", .text = "1.2.3.4\n"}}};
    fixture_read(&fixture, "sets: {hosts: {web: [{file: l.txt}, {file: none}]}}\n" CLIENT(
                               "{hosts: ['@web']}, {hosts: ['@web', {file: l.txt}]}"));
    assert_int_equal(fixture.diagnostics.error_count, 2);
    fixture_deinit(&fixture);
}

static void warns_of_sets_that_nobody_uses(void **state)
{
    (void)state;
    struct fixture fixture = {0};
    fixture_read(&fixture, "sets:\n"
                           "  hosts: {used: [a], idle: [b]}\n"
                           "  addresses: {used: [public], idle: [public]}\n" CLIENT(
                               "{hosts: ['@used'], addresses: ['@used']}"));
    assert_no_errors(&fixture.diagnostics);
    assert_int_equal(fixture.diagnostics.warning_count, 2);
    assert_true(finds(&fixture, SEVERITY_WARNING, "t.yaml", 2, 22, "no rule uses the set `@idle`"));
    assert_true(finds(&fixture, SEVERITY_WARNING, "t.yaml", 3, 31, "no rule uses the set `@idle`"));
    fixture_deinit(&fixture);
}

static void warns_of_odd_prefixes_where_they_stand_and_once(void **state)
{
    (void)state;
    struct fixture fixture = {.files = {{.name = "l.txt", .text = "public\n::/0\n"}}};
    fixture_read(
        &fixture,
        "sets: {addresses: {x: [169.254.169.254, {file: l.txt}], y: [0.0.0.0/0]}}\n" CLIENT(
            "{addresses: ['@x']}, {addresses: ['@x', {file: l.txt}]}") "deny: "
                                                                       "[{addresses: "
                                                                       "['@y']}]\n");
    assert_no_errors(&fixture.diagnostics);
    assert_true(finds(&fixture, SEVERITY_WARNING, "t.yaml", 1, 24, "never reachable"));
    assert_true(finds(&fixture, SEVERITY_WARNING, "l.txt", 2, 1, "wider than a special range"));
    assert_int_equal(fixture.diagnostics.warning_count, 2); // and none for a denial
    fixture_deinit(&fixture);
}

static void warns_of_wildcards_with_special_ranges_through_sets_too(void **state)
{
    (void)state;
    struct fixture fixture = {0};
    fixture_read(&fixture,
                 "sets: {hosts: {w: ['*.a.example']}, addresses: {s: [10.0.0.0/8]}}\n" CLIENT(
                     "{hosts: ['@w'], addresses: ['@s']}"));
    assert_no_errors(&fixture.diagnostics);
    assert_true(finds(&fixture, SEVERITY_WARNING, "t.yaml", 3, 51, "the owner of that DNS"));
    fixture_deinit(&fixture);
}

static void single_addresses_are_narrow_enough_for_a_wildcard(void **state)
{
    (void)state;
    struct fixture fixture = {0};
    fixture_read(&fixture, CLIENT("{hosts: ['*.a.example'], addresses: [10.0.0.1, 'fd00::1']}"));
    assert_no_errors(&fixture.diagnostics);
    assert_int_equal(fixture.diagnostics.warning_count, 0);
    fixture_deinit(&fixture);
}

static void thousands_of_sets_and_files_are_found(void **state)
{
    (void)state;
    enum { SETS = 3000, TEXT_CAP = SETS * 128 };
    char *text = calloc(TEXT_CAP, 1);
    struct text all;
    assert_non_null(text);
    text_init(&all, text, TEXT_CAP);
    text_append_string(&all, "sets:\n  hosts:\n");
    for (int i = 0; i < SETS; i++)
        text_append_format(&all, "    s%d: [h%d.example]\n", i, i);
    text_append_string(&all, "clients:\n- name: a\n  match: [{any: true}]\n  allow:\n");
    for (int i = 0; i < SETS; i++)
        text_append_format(&all, "  - {hosts: ['@s%d']}\n", i);
    assert_false(all.is_cut);
    struct fixture fixture = {0};
    fixture_read(&fixture, text);
    assert_no_errors(&fixture.diagnostics);
    assert_int_equal(fixture.diagnostics.warning_count, 0);
    assert_true(reaches(&fixture, "h0.example"));
    assert_true(reaches(&fixture, "h2999.example"));
    assert_false(reaches(&fixture, "h3000.example"));
    fixture_deinit(&fixture);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_set_is_compiled_once_and_shared_by_all_who_name_it),
        cmocka_unit_test(every_entry_of_a_set_counts),
        cmocka_unit_test(a_list_file_has_one_entry_a_line_with_comments),
        cmocka_unit_test(a_bad_line_is_reported_at_its_place),
        cmocka_unit_test(an_empty_list_file_is_an_error_unless_it_may_be),
        cmocka_unit_test(one_file_may_be_a_list_of_either_kind),
        cmocka_unit_test(refuses_sets_that_could_be_misread),
        cmocka_unit_test(a_set_is_not_a_file_and_a_file_no_set),
        cmocka_unit_test(a_mistake_in_a_set_is_said_once),
        cmocka_unit_test(warns_of_sets_that_nobody_uses),
        cmocka_unit_test(warns_of_odd_prefixes_where_they_stand_and_once),
        cmocka_unit_test(warns_of_wildcards_with_special_ranges_through_sets_too),
        cmocka_unit_test(single_addresses_are_narrow_enough_for_a_wildcard),
        cmocka_unit_test(thousands_of_sets_and_files_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
