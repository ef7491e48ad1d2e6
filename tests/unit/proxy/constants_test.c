// What a reload cannot change is told by each reload that wants it, however many there are.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/service/constants.h"

static const char *one[] = {"/srv/a"};
static const char *two[] = {"/srv/a", "/srv/b"};

static const struct snapshot plain = {
    .workers = 2,
    .control_path = "c.sock",
    .state_path = "state.json",
    .path = "x.yaml",
    .process =
        {.user = "nobody", .paths = one, .path_count = 1, .key_paths = one, .key_path_count = 1},
};

// next makes a snapshot in its own arena.
static struct snapshot *next(struct snapshot *of)
{
    of->arena = arena_create();
    assert_non_null(of->arena);
    return of;
}

// warn gives the only warning, or "".
static const char *warn(const struct snapshot *now, const struct snapshot *then, char out[512])
{
    struct diagnostics findings;
    diagnostics_init(&findings);
    constants_warn(now, 2, then, &findings);
    assert_true(findings.count <= 1);
    (void)string_copy(out, 512,
                      slice_of_string(findings.count == 0 ? "" : findings.items[0].message));
    diagnostics_deinit(&findings);
    return out;
}

static void each_is_told_again_by_the_next_reload(void **state)
{
    (void)state;
    struct snapshot changed[9] = {plain, plain, plain, plain, plain, plain, plain, plain, plain};
    changed[0].process.user = NULL;
    changed[1].process.user = "daemon";
    changed[2].process.keys = KEYS_APART;
    changed[3].process.sandbox = SANDBOX_OFF;
    changed[4].process.paths = two;
    changed[4].process.path_count = 2;
    changed[5].process.path_count = 0;
    changed[6].process.key_paths = two;
    changed[7].control_path = NULL;
    changed[7].state_path = NULL;
    changed[8].state_path = "other.json";
    changed[6].process.key_path_count = 2;
    static const char *const words[] = {"`process.user`",      "`process.user`",  "`process.keys`",
                                        "`process.sandbox`",   "`process.paths`", "`process.paths`",
                                        "`process.key_paths`", "`control`",       "`control`"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        char text[512];
        struct snapshot same = plain;
        struct snapshot *second = next(&changed[i]);
        struct snapshot third = changed[i];
        assert_non_null(strstr(warn(&plain, second, text), words[i]));
        constants_keep(&plain, second);
        assert_string_equal(warn(&plain, second, text), "");
        assert_string_equal(warn(second, &same, text), ""); // back again is no change
        assert_non_null(strstr(warn(second, &third, text), words[i]));
        arena_destroy(second->arena);
    }
}

static void what_is_said_is_what_is_in_force(void **state)
{
    (void)state;
    char text[512];
    struct snapshot root = plain;
    root.process.user = NULL;
    struct snapshot wish = plain;
    (void)next(&wish);
    assert_non_null(strstr(warn(&root, &wish, text), "it stays unset"));
    constants_keep(&root, &wish);
    assert_null(wish.process.user);
    struct snapshot more = plain;
    more.workers = 3;
    assert_non_null(strstr(warn(&plain, &more, text), "it stays 2"));
    arena_destroy(wish.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_told_again_by_the_next_reload),
        cmocka_unit_test(what_is_said_is_what_is_in_force),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
