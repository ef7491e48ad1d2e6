// The PROXY header in both versions: what is read, what is waited for, what is refused.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proxy/net/crc32c.h"
#include "proxy/net/proxy_header.h"

#define V2   "\r\n\r\n\0\r\nQUIT\n"
#define TCP4 "\xc0\x00\x02\x01\xc6\x33\x64\x01\xdc\x04\x20\xfb"
#define TCP6                                                                                       \
    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x08"         \
    "\x12\x34\x20\xfb"
#define MAPPED                                                                                     \
    "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00\x02\x01\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x08"       \
    "\x12\x34\x20\xfb"
#define BYTES(text)                                                                                \
    {                                                                                              \
        (const uint8_t *)(text), sizeof(text) - 1                                                  \
    }

struct good {
    struct slice bytes;
    const char *source; // NULL: unknown
    uint16_t port;
};

static const struct good goods[] = {
    {BYTES("PROXY TCP4 192.0.2.1 198.51.100.1 56324 8443\r\n"), "192.0.2.1", 56324},
    {BYTES("PROXY TCP4 255.255.255.254 0.0.0.0 1 0\r\n"), "255.255.255.254", 1},
    {BYTES("PROXY TCP6 2001:db8::7 2001:db8::8 4660 8443\r\n"), "2001:db8::7", 4660},
    {BYTES("PROXY TCP6 2001:0DB8:0:0:0:0:0:7 ::1 1 2\r\n"), "2001:db8::7", 1},
    {BYTES("PROXY TCP6 ::ffff:192.0.2.1 2001:db8::8 4660 8443\r\n"), "192.0.2.1", 4660},
    {BYTES(
         "PROXY TCP6 1111:2222:3333:4444:5555:6666:7777:8888 1111:2222:3333:4444:5555:6666:7777:8888"
         " 65535 65535\r\n"),
     "1111:2222:3333:4444:5555:6666:7777:8888", 65535},
    {BYTES("PROXY UNKNOWN\r\n"), NULL, 0},
    {BYTES(
         "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
         "65535 65535\r\n"),
     NULL, 0},
    {BYTES("PROXY UNKNOWN what ever it is\r\n"), NULL, 0},
    {BYTES(V2 "\x21\x11\0\x0c" TCP4), "192.0.2.1", 56324},
    {BYTES(V2 "\x21\x21\0\x24" TCP6), "2001:db8::7", 4660},
    {BYTES(V2 "\x21\x21\0\x24" MAPPED), "192.0.2.1", 4660},
    // parts: NOOP, a unique id, an unknown one, an empty one
    {BYTES(V2 "\x21\x11\0\x20" TCP4 "\x04\0\x03xyz\x05\0\x02id\xea\0\x03\x01\x02\x03\xf0\0\0"),
     "192.0.2.1", 56324},
    // a certificate's name in PP2_TYPE_SSL
    {BYTES(V2 "\x21\x11\0\x1e" TCP4 "\x20\0\x0f\x07\0\0\0\0\x22\0\x07mallory"), "192.0.2.1", 56324},
    {BYTES(V2 "\x20\0\0\0"), NULL, 0},
    {BYTES(V2 "\x20\x11\0\x0c" TCP4), NULL, 0},
    {BYTES(V2 "\x20\xff\0\x03\x03\0\x09"), NULL, 0},
    {BYTES(V2 "\x21\0\0\0"), NULL, 0},
    {BYTES(V2 "\x21\0\0\x05hello"), NULL, 0},
};

static void assert_reads(const struct good *good, struct slice bytes)
{
    struct proxy_header header;
    const char *why = NULL;
    char text[IP_TEXT_CAP];
    assert_int_equal(proxy_header_parse(bytes, &header, &why), PROXY_HEADER_OK);
    assert_int_equal(header.len, good->bytes.len);
    assert_int_equal(header.is_unknown, good->source == NULL);
    assert_int_equal(header.source.family == IP_NONE, good->source == NULL);
    if (good->source != NULL)
        assert_string_equal(ip_addr_format(&header.source, text), good->source);
    assert_int_equal(header.port, good->port);
}

static void a_good_header_is_read_and_waited_for_byte_by_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof goods / sizeof goods[0]; i++) {
        uint8_t followed[PROXY_HEADER_MAX_LEN] = {0};
        const struct slice bytes = goods[i].bytes;
        struct proxy_header header;
        const char *why = NULL;
        for (size_t len = 0; len < bytes.len; len++)
            assert_int_equal(proxy_header_parse(slice_first(bytes, len), &header, &why),
                             PROXY_HEADER_MORE);
        assert_reads(&goods[i], bytes);
        assert_true(bytes_copy(followed, sizeof followed, bytes));
        followed[bytes.len] = 22; // the first byte of TLS is not the header's
        assert_reads(&goods[i], slice_of(followed, bytes.len + 1));
    }
}

static const struct slice bads[] = {
    BYTES("\x16\x03\x01"), // TLS
    BYTES("G"),            // HTTP
    BYTES("PROXYTCP4 192.0.2.1 198.51.100.1 1 2\r\n"),
    BYTES("proxy TCP4 192.0.2.1 198.51.100.1 1 2\r\n"),
    BYTES("PROXY  TCP4 192.0.2.1 198.51.100.1 1 2\r\n"), // two blanks
    BYTES("PROXY TCP4 192.0.2.1 198.51.100.1 1  2\r\n"),
    BYTES("PROXY TCP4 192.0.2.1 198.51.100.1 1 2 \r\n"),  // a blank at the end
    BYTES("PROXY TCP4 192.0.2.1 198.51.100.1 1 2 3\r\n"), // a field too many
    BYTES("PROXY TCP4 192.0.2.1 198.51.100.1 1\r\n"),     // a field too few
    BYTES("PROXY TCP4 192.0.2.1 198.51.100.1 1 2\n"),     // no carriage return
    BYTES("PROXY TCP4 192.0.2.1 198.51.100.1 1 2\r\r\n"),
    BYTES("PROXY TCP4 192.0.2.1 198.51.100.1 1 2\rx"),
    BYTES("PROXY TCP4 192.0.2.1\0 198.51.100.1 1 2\r\n"),
    BYTES("PROXY TCP4 192.0.2.1\t198.51.100.1 1 2\r\n"),
    BYTES("PROXY TCP4 192.0.2.01 198.51.100.1 1 2\r\n"), // other spellings of numbers
    BYTES("PROXY TCP4 0xc0.0.2.1 198.51.100.1 1 2\r\n"),
    BYTES("PROXY TCP4 192.0.513 198.51.100.1 1 2\r\n"),
    BYTES("PROXY TCP4 192.0.2.256 198.51.100.1 1 2\r\n"),
    BYTES("PROXY TCP4 192.0.2.1 198.51.100 1 2\r\n"), // the other end counts, too
    BYTES("PROXY TCP4 192.0.2.1 198.51.100.1 01 2\r\n"),
    BYTES("PROXY TCP4 192.0.2.1 198.51.100.1 +1 2\r\n"),
    BYTES("PROXY TCP4 192.0.2.1 198.51.100.1 -1 2\r\n"),
    BYTES("PROXY TCP4 192.0.2.1 198.51.100.1 65536 2\r\n"),
    BYTES("PROXY TCP4 192.0.2.1 198.51.100.1 0 2\r\n"), // nobody's port
    BYTES(V2 "\x21\x11\0\x0c\xc0\0\2\1\xc6\x33\x64\x01\0\0\x20\xfb"),
    BYTES("PROXY TCP4 192.0.2.1 198.51.100.1 1 99999\r\n"),
    BYTES("PROXY TCP4 192.0.2.1 198.51.100.1 1 2a\r\n"),
    BYTES("PROXY TCP4 2001:db8::7 2001:db8::8 1 2\r\n"), // of the other family
    BYTES("PROXY TCP6 192.0.2.1 198.51.100.1 1 2\r\n"),
    BYTES("PROXY TCP6 2001:db8::7 198.51.100.1 1 2\r\n"),
    BYTES("PROXY TCP6 fe80::1%eth0 2001:db8::8 1 2\r\n"), // a zone
    BYTES("PROXY TCP6 [2001:db8::7] 2001:db8::8 1 2\r\n"),
    BYTES("PROXY TCP6 2001:db8:::7 2001:db8::8 1 2\r\n"),
    BYTES("PROXY UDP4 192.0.2.1 198.51.100.1 1 2\r\n"),
    BYTES("PROXY TCP 192.0.2.1 198.51.100.1 1 2\r\n"),
    BYTES("PROXY UNKNOWNS\r\n"),
    BYTES("PROXY \r\n"),
    BYTES("PROXY TCP4 0.0.0.0 198.51.100.1 1 2\r\n"), // nobody's address
    BYTES("PROXY TCP4 224.0.0.1 198.51.100.1 1 2\r\n"),
    BYTES("PROXY TCP4 255.255.255.255 198.51.100.1 1 2\r\n"),
    BYTES("PROXY TCP6 :: 2001:db8::8 1 2\r\n"),
    BYTES("PROXY TCP6 ff02::1 2001:db8::8 1 2\r\n"),
    BYTES("PROXY TCP6 ::ffff:0.0.0.0 2001:db8::8 1 2\r\n"),
    BYTES("\r\n\r\n\0\r\nQUIT\r"), // another signature
    BYTES("\r\n\r\nG"),
    BYTES(V2 "\x11\x11\0\x0c" TCP4), // version 1 in version 2
    BYTES(V2 "\x31\x11\0\x0c" TCP4), // version 3
    BYTES(V2 "\x22\x11\0\x0c" TCP4), // an unknown command
    BYTES(V2 "\x2f"),
    BYTES(V2 "\x21\x12\0\x0c" TCP4), // UDP
    BYTES(V2 "\x21\x22\0\x24" TCP6),
    BYTES(V2 "\x21\x31"),            // a Unix socket
    BYTES(V2 "\x21\x10\0\x0c" TCP4), // no transport
    BYTES(V2 "\x21\x01\0\x0c" TCP4), // no family
    BYTES(V2 "\x21\x41"),
    BYTES(V2 "\x21\x11\0\x0b" TCP4), // shorter than its addresses
    BYTES(V2 "\x21\x21\0\x0c" TCP4),
    BYTES(V2 "\x21\x11\0\0"),
    BYTES(V2 "\x21\x11\xff\xff"),           // too long
    BYTES(V2 "\x20\x00\x0f\xf1"),           // by one byte
    BYTES(V2 "\x21\x11\0\x0d" TCP4 "\x04"), // half of a part
    BYTES(V2 "\x21\x11\0\x0e" TCP4 "\x04\0"),
    BYTES(V2 "\x21\x11\0\x0f" TCP4 "\x04\0\x01"),
    BYTES(V2 "\x21\x11\0\x10" TCP4 "\x04\xff\xff\0"),
    BYTES(V2 "\x21\x11\0\x13" TCP4 "\x03\0\x04\0\0\0\0"), // a wrong checksum
    BYTES(V2 "\x21\x11\0\x0f" TCP4 "\x03\0\0"),           // of a wrong length
    BYTES(V2 "\x21\x11\0\x14" TCP4 "\x03\0\x05\0\0\0\0\0"),
    BYTES(V2 "\x21\x11\0\x0c\0\0\0\0\xc6\x33\x64\x01\xdc\x04\x20\xfb"), // nobody's address
    BYTES(V2 "\x21\x11\0\x0c\xef\1\2\3\xc6\x33\x64\x01\xdc\x04\x20\xfb"),
};

static void a_bad_header_is_refused_with_a_sentence(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bads / sizeof bads[0]; i++) {
        struct proxy_header header;
        const char *why = NULL;
        enum proxy_header_status status = PROXY_HEADER_MORE;
        for (size_t len = 0; len <= bads[i].len && status == PROXY_HEADER_MORE; len++)
            status = proxy_header_parse(slice_first(bads[i], len), &header, &why);
        if (status != PROXY_HEADER_BAD)
            print_error("bad header %zu is read\n", i);
        assert_int_equal(status, PROXY_HEADER_BAD);
        assert_non_null(why);
        assert_int_equal(proxy_header_parse(bads[i], &header, &why), PROXY_HEADER_BAD);
    }
}

static void a_line_has_107_bytes_at_most(void **state)
{
    (void)state;
    uint8_t line[200];
    struct proxy_header header;
    const char *why = NULL;
    for (size_t i = 0; i < sizeof line; i++)
        line[i] = 'x';
    assert_true(bytes_copy(line, sizeof line, SLICE_LITERAL("PROXY UNKNOWN ")));
    assert_int_equal(proxy_header_parse(slice_of(line, 106), &header, &why), PROXY_HEADER_MORE);
    assert_int_equal(proxy_header_parse(slice_of(line, 107), &header, &why), PROXY_HEADER_BAD);
    assert_int_equal(proxy_header_parse(slice_of(line, 200), &header, &why), PROXY_HEADER_BAD);
    line[105] = '\r';
    line[106] = '\n';
    assert_int_equal(proxy_header_parse(slice_of(line, 106), &header, &why), PROXY_HEADER_MORE);
    assert_int_equal(proxy_header_parse(slice_of(line, 107), &header, &why), PROXY_HEADER_OK);
    line[105] = 'x';
    line[106] = '\r';
    line[107] = '\n';
    assert_int_equal(proxy_header_parse(slice_of(line, 107), &header, &why), PROXY_HEADER_BAD);
    assert_int_equal(proxy_header_parse(slice_of(line, 108), &header, &why), PROXY_HEADER_BAD);
}

static void the_longest_header_that_is_read_has_4096_bytes(void **state)
{
    (void)state;
    uint8_t longest[PROXY_HEADER_MAX_LEN + 1] = {0};
    struct proxy_header header;
    const char *why = NULL;
    const size_t rest = PROXY_HEADER_MAX_LEN - 16;
    const size_t part = rest - 12 - 3;
    assert_true(bytes_copy(longest, sizeof longest, SLICE_LITERAL(V2 "\x21\x11\x0f\xf0" TCP4)));
    longest[28] = 0xEA;
    longest[29] = (uint8_t)(part >> 8);
    longest[30] = (uint8_t)part;
    assert_int_equal(proxy_header_parse(slice_of(longest, PROXY_HEADER_MAX_LEN - 1), &header, &why),
                     PROXY_HEADER_MORE);
    assert_int_equal(proxy_header_parse(slice_of(longest, sizeof longest), &header, &why),
                     PROXY_HEADER_OK);
    assert_int_equal(header.len, PROXY_HEADER_MAX_LEN);
}

static void a_checksum_holds_for_every_byte_of_the_header(void **state)
{
    (void)state;
    uint8_t bytes[] = V2 "\x21\x11\0\x18" TCP4 "\x05\0\x02id\x03\0\x04\0\0\0\0";
    const size_t len = sizeof bytes - 1;
    struct proxy_header header;
    const char *why = NULL;
    const uint32_t sum = crc32c_add(0, slice_of(bytes, len));
    for (size_t i = 0; i < 4; i++)
        bytes[len - 4 + i] = (uint8_t)(sum >> (24 - 8 * i));
    assert_int_equal(proxy_header_parse(slice_of(bytes, len), &header, &why), PROXY_HEADER_OK);
    for (size_t bit = 16 * 8; bit < len * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        // A bit of a type or length may also make the header malformed, or one without a checksum.
        const bool is_form = bit / 8 >= 28 && bit / 8 != 31 && bit / 8 != 32 && bit / 8 < len - 4;
        if (!is_form)
            assert_int_equal(proxy_header_parse(slice_of(bytes, len), &header, &why),
                             PROXY_HEADER_BAD);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

static void two_checksums_are_refused(void **state)
{
    (void)state;
    const struct slice bytes =
        BYTES(V2 "\x21\x11\0\x1a" TCP4 "\x03\0\x04\0\0\0\0\x03\0\x04\0\0\0\0");
    struct proxy_header header;
    const char *why = NULL;
    assert_int_equal(proxy_header_parse(bytes, &header, &why), PROXY_HEADER_BAD);
    assert_non_null(strstr(why, "two"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_header_is_read_and_waited_for_byte_by_byte),
        cmocka_unit_test(a_bad_header_is_refused_with_a_sentence),
        cmocka_unit_test(a_line_has_107_bytes_at_most),
        cmocka_unit_test(the_longest_header_that_is_read_has_4096_bytes),
        cmocka_unit_test(a_checksum_holds_for_every_byte_of_the_header),
        cmocka_unit_test(two_checksums_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
