// What a holder says of its sandbox, and what comes of it.
#include "proxy/keys/key_desk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char without[] = "this kernel has no Landlock";

// seal_with has a desk seal a holder that gives this answer.
static enum err seal_with(struct key_desk *desk, const struct key_message *answer,
                          struct errinfo *info)
{
    int ends[2];
    struct key_outbox out = {0};
    struct key_message numbered = *answer;
    assert_true(key_wire_pair(ends));
    numbered.number = 1;
    assert_true(key_outbox_add(&out, &numbered));
    assert_int_equal(key_outbox_send(&out, ends[1]), ERR_OK);
    assert_true(key_desk_init(desk, STDERR_FILENO));
    desk->call.fd = ends[0];
    const enum err error = key_desk_seal(desk, info);
    (void)close(ends[1]);
    key_outbox_deinit(&out);
    return error;
}

static void what_a_holder_has_of_a_sandbox_is_known(void **state)
{
    (void)state;
    struct key_desk desk = {.pid = 0};
    struct errinfo info;
    const struct key_message whole = {
        .kind = KEY_ANSWER_SEALED, .size = 4242, .landlock = 7, .has_filter = true};
    desk.needs_sandbox = true;
    assert_int_equal(seal_with(&desk, &whole, &info), ERR_OK);
    assert_int_equal(desk.sandbox.landlock, 7);
    assert_true(desk.sandbox.has_filter);
    assert_string_equal(desk.sandbox.missing.text, "");
    assert_int_equal(atomic_load(&desk.pid), 4242);
    key_desk_deinit(&desk);
}

static void a_holder_without_a_whole_sandbox_is_of_no_use_where_it_is_on(void **state)
{
    (void)state;
    const struct key_message part = {.kind = KEY_ANSWER_SEALED,
                                     .size = 4242,
                                     .has_filter = true,
                                     .bytes = SLICE_LITERAL(without)};
    for (int is_on = 0; is_on <= 1; is_on++) {
        struct key_desk desk = {.needs_sandbox = is_on == 1};
        struct errinfo info = {.text = ""};
        assert_int_equal(seal_with(&desk, &part, &info), is_on == 1 ? ERR_SYSTEM : ERR_OK);
        assert_string_equal(desk.sandbox.missing.text, without);
        assert_int_equal(desk.sandbox.landlock, 0);
        if (is_on == 1)
            assert_non_null(strstr(info.text, "`process.sandbox` is on"));
        if (is_on == 1)
            assert_non_null(strstr(info.text, without));
        key_desk_deinit(&desk);
    }
}

static void an_answer_that_says_nothing_of_it_is_nonsense(void **state)
{
    (void)state;
    const struct key_message done = {.kind = KEY_ANSWER_DONE};
    struct key_desk desk = {.pid = 0};
    struct errinfo info;
    assert_int_equal(seal_with(&desk, &done, &info), ERR_SYSTEM);
    key_desk_deinit(&desk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_holder_has_of_a_sandbox_is_known),
        cmocka_unit_test(a_holder_without_a_whole_sandbox_is_of_no_use_where_it_is_on),
        cmocka_unit_test(an_answer_that_says_nothing_of_it_is_nonsense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
