// The first flight of a TLS client: what servers read, whole and in pieces; what is refused; what is read past.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "auth/client_hello.h"
#include "tests/unit/auth/hello.h"

static uint8_t scratch[CLIENT_HELLO_MAX_LEN];

static enum client_hello_status read_flight(const struct hello *flight, struct client_hello *out)
{
    return client_hello_read(slice_of(flight->bytes, flight->len), scratch, out);
}

// read_with reads a hello with these extensions.
static enum client_hello_status read_with(const struct hello *extensions, struct client_hello *out)
{
    static struct hello whole;
    static struct hello flight;
    hello_message(&whole, extensions);
    flight.len = 0;
    hello_records(&flight, &whole, 16384);
    return read_flight(&flight, out);
}

static void the_name_is_read_and_canonical(void **state)
{
    (void)state;
    static struct hello flight;
    struct client_hello hello;
    flight.len = 0;
    hello_named(&flight, "WWW.Example.COM", 16384);
    assert_int_equal(CLIENT_HELLO_READ, read_flight(&flight, &hello));
    assert_int_equal(CLIENT_HELLO_NAMED, hello.naming);
    assert_string_equal("www.example.com", hello.name.text);
    assert_int_equal(flight.len, hello.len);
    assert_false(hello.has_ech);
    assert_string_equal("1.2", client_hello_version_text(hello.version));
}

static void records_of_any_size_give_the_same(void **state)
{
    (void)state;
    static struct hello flight;
    struct client_hello hello;
    for (size_t piece = 1; piece < 90; piece++) {
        flight.len = 0;
        hello_named(&flight, "pieces.example", piece);
        assert_int_equal(CLIENT_HELLO_READ, read_flight(&flight, &hello));
        assert_string_equal("pieces.example", hello.name.text);
        assert_int_equal(flight.len, hello.len);
    }
}

static void every_prefix_is_partial_and_says_how_much_is_needed(void **state)
{
    (void)state;
    static struct hello flight;
    static const size_t pieces[] = {1, 3, 50, 16384};
    struct client_hello hello;
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        flight.len = 0;
        hello_named(&flight, "prefix.example", pieces[i]);
        for (size_t len = 0; len < flight.len; len++) {
            assert_int_equal(CLIENT_HELLO_PARTIAL,
                             client_hello_read(slice_of(flight.bytes, len), scratch, &hello));
            assert_true(hello.needed > len && hello.needed <= flight.len);
        }
    }
}

static void what_follows_the_flight_changes_nothing(void **state)
{
    (void)state;
    static struct hello flight;
    struct client_hello hello;
    flight.len = 0;
    hello_named(&flight, "early.example", 16384);
    const size_t len = flight.len;
    hello_put(&flight, "\x17\x03\x03\x00\x01x", 6);
    assert_int_equal(CLIENT_HELLO_READ, read_flight(&flight, &hello));
    assert_int_equal(len, hello.len);
}

static void alpn_version_ech_and_early_data_are_seen_past_grease(void **state)
{
    (void)state;
    static struct hello extensions;
    struct client_hello hello;
    extensions.len = 0;
    hello_put_extension(&extensions, 0x1A1A, "", 0);
    hello_put_extension(&extensions, 16, "\0\x0F\x02\x4A\x4A\x02h2\x08http/1.1", 17);
    hello_put_extension(&extensions, 43, "\x06\x7A\x7A\x03\x04\x03\x03", 7);
    hello_put_extension(&extensions, 0xFE0D, "\0", 1);
    hello_put_extension(&extensions, 42, "", 0);
    hello_put_extension(&extensions, 0xABCD, "unknown", 7);
    hello_put_name(&extensions, "all.example");
    hello_put_extension(&extensions, 0x1A1B, "\0", 1);
    assert_int_equal(CLIENT_HELLO_READ, read_with(&extensions, &hello));
    assert_string_equal("h2", hello.alpn);
    assert_int_equal(0x0304, hello.version);
    assert_true(hello.has_ech);
    assert_true(hello.has_early_data);
    assert_string_equal("all.example", hello.name.text);
}

static void a_version_that_does_not_exist_yet_is_read_past(void **state)
{
    (void)state;
    static struct hello extensions;
    struct client_hello hello;
    extensions.len = 0;
    hello_put_name(&extensions, "later.example");
    hello_put_extension(&extensions, 43, "\x02\x03\x05", 3);
    assert_int_equal(CLIENT_HELLO_READ, read_with(&extensions, &hello));
    assert_string_equal("unknown", client_hello_version_text(hello.version));
    assert_string_equal("later.example", hello.name.text);
}

static void no_name_is_told_from_a_wrong_one(void **state)
{
    (void)state;
    static struct hello extensions;
    static const char *const wrong[] = {"192.0.2.1", "[::1]",  "a b",           "*.example",
                                        "::1",       "0x7f.1", "evil.example\n"};
    struct client_hello hello;
    extensions.len = 0;
    assert_int_equal(CLIENT_HELLO_READ, read_with(NULL, &hello));
    assert_int_equal(CLIENT_HELLO_NO_NAME, hello.naming);
    hello_put_extension(&extensions, 23, "", 0);
    assert_int_equal(CLIENT_HELLO_READ, read_with(&extensions, &hello));
    assert_int_equal(CLIENT_HELLO_NO_NAME, hello.naming);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        extensions.len = 0;
        hello_put_name(&extensions, wrong[i]);
        assert_int_equal(CLIENT_HELLO_READ, read_with(&extensions, &hello));
        assert_int_equal(CLIENT_HELLO_WRONG_NAME, hello.naming);
    }
}

static void a_nul_in_the_name_ends_nothing(void **state)
{
    (void)state;
    static struct hello extensions;
    struct client_hello hello;
    extensions.len = 0;
    hello_put_extension(&extensions, 0, "\0\x13\0\0\x10good.example\0.ev", 21);
    assert_int_equal(CLIENT_HELLO_READ, read_with(&extensions, &hello));
    assert_int_equal(CLIENT_HELLO_WRONG_NAME, hello.naming);
}

static void what_two_servers_could_read_in_two_ways_is_bad(void **state)
{
    (void)state;
    struct row {
        unsigned type;
        const char *body;
        size_t len;
    };
    static const struct row rows[] = {
        {0, "", 0},             // a server name without a list
        {0, "\0\0", 2},         // an empty list
        {0, "\0\x03\0\0\0", 5}, // an empty name
        {0,
         "\0\x04\x01\0\x01" // a name of another kind
         "a",
         6},
        {0,
         "\0\x08\0\0\x01" // two names
         "a\0\0\x01"
         "b",
         10},
        {0,
         "\0\x04\0\0\x01" // bytes after the list
         "ab",
         7},
        {0,
         "\0\x05\0\0\x01" // a list that is too long
         "a",
         6},
        {16, "", 0},                 // ALPN without a list
        {16, "\0\0", 2},             // with an empty one
        {16, "\0\x01\0", 3},         // with an empty protocol
        {16, "\0\x02\x02h", 4},      // with half a protocol
        {16, "\0\x02\x01hx", 5},     // with bytes after it
        {43, "", 0},                 // versions without a list
        {43, "\0", 1},               // with an empty one
        {43, "\x03\x03\x04\x03", 4}, // with half a version
        {43, "\x02\x03\x04\x03", 4}, // with bytes after it
    };
    static struct hello extensions;
    struct client_hello hello;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        extensions.len = 0;
        hello_put_extension(&extensions, rows[i].type, rows[i].body, rows[i].len);
        assert_int_equal(CLIENT_HELLO_BAD, read_with(&extensions, &hello));
    }
}

static void an_extension_that_matters_comes_once(void **state)
{
    (void)state;
    static struct hello extensions;
    struct client_hello hello;
    extensions.len = 0;
    hello_put_name(&extensions, "one.example");
    hello_put_name(&extensions, "two.example");
    assert_int_equal(CLIENT_HELLO_BAD, read_with(&extensions, &hello));
    extensions.len = 0;
    hello_put_extension(&extensions, 0xFE0D, "", 0);
    hello_put_extension(&extensions, 0xFE0D, "", 0);
    assert_int_equal(CLIENT_HELLO_BAD, read_with(&extensions, &hello));
}

static void what_is_no_tls_is_known_by_its_first_bytes(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "G",        "GET / HTTP/1.1\r\n", "SSH-2.0-x",   "\x80\x2E\x01",
        "\x16\x02", "\x15\x03",           "\x17\x03\x03"};
    struct client_hello hello;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_int_equal(CLIENT_HELLO_NOT_TLS,
                         client_hello_read(slice_of_string(texts[i]), scratch, &hello));
}

// read_changed reads a good flight with one byte changed.
static enum client_hello_status read_changed(size_t at, unsigned value, size_t piece)
{
    static struct hello flight;
    struct client_hello hello;
    flight.len = 0;
    hello_named(&flight, "changed.example", piece);
    flight.bytes[at] = (uint8_t)value;
    return read_flight(&flight, &hello);
}

static void broken_records_and_messages_are_bad(void **state)
{
    (void)state;
    assert_int_equal(CLIENT_HELLO_BAD, read_changed(5, 2, 16384)); // a ServerHello
    assert_int_equal(CLIENT_HELLO_BAD,
                     read_changed(8, 1, 16384)); // a message shorter than its record
    assert_int_equal(CLIENT_HELLO_BAD, read_changed(3, 0x41, 16384)); // a record over 16 KiB
    assert_int_equal(CLIENT_HELLO_BAD, read_changed(43, 33, 16384));  // a session id of 33 bytes
    assert_int_equal(CLIENT_HELLO_BAD, read_changed(45, 3, 16384));   // an odd length of suites
    assert_int_equal(CLIENT_HELLO_BAD, read_changed(45, 0, 16384));   // no suites
    assert_int_equal(CLIENT_HELLO_BAD, read_changed(25, 23, 20));     // another record in between
    assert_int_equal(CLIENT_HELLO_BAD, read_changed(26, 2, 20));      // of another version
    assert_int_equal(CLIENT_HELLO_BAD, read_changed(29, 0, 20));      // an empty one
    assert_int_equal(CLIENT_HELLO_PARTIAL, read_changed(4, 255, 16384)); // a record that goes on
}

static void more_than_the_bound_is_too_large_at_once(void **state)
{
    (void)state;
    static struct hello extensions;
    static struct hello whole;
    static struct hello flight;
    static uint8_t ticket[40000];
    struct client_hello hello;
    extensions.len = 0;
    hello_put_name(&extensions, "large.example");
    hello_put_extension(&extensions, 41, ticket, 16 * 1024);
    hello_message(&whole, &extensions);
    flight.len = 0;
    hello_records(&flight, &whole, 16384);
    assert_int_equal(CLIENT_HELLO_READ, read_flight(&flight, &hello)); // a ticket of 16 KiB is none
    assert_string_equal("large.example", hello.name.text);
    extensions.len = 0;
    hello_put_extension(&extensions, 41, ticket, sizeof ticket);
    hello_message(&whole, &extensions);
    flight.len = 0;
    hello_records(&flight, &whole, 16384);
    flight.len = 9; // the header of the message says it
    assert_int_equal(CLIENT_HELLO_TOO_LARGE, read_flight(&flight, &hello));
    flight.len = 0;
    hello_named(&flight, "slow.example", 1); // nor do many small records pass
    while (flight.len < CLIENT_HELLO_MAX_LEN)
        hello_put(&flight, "\x16\x03\x01\0\x01z", 6);
    flight.bytes[3 * 6 + 5] = 255; // the message is longer than all of them
    flight.bytes[2 * 6 + 5] = 60;
    assert_int_equal(CLIENT_HELLO_TOO_LARGE, read_flight(&flight, &hello));
}

static void a_protocol_is_kept_only_where_it_is_text(void **state)
{
    (void)state;
    static struct hello extensions;
    static const struct {
        const char *body;
        size_t len;
        const char *kept;
    } rows[] = {
        {"\0\x03\x02h2", 5, "h2"},
        {"\0\x04\x03~!~", 6, "~!~"},
        {"\0\x04\x03h 2", 6, ""},
        {"\0\x04\x03h\x7f"
         "2",
         6, ""},
        {"\0\x04\x03h\xff"
         "2",
         6, ""},
        {"\0\x03\x02\x0A\x1A", 5, ""},
        {"\0\x03\x02\x3A\x3A", 5, ""},
        {"\0\x03\x02\x4B\x4B", 5, "KK"},
    };
    struct client_hello hello;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        extensions.len = 0;
        hello_put_extension(&extensions, 16, rows[i].body, rows[i].len);
        assert_int_equal(CLIENT_HELLO_READ, read_with(&extensions, &hello));
        assert_string_equal(rows[i].kept, hello.alpn);
    }
}

static void an_extension_that_matters_comes_once_whatever_is_between(void **state)
{
    (void)state;
    static struct hello extensions;
    struct client_hello hello;
    extensions.len = 0;
    hello_put_name(&extensions, "a.test");
    hello_put_extension(&extensions, 42, "", 0);
    hello_put_name(&extensions, "b.test");
    assert_int_equal(CLIENT_HELLO_BAD, read_with(&extensions, &hello));
}

static void a_block_of_extensions_has_its_own_length(void **state)
{
    (void)state;
    static struct hello extensions;
    static struct hello whole;
    static struct hello flight;
    struct client_hello hello;
    extensions.len = 0;
    hello_put_name(&extensions, "a.test");
    for (int change = -1; change <= 1; change++) {
        hello_message(&whole, &extensions);
        whole.bytes[whole.len - extensions.len - 1] =
            (uint8_t)(whole.bytes[whole.len - extensions.len - 1] + change);
        flight.len = 0;
        hello_records(&flight, &whole, 16384);
        assert_int_equal(change == 0 ? CLIENT_HELLO_READ : CLIENT_HELLO_BAD,
                         read_flight(&flight, &hello));
    }
    extensions.len = 0;
    hello_put(&extensions, "\0\x17\0", 3); // half an extension
    assert_int_equal(CLIENT_HELLO_BAD, read_with(&extensions, &hello));
}

static void versions_have_their_names(void **state)
{
    (void)state;
    static const char *const names[] = {"ssl3", "1.0", "1.1", "1.2", "1.3", "unknown"};
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_string_equal(names[i], client_hello_version_text((uint16_t)(0x0300 + i)));
    assert_string_equal("unknown", client_hello_version_text(0x02FF));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_name_is_read_and_canonical),
        cmocka_unit_test(a_protocol_is_kept_only_where_it_is_text),
        cmocka_unit_test(an_extension_that_matters_comes_once_whatever_is_between),
        cmocka_unit_test(a_block_of_extensions_has_its_own_length),
        cmocka_unit_test(versions_have_their_names),
        cmocka_unit_test(records_of_any_size_give_the_same),
        cmocka_unit_test(every_prefix_is_partial_and_says_how_much_is_needed),
        cmocka_unit_test(what_follows_the_flight_changes_nothing),
        cmocka_unit_test(alpn_version_ech_and_early_data_are_seen_past_grease),
        cmocka_unit_test(a_version_that_does_not_exist_yet_is_read_past),
        cmocka_unit_test(no_name_is_told_from_a_wrong_one),
        cmocka_unit_test(a_nul_in_the_name_ends_nothing),
        cmocka_unit_test(what_two_servers_could_read_in_two_ways_is_bad),
        cmocka_unit_test(an_extension_that_matters_comes_once),
        cmocka_unit_test(what_is_no_tls_is_known_by_its_first_bytes),
        cmocka_unit_test(broken_records_and_messages_are_bad),
        cmocka_unit_test(more_than_the_bound_is_too_large_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
