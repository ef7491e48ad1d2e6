// What is read of a PEM file. The contents are no certificates: nobody looks at them here.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "auth/pem.h"

#define BLOCK(kind, base64) "-----BEGIN " kind "-----\n" base64 "\n-----END " kind "-----\n"

// chain_of reads `pem` and expects it to be whole; owned by the caller.
static STACK_OF(CRYPTO_BUFFER) *chain_of(const char *pem)
{
    struct errinfo info;
    STACK_OF(CRYPTO_BUFFER) *chain = sk_CRYPTO_BUFFER_new_null();
    assert_non_null(chain);
    assert_int_equal(pem_read_chain(slice_of_string(pem), chain, &info), ERR_OK);
    return chain;
}

static void expect(const STACK_OF(CRYPTO_BUFFER) *chain, size_t at, const char *bytes)
{
    const CRYPTO_BUFFER *one = sk_CRYPTO_BUFFER_value(chain, at);
    assert_true(slice_equal(slice_of(CRYPTO_BUFFER_data(one), CRYPTO_BUFFER_len(one)),
                            slice_of_string(bytes)));
}

static void certificates_keep_their_order_and_the_key_among_them_is_skipped(void **state)
{
    (void)state;
    STACK_OF(CRYPTO_BUFFER) *chain = chain_of("a leaf\n" BLOCK("CERTIFICATE", "b25l") BLOCK(
        "PRIVATE KEY", "c2VjcmV0") BLOCK("CERTIFICATE", "dHdv"));
    assert_int_equal(sk_CRYPTO_BUFFER_num(chain), 2);
    expect(chain, 0, "one");
    expect(chain, 1, "two");
    sk_CRYPTO_BUFFER_pop_free(chain, CRYPTO_BUFFER_free);
}

static void what_is_only_called_alike_is_no_certificate(void **state)
{
    (void)state;
    static const char *const others[] = {
        BLOCK("TRUSTED CERTIFICATE", "b25l"),
        BLOCK("X509 CERTIFICATE", "b25l"),
        BLOCK("ATTRIBUTE CERTIFICATE", "b25l"),
        BLOCK("CERTIFICATE REQUEST", "b25l"),
        "",
        "no PEM at all\n",
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        STACK_OF(CRYPTO_BUFFER) *chain = chain_of(others[i]);
        assert_int_equal(sk_CRYPTO_BUFFER_num(chain), 0);
        sk_CRYPTO_BUFFER_pop_free(chain, CRYPTO_BUFFER_free);
    }
}

static void a_file_that_is_cut_off_is_an_error_that_names_the_block(void **state)
{
    (void)state;
    struct errinfo info;
    STACK_OF(CRYPTO_BUFFER) *chain = sk_CRYPTO_BUFFER_new_null();
    assert_non_null(chain);
    const char *cut = BLOCK("CERTIFICATE", "b25l") "-----BEGIN CERTIFICATE-----\ndHdv\n";
    assert_int_equal(pem_read_chain(slice_of_string(cut), chain, &info), ERR_INPUT);
    assert_non_null(strstr(info.text, "block 2"));
    sk_CRYPTO_BUFFER_pop_free(chain, CRYPTO_BUFFER_free);
}

static void a_damaged_block_takes_no_other_one_with_it(void **state)
{
    (void)state;
    static const char text[] =
        "# ours\n" BLOCK("CERTIFICATE", "b25l") "-----BEGIN CERTIFICATE-----\n"
                                                "dHdv\n" BLOCK("CERTIFICATE", "%%%")
                                                    BLOCK("CERTIFICATE", "dHdv") "-----BEGIN";
    static const struct {
        uint32_t line;
        int count;
    } expected[] = {{2, 1}, {5, -1}, {7, -1}, {10, 1}};
    struct pem_cursor cursor = {.rest = slice_of_string(text)};
    struct slice block;
    uint32_t line = 0;
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        struct errinfo info;
        STACK_OF(CRYPTO_BUFFER) *chain = sk_CRYPTO_BUFFER_new_null();
        assert_non_null(chain);
        assert_true(pem_next_block(&cursor, &block, &line));
        assert_int_equal(line, expected[i].line);
        const enum err error = pem_read_chain(block, chain, &info);
        assert_int_equal(error == ERR_OK, expected[i].count > 0);
        if (error == ERR_OK)
            assert_int_equal(sk_CRYPTO_BUFFER_num(chain), expected[i].count);
        sk_CRYPTO_BUFFER_pop_free(chain, CRYPTO_BUFFER_free);
    }
    assert_false(pem_next_block(&cursor, &block, &line));
    cursor = (struct pem_cursor){.rest = slice_of_string("")};
    assert_false(pem_next_block(&cursor, &block, &line));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(certificates_keep_their_order_and_the_key_among_them_is_skipped),
        cmocka_unit_test(what_is_only_called_alike_is_no_certificate),
        cmocka_unit_test(a_file_that_is_cut_off_is_an_error_that_names_the_block),
        cmocka_unit_test(a_damaged_block_takes_no_other_one_with_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
