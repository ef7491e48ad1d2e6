// What was sealed is opened under the same binding, within its periods, and by nobody else.
#include "proxy/tls/ticket_keys.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

enum { PERIOD_S = 100, NOW_S = 100000 };

static const uint8_t here[TICKET_BINDING_LEN] = {1};
static const uint8_t there[TICKET_BINDING_LEN] = {2};

struct ticket {
    uint8_t data[256];
    size_t len;
};

static struct ticket_settings settings(const char *secrets)
{
    struct ticket_settings made = {.rotate_s = PERIOD_S};
    for (; *secrets != '\0'; secrets++)
        memset(made.secrets[made.secret_count++], *secrets, TICKET_SECRET_LEN);
    return made;
}

static struct ticket_keys *keys_of(const char *secrets)
{
    const struct ticket_settings made = settings(secrets);
    struct ticket_keys *keys = ticket_keys_create(&made);
    assert_non_null(keys);
    return keys;
}

static struct ticket seal(struct ticket_keys *keys, int64_t now_s)
{
    struct ticket ticket = {0};
    assert_true(ticket_keys_seal(keys, now_s, here, SLICE_LITERAL("session"), ticket.data,
                                 sizeof ticket.data, &ticket.len));
    assert_int_equal(ticket.len, strlen("session") + TICKET_OVERHEAD);
    return ticket;
}

static bool opens(struct ticket_keys *keys, int64_t now_s, const uint8_t *binding,
                  const struct ticket *ticket)
{
    uint8_t out[256];
    size_t len = 0;
    if (!ticket_keys_open(keys, now_s, binding, slice_of(ticket->data, ticket->len), out,
                          sizeof out, &len))
        return false;
    assert_int_equal(len, strlen("session"));
    assert_memory_equal(out, "session", len);
    return true;
}

static void opens_what_it_has_sealed_for_this_period_and_the_next(void **state)
{
    (void)state;
    static const char *const kinds[] = {"", "a", "abc"};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct ticket_keys *keys = keys_of(kinds[i]);
        const struct ticket ticket = seal(keys, NOW_S);
        assert_true(opens(keys, NOW_S, here, &ticket));
        assert_true(opens(keys, NOW_S + PERIOD_S - 1, here, &ticket));
        assert_true(opens(keys, NOW_S + 2 * PERIOD_S - 1, here, &ticket));
        assert_false(opens(keys, NOW_S + 2 * PERIOD_S, here, &ticket));
        ticket_keys_destroy(keys);
    }
}

static void a_random_key_is_gone_when_nobody_came_for_two_periods(void **state)
{
    (void)state;
    struct ticket_keys *keys = keys_of("");
    const struct ticket ticket = seal(keys, NOW_S);
    (void)seal(keys, NOW_S + 2 * PERIOD_S);
    assert_false(opens(keys, NOW_S, here, &ticket));
    ticket_keys_destroy(keys);
}

static void opens_nothing_under_another_binding(void **state)
{
    (void)state;
    struct ticket_keys *keys = keys_of("");
    const struct ticket ticket = seal(keys, NOW_S);
    assert_false(opens(keys, NOW_S, there, &ticket));
    ticket_keys_destroy(keys);
}

static void opens_nothing_that_was_changed_or_cut(void **state)
{
    (void)state;
    struct ticket_keys *keys = keys_of("");
    const struct ticket ticket = seal(keys, NOW_S);
    for (size_t i = 0; i < ticket.len; i++) {
        struct ticket changed = ticket;
        changed.data[i] ^= 1;
        assert_false(opens(keys, NOW_S, here, &changed));
        changed = ticket;
        changed.len = i;
        assert_false(opens(keys, NOW_S, here, &changed));
    }
    ticket_keys_destroy(keys);
}

static void opens_nothing_of_somebody_elses_keys(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {{"", ""}, {"a", "b"}, {"a", ""}, {"", "a"}};
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        struct ticket_keys *mine = keys_of(pairs[i][0]);
        struct ticket_keys *theirs = keys_of(pairs[i][1]);
        const struct ticket ticket = seal(mine, NOW_S);
        (void)seal(theirs, NOW_S);
        assert_false(opens(theirs, NOW_S, here, &ticket));
        ticket_keys_destroy(mine);
        ticket_keys_destroy(theirs);
    }
}

static void the_same_secret_opens_elsewhere_and_with_a_clock_a_little_behind(void **state)
{
    (void)state;
    struct ticket_keys *mine = keys_of("ab");
    struct ticket_keys *theirs = keys_of("xa");
    const struct ticket ticket = seal(mine, NOW_S);
    assert_true(opens(theirs, NOW_S, here, &ticket));
    assert_true(opens(theirs, NOW_S - PERIOD_S, here, &ticket));
    assert_false(opens(theirs, NOW_S - 2 * PERIOD_S, here, &ticket));
    ticket_keys_destroy(mine);
    ticket_keys_destroy(theirs);
}

static void random_keys_stay_when_the_settings_come_again(void **state)
{
    (void)state;
    struct ticket_keys *keys = keys_of("");
    struct ticket_settings same = settings("");
    const struct ticket ticket = seal(keys, NOW_S);
    ticket_keys_configure(keys, &same);
    assert_true(opens(keys, NOW_S, here, &ticket));
    same.rotate_s = 7;
    ticket_keys_configure(keys, &same);
    assert_true(opens(keys, NOW_S + 1, here, &ticket));
    assert_false(opens(keys, NOW_S + 50, here, &ticket));
    ticket_keys_destroy(keys);
}

static void other_secrets_count_at_once(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {{"", "a"}, {"a", ""}, {"a", "b"}};
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        struct ticket_keys *keys = keys_of(pairs[i][0]);
        const struct ticket_settings other = settings(pairs[i][1]);
        const struct ticket ticket = seal(keys, NOW_S);
        ticket_keys_configure(keys, &other);
        assert_false(opens(keys, NOW_S, here, &ticket));
        ticket_keys_destroy(keys);
    }
}

static void no_two_tickets_are_equal(void **state)
{
    (void)state;
    struct ticket_keys *keys = keys_of("a");
    const struct ticket one = seal(keys, NOW_S);
    const struct ticket other = seal(keys, NOW_S);
    assert_memory_not_equal(one.data, other.data, one.len);
    ticket_keys_destroy(keys);
}

static void seals_nothing_without_room(void **state)
{
    (void)state;
    struct ticket_keys *keys = keys_of("a");
    struct ticket ticket;
    const struct slice plain = SLICE_LITERAL("session");
    assert_false(ticket_keys_seal(keys, NOW_S, here, plain, ticket.data,
                                  plain.len + TICKET_OVERHEAD - 1, &ticket.len));
    ticket_keys_destroy(keys);
}

static void another_process_goes_on_with_exported_keys(void **state)
{
    (void)state;
    struct ticket_keys *old = keys_of("");
    struct ticket_keys *next = keys_of("");
    uint8_t exported[TICKET_EXPORT_CAP];
    assert_int_equal(ticket_keys_export(old, exported), 0); // none made yet
    const struct ticket last = seal(old, NOW_S - PERIOD_S);
    const struct ticket ticket = seal(old, NOW_S);
    const struct ticket own = seal(next, NOW_S);
    const size_t len = ticket_keys_export(old, exported);
    assert_int_equal(len, TICKET_EXPORT_CAP);
    assert_true(ticket_keys_import(next, slice_of(exported, len)));
    assert_true(opens(next, NOW_S, here, &ticket));
    assert_true(opens(next, NOW_S, here, &last));
    assert_false(opens(next, NOW_S, here, &own));
    const struct ticket sealed = seal(next, NOW_S);
    assert_true(opens(old, NOW_S, here, &sealed));
    assert_false(opens(next, NOW_S + PERIOD_S, here, &last)); // they change keys at the same time
    assert_true(opens(next, NOW_S + PERIOD_S, here, &ticket));
    ticket_keys_destroy(old);
    ticket_keys_destroy(next);
}

static void exported_keys_of_another_period_count_as_todays(void **state)
{
    (void)state;
    struct ticket_keys *old = keys_of("");
    struct ticket_settings other = settings("");
    other.rotate_s = PERIOD_S * 7;
    struct ticket_keys *next = ticket_keys_create(&other);
    uint8_t exported[TICKET_EXPORT_CAP];
    const struct ticket ticket = seal(old, NOW_S);
    const size_t len = ticket_keys_export(old, exported);
    assert_true(len > 0 && len < TICKET_EXPORT_CAP);
    assert_true(ticket_keys_import(next, slice_of(exported, len)));
    assert_true(opens(next, NOW_S, here, &ticket));
    ticket_keys_destroy(old);
    ticket_keys_destroy(next);
}

static void secrets_are_neither_exported_nor_replaced(void **state)
{
    (void)state;
    struct ticket_keys *secret = keys_of("a");
    struct ticket_keys *random = keys_of("");
    uint8_t exported[TICKET_EXPORT_CAP];
    const struct ticket ticket = seal(secret, NOW_S);
    const struct ticket other = seal(random, NOW_S);
    assert_int_equal(ticket_keys_export(secret, exported), 0);
    const size_t len = ticket_keys_export(random, exported);
    assert_true(ticket_keys_import(secret, slice_of(exported, len)));
    assert_true(opens(secret, NOW_S, here, &ticket));
    assert_false(opens(secret, NOW_S, here, &other));
    ticket_keys_destroy(secret);
    ticket_keys_destroy(random);
}

static void what_is_no_export_is_not_imported(void **state)
{
    (void)state;
    struct ticket_keys *keys = keys_of("");
    uint8_t exported[TICKET_EXPORT_CAP + 1] = {0};
    const struct ticket ticket = seal(keys, NOW_S);
    (void)seal(keys, NOW_S + PERIOD_S);
    const size_t len = ticket_keys_export(keys, exported);
    assert_int_equal(len, TICKET_EXPORT_CAP);
    for (size_t cut = 0; cut <= len + 1; cut++) {
        if (cut != len && cut != len - (len - 16) / 2)
            assert_false(ticket_keys_import(keys, slice_of(exported, cut)));
    }
    exported[0] = 0xFF; // a period that is negative
    assert_false(ticket_keys_import(keys, slice_of(exported, len)));
    assert_true(opens(keys, NOW_S + PERIOD_S, here, &ticket));
    ticket_keys_destroy(keys);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens_what_it_has_sealed_for_this_period_and_the_next),
        cmocka_unit_test(a_random_key_is_gone_when_nobody_came_for_two_periods),
        cmocka_unit_test(opens_nothing_under_another_binding),
        cmocka_unit_test(opens_nothing_that_was_changed_or_cut),
        cmocka_unit_test(opens_nothing_of_somebody_elses_keys),
        cmocka_unit_test(the_same_secret_opens_elsewhere_and_with_a_clock_a_little_behind),
        cmocka_unit_test(random_keys_stay_when_the_settings_come_again),
        cmocka_unit_test(other_secrets_count_at_once),
        cmocka_unit_test(no_two_tickets_are_equal),
        cmocka_unit_test(seals_nothing_without_room),
        cmocka_unit_test(another_process_goes_on_with_exported_keys),
        cmocka_unit_test(exported_keys_of_another_period_count_as_todays),
        cmocka_unit_test(secrets_are_neither_exported_nor_replaced),
        cmocka_unit_test(what_is_no_export_is_not_imported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
