// The end of a record: written, read back, and everything that is not exactly that.
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proxy/chain/seal.h"

#define BODY "{\"v\":1,\"event\":\"close\",\"pad\":\",\\\"instance\\\":\\\"\""
#define H64  "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

static struct merkle_hash counting(void)
{
    struct merkle_hash hash;
    for (size_t i = 0; i < sizeof hash.bytes; i++)
        hash.bytes[i] = (uint8_t)i;
    return hash;
}

static void is_written_as_the_page_says(void **state)
{
    (void)state;
    const struct seal_link record = {
        .kind = SEAL_LINK_RECORD, .instance = 0x0c51aa20, .seq = 90, .hash = counting()};
    const struct seal_link line = {.kind = SEAL_LINK_LINE, .hash = counting()};
    const struct {
        struct seal seal;
        const char *text;
    } cases[] = {
        {{.instance = 0xab, .seq = 7}, ",\"instance\":\"000000ab\",\"seq\":7}\n"},
        {{.instance = 0x1a2b3c4d, .seq = UINT64_MAX, .is_chained = true, .prev = counting()},
         ",\"instance\":\"1a2b3c4d\",\"seq\":18446744073709551615,\"prev\":\"" H64 "\"}\n"},
        {{.instance = 1, .seq = 0}, ",\"instance\":\"00000001\",\"seq\":0,\"after\":null}\n"},
        {{.instance = 1, .seq = 0, .is_chained = true, .after = line},
         ",\"instance\":\"00000001\",\"seq\":0,\"prev\":null,\"after\":{\"sha256\":\"" H64
         "\"}}\n"},
        {{.instance = 1, .seq = 0, .is_chained = true, .after = record},
         ",\"instance\":\"00000001\",\"seq\":0,\"prev\":null,\"after\":{\"instance\":\"0c51aa20\","
         "\"seq\":90,\"sha256\":\"" H64 "\"}}\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char data[1024];
        struct text text;
        struct seal again;
        text_init(&text, data, sizeof data);
        text_append_string(&text, BODY);
        seal_append(&cases[i].seal, &text);
        assert_string_equal(data + sizeof BODY - 1, cases[i].text);
        assert_true(text.len - (sizeof BODY - 1) < SEAL_CAP);
        assert_true(seal_parse(slice_of(data, text.len - 1), &again));
        assert_int_equal(again.instance, cases[i].seal.instance);
        assert_int_equal(again.seq, cases[i].seal.seq);
        assert_int_equal(again.is_chained, cases[i].seal.is_chained);
        assert_true(merkle_hash_equal(&again.prev, &cases[i].seal.prev));
        assert_int_equal(again.after.kind, cases[i].seal.after.kind);
        assert_int_equal(again.after.seq, cases[i].seal.after.seq);
        assert_true(merkle_hash_equal(&again.after.hash, &cases[i].seal.after.hash));
    }
}

static void what_is_not_exactly_a_seal_is_none(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "}",
        BODY "}",
        "\"instance\":\"000000ab\",\"seq\":7}",
        ",\"instance\":\"000000ab\",\"seq\":7",
        ",\"instance\":\"000000ab\",\"seq\":7}\n",
        ",\"instance\":\"000000ab\",\"seq\":7} ",
        ",\"instance\":\"000000ab\",\"seq\": 7}",
        ",\"instance\":\"000000ab\",\"seq\":07}",
        ",\"instance\":\"000000ab\",\"seq\":}",
        ",\"instance\":\"000000ab\",\"seq\":-7}",
        ",\"instance\":\"000000ab\",\"seq\":7.0}",
        ",\"instance\":\"000000ab\",\"seq\":18446744073709551616}",
        ",\"instance\":\"000000AB\",\"seq\":7}",
        ",\"instance\":\"00000ab\",\"seq\":7}",
        ",\"instance\":\"0000000ab\",\"seq\":7}",
        ",\"instance\":\"000000ab\",\"seq\":7,\"more\":1}",
        ",\"instance\":\"000000ab\",\"seq\":7,\"prev\":null}",
        ",\"instance\":\"000000ab\",\"seq\":7,\"prev\":\"00\"}",
        ",\"instance\":\"000000ab\",\"seq\":7,\"after\":null}",
        ",\"instance\":\"000000ab\",\"seq\":0}",
        ",\"instance\":\"000000ab\",\"seq\":0,\"prev\":null}",
        ",\"instance\":\"000000ab\",\"seq\":0,\"prev\":\"" H64 "\",\"after\":null}",
        ",\"instance\":\"000000ab\",\"seq\":0,\"after\":{}}",
        ",\"instance\":\"000000ab\",\"seq\":0,\"after\":{\"seq\":1,\"sha256\":\"" H64 "\"}}",
        ",\"instance\":\"000000ab\",\"seq\":7,\"instance\":\"000000ab\"}",
    };
    struct seal seal;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(seal_parse(slice_of_string(bad[i]), &seal));
}

static void the_last_whole_line_of_a_log_is_found(void **state)
{
    (void)state;
#define SEALED(n) BODY ",\"instance\":\"000000ab\",\"seq\":" n "}"
    static const struct {
        const char *tail;
        bool is_all;
        int kind;
        const char *line;
    } cases[] = {
        {"", true, SEAL_LINK_NONE, ""},
        {"torn", true, SEAL_LINK_NONE, ""},
        {"old\n", true, SEAL_LINK_LINE, "old"},
        {"old\ntorn", true, SEAL_LINK_LINE, "old"},
        {"old\nolder\n", true, SEAL_LINK_LINE, "older"},
        {"old\n", false, SEAL_LINK_NONE, ""},
        {"old\nolder\n", false, SEAL_LINK_LINE, "older"},
        {SEALED("1") "\n" SEALED("2") "\n", true, SEAL_LINK_RECORD, SEALED("2")},
        {SEALED("1") "\n" SEALED("2") "\n{\"v\":1,\"ts\n", true, SEAL_LINK_RECORD, SEALED("2")},
        {SEALED("1") "\n\n", true, SEAL_LINK_RECORD, SEALED("1")},
        {"cut" SEALED("1") "\n", false, SEAL_LINK_NONE, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct seal_link link =
            seal_link_find(slice_of_string(cases[i].tail), cases[i].is_all);
        const struct merkle_hash hash = merkle_hash_of(slice_of_string(cases[i].line));
        assert_int_equal(link.kind, cases[i].kind);
        if (link.kind != SEAL_LINK_NONE)
            assert_true(merkle_hash_equal(&link.hash, &hash));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_written_as_the_page_says),
        cmocka_unit_test(what_is_not_exactly_a_seal_is_none),
        cmocka_unit_test(the_last_whole_line_of_a_log_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
