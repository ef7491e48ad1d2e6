// BoringSSL takes its memory by the functions of proxy/tls/memory.c, which only the linker connects.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/mem.h>

// Weak, as in BoringSSL: a reference of this kind links nothing.
size_t OPENSSL_memory_get_size(void *piece) __attribute__((weak));

// With a header of BoringSSL's own the pointer would not be one that libc has given.
static void a_piece_of_boringssl_is_a_piece_of_libc(void **state)
{
    (void)state;
    assert_true(OPENSSL_memory_get_size != NULL);
    for (size_t size = 1; size <= 70000; size = size * 3 + 1) {
        void *piece = OPENSSL_malloc(size);
        assert_non_null(piece);
        assert_true(OPENSSL_memory_get_size(piece) >= size);
        OPENSSL_free(piece);
    }
}

static void a_piece_that_grows_or_shrinks_keeps_its_bytes(void **state)
{
    (void)state;
    uint8_t *piece = OPENSSL_malloc(100);
    assert_non_null(piece);
    for (uint8_t i = 0; i < 100; i++)
        piece[i] = i;
    piece = OPENSSL_realloc(piece, 100000);
    assert_non_null(piece);
    piece = OPENSSL_realloc(piece, 50);
    assert_non_null(piece);
    for (uint8_t i = 0; i < 50; i++)
        assert_int_equal(piece[i], i);
    OPENSSL_free(piece);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_piece_of_boringssl_is_a_piece_of_libc),
        cmocka_unit_test(a_piece_that_grows_or_shrinks_keeps_its_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
