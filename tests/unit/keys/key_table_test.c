// What the holder signs, and what it does not.
#include "proxy/keys/key_table.h"

#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "proxy/keeper/keeper_holder.h"
#include "proxy/keys/signable.h"
#include "proxy/pki/keypair.h"
#include "proxy/tls/private_key.h"

static const char server_1_3[] = "                                                                "
                                 "TLS 1.3, server CertificateVerify\0"
                                 "0123456789abcdef0123456789abcdef";
static const struct slice good = {(const uint8_t *)server_1_3, sizeof server_1_3 - 1};

struct bench {
    int history_fd;
    struct key_history history;
    struct key_table table;
    uint8_t name[KEY_NAME_LEN];
    struct errinfo info;
};

static int set_up(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);
    EVP_PKEY *key = NULL;
    assert_non_null(bench);
    bench->history_fd = keeper_holder_make_history();
    assert_int_equal(key_history_open(&bench->history, bench->history_fd, &bench->info), ERR_OK);
    assert_true(key_table_init(&bench->table, &bench->history));
    assert_int_equal(keypair_generate(&key), ERR_OK);
    assert_int_equal(key_table_add_tls(&bench->table, key, bench->name, &bench->info), ERR_OK);
    *state = bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;
    key_table_deinit(&bench->table);
    key_history_close(&bench->history);
    (void)close(bench->history_fd);
    free(bench);
    return 0;
}

static enum err sign(struct bench *bench, struct slice message, uint16_t algorithm)
{
    uint8_t signature[SIGNATURE_MAX];
    size_t len = 0;
    struct key_message request = {.algorithm = algorithm, .bytes = message};
    memcpy(request.name, bench->name, sizeof request.name);
    const enum err error = key_table_sign(&bench->table, &request, signature, &len, &bench->info);
    assert_true(error != ERR_OK || len > 64);
    return error;
}

static void a_key_signs_nothing_but_what_tls_signs(void **state)
{
    struct bench *bench = *state;
    static const uint8_t certificate[300] = {0x30, 0x82, 0x01, 0x28, 0xa0, 0x03, 0x02, 0x01, 0x02};
    uint8_t exchange[64 + 4 + 65] = {0};
    assert_int_equal(sign(bench, good, SSL_SIGN_ECDSA_SECP256R1_SHA256), ERR_OK);
    exchange[64] = 3;
    exchange[66] = 0x17;
    exchange[67] = 65;
    exchange[68] = 4;
    assert_int_equal(
        sign(bench, slice_of(exchange, sizeof exchange), SSL_SIGN_ECDSA_SECP256R1_SHA256), ERR_OK);
    const struct slice refused[] = {
        slice_of(certificate, sizeof certificate),
        slice_first(good, good.len - 1),
        slice_from(good, 1),
        slice_of(exchange, sizeof exchange - 1),
        SLICE_LITERAL(""),
        SLICE_LITERAL("eyJhbGciOiJFUzI1NiJ9.e30"),
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        assert_int_equal(sign(bench, refused[i], SSL_SIGN_ECDSA_SECP256R1_SHA256), ERR_DENIED);
    assert_int_equal(sign(bench, good, SSL_SIGN_RSA_PSS_RSAE_SHA256), ERR_INPUT);
    assert_int_equal(sign(bench, good, 0x1234), ERR_INPUT);
}

static void a_handshake_is_whole_or_it_is_not_signed(void **state)
{
    (void)state;
    uint8_t handshake[] = {1,  0, 0, 2, 'c', 'h', 2, 0, 0, 1,  's',
                           11, 0, 0, 1, 'c', 16,  0, 0, 1, 'k'};
    const struct slice whole = slice_of(handshake, sizeof handshake);
    assert_int_equal(signable_by_tls(whole), SIGNABLE_TLS_1_2);
    for (size_t cut = 0; cut < whole.len; cut++)
        assert_false(signable_by_tls(slice_first(whole, cut)));
    handshake[0] = 2;
    assert_false(signable_by_tls(whole));
}

static void the_groups_of_tls_1_2_are_those_that_we_offer(void **state)
{
    (void)state;
    static const struct {
        uint8_t head[5];
        bool is_good;
    } cases[] = {
        {{3, 0, 0x1D, 32, 9}, true},   {{3, 0, 0x17, 65, 4}, true},  {{3, 0, 0x18, 97, 4}, true},
        {{3, 0, 0x1D, 33, 9}, false},  {{3, 0, 0x17, 65, 2}, false}, {{3, 0, 0x17, 33, 2}, false},
        {{3, 0, 0x18, 96, 4}, false},  {{3, 1, 0x17, 65, 4}, false}, {{3, 0, 0x16, 65, 4}, false},
        {{3, 0, 0x19, 133, 4}, false}, {{1, 0, 0x17, 65, 4}, false}, {{3, 0xA0, 3, 65, 4}, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t exchange[64 + 4 + 255] = {0};
        memcpy(exchange + 64, cases[i].head, sizeof cases[i].head);
        const struct slice message = slice_of(exchange, (size_t)64 + 4 + cases[i].head[3]);
        assert_int_equal(signable_by_tls(message),
                         cases[i].is_good ? SIGNABLE_TLS_1_2 : SIGNABLE_NOT);
        exchange[0] = 0x30; // random bytes may be any, as long as they are not a certificate's
        exchange[1] = 0x82;
        assert_int_equal(signable_by_tls(message),
                         cases[i].is_good ? SIGNABLE_TLS_1_2 : SIGNABLE_NOT);
    }
}

// Certificates to be signed that have, where a server of TLS 1.2 has them, the kind, the group and the length of a key: of no group
// with a CA's rights, in the subject, and in a SEQUENCE whose length is written otherwise.
static const char *const forged[] = {
    "3081b1a003020102020e0101010101010101010101010101300a06082a8648ce3d040302302e3110300e0603550"
    "40a0c074578616d706c65311a301806035504030c1170726f78792e6578616d706c652e6f7267301e170d323630"
    "3130313030303030305a170d3336303130313030303030305a3000302a300506032b65700321004b4b4b4b4b4b4"
    "b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4ba310300e300c0603551d13040530030101ff",
    "308182a003020102020101300506032b65703000301e170d3236303130313030303030305a170d3336303130313"
    "030303030305a30233121301f060a550403010300174104010c117878787878787878787878787878787878302a"
    "300506032b65700321004b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b",
    "3081a2a003020102020101300506032b65703000301e170d3236303130313030303030305a170d3336303130313"
    "030303030305a30433141303f060a550403010300186104010c3178787878787878787878787878787878787878"
    "787878787878787878787878787878787878787878787878787878787878302a300506032b65700321004b4b4b4"
    "b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b",
};

static size_t read_hex(const char *hex, uint8_t *out)
{
    size_t len = 0;
    for (; hex[0] != '\0'; hex += 2) {
        const char pair[] = {hex[0], hex[1], '\0'};
        out[len++] = (uint8_t)strtoul(pair, NULL, 16);
    }
    return len;
}

static void no_certificate_looks_like_a_key_exchange(void **state)
{
    struct bench *bench = *state;
    for (size_t i = 0; i < sizeof forged / sizeof *forged; i++) {
        uint8_t data[256];
        const struct slice message = slice_of(data, read_hex(forged[i], data));
        for (int tag = 0x30; tag <= 0x31; tag++) {
            data[0] = (uint8_t)tag;
            assert_int_equal(sign(bench, message, SSL_SIGN_ECDSA_SECP256R1_SHA256), ERR_DENIED);
        }
    }
}

static void other_ways_to_write_a_length_are_no_way_around(void **state)
{
    (void)state;
    static const struct {
        uint8_t head[12];
        bool is_good;
    } cases[] = {
        {{0x30, 129, 0}, true}, // longer than the message
        {{0x30, 130, 0, 130, 4, 127}, true},
        {{0x30, 0x81, 130, 4, 128, 0}, false},                // 130 bytes: one element, to the end
        {{0x30, 0x82, 0, 129, 4, 0x81, 126}, false},          // in two bytes
        {{0x30, 0x84, 0, 0, 0, 127, 4, 0x82, 0, 123}, false}, // in four
        {{0x30, 0x80, 4, 0x81, 128}, false},                  // in none
        {{0x30, 0x81, 130, 4, 0x81, 200}, true},              // what is in it is nothing
        {{0x30, 0x81, 130, 2, 0, 2, 0, 2, 0, 4, 0x81, 200}, false}, // nothing after three
        {{0x31, 0x81, 130, 0xA0, 0x80}, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t exchange[64 + 4 + 65] = {0};
        memcpy(exchange, cases[i].head, sizeof cases[i].head);
        memcpy(exchange + 64, (const uint8_t[]){3, 0, 0x17, 65, 4}, 5);
        assert_int_equal(signable_by_tls(slice_of(exchange, sizeof exchange)),
                         cases[i].is_good ? SIGNABLE_TLS_1_2 : SIGNABLE_NOT);
    }
}

static void only_algorithms_of_our_tls_sign(void **state)
{
    (void)state;
    assert_true(signable_with(SIGNABLE_TLS_1_2, SSL_SIGN_RSA_PKCS1_SHA256));
    assert_false(signable_with(SIGNABLE_TLS_1_3, SSL_SIGN_RSA_PKCS1_SHA256));
    assert_true(signable_with(SIGNABLE_TLS_1_3, SSL_SIGN_RSA_PSS_RSAE_SHA256));
    assert_false(signable_with(SIGNABLE_TLS_1_2, SSL_SIGN_RSA_PKCS1_SHA1));
    assert_false(signable_with(SIGNABLE_TLS_1_2, SSL_SIGN_RSA_PKCS1_MD5_SHA1));
    assert_false(signable_with(SIGNABLE_TLS_1_2, SSL_SIGN_ECDSA_SHA1));
    assert_false(signable_with(SIGNABLE_NOT, SSL_SIGN_ED25519));
}

static void a_key_is_there_as_often_as_it_was_opened(void **state)
{
    struct bench *bench = *state;
    EVP_PKEY *key = NULL;
    uint8_t name[KEY_NAME_LEN];
    assert_int_equal(keypair_generate(&key), ERR_OK);
    (void)EVP_PKEY_up_ref(key);
    assert_int_equal(key_table_add_tls(&bench->table, key, name, &bench->info), ERR_OK);
    assert_int_equal(key_table_add_tls(&bench->table, key, bench->name, &bench->info), ERR_OK);
    assert_memory_equal(name, bench->name, sizeof name);
    key_table_close(&bench->table, name);
    assert_int_equal(sign(bench, good, SSL_SIGN_ECDSA_SECP256R1_SHA256), ERR_OK);
    key_table_close(&bench->table, name);
    assert_int_equal(sign(bench, good, SSL_SIGN_ECDSA_SECP256R1_SHA256), ERR_INPUT);
    key_table_close(&bench->table, name);
}

static void the_table_has_bounds(void **state)
{
    struct bench *bench = *state;
    uint8_t name[KEY_NAME_LEN];
    for (size_t i = 1; i <= KEY_TABLE_MAX; i++) {
        struct note_signer signer;
        uint8_t seed[NOTE_SEED_LEN] = {(uint8_t)i, (uint8_t)(i >> 8)};
        assert_true(note_signer_init(SLICE_LITERAL("gate"), seed, &signer));
        assert_int_equal(key_table_add_signer(&bench->table, &signer, name, &bench->info),
                         i < KEY_TABLE_MAX ? ERR_OK : ERR_LIMIT);
    }
}

static enum err checkpoint(struct bench *bench, const uint8_t name[KEY_NAME_LEN], uint64_t size,
                           uint8_t root, bool is_end)
{
    char data[CHECKPOINT_CAP];
    struct text text;
    struct key_message request = {.instance = 7, .size = size, .is_end = is_end, .root = {root}};
    memcpy(request.name, name, sizeof request.name);
    text_init(&text, data, sizeof data);
    return key_table_checkpoint(&bench->table, &request, &text, &bench->info);
}

static void a_log_is_never_signed_shorter_or_otherwise(void **state)
{
    struct bench *bench = *state;
    struct note_signer signer;
    static const uint8_t seed[NOTE_SEED_LEN] = {1};
    uint8_t name[KEY_NAME_LEN];
    assert_true(note_signer_init(SLICE_LITERAL("gate"), seed, &signer));
    assert_int_equal(key_table_add_signer(&bench->table, &signer, name, &bench->info), ERR_OK);
    assert_int_equal(checkpoint(bench, name, 10, 1, false), ERR_OK);
    assert_int_equal(checkpoint(bench, name, 10, 1, false), ERR_OK); // the same once more
    assert_int_equal(checkpoint(bench, name, 10, 2, false), ERR_DENIED);
    assert_int_equal(checkpoint(bench, name, 9, 1, false), ERR_DENIED);
    assert_int_equal(checkpoint(bench, name, 12, 3, true), ERR_OK);
    assert_int_equal(checkpoint(bench, name, 13, 4, false), ERR_DENIED);      // after the end
    assert_int_equal(checkpoint(bench, bench->name, 1, 1, false), ERR_INPUT); // a key of TLS
    struct key_message request = {.algorithm = SSL_SIGN_ED25519, .bytes = good};
    uint8_t out[SIGNATURE_MAX];
    size_t len = 0;
    memcpy(request.name, name, sizeof name);
    assert_int_equal(key_table_sign(&bench->table, &request, out, &len, &bench->info), ERR_INPUT);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_key_signs_nothing_but_what_tls_signs),
        TEST(a_handshake_is_whole_or_it_is_not_signed),
        TEST(the_groups_of_tls_1_2_are_those_that_we_offer),
        TEST(no_certificate_looks_like_a_key_exchange),
        TEST(other_ways_to_write_a_length_are_no_way_around),
        TEST(only_algorithms_of_our_tls_sign),
        TEST(a_key_is_there_as_often_as_it_was_opened),
        TEST(the_table_has_bounds),
        TEST(a_log_is_never_signed_shorter_or_otherwise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
