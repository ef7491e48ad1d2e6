// The server's side of TLS against a real client once they have met: bytes, ends, errors, buffers.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "tests/unit/proxy/random.h"
#include "tests/unit/proxy/tls_rig.h"

static const uint16_t versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
enum { VERSION_COUNT = 2, BIG_LEN = 300 * 1024 };

// read_all reads from the server's stream until something other than bytes comes.
static enum err read_all(struct tls_rig *rig, void *out, size_t cap, size_t *out_len)
{
    uint8_t *at = out;
    *out_len = 0;
    for (;;) {
        size_t len = 0;
        assert_true(*out_len < cap);
        const enum err error = stream_read(rig->stream, at + *out_len, cap - *out_len, &len);
        if (error != ERR_OK)
            return error;
        assert_true(len > 0);
        *out_len += len;
    }
}

static void assert_reads(struct tls_rig *rig, struct slice expected, enum err end)
{
    uint8_t *got = malloc(expected.len + 1);
    assert_non_null(got);
    size_t len = 0;
    assert_int_equal(read_all(rig, got, expected.len + 1, &len), end);
    assert_true(slice_equal(slice_of(got, len), expected));
    free(got);
}

static void write_all(struct tls_rig *rig, struct slice bytes)
{
    while (bytes.len > 0) {
        size_t len = 0;
        assert_int_equal(stream_push(rig->stream, bytes, &len), ERR_OK);
        bytes = slice_from(bytes, len);
    }
    assert_int_equal(stream_flush(rig->stream), ERR_OK);
}

static void assert_hears(struct tls_rig *rig, struct slice expected)
{
    uint8_t *got = malloc(expected.len + 1);
    assert_non_null(got);
    assert_int_equal(tls_rig_hear(rig, got, expected.len + 1), expected.len);
    assert_true(slice_equal(slice_of(got, expected.len), expected));
    free(got);
}

// assert_client_saw_end tells a close_notify from a bare FIN, from where the client stands.
static void assert_client_saw_end(struct tls_rig *rig, bool has_notify)
{
    uint8_t byte = 0;
    tls_rig_carry(rig);
    const int result = SSL_read(rig->ssl, &byte, 1);
    assert_int_equal(SSL_get_error(rig->ssl, result) == SSL_ERROR_ZERO_RETURN, has_notify);
    ERR_clear_error();
}

static uint8_t *make_pattern(size_t len)
{
    uint8_t *bytes = malloc(len);
    assert_non_null(bytes);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(i * 31 + i / 509);
    return bytes;
}

static void both_versions_shake_hands_and_echo(void **state)
{
    struct tls_rig *rig = *state;
    for (size_t i = 0; i < VERSION_COUNT; i++) {
        tls_rig_begin(rig, versions[i], versions[i]);
        assert_null(tls_stream_version_name(rig->tls));
        assert_null(tls_stream_cipher_name(rig->tls));
        assert_null(tls_stream_server_name(rig->tls));
        assert_false(rig->tls->has_begun);
        assert_true(SSL_set_tlsext_host_name(rig->ssl, "proxy.example.org"));
        assert_int_equal(tls_rig_handshake(rig), ERR_OK);
        assert_int_equal(rig->tls->failure, TLS_FAILURE_NONE);
        assert_true(rig->tls->has_begun);
        assert_string_equal(tls_stream_version_name(rig->tls), i == 0 ? "1.2" : "1.3");
        assert_string_equal(tls_stream_cipher_name(rig->tls),
                            i == 0 ? "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"
                                   : "TLS_AES_128_GCM_SHA256");
        assert_string_equal(tls_stream_server_name(rig->tls), "proxy.example.org");
        tls_rig_carry(rig);
        assert_int_equal(SSL_do_handshake(rig->ssl), 1);
        tls_rig_say(rig, SLICE_LITERAL("hello"));
        assert_reads(rig, SLICE_LITERAL("hello"), ERR_AGAIN);
        write_all(rig, SLICE_LITERAL("good day"));
        assert_hears(rig, SLICE_LITERAL("good day"));
    }
}

static void no_tickets_are_given(void **state)
{
    struct tls_rig *rig = *state;
    for (size_t i = 0; i < VERSION_COUNT; i++) {
        tls_rig_meet(rig, versions[i]);
        write_all(rig, SLICE_LITERAL("x"));
        assert_hears(rig, SLICE_LITERAL("x"));
        SSL_SESSION *session = SSL_get_session(rig->ssl);
        assert_false(SSL_SESSION_has_ticket(session));
        // On 1.2 the callback runs for the handshake itself; on 1.3 only for tickets.
        assert_int_equal(rig->tickets, 0);
    }
}

static void no_buffer_is_held_where_nothing_is_in_flight(void **state)
{
    struct tls_rig *rig = *state;
    for (size_t i = 0; i < VERSION_COUNT; i++) {
        uint8_t some[5];
        size_t len = 0;
        tls_rig_begin(rig, versions[i], versions[i]);
        assert_int_equal(tls_stream_handshake(rig->tls), ERR_AGAIN);
        assert_int_equal(rig->pool.buffers.lent_count, 0); // before the first byte
        assert_int_equal(tls_rig_handshake(rig), ERR_OK);
        assert_int_equal(rig->pool.buffers.lent_count, 0); // after the last of the handshake
        tls_rig_carry(rig);
        tls_rig_say(rig, SLICE_LITERAL("12345"));
        assert_int_equal(stream_read(rig->stream, some, sizeof some, &len), ERR_OK);
        assert_int_equal(rig->pool.buffers.lent_count, 0); // all that there was has been read
        assert_int_equal(stream_read(rig->stream, some, sizeof some, &len), ERR_AGAIN);
        assert_int_equal(rig->pool.buffers.lent_count, 0);
        write_all(rig, SLICE_LITERAL("answer"));
        assert_int_equal(rig->pool.buffers.lent_count, 0);
        assert_true(SSL_shutdown(rig->ssl) == 0);
        tls_rig_carry(rig);
        fake_stream_feed(rig->below, SLICE_LITERAL("bytes after the end"));
        assert_int_equal(stream_read(rig->stream, some, sizeof some, &len), ERR_EOF);
        assert_int_equal(rig->pool.buffers.lent_count,
                         0); // half closed, waiting for the other side
    }
}

static void half_a_record_holds_no_buffer_and_is_no_data(void **state)
{
    struct tls_rig *rig = *state;
    for (size_t i = 0; i < VERSION_COUNT; i++) {
        uint8_t some[100];
        size_t len = 0;
        tls_rig_meet(rig, versions[i]);
        assert_int_equal(SSL_write(rig->ssl, "secret", 6), 6);
        const uint8_t *bytes = NULL;
        size_t wire_len = 0;
        assert_true(BIO_mem_contents(rig->from_client, &bytes, &wire_len));
        for (size_t at = 0; at < wire_len; at++) {
            assert_int_equal(stream_read(rig->stream, some, sizeof some, &len), ERR_AGAIN);
            assert_int_equal(rig->pool.buffers.lent_count, 0);
            fake_stream_feed(rig->below, slice_of(bytes + at, 1));
        }
        assert_int_equal(stream_read(rig->stream, some, sizeof some, &len), ERR_OK);
        assert_true(slice_equal(slice_of(some, len), SLICE_LITERAL("secret")));
        assert_true(BIO_reset(rig->from_client));
    }
}

static void close_notify_is_the_end_and_a_bare_fin_is_truncation(void **state)
{
    struct tls_rig *rig = *state;
    for (size_t i = 0; i < VERSION_COUNT; i++) {
        tls_rig_meet(rig, versions[i]);
        assert_int_equal(SSL_write(rig->ssl, "last", 4), 4);
        assert_int_equal(SSL_shutdown(rig->ssl), 0);
        tls_rig_carry(rig);
        rig->below->has_end = true;
        assert_reads(rig, SLICE_LITERAL("last"), ERR_EOF);
        assert_false(stream_is_truncated(rig->stream));
        assert_reads(rig, SLICE_LITERAL(""), ERR_EOF); // and stays

        tls_rig_meet(rig, versions[i]);
        assert_false(stream_is_truncated(rig->stream));
        tls_rig_say(rig, SLICE_LITERAL("last"));
        rig->below->has_end = true;
        assert_reads(rig, SLICE_LITERAL("last"), ERR_EOF);
        assert_true(stream_is_truncated(rig->stream));
        assert_reads(rig, SLICE_LITERAL(""), ERR_EOF);
        assert_true(stream_is_truncated(rig->stream));
        assert_int_equal(rig->pool.buffers.lent_count, 0);
    }
}

static void a_fin_inside_a_record_is_truncation(void **state)
{
    struct tls_rig *rig = *state;
    for (size_t i = 0; i < VERSION_COUNT; i++) {
        for (size_t cut = 1; cut < 30; cut += 4) {
            tls_rig_meet(rig, versions[i]);
            assert_int_equal(SSL_write(rig->ssl, "0123456789", 10), 10);
            tls_rig_carry(rig);
            rig->below->in_len -= cut;
            rig->below->has_end = true;
            assert_reads(rig, SLICE_LITERAL(""), ERR_EOF);
            assert_true(stream_is_truncated(rig->stream));
            assert_int_equal(rig->pool.buffers.lent_count, 0);
        }
    }
}

static void a_reset_is_neither_end_nor_truncation(void **state)
{
    struct tls_rig *rig = *state;
    tls_rig_meet(rig, TLS1_3_VERSION);
    tls_rig_say(rig, SLICE_LITERAL("last"));
    rig->below->read_failure = ERR_SYSTEM;
    assert_reads(rig, SLICE_LITERAL("last"), ERR_SYSTEM);
    assert_false(stream_is_truncated(rig->stream));
}

static void a_forged_record_is_an_error_for_ever(void **state)
{
    struct tls_rig *rig = *state;
    for (size_t i = 0; i < VERSION_COUNT; i++) {
        tls_rig_meet(rig, versions[i]);
        tls_rig_say(rig, SLICE_LITERAL("good"));
        assert_int_equal(SSL_write(rig->ssl, "evil", 4), 4);
        tls_rig_carry(rig);
        rig->below->in[rig->below->in_len - 1] ^= 1;
        tls_rig_say(rig, SLICE_LITERAL("later"));
        rig->below->has_end = true;
        assert_reads(rig, SLICE_LITERAL("good"), ERR_INPUT);
        assert_reads(rig, SLICE_LITERAL(""), ERR_INPUT);
        assert_false(stream_is_truncated(rig->stream));
        assert_int_equal(tls_rig_alert(rig), 20); // bad_record_mac
        stream_close(rig->stream, true);
        assert_int_equal(rig->pool.buffers.lent_count, 0);
    }
}

static void our_end_leaves_the_other_direction_open(void **state)
{
    struct tls_rig *rig = *state;
    for (size_t i = 0; i < VERSION_COUNT; i++) {
        size_t len = 0;
        tls_rig_meet(rig, versions[i]);
        write_all(rig, SLICE_LITERAL("bye"));
        assert_int_equal(stream_finish(rig->stream), ERR_OK);
        assert_int_equal(stream_finish(rig->stream), ERR_OK);
        assert_int_equal(rig->below->finish_count, 2); // which tcp_stream takes for one
        assert_int_equal(rig->pool.buffers.lent_count, 0);
        assert_hears(rig, SLICE_LITERAL("bye"));
        assert_client_saw_end(rig, true);
        assert_int_equal(stream_write(rig->stream, SLICE_LITERAL("x"), &len), ERR_SYSTEM);
        tls_rig_say(rig, SLICE_LITERAL("still here"));
        assert_reads(rig, SLICE_LITERAL("still here"), ERR_AGAIN);
    }
}

static void the_clients_end_leaves_our_direction_open(void **state)
{
    struct tls_rig *rig = *state;
    for (size_t i = 0; i < VERSION_COUNT; i++) {
        tls_rig_meet(rig, versions[i]);
        assert_int_equal(SSL_shutdown(rig->ssl), 0);
        tls_rig_carry(rig);
        assert_reads(rig, SLICE_LITERAL(""), ERR_EOF);
        write_all(rig, SLICE_LITERAL("a late answer"));
        assert_hears(rig, SLICE_LITERAL("a late answer"));
        assert_int_equal(stream_finish(rig->stream), ERR_OK);
        assert_client_saw_end(rig, true);
    }
}

static void an_end_waits_for_room_and_is_said_once(void **state)
{
    struct tls_rig *rig = *state;
    tls_rig_meet(rig, TLS1_3_VERSION);
    rig->below->room = 3;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(stream_finish(rig->stream), ERR_AGAIN);
        stream_want(rig->stream, false, false);
        assert_true(rig->below->wants_write);
    }
    assert_int_equal(rig->below->finish_count, 0);
    rig->below->room = SIZE_MAX;
    assert_int_equal(stream_finish(rig->stream), ERR_OK);
    assert_int_equal(rig->below->out_len, 24); // one alert: 5 + 2 + 1 + 16
    assert_client_saw_end(rig, true);
}

static void a_socket_without_room_stops_the_writing_and_loses_nothing(void **state)
{
    struct tls_rig *rig = *state;
    for (size_t i = 0; i < VERSION_COUNT; i++) {
        uint8_t *bytes = make_pattern(BIG_LEN);
        size_t written = 0;
        size_t len = 0;
        tls_rig_meet(rig, versions[i]);
        rig->below->room = 20000;
        enum err error = ERR_OK;
        while (error == ERR_OK) {
            error = stream_push(rig->stream, slice_of(bytes + written, BIG_LEN - written), &len);
            written += len;
        }
        assert_int_equal(error, ERR_AGAIN);
        assert_true(written > 0 && written < 20000 + BUFFER_CAP);
        assert_int_equal(rig->pool.buffers.lent_count, 1);
        assert_int_equal(stream_flush(rig->stream), ERR_AGAIN);
        rig->below->room = SIZE_MAX;
        write_all(rig, slice_of(bytes + written, BIG_LEN - written));
        assert_int_equal(rig->pool.buffers.lent_count, 0);
        assert_hears(rig, slice_of(bytes, BIG_LEN));
        free(bytes);
    }
}

static void each_write_begins_a_record(void **state)
{
    struct tls_rig *rig = *state;
    size_t len = 0;
    tls_rig_meet(rig, TLS1_2_VERSION);
    assert_int_equal(stream_write(rig->stream, SLICE_LITERAL("one"), &len), ERR_OK);
    assert_int_equal(stream_write(rig->stream, SLICE_LITERAL("two"), &len), ERR_OK);
    assert_int_equal(rig->below->piece_count, 0); // they wait for each other's company
    assert_int_equal(stream_flush(rig->stream), ERR_OK);
    assert_int_equal(rig->below->piece_count, 1);
    tls_rig_carry(rig);
    char word[8];
    assert_int_equal(SSL_read(rig->ssl, word, sizeof word), 3);
    assert_int_equal(SSL_read(rig->ssl, word, sizeof word), 3);
}

static void a_broken_socket_ends_writing(void **state)
{
    struct tls_rig *rig = *state;
    size_t len = 0;
    tls_rig_meet(rig, TLS1_3_VERSION);
    assert_int_equal(stream_write(rig->stream, SLICE_LITERAL("x"), &len), ERR_OK);
    rig->below->write_failure = ERR_SYSTEM;
    assert_int_equal(stream_flush(rig->stream), ERR_SYSTEM);
    assert_int_equal(stream_write(rig->stream, SLICE_LITERAL("x"), &len), ERR_SYSTEM);
    assert_int_equal(stream_finish(rig->stream), ERR_SYSTEM);
    stream_close(rig->stream, true);
    assert_int_equal(rig->pool.buffers.lent_count, 0);
}

static void closing_gives_everything_back_and_ends_everything(void **state)
{
    struct tls_rig *rig = *state;
    uint8_t some[10];
    size_t len = 0;
    tls_rig_meet(rig, TLS1_3_VERSION);
    tls_rig_say(rig, SLICE_LITERAL("more than is read at once"));
    assert_int_equal(stream_read(rig->stream, some, sizeof some, &len), ERR_OK);
    rig->below->room = 0;
    assert_int_equal(stream_write(rig->stream, SLICE_LITERAL("stuck"), &len), ERR_OK);
    assert_true(rig->pool.buffers.lent_count > 0);
    stream_close(rig->stream, true);
    stream_close(rig->stream, false);
    assert_true(rig->below->is_closed && rig->below->is_reset);
    assert_int_equal(rig->pool.buffers.lent_count, 0);
    assert_int_equal(stream_write(rig->stream, SLICE_LITERAL("x"), &len), ERR_SYSTEM);
    assert_int_equal(stream_finish(rig->stream), ERR_SYSTEM);
    assert_int_equal(rig->pool.buffers.lent_count, 0);
}

static void any_rhythm_of_room_and_bytes_gives_the_same_streams(void **state)
{
    struct tls_rig *rig = *state;
    struct random random = {.state = 8443};
    for (int round = 0; round < 6; round++) {
        uint8_t *bytes = make_pattern(BIG_LEN);
        uint8_t *up = malloc(BIG_LEN);
        uint8_t *down = malloc(BIG_LEN);
        assert_true(up != NULL && down != NULL);
        size_t said = 0;
        size_t read = 0;
        size_t written = 0;
        size_t heard = 0;
        tls_rig_meet(rig, versions[round % 2]);
        while (read < BIG_LEN || heard < BIG_LEN) {
            size_t len = random_below(&random, 30000);
            len = len < BIG_LEN - said ? len : BIG_LEN - said;
            tls_rig_say(rig, slice_of(bytes + said, len));
            said += len;
            rig->below->read_max = 1 + random_below(&random, 20000);
            rig->below->room = random_below(&random, 40000);
            const enum err got = read == BIG_LEN
                                     ? ERR_AGAIN
                                     : stream_read(rig->stream, up + read,
                                                   slice_first(slice_of(up, BIG_LEN - read),
                                                               1 + random_below(&random, 70000))
                                                       .len,
                                                   &len);
            assert_true(got == ERR_OK || got == ERR_AGAIN);
            read += got == ERR_OK ? len : 0;
            if (written < BIG_LEN) {
                const struct slice rest = slice_of(bytes + written, BIG_LEN - written);
                const enum err put = stream_push(
                    rig->stream, slice_first(rest, 1 + random_below(&random, 50000)), &len);
                assert_true(put == ERR_OK || put == ERR_AGAIN);
                written += len;
            }
            const enum err flushed = stream_flush(rig->stream);
            assert_true(flushed == ERR_OK || flushed == ERR_AGAIN);
            heard += tls_rig_hear(rig, down + heard, BIG_LEN - heard);
        }
        assert_memory_equal(up, bytes, BIG_LEN);
        assert_memory_equal(down, bytes, BIG_LEN);
        free(bytes);
        free(up);
        free(down);
    }
}

int main(void)
{
#define WITH_RIG(test) cmocka_unit_test_setup_teardown(test, tls_rig_create, tls_rig_destroy)
    const struct CMUnitTest tests[] = {
        WITH_RIG(both_versions_shake_hands_and_echo),
        WITH_RIG(no_tickets_are_given),
        WITH_RIG(no_buffer_is_held_where_nothing_is_in_flight),
        WITH_RIG(half_a_record_holds_no_buffer_and_is_no_data),
        WITH_RIG(close_notify_is_the_end_and_a_bare_fin_is_truncation),
        WITH_RIG(a_fin_inside_a_record_is_truncation),
        WITH_RIG(a_reset_is_neither_end_nor_truncation),
        WITH_RIG(a_forged_record_is_an_error_for_ever),
        WITH_RIG(our_end_leaves_the_other_direction_open),
        WITH_RIG(the_clients_end_leaves_our_direction_open),
        WITH_RIG(an_end_waits_for_room_and_is_said_once),
        WITH_RIG(a_socket_without_room_stops_the_writing_and_loses_nothing),
        WITH_RIG(each_write_begins_a_record),
        WITH_RIG(a_broken_socket_ends_writing),
        WITH_RIG(closing_gives_everything_back_and_ends_everything),
        WITH_RIG(any_rhythm_of_room_and_bytes_gives_the_same_streams),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
