// fleet_key: what is sealed opens with the same key, purpose, prefix and name, and nothing else opens.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proxy/fleet/fleet_key.h"

enum { CAP = 512 };

static const struct slice plain = {(const uint8_t *)"scraper-7", 9};
static const struct slice name = {(const uint8_t *)"ab12", 4};
static const struct slice prefix = {(const uint8_t *)"sallyport:", 10};

// secrets_of makes secrets whose bytes are all the given digit, one secret for each digit.
static struct fleet_secrets secrets_of(const char *digits)
{
    struct fleet_secrets secrets = {.count = strlen(digits)};
    for (size_t i = 0; i < secrets.count; i++)
        memset(secrets.secrets[i], digits[i], FLEET_SECRET_LEN);
    return secrets;
}

static struct fleet_key *key_of(const char *digits, struct slice its_prefix)
{
    const struct fleet_secrets secrets = secrets_of(digits);
    struct fleet_key *key = fleet_key_create(&secrets, its_prefix);
    assert_non_null(key);
    return key;
}

static size_t seal(const struct fleet_key *key, uint8_t out[CAP])
{
    size_t len = 0;
    assert_true(fleet_key_seal(key, FLEET_PURPOSE_BLOCK, name, plain, out, CAP, &len));
    assert_int_equal(len, plain.len + FLEET_SEAL_OVERHEAD);
    return len;
}

static bool opens(const struct fleet_key *key, enum fleet_purpose purpose, struct slice its_name,
                  struct slice sealed)
{
    uint8_t out[CAP] = {0};
    size_t len = 99;
    const bool is_open = fleet_key_open(key, purpose, its_name, sealed, out, sizeof out, &len);
    if (is_open)
        assert_true(slice_equal(slice_of(out, len), plain));
    else
        assert_int_equal(len, 0);
    return is_open;
}

static void what_is_sealed_opens(void **state)
{
    (void)state;
    struct fleet_key *key = key_of("1", prefix);
    uint8_t sealed[CAP];
    const size_t len = seal(key, sealed);
    assert_true(opens(key, FLEET_PURPOSE_BLOCK, name, slice_of(sealed, len)));
    assert_null(memmem(sealed, len, plain.data, plain.len));
    fleet_key_destroy(key);
}

static void the_same_sealed_twice_looks_different(void **state)
{
    (void)state;
    struct fleet_key *key = key_of("1", prefix);
    uint8_t first[CAP];
    uint8_t second[CAP];
    const size_t len = seal(key, first);
    assert_int_equal(seal(key, second), len);
    assert_false(slice_equal(slice_of(first, len), slice_of(second, len)));
    fleet_key_destroy(key);
}

static void nothing_opens_for_another_purpose(void **state)
{
    (void)state;
    struct fleet_key *key = key_of("1", prefix);
    uint8_t sealed[CAP];
    const size_t len = seal(key, sealed);
    for (size_t i = 0; i < FLEET_PURPOSE_COUNT; i++)
        assert_int_equal(opens(key, (enum fleet_purpose)i, name, slice_of(sealed, len)),
                         i == FLEET_PURPOSE_BLOCK);
    fleet_key_destroy(key);
}

static void nothing_opens_under_another_name(void **state)
{
    (void)state;
    struct fleet_key *key = key_of("1", prefix);
    uint8_t sealed[CAP];
    const size_t len = seal(key, sealed);
    const struct slice names[] = {
        SLICE_LITERAL(""),      SLICE_LITERAL("ab1"),         SLICE_LITERAL("ab12\0"),
        SLICE_LITERAL("ab123"), SLICE_LITERAL("AB12"),        SLICE_LITERAL("\0ab12"),
        SLICE_LITERAL(":ab12"), SLICE_LITERAL("block\0ab12"),
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_false(opens(key, FLEET_PURPOSE_BLOCK, names[i], slice_of(sealed, len)));
    fleet_key_destroy(key);
}

static void nothing_opens_under_another_prefix(void **state)
{
    (void)state;
    struct fleet_key *key = key_of("1", prefix);
    uint8_t sealed[CAP];
    const size_t len = seal(key, sealed);
    const struct slice prefixes[] = {SLICE_LITERAL(""), SLICE_LITERAL("sallyport"),
                                     SLICE_LITERAL("sallyport::"), SLICE_LITERAL("other:")};
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        struct fleet_key *other = key_of("1", prefixes[i]);
        assert_false(opens(other, FLEET_PURPOSE_BLOCK, name, slice_of(sealed, len)));
        fleet_key_destroy(other);
    }
    // Nor where the end of the prefix has moved into the name.
    struct fleet_key *shorter = key_of("1", SLICE_LITERAL("sally"));
    assert_false(
        opens(shorter, FLEET_PURPOSE_BLOCK, SLICE_LITERAL("port:\0ab12"), slice_of(sealed, len)));
    fleet_key_destroy(shorter);
    fleet_key_destroy(key);
}

static void nothing_opens_that_was_cut_or_made_longer(void **state)
{
    (void)state;
    struct fleet_key *key = key_of("1", prefix);
    uint8_t sealed[CAP] = {0};
    const size_t len = seal(key, sealed);
    for (size_t cut = 0; cut < len; cut++) {
        assert_false(opens(key, FLEET_PURPOSE_BLOCK, name, slice_of(sealed, cut)));
        assert_false(opens(key, FLEET_PURPOSE_BLOCK, name, slice_of(sealed + len - cut, cut)));
    }
    assert_false(opens(key, FLEET_PURPOSE_BLOCK, name, slice_of(sealed, len + 1)));
    assert_false(opens(key, FLEET_PURPOSE_BLOCK, name, (struct slice){0}));
    fleet_key_destroy(key);
}

static void nothing_opens_with_a_bit_turned(void **state)
{
    (void)state;
    struct fleet_key *key = key_of("1", prefix);
    uint8_t sealed[CAP];
    const size_t len = seal(key, sealed);
    for (size_t bit = 0; bit < len * 8; bit++) {
        sealed[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_false(opens(key, FLEET_PURPOSE_BLOCK, name, slice_of(sealed, len)));
        sealed[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    assert_true(opens(key, FLEET_PURPOSE_BLOCK, name, slice_of(sealed, len)));
    fleet_key_destroy(key);
}

static void an_older_key_in_a_later_line_still_opens(void **state)
{
    (void)state;
    static const struct {
        const char *sealer;
        const char *opener;
        bool is_open;
    } rows[] = {
        {"1", "21", true},  {"1", "321", true},   {"21", "2", true}, {"21", "12", true},
        {"21", "1", false}, {"321", "21", false}, {"1", "2", false}, {"1", "32", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fleet_key *sealer = key_of(rows[i].sealer, prefix);
        struct fleet_key *opener = key_of(rows[i].opener, prefix);
        uint8_t sealed[CAP];
        const size_t len = seal(sealer, sealed);
        assert_int_equal(opens(opener, FLEET_PURPOSE_BLOCK, name, slice_of(sealed, len)),
                         rows[i].is_open);
        fleet_key_destroy(sealer);
        fleet_key_destroy(opener);
    }
}

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    struct fleet_key *key = key_of("1", prefix);
    static uint8_t long_name[FLEET_SEAL_NAME_MAX + 1];
    uint8_t sealed[CAP];
    uint8_t out[CAP];
    size_t len = 0;
    assert_false(fleet_key_seal(key, FLEET_PURPOSE_BLOCK, name, plain, sealed,
                                plain.len + FLEET_SEAL_OVERHEAD - 1, &len));
    assert_false(fleet_key_seal(key, FLEET_PURPOSE_BLOCK, name, plain, sealed, 0, &len));
    assert_false(fleet_key_seal(key, FLEET_PURPOSE_BLOCK, slice_of(long_name, sizeof long_name),
                                plain, sealed, CAP, &len));
    const size_t sealed_len = seal(key, sealed);
    assert_false(fleet_key_open(key, FLEET_PURPOSE_BLOCK, name, slice_of(sealed, sealed_len), out,
                                plain.len - 1, &len));
    assert_true(fleet_key_open(key, FLEET_PURPOSE_BLOCK, name, slice_of(sealed, sealed_len), out,
                               plain.len, &len));
    fleet_key_destroy(key);
}

static void nothing_at_all_can_be_sealed_too(void **state)
{
    (void)state;
    struct fleet_key *key = key_of("1", prefix);
    uint8_t sealed[CAP];
    uint8_t out[CAP];
    size_t len = 0;
    assert_true(fleet_key_seal(key, FLEET_PURPOSE_TICKETS, (struct slice){0}, (struct slice){0},
                               sealed, FLEET_SEAL_OVERHEAD, &len));
    assert_int_equal(len, FLEET_SEAL_OVERHEAD);
    assert_true(fleet_key_open(key, FLEET_PURPOSE_TICKETS, (struct slice){0}, slice_of(sealed, len),
                               out, sizeof out, &len));
    assert_int_equal(len, 0);
    fleet_key_destroy(key);
}

static void there_is_no_key_of_bad_settings(void **state)
{
    (void)state;
    static uint8_t long_prefix[200];
    struct fleet_secrets secrets = secrets_of("1");
    memset(long_prefix, 'p', sizeof long_prefix);
    assert_null(fleet_key_create(&secrets, slice_of(long_prefix, sizeof long_prefix)));
    assert_null(fleet_key_create(&secrets, SLICE_LITERAL("a\0b")));
    secrets.count = 0;
    assert_null(fleet_key_create(&secrets, prefix));
    secrets.count = FLEET_SECRETS_MAX + 1;
    assert_null(fleet_key_create(&secrets, prefix));
}

static void a_mark_stands_for_secret_and_prefix(void **state)
{
    (void)state;
    struct fleet_key *key = key_of("1", prefix);
    struct fleet_key *newer = key_of("21", prefix);
    struct fleet_key *other = key_of("2", prefix);
    struct fleet_key *elsewhere = key_of("1", SLICE_LITERAL("else:"));
    char mark[FLEET_KEY_MARK_CAP];
    fleet_key_mark(key, mark);
    assert_int_equal(strlen(mark), FLEET_KEY_MARK_CAP - 1);
    assert_true(fleet_key_has_mark(key, slice_of_string(mark)));
    assert_true(fleet_key_has_mark(newer, slice_of_string(mark)));
    assert_false(fleet_key_has_mark(other, slice_of_string(mark)));
    assert_false(fleet_key_has_mark(elsewhere, slice_of_string(mark)));
    assert_false(fleet_key_has_mark(key, SLICE_LITERAL("")));
    assert_false(fleet_key_has_mark(key, slice_first(slice_of_string(mark), 31)));
    fleet_key_mark(newer, mark);
    assert_false(fleet_key_has_mark(key, slice_of_string(mark)));
    fleet_key_destroy(key);
    fleet_key_destroy(newer);
    fleet_key_destroy(other);
    fleet_key_destroy(elsewhere);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_sealed_opens),
        cmocka_unit_test(the_same_sealed_twice_looks_different),
        cmocka_unit_test(nothing_opens_for_another_purpose),
        cmocka_unit_test(nothing_opens_under_another_name),
        cmocka_unit_test(nothing_opens_under_another_prefix),
        cmocka_unit_test(nothing_opens_that_was_cut_or_made_longer),
        cmocka_unit_test(nothing_opens_with_a_bit_turned),
        cmocka_unit_test(an_older_key_in_a_later_line_still_opens),
        cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(nothing_at_all_can_be_sealed_too),
        cmocka_unit_test(there_is_no_key_of_bad_settings),
        cmocka_unit_test(a_mark_stands_for_secret_and_prefix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
