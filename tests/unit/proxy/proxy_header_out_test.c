// The PROXY header for a target, byte by byte, and as our own reader reads it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proxy/net/proxy_header.h"
#include "proxy/net/proxy_header_out.h"

#define BYTES(text)                                                                                \
    {                                                                                              \
        (const uint8_t *)(text), sizeof(text) - 1                                                  \
    }
#define V2 "\r\n\r\n\0\r\nQUIT\n"
#define ID                                                                                         \
    "\x05\0\x04"                                                                                   \
    "a1b2"
// flags, then what verifying has given
#define TLS(len, flags, verify) "\x20\0" len flags "\0\0\0" verify "\x21\0\x07TLSv1.3"
#define CIPHER                                                                                     \
    "\x23\0\x05"                                                                                   \
    "SUITE"

static const struct ip_addr v4 = {.family = IP_V4, .bytes = {192, 0, 2, 1}};
static const struct ip_addr other_v4 = {.family = IP_V4, .bytes = {198, 51, 100, 1}};
static const struct ip_addr v6 = {.family = IP_V6, .bytes = {0x20, 1, 0xd, 0xb8, [15] = 8}};

static struct proxy_header_out header_of(const struct ip_addr *source, const struct ip_addr *target)
{
    return (struct proxy_header_out){
        .source = source == NULL ? (struct ip_addr){0} : *source,
        .source_port = 0x1234,
        .target = *target,
        .target_port = 0x5678,
        .id = SLICE_LITERAL("a1b2"),
        .tls_version = "1.3",
        .tls_cipher = "SUITE",
    };
}

static void assert_bytes(const struct proxy_header_out *out, struct slice expected)
{
    uint8_t header[PROXY_HEADER_OUT_CAP];
    const size_t len = proxy_header_format(out, header);
    assert_int_equal(len, expected.len);
    assert_memory_equal(header, expected.data, len);
}

static void it_says_where_the_client_is_and_what_its_tls_is(void **state)
{
    (void)state;
    const struct slice known = BYTES(V2 "\x21\x11\0\x33"
                                        "\xc0\0\x02\x01\xc6\x33\x64\x01\x12\x34\x56\x78" ID TLS(
                                            "\x1d", "\x07", "\0") "\x22\0\x03"
                                                                  "joe" CIPHER);
    struct proxy_header_out out = header_of(&v4, &other_v4);
    out.has_certificate = true;
    out.cert_name = SLICE_LITERAL("joe");
    assert_bytes(&out, known);
}

static void a_resumed_session_has_shown_its_certificate_before(void **state)
{
    (void)state;
    const struct slice resumed = BYTES(
        V2 "\x21\x11\0\x2d"
           "\xc0\0\x02\x01\xc6\x33\x64\x01\x12\x34\x56\x78" ID TLS("\x17", "\x05", "\0") CIPHER);
    struct proxy_header_out out = header_of(&v4, &other_v4);
    out.has_certificate = true;
    out.is_resumed = true;
    assert_bytes(&out, resumed);
}

static void without_a_certificate_nothing_was_verified(void **state)
{
    (void)state;
    const struct slice anonymous = BYTES(
        V2 "\x21\x11\0\x2d"
           "\xc0\0\x02\x01\xc6\x33\x64\x01\x12\x34\x56\x78" ID TLS("\x17", "\x01", "\x01") CIPHER);
    const struct proxy_header_out out = header_of(&v4, &other_v4);
    assert_bytes(&out, anonymous);
}

static void both_ends_are_of_one_family(void **state)
{
    (void)state;
    const struct slice mixed =
        BYTES(V2 "\x21\x21\0\x45"
                 "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\x02\x01"
                 "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x08\x12\x34\x56\x78" ID TLS(
                     "\x17", "\x01", "\x01") CIPHER);
    const struct proxy_header_out out = header_of(&v4, &v6);
    assert_bytes(&out, mixed);
}

static void a_client_that_is_not_known_has_no_address(void **state)
{
    (void)state;
    const struct slice unknown = BYTES(V2 "\x21\0\0\x21" ID TLS("\x17", "\x01", "\x01") CIPHER);
    const struct proxy_header_out out = header_of(NULL, &other_v4);
    assert_bytes(&out, unknown);
}

static void our_own_reader_reads_it(void **state)
{
    (void)state;
    const struct ip_addr *ends[][2] = {
        {&v4, &other_v4}, {&v6, &v6}, {&v4, &v6}, {&v6, &v4}, {NULL, &v4}};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        uint8_t bytes[PROXY_HEADER_OUT_CAP];
        struct proxy_header header;
        const char *why = NULL;
        const struct proxy_header_out out = header_of(ends[i][0], ends[i][1]);
        const size_t len = proxy_header_format(&out, bytes);
        assert_int_equal(proxy_header_parse(slice_of(bytes, len), &header, &why), PROXY_HEADER_OK);
        assert_int_equal(header.len, len);
        assert_int_equal(header.is_unknown, ends[i][0] == NULL);
        if (ends[i][0] == NULL)
            continue;
        assert_true(ip_addr_equal(&header.source, ends[i][0]));
        assert_int_equal(header.port, 0x1234);
    }
}

static void the_longest_fits_and_a_longer_name_is_left_out(void **state)
{
    (void)state;
    uint8_t bytes[PROXY_HEADER_OUT_CAP];
    uint8_t long_text[512];
    for (size_t i = 0; i < sizeof long_text; i++)
        long_text[i] = 'x';
    struct proxy_header_out out = header_of(&v6, &v6);
    out.id = slice_of(long_text, sizeof long_text);
    out.tls_cipher = "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256";
    const size_t nameless = proxy_header_format(&out, bytes);
    out.cert_name = slice_of(long_text, PROXY_HEADER_NAME_MAX);
    assert_int_equal(proxy_header_format(&out, bytes), nameless + 3 + PROXY_HEADER_NAME_MAX);
    out.cert_name = slice_of(long_text, PROXY_HEADER_NAME_MAX + 1);
    assert_int_equal(proxy_header_format(&out, bytes), nameless);
}

static void a_name_with_control_characters_is_left_out(void **state)
{
    (void)state;
    static const struct slice names[] = {SLICE_LITERAL("admin\0.evil"), SLICE_LITERAL("a\r\nX: y"),
                                         SLICE_LITERAL("\x1b[31mred"), SLICE_LITERAL("a\x7f")};
    uint8_t bytes[PROXY_HEADER_OUT_CAP];
    struct proxy_header_out out = header_of(&v4, &v4);
    out.cert_name = (struct slice){0};
    const size_t nameless = proxy_header_format(&out, bytes);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        out.cert_name = names[i];
        assert_int_equal(proxy_header_format(&out, bytes), nameless);
    }
    out.cert_name = SLICE_LITERAL("J\xc3\xbcrgen ~");
    assert_int_equal(proxy_header_format(&out, bytes), nameless + 3 + out.cert_name.len);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_says_where_the_client_is_and_what_its_tls_is),
        cmocka_unit_test(a_resumed_session_has_shown_its_certificate_before),
        cmocka_unit_test(without_a_certificate_nothing_was_verified),
        cmocka_unit_test(both_ends_are_of_one_family),
        cmocka_unit_test(a_client_that_is_not_known_has_no_address),
        cmocka_unit_test(our_own_reader_reads_it),
        cmocka_unit_test(a_name_with_control_characters_is_left_out),
        cmocka_unit_test(the_longest_fits_and_a_longer_name_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
