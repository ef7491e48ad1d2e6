// The cache: what is known, for how long, and what has to go.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/net/dns_cache.h"

enum { NAME_CAP = 32 };

static struct dns_cache *make(size_t max_entries, size_t max_bytes)
{
    struct dns_cache *cache = dns_cache_create(max_entries, max_bytes);
    assert_non_null(cache);
    return cache;
}

// addresses_of gives an answer with 192.0.2.1 and so on.
static struct dns_answer addresses_of(uint8_t count)
{
    struct dns_answer answer = {.result = RESOLVE_OK, .count = count};
    for (uint8_t i = 0; i < count; i++)
        answer.addresses[i] = (struct ip_addr){.family = IP_V4, .bytes = {192, 0, 2, i}};
    return answer;
}

static void put(struct dns_cache *cache, const char *name, const struct dns_answer *answer,
                int64_t end_ms)
{
    dns_cache_put(cache, slice_of_string(name), DNS_TYPE_A, answer, end_ms);
}

static bool has(struct dns_cache *cache, const char *name, int64_t now_ms)
{
    struct dns_answer answer;
    return dns_cache_get(cache, slice_of_string(name), DNS_TYPE_A, now_ms, &answer);
}

static void an_answer_is_found_until_its_end(void **state)
{
    (void)state;
    struct dns_cache *cache = make(8, 4096);
    struct dns_answer answer = addresses_of(2);
    struct dns_answer found = {0};
    answer.aliases = (struct dns_aliases){.len = 4, .count = 2, .text = "a\0b"};
    put(cache, "www.example", &answer, 5000);
    assert_true(dns_cache_get(cache, SLICE_LITERAL("www.example"), DNS_TYPE_A, 4999, &found));
    assert_int_equal(found.result, RESOLVE_OK);
    assert_int_equal(found.count, 2);
    assert_int_equal(found.aliases.count, 2);
    assert_memory_equal(found.aliases.text, "a\0b", 4);
    assert_false(has(cache, "www.example", 5000));
    assert_int_equal(cache->count, 0); // and it is gone
    assert_int_equal(cache->bytes, 0);
    dns_cache_destroy(cache);
}

static void names_and_types_are_told_apart(void **state)
{
    (void)state;
    struct dns_cache *cache = make(8, 4096);
    const struct dns_answer answer = addresses_of(1);
    struct dns_answer found;
    put(cache, "www.example", &answer, 5000);
    assert_false(has(cache, "www.exampl", 0));
    assert_false(has(cache, "www.example2", 0));
    assert_false(has(cache, "WWW.example", 0)); // names come here in one form
    assert_false(dns_cache_get(cache, SLICE_LITERAL("www.example"), DNS_TYPE_AAAA, 0, &found));
    assert_true(has(cache, "www.example", 0));
    dns_cache_destroy(cache);
}

static void each_address_has_its_turn(void **state)
{
    (void)state;
    struct dns_cache *cache = make(8, 4096);
    const struct dns_answer answer = addresses_of(3);
    size_t first[3] = {0};
    put(cache, "www.example", &answer, 5000);
    for (size_t i = 0; i < 9; i++) {
        struct dns_answer found;
        uint8_t seen = 0;
        assert_true(dns_cache_get(cache, SLICE_LITERAL("www.example"), DNS_TYPE_A, 0, &found));
        assert_int_equal(found.count, 3);
        for (size_t j = 0; j < 3; j++)
            seen |= (uint8_t)(1 << found.addresses[j].bytes[3]);
        assert_int_equal(seen, 7); // all of them are there
        first[found.addresses[0].bytes[3]]++;
    }
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(first[i], 3);
    dns_cache_destroy(cache);
}

static void a_newer_answer_takes_the_place(void **state)
{
    (void)state;
    struct dns_cache *cache = make(8, 4096);
    const struct dns_answer old = addresses_of(3);
    const struct dns_answer new = {.result = RESOLVE_NOT_FOUND};
    struct dns_answer found;
    put(cache, "www.example", &old, 5000);
    put(cache, "www.example", &new, 9000);
    assert_int_equal(cache->count, 1);
    assert_true(dns_cache_get(cache, SLICE_LITERAL("www.example"), DNS_TYPE_A, 6000, &found));
    assert_int_equal(found.result, RESOLVE_NOT_FOUND);
    assert_int_equal(found.count, 0);
    dns_cache_destroy(cache);
}

static void what_was_not_used_for_longest_goes_first(void **state)
{
    (void)state;
    struct dns_cache *cache = make(3, 1 << 20);
    const struct dns_answer answer = addresses_of(1);
    put(cache, "a", &answer, 5000);
    put(cache, "b", &answer, 5000);
    put(cache, "c", &answer, 5000);
    assert_true(has(cache, "a", 0));
    put(cache, "d", &answer, 5000);
    assert_int_equal(cache->count, 3);
    assert_true(has(cache, "a", 0));
    assert_false(has(cache, "b", 0));
    assert_true(has(cache, "c", 0));
    assert_true(has(cache, "d", 0));
    dns_cache_destroy(cache);
}

static void a_flood_of_names_stays_within_both_bounds(void **state)
{
    (void)state;
    enum { ENTRIES = 100, BYTES = 8000 };
    struct dns_cache *cache = make(ENTRIES, BYTES);
    for (uint8_t count = 0; count <= DNS_MAX_ADDRESSES; count++) {
        const struct dns_answer answer = addresses_of(count);
        for (unsigned i = 0; i < 300; i++) {
            char name[NAME_CAP];
            (void)snprintf(name, sizeof name, "n%u-%u.example", count, i);
            put(cache, name, &answer, 5000);
            assert_true(has(cache, name, 0));
            assert_true(cache->count <= ENTRIES);
            assert_true(cache->bytes <= BYTES);
        }
    }
    dns_cache_destroy(cache);
}

static void what_never_fits_is_not_kept(void **state)
{
    (void)state;
    const struct dns_answer answer = addresses_of(DNS_MAX_ADDRESSES);
    struct dns_cache *none = make(0, 0);
    put(none, "www.example", &answer, 5000);
    assert_false(has(none, "www.example", 0));
    dns_cache_destroy(none);
    struct dns_cache *small = make(8, 200);
    const struct dns_answer one = addresses_of(1);
    put(small, "a", &one, 5000);
    put(small, "www.example", &answer, 5000);
    assert_false(has(small, "www.example", 0));
    assert_true(has(small, "a", 0)); // it did not make room in vain
    dns_cache_destroy(small);
    dns_cache_destroy(NULL);
}

static void the_hash_hangs_on_the_key(void **state)
{
    (void)state;
    struct dns_cache *one = make(8, 4096);
    struct dns_cache *other = make(8, 4096);
    const struct slice name = SLICE_LITERAL("www.example");
    assert_true(dns_cache_hash(one, name) != dns_cache_hash(other, name));
    assert_true(dns_cache_hash(one, name) == dns_cache_hash(one, name));
    dns_cache_destroy(one);
    dns_cache_destroy(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_found_until_its_end),
        cmocka_unit_test(names_and_types_are_told_apart),
        cmocka_unit_test(each_address_has_its_turn),
        cmocka_unit_test(a_newer_answer_takes_the_place),
        cmocka_unit_test(what_was_not_used_for_longest_goes_first),
        cmocka_unit_test(a_flood_of_names_stays_within_both_bounds),
        cmocka_unit_test(what_never_fits_is_not_kept),
        cmocka_unit_test(the_hash_hangs_on_the_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
