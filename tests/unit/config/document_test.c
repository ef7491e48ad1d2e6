// What a YAML document may be, where its nodes stand, and every way to be refused, quickly.
#include "proxy/config/yaml_document.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "tests/unit/config/findings.h"

enum { QUICK_MS = 5000, LARGE = 200 * 1000 };

static enum err parse(struct slice text, struct diagnostics *diagnostics,
                      struct yaml_document **out)
{
    diagnostics_init(diagnostics);
    *out = NULL;
    return yaml_document_parse(text, "t.yaml", diagnostics, out);
}

// repeat makes `head`, `count` times `unit`, `tail`; the caller frees it.
static struct slice repeat(const char *head, const char *unit, size_t count, const char *tail)
{
    const size_t head_len = strlen(head);
    const size_t unit_len = strlen(unit);
    const size_t tail_len = strlen(tail);
    const size_t len = head_len + unit_len * count + tail_len;
    char *text = malloc(len + 1);
    assert_non_null(text);
    size_t at = 0;
    for (size_t i = 0; i < count + 2; i++) {
        const char *piece = i == 0 ? head : i == count + 1 ? tail : unit;
        assert_true(bytes_copy(text + at, len - at, slice_of_string(piece)));
        at += strlen(piece);
    }
    return slice_of(text, len);
}

static void reads_maps_lists_and_scalars_with_their_places(void **state)
{
    (void)state;
    struct diagnostics diagnostics;
    struct yaml_document *document = NULL;
    const struct slice text = SLICE_LITERAL("# first\n"
                                            "a: 1\n"
                                            "b:\n"
                                            "  - x\n"
                                            "  - \"quoted\"\n"
                                            "c: {d: [], \xC3\xA4: {}}\n");
    assert_int_equal(parse(text, &diagnostics, &document), ERR_OK);
    const struct node *root = yaml_document_root(document);
    assert_int_equal(root->kind, NODE_MAP);
    assert_int_equal(root->child_count, 3);
    const struct node *a = node_get(root, "a");
    assert_true(slice_equal(a->text, SLICE_LITERAL("1")));
    assert_int_equal(a->line, 2);
    assert_int_equal(a->column, 4);
    assert_int_equal(a->key->column, 1);
    assert_false(a->is_quoted);
    const struct node *b = node_get(root, "b");
    assert_int_equal(b->kind, NODE_LIST);
    assert_int_equal(b->child_count, 2);
    assert_null(b->child->key);
    assert_false(b->child->is_quoted);
    assert_true(b->child->next->is_quoted);
    assert_int_equal(b->child->next->line, 5);
    assert_null(b->child->next->next);
    const struct node *c = node_get(root, "c");
    assert_int_equal(node_get(c, "d")->kind, NODE_LIST);
    assert_int_equal(node_get(c, "d")->child_count, 0);
    assert_int_equal(node_get(c, "\xC3\xA4")->column, 15);
    assert_null(node_get(root, "e"));
    assert_null(node_get(a, "e"));
    assert_null(node_get(NULL, "e"));
    yaml_document_destroy(document);
    diagnostics_deinit(&diagnostics);
}

static void keeps_scalars_as_they_are_written(void **state)
{
    (void)state;
    struct diagnostics diagnostics;
    struct yaml_document *document = NULL;
    const struct slice text =
        SLICE_LITERAL("[010, 1e3, yes, 12:30:45, 0x10, null, ~, '', |\n  block\n]");
    const struct slice plain = SLICE_LITERAL("[010, 1e3, yes, 12:30:45, 0x10, null, ~, '']");
    assert_int_equal(parse(text, &diagnostics, &document), ERR_INPUT); // no blocks in brackets
    diagnostics_deinit(&diagnostics);
    static const char *const expected[] = {"010",  "1e3",  "yes", "12:30:45",
                                           "0x10", "null", "~",   ""};
    assert_int_equal(parse(plain, &diagnostics, &document), ERR_OK);
    size_t index = 0;
    for (const struct node *node = yaml_document_root(document)->child; node; node = node->next) {
        assert_string_equal((const char *)node->text.data, expected[index]);
        assert_int_equal(node->is_quoted, index == 7);
        index++;
    }
    yaml_document_destroy(document);
    diagnostics_deinit(&diagnostics);
}

static void takes_a_byte_order_mark_and_an_explicit_start(void **state)
{
    (void)state;
    struct diagnostics diagnostics;
    struct yaml_document *document = NULL;
    assert_int_equal(
        parse(SLICE_LITERAL("\xEF\xBB\xBF%YAML 1.1\n---\na: b\n...\n"), &diagnostics, &document),
        ERR_OK);
    assert_non_null(node_get(yaml_document_root(document), "a"));
    assert_int_equal(node_get(yaml_document_root(document), "a")->key->column, 1);
    yaml_document_destroy(document);
    diagnostics_deinit(&diagnostics);
    assert_int_equal(parse(SLICE_LITERAL("\xEF\xBB\xBF"
                                         "a: b\n"),
                           &diagnostics, &document),
                     ERR_OK);
    assert_int_equal(node_get(yaml_document_root(document), "a")->key->column, 1);
    yaml_document_destroy(document);
    diagnostics_deinit(&diagnostics);
}

struct refusal {
    struct slice text;
    uint32_t line;
    uint32_t column;
    const char *part;
};

#define REFUSED(text, line, column, part)                                                          \
    {                                                                                              \
        {(const uint8_t *)(text), sizeof(text) - 1}, line, column, part                            \
    }

static void refuses_what_is_not_plain_yaml(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        REFUSED("", 1, 1, "empty"),
        {{NULL, 0}, 1, 1, "empty"},
        REFUSED("\xEF\xBB\xBF", 1, 1, "empty"),
        REFUSED("# only a comment\n", 1, 1, "empty"),
        REFUSED("a: &x 1\n", 1, 4, "anchors"),
        REFUSED("a: &x [1]\n", 1, 4, "anchors"),
        REFUSED("a: &x {b: 1}\n", 1, 4, "anchors"),
        REFUSED("&x a: 1\n", 1, 1, "anchors"),
        REFUSED("a: 1\nb: *a\n", 2, 4, "aliases"),
        REFUSED("hosts: [*.example.com]\n", 1, 10, "quote a text that begins with `*`"),
        REFUSED("a: !!str 1\n", 1, 4, "tags"),
        REFUSED("a: !x [1]\n", 1, 4, "tags"),
        REFUSED("a: !x {}\n", 1, 4, "tags"),
        REFUSED("a: ! 1\n", 1, 4, "tags"),
        REFUSED("%TAG ! tag:x,2000:\n---\na: 1\n", 1, 1, "%TAG"),
        REFUSED("a: 1\n<<: {b: 2}\n", 2, 1, "merge"),
        REFUSED("a: 1\nb: 2\na: 3\n", 3, 1, "duplicate key `a`"),
        REFUSED("a: 1\n\"a\": 3\n", 2, 1, "duplicate key `a`"),
        REFUSED("x: {b: 1, c: 2, b: 1}\n", 1, 17, "duplicate key `b`"),
        REFUSED("{}: 1\n", 1, 1, "must be a word"),
        REFUSED("? [a]\n: 1\n", 1, 3, "must be a word"),
        REFUSED("?\n: 1\n", 1, 2, "key is empty"),
        REFUSED("'': 1\n", 1, 1, "key is empty"),
        REFUSED("a: 1\n---\nb: 2\n", 2, 1, "second document"),
        REFUSED("a: 1\n...\n---\n", 3, 1, "second document"),
        REFUSED("a: [1\n", 2, 1, "not valid YAML"),
        REFUSED("a: 1\n  b: 2\n", 2, 4, "not valid YAML"),
        REFUSED("a: 1\n\tb: 2\n", 2, 1, "not valid YAML"),
        REFUSED("a: @office\n", 1, 4, "quote"),
        REFUSED("a: \"x\n", 2, 1, "not valid YAML"),
        REFUSED("a: \"\\0\"\n", 1, 4, "NUL"),
        REFUSED("a: 1\nb: \xFF\n", 2, 4, "UTF-8"),
        REFUSED("\xC3\xA4: \xC3\n", 1, 5, "UTF-8"),
        REFUSED("a: \xC0\xAF\n", 1, 4, "UTF-8"),
        REFUSED("a: \xED\xA0\x80\n", 1, 4, "UTF-8"),
        REFUSED("a: \x01\n", 1, 4, "UTF-8"),
        REFUSED("a: b\0c\n", 1, 5, "UTF-8"),
        REFUSED("\xFF\xFE"
                "a\0:\0 \0b\0",
                1, 1, "UTF-8"),
        REFUSED("\xFE\xFF\0a\0:\0 \0b", 1, 1, "UTF-8"),
        REFUSED("[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]", 1, 17, "too deeply"),
        REFUSED(
            "{a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {}}}}}}}}}}}}}}}}}", 1,
            65, "too deeply"),
    };
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        struct diagnostics diagnostics;
        struct yaml_document *document = NULL;
        assert_int_not_equal(parse(refusals[i].text, &diagnostics, &document), ERR_OK);
        assert_null(document);
        assert_finding(&diagnostics, SEVERITY_ERROR, refusals[i].line, refusals[i].column,
                       refusals[i].part);
        diagnostics_deinit(&diagnostics);
    }
}

static void takes_sixteen_levels(void **state)
{
    (void)state;
    struct diagnostics diagnostics;
    struct yaml_document *document = NULL;
    assert_int_equal(
        parse(SLICE_LITERAL("[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]"), &diagnostics, &document), ERR_OK);
    yaml_document_destroy(document);
    diagnostics_deinit(&diagnostics);
}

static void reports_every_duplicate_key(void **state)
{
    (void)state;
    struct diagnostics diagnostics;
    struct yaml_document *document = NULL;
    assert_int_equal(
        parse(SLICE_LITERAL("a: {x: 1, x: 2}\nb: {y: 1, y: 2}\na: 1\n"), &diagnostics, &document),
        ERR_INPUT);
    assert_int_equal(diagnostics.error_count, 3);
    assert_finding(&diagnostics, SEVERITY_ERROR, 1, 11, "duplicate key `x`");
    assert_finding(&diagnostics, SEVERITY_ERROR, 2, 11, "line 2");
    assert_finding(&diagnostics, SEVERITY_ERROR, 3, 1, "duplicate key `a`");
    diagnostics_deinit(&diagnostics);
}

static int64_t now_ms(void)
{
    struct timespec now;
    assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now), 0);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

struct heavy {
    const char *head;
    const char *unit;
    const char *tail;
    bool is_good;
};

static void is_quick_with_large_and_hostile_documents(void **state)
{
    (void)state;
    static const struct heavy heavies[] = {
        {"", "[", "", false},        {"", "{", "", false},          {"", "[{", "", false},
        {"", "- ", "", false},       {"", "? ", "", false},         {"", "{a: ", "", false},
        {"a: ", "&", "", false},     {"a: ", "!", "", false},       {"[", "a, ", "]", true},
        {"a: ", "x", "", true},      {"", "a: 1\n", "", false},     {"[", "{}, ", "]", true},
        {"", "#\n", "a: 1\n", true}, {"a: \"", "\\x", "\"", false}, {"[", "[], ", "]", true},
        {"", "\"", "", false},       {"a: [", "'', ", "]", true},   {"", "%", "", false},
        {"[", "a: b, ", "]", true},  {"", "]", "", false},          {"", "- a\n", "", true},
    };
    for (size_t i = 0; i < sizeof heavies / sizeof heavies[0]; i++) {
        struct diagnostics diagnostics;
        struct yaml_document *document = NULL;
        const struct slice text = repeat(heavies[i].head, heavies[i].unit, LARGE, heavies[i].tail);
        const int64_t start_ms = now_ms();
        const enum err error = parse(text, &diagnostics, &document);
        if (now_ms() - start_ms > QUICK_MS)
            fail_msg("%s%s... took too long", heavies[i].head, heavies[i].unit);
        if ((error == ERR_OK) != heavies[i].is_good)
            fail_msg("%s%s...: error %d", heavies[i].head, heavies[i].unit, (int)error);
        assert_int_equal(diagnostics.error_count == 0, heavies[i].is_good);
        yaml_document_destroy(document);
        diagnostics_deinit(&diagnostics);
        free((void *)(uintptr_t)text.data);
    }
}

static void finds_a_duplicate_among_very_many_keys(void **state)
{
    (void)state;
    enum { KEYS = 100000, LINE = 12 };
    char *text = malloc(KEYS * LINE + 1);
    assert_non_null(text);
    size_t len = 0;
    for (unsigned i = 0; i < KEYS; i++)
        len += (size_t)snprintf(text + len, LINE + 1, "k%06u: 1\n", i == KEYS - 1 ? 0U : i);
    struct diagnostics diagnostics;
    struct yaml_document *document = NULL;
    const int64_t start_ms = now_ms();
    assert_int_equal(parse(slice_of(text, len), &diagnostics, &document), ERR_INPUT);
    assert_true(now_ms() - start_ms < QUICK_MS);
    assert_int_equal(diagnostics.error_count, 1);
    assert_finding(&diagnostics, SEVERITY_ERROR, KEYS, 1, "it is at line 1");
    diagnostics_deinit(&diagnostics);
    free(text);
}

static void refuses_more_than_64_mib(void **state)
{
    (void)state;
    static const uint8_t byte = 'a';
    struct diagnostics diagnostics;
    struct yaml_document *document = NULL;
    // Refused by its length, so that nothing of it is read.
    assert_int_equal(parse(slice_of(&byte, (size_t)YAML_MAX_BYTES + 1), &diagnostics, &document),
                     ERR_LIMIT);
    assert_finding(&diagnostics, SEVERITY_ERROR, 1, 1, "64 MiB");
    diagnostics_deinit(&diagnostics);
}

static void destroying_nothing_is_allowed(void **state)
{
    (void)state;
    yaml_document_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_maps_lists_and_scalars_with_their_places),
        cmocka_unit_test(keeps_scalars_as_they_are_written),
        cmocka_unit_test(takes_a_byte_order_mark_and_an_explicit_start),
        cmocka_unit_test(refuses_what_is_not_plain_yaml),
        cmocka_unit_test(takes_sixteen_levels),
        cmocka_unit_test(reports_every_duplicate_key),
        cmocka_unit_test(is_quick_with_large_and_hostile_documents),
        cmocka_unit_test(finds_a_duplicate_among_very_many_keys),
        cmocka_unit_test(refuses_more_than_64_mib),
        cmocka_unit_test(destroying_nothing_is_allowed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
