// Client-Cert and Client-Cert-Chain: one spelling of each certificate, and nothing that reads in two ways.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth/base/err.h"
#include "proxy/http/client_cert.h"

enum { CAP = 8 };

static void fields_that_read_in_two_ways_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *fields;
        enum client_cert_result result;
    } rows[] = {
        {"", CLIENT_CERT_NONE},
        {"X-Client-Cert: :AAEC:\r\nClient-Certificate: x\r\nClientCert: x\r\n", CLIENT_CERT_NONE},
        {"Client-Cert: :AAEC:\r\n", CLIENT_CERT_FOUND},
        {"CLIENT-CERT: anything\r\nclient-cert-chain:\r\n", CLIENT_CERT_FOUND},
        {"Client-Cert-Chain: :AAEC:\r\nClient-Cert: :AAEC:\r\n", CLIENT_CERT_FOUND},
        {"Client-Cert: :AAEC:\r\nHost: a\r\nClient-Cert: :AAEC:\r\n", CLIENT_CERT_BAD},
        {"Client-Cert: :AAEC:\r\nclient-cert:\r\n", CLIENT_CERT_BAD},
        {"Client-Cert: :A:\r\nClient-Cert-Chain: x\r\nClient-Cert-Chain: x\r\n", CLIENT_CERT_BAD},
        {"Client-Cert-Chain: :AAEC:\r\n", CLIENT_CERT_BAD},
        {"Client_Cert: :AAEC:\r\n", CLIENT_CERT_BAD},
        {"Client-Cert: :AAEC:\r\nClient-Cert_Chain: :AAEC:\r\n", CLIENT_CERT_BAD},
        {"client_cert_chain: :AAEC:\r\n", CLIENT_CERT_BAD},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct client_cert found;
        const char *why = NULL;
        if (client_cert_find(slice_of_string(rows[i].fields), &found, &why) != rows[i].result)
            fail_msg("%s", rows[i].fields);
        assert_true(rows[i].result != CLIENT_CERT_BAD || why != NULL);
    }
}

// read_all reads all of them, and gives how that ends.
static enum err read_all(struct slice leaf, struct slice chain, bool has_chain, size_t *out_count)
{
    struct client_cert rest = {
        .leaf = leaf, .chain = chain, .has_leaf = true, .has_chain = has_chain};
    uint8_t bytes[CAP];
    size_t len = 0;
    enum err error = ERR_OK;
    *out_count = 0;
    while ((error = client_cert_next(&rest, bytes, sizeof bytes, &len)) == ERR_OK)
        ++*out_count;
    return error;
}

static void a_certificate_has_one_spelling(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        enum err error; // ERR_EOF: it is one
    } rows[] = {
        {":AAEC:", ERR_EOF},
        {":AAE=:", ERR_EOF},
        {":AA==:", ERR_EOF},
        {":+/+/AAECAAE=:", ERR_EOF},
        {"", ERR_INPUT},
        {":", ERR_INPUT},
        {"::", ERR_INPUT},
        {":::", ERR_INPUT},
        {"AAEC", ERR_INPUT},
        {":AAEC", ERR_INPUT},
        {"AAEC:", ERR_INPUT},
        {" :AAEC:", ERR_INPUT},
        {":AAEC: ", ERR_INPUT},
        {":AAEC:;a=1", ERR_INPUT},
        {":AAEC:;a", ERR_INPUT},
        {":AAEC:, :AAEC:", ERR_INPUT},
        {":AAEC::AAEC:", ERR_INPUT},
        {":AAE:", ERR_INPUT},
        {":AA:", ERR_INPUT},
        {":A===:", ERR_INPUT},
        {":====:", ERR_INPUT},
        {":AAEC====:", ERR_INPUT},
        {":AA=A:", ERR_INPUT},
        {":=AAA:", ERR_INPUT},
        {":AA==AAEC:", ERR_INPUT},
        {":AB==:", ERR_INPUT}, // bits to spare
        {":AAF=:", ERR_INPUT},
        {":AA-_:", ERR_INPUT}, // base64url
        {":AA EC:", ERR_INPUT},
        {":AA\tC:", ERR_INPUT},
        {":\xC3\xA9==:", ERR_INPUT},
        {"?1", ERR_INPUT},
        {"\"AAEC\"", ERR_INPUT},
        {"(:AAEC:)", ERR_INPUT},
        {"-----BEGIN CERTIFICATE-----", ERR_INPUT},
        {":AAECAAECAAEC:", ERR_LIMIT}, // nine bytes
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t count = 0;
        const struct slice value = slice_of_string(rows[i].value);
        if (read_all(value, (struct slice){0}, false, &count) != rows[i].error ||
            count != (rows[i].error == ERR_EOF))
            fail_msg("%s", rows[i].value);
    }
}

static void a_chain_is_a_list_of_them(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        size_t count; // with the leaf
        enum err error;
    } rows[] = {
        {":AAEC:", 2, ERR_EOF},
        {":AAEC:, :AAE=:", 3, ERR_EOF},
        {":AAEC:,:AAE=: \t,\t :AA==:", 4, ERR_EOF},
        {"", 1, ERR_INPUT},
        {",", 1, ERR_INPUT},
        {", :AAEC:", 1, ERR_INPUT},
        {":AAEC:,", 1, ERR_INPUT},
        {":AAEC:, ", 1, ERR_INPUT},
        {":AAEC:,,:AAEC:", 2, ERR_INPUT},
        {":AAEC: :AAEC:", 1, ERR_INPUT},
        {":AAEC:;q=1, :AAEC:", 1, ERR_INPUT},
        {":AAEC:, :AAEC:;q=1", 2, ERR_INPUT},
        {":AAEC:, AAEC", 2, ERR_INPUT},
        {":AAEC:, (:AAEC:)", 2, ERR_INPUT},
        {":AAEC:, ::", 2, ERR_INPUT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t count = 0;
        const enum err error =
            read_all(SLICE_LITERAL(":AAEC:"), slice_of_string(rows[i].value), true, &count);
        if (error != rows[i].error || count != rows[i].count)
            fail_msg("%zu of %s", count, rows[i].value);
    }
}

static void there_are_no_more_than_of_a_handshake(void **state)
{
    (void)state;
    for (size_t more = CLIENT_CERT_MAX - 1; more <= CLIENT_CERT_MAX; more++) {
        char data[512];
        struct text text;
        size_t count = 0;
        text_init(&text, data, sizeof data);
        for (size_t i = 0; i < more; i++)
            text_append_string(&text, i == 0 ? ":AA==:" : ", :AA==:");
        const enum err error = read_all(SLICE_LITERAL(":AAEC:"), text_slice(&text), true, &count);
        assert_int_equal(error, more < CLIENT_CERT_MAX ? ERR_EOF : ERR_LIMIT);
        assert_int_equal(count, CLIENT_CERT_MAX);
    }
}

static void what_is_written_reads_again(void **state)
{
    (void)state;
    uint8_t bytes[256];
    for (size_t len = 1; len <= sizeof bytes; len++) {
        char data[512];
        uint8_t again[sizeof bytes];
        size_t again_len = 0;
        struct text text;
        bytes[len - 1] = (uint8_t)(len * 151);
        text_init(&text, data, sizeof data);
        client_cert_append(slice_of(bytes, len), &text);
        assert_int_equal(text.len, client_cert_text_len(len));
        struct client_cert rest = {.leaf = text_slice(&text), .has_leaf = true};
        assert_int_equal(client_cert_next(&rest, again, len, &again_len), ERR_OK);
        assert_true(slice_equal(slice_of(again, again_len), slice_of(bytes, len)));
        rest = (struct client_cert){.leaf = text_slice(&text), .has_leaf = true};
        assert_int_equal(client_cert_next(&rest, again, len - 1, &again_len), ERR_LIMIT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_that_read_in_two_ways_are_refused),
        cmocka_unit_test(a_certificate_has_one_spelling),
        cmocka_unit_test(a_chain_is_a_list_of_them),
        cmocka_unit_test(there_are_no_more_than_of_a_handshake),
        cmocka_unit_test(what_is_written_reads_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
