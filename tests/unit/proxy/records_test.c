// Following TLS records: no piece holds the end of one and the start of the next.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proxy/net/records.h"
#include "tests/unit/proxy/random.h"

enum { BODY_MAX = 16384 + 2048, WIRE_CAP = 256 * 1024, BORDERS_MAX = 64 };

// wire is a stream of records and where each of them ends.
struct wire {
    uint8_t data[WIRE_CAP];
    size_t len;
    size_t borders[BORDERS_MAX];
    size_t border_count;
};

static void add_record(struct wire *wire, uint8_t type, size_t body_len)
{
    const uint8_t header[] = {type, 3, 3, (uint8_t)(body_len >> 8), (uint8_t)body_len};
    assert_true(bytes_copy(wire->data + wire->len, WIRE_CAP - wire->len, slice_of(header, 5)));
    wire->len += 5;
    // Bodies that look like headers: a scanner that loses its place would follow them.
    for (size_t i = 0; i < body_len; i++)
        wire->data[wire->len++] = header[i % 5];
    wire->borders[wire->border_count++] = wire->len;
}

// is_inside tells whether a border of the wire lies inside (start, end), its edges left out.
static bool is_inside(const struct wire *wire, size_t start, size_t end)
{
    for (size_t i = 0; i < wire->border_count; i++) {
        if (wire->borders[i] > start && wire->borders[i] < end)
            return true;
    }
    return false;
}

static void pieces_end_where_records_end(void **state)
{
    (void)state;
    static const size_t lens[] = {0, 1, 5, 6, 100, 16384, BODY_MAX, 3};
    struct wire *wire = calloc(1, sizeof *wire);
    assert_non_null(wire);
    for (size_t i = 0; i < sizeof lens / sizeof *lens; i++)
        add_record(wire, (uint8_t)(20 + i % 5), lens[i]);
    struct record_scanner scanner = {0};
    size_t at = 0;
    for (size_t i = 0; i < wire->border_count; i++) {
        const struct slice rest = slice_of(wire->data + at, wire->len - at);
        const size_t piece = record_scanner_piece(&scanner, rest);
        assert_int_equal(at + piece, wire->borders[i]);
        record_scanner_advance(&scanner, slice_first(rest, piece));
        at += piece;
    }
    assert_int_equal(at, wire->len);
    assert_false(scanner.is_plain);
    free(wire);
}

// random_wire makes some records of many sizes.
static void random_wire(struct random *random, struct wire *wire)
{
    static const size_t bounds[] = {2, 8, 300, BODY_MAX + 1};
    wire->len = 0;
    wire->border_count = 0;
    const size_t count = 1 + random_below(random, 8);
    for (size_t i = 0; i < count; i++) {
        const size_t bound = bounds[random_below(random, sizeof bounds / sizeof *bounds)];
        add_record(wire, (uint8_t)(20 + random_below(random, 5)), random_below(random, bound));
    }
}

static void no_piece_crosses_a_border_however_the_bytes_arrive(void **state)
{
    (void)state;
    static const size_t steps[] = {1, 3, 7, 600, 70000};
    struct random random = {.state = 20261122};
    struct wire *wire = calloc(1, sizeof *wire);
    assert_non_null(wire);
    for (int round = 0; round < 400; round++) {
        random_wire(&random, wire);
        const size_t arrive = 1 + random_below(&random, steps[round % 5]);
        const size_t accept = 1 + random_below(&random, steps[round / 5 % 5]);
        struct record_scanner scanner = {0};
        size_t sent = 0;
        for (size_t there = 0; sent < wire->len;) {
            there += 1 + random_below(&random, arrive);
            there = there < wire->len ? there : wire->len;
            while (sent < there) {
                const struct slice unread = slice_of(wire->data + sent, there - sent);
                const size_t piece = record_scanner_piece(&scanner, unread);
                assert_in_range(piece, 1, unread.len);
                assert_false(is_inside(wire, sent, sent + piece));
                // As long as it may be: the rest of what is there, or up to a border.
                if (piece < unread.len)
                    assert_true(is_inside(wire, sent, sent + piece + 1));
                const size_t taken = 1 + random_below(&random, accept);
                const size_t len = taken < piece ? taken : piece;
                record_scanner_advance(&scanner, slice_first(unread, len));
                sent += len;
            }
        }
        assert_false(scanner.is_plain);
    }
    free(wire);
}

static void asking_changes_nothing(void **state)
{
    (void)state;
    struct wire *wire = calloc(1, sizeof *wire);
    assert_non_null(wire);
    add_record(wire, 23, 10);
    add_record(wire, 23, 10);
    struct record_scanner scanner = {0};
    const struct slice all = slice_of(wire->data, wire->len);
    for (int i = 0; i < 3; i++)
        assert_int_equal(record_scanner_piece(&scanner, all), 15);
    assert_int_equal(record_scanner_piece(&scanner, slice_first(all, 3)), 3);
    assert_int_equal(record_scanner_piece(&scanner, all), 15);
    free(wire);
}

static void streams_that_are_not_tls_are_left_whole(void **state)
{
    (void)state;
    static const struct slice plain[] = {
        SLICE_LITERAL("SSH-2.0-OpenSSH_9.2\r\n"),
        SLICE_LITERAL("HTTP/1.1 200 OK\r\n\r\n"),
        SLICE_LITERAL("\x13\x03\x03\x00\x01 type too small"),
        SLICE_LITERAL("\x19\x03\x03\x00\x01 type too large"),
        SLICE_LITERAL("\x16\x02\x00\x00\x01 version 2"),
        SLICE_LITERAL("\x16\x04\x00\x00\x01 version 4"),
        SLICE_LITERAL("\x16\x03\x05\x00\x01 minor version 5"),
        SLICE_LITERAL("\x16\x03\x03\x48\x01 a body of 18433 bytes"),
        SLICE_LITERAL("\x16\x03\x03\xFF\xFF a body of 65535 bytes"),
        SLICE_LITERAL("\0\0\0\0\0"),
    };
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        struct record_scanner scanner = {0};
        assert_int_equal(record_scanner_piece(&scanner, plain[i]), plain[i].len);
        record_scanner_advance(&scanner, plain[i]);
        assert_true(scanner.is_plain);
        const struct slice later = SLICE_LITERAL("\x17\x03\x03\x00\x01x\x17\x03\x03\x00\x01y");
        assert_int_equal(record_scanner_piece(&scanner, later), later.len);
    }
}

static void junk_behind_records_makes_the_rest_plain(void **state)
{
    (void)state;
    struct record_scanner scanner = {0};
    const struct slice wire = SLICE_LITERAL("\x17\x03\x03\x00\x02xy*junk that goes on");
    assert_int_equal(record_scanner_piece(&scanner, wire), 7);
    record_scanner_advance(&scanner, slice_first(wire, 7));
    assert_false(scanner.is_plain);
    const struct slice junk = slice_from(wire, 7);
    assert_int_equal(record_scanner_piece(&scanner, junk), junk.len);
    record_scanner_advance(&scanner, junk);
    assert_true(scanner.is_plain);
}

static void junk_is_recognised_in_a_header_that_comes_in_bytes(void **state)
{
    (void)state;
    const struct slice wire = SLICE_LITERAL("\x17\x03\x09more");
    struct record_scanner scanner = {0};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(record_scanner_piece(&scanner, slice_first(slice_from(wire, i), 1)), 1);
        record_scanner_advance(&scanner, slice_first(slice_from(wire, i), 1));
        assert_false(scanner.is_plain);
    }
    const struct slice rest = slice_from(wire, 2);
    assert_int_equal(record_scanner_piece(&scanner, rest), rest.len);
    record_scanner_advance(&scanner, rest);
    assert_true(scanner.is_plain);
}

static void nothing_is_a_piece_of_nothing(void **state)
{
    (void)state;
    struct record_scanner scanner = {0};
    assert_int_equal(record_scanner_piece(&scanner, (struct slice){0}), 0);
    record_scanner_advance(&scanner, (struct slice){0});
    assert_int_equal(scanner.header_len, 0);
    assert_false(scanner.is_plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_end_where_records_end),
        cmocka_unit_test(no_piece_crosses_a_border_however_the_bytes_arrive),
        cmocka_unit_test(asking_changes_nothing),
        cmocka_unit_test(streams_that_are_not_tls_are_left_whole),
        cmocka_unit_test(junk_behind_records_makes_the_rest_plain),
        cmocka_unit_test(junk_is_recognised_in_a_header_that_comes_in_bytes),
        cmocka_unit_test(nothing_is_a_piece_of_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
