// What OCSP has said, as messages: what does not fit is refused, and what another version says is left alone.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka wants the four above first
#include <cmocka.h>

#include <ev.h>
#include <stdlib.h>
#include <unistd.h>

#include "proxy/service/ocsp_message.h"

static void on_work(void *arg)
{
    (void)arg;
}

static size_t kept(struct ocsp_book *book)
{
    struct ocsp_figures figures;
    ocsp_book_figures(book, &figures);
    return figures.entries;
}

static void a_note_is_kept_a_malformed_one_refused_and_one_of_another_version_ignored(void **state)
{
    (void)state;
    static const uint8_t digest[CERT_DIGEST_LEN] = {7};
    struct ocsp_book *book = ocsp_book_create(on_work, NULL);
    struct ocsp_note note = {
        .status = OCSP_REVOKED,
        .this_update_s = 1800000000,
        .next_update_s = 1800003600,
        .timeout_ms = 2000,
        .authority = digest,
        .anchor = digest,
        .subject = {.issuer_name = SLICE_LITERAL("name"),
                    .issuer_key = SLICE_LITERAL("key"),
                    .serial = SLICE_LITERAL("\x01")},
    };
    struct errinfo info = {.text = ""};
    uint8_t bytes[OCSP_NOTE_MAX];
    bool is_strange = false;
    assert_int_equal(http_url_parse(SLICE_LITERAL("http://ocsp.test/"), &note.url, &info), ERR_OK);
    const size_t len = ocsp_note_format(&note, bytes);
    struct handover_message message = {
        .kind = HANDOVER_OCSP, .number = OCSP_NOTE_FORMAT + 1, .bytes = slice_of(bytes, len)};
    assert_int_equal(ocsp_message_take(book, &message, &is_strange, &info), ERR_OK);
    assert_true(is_strange);
    assert_int_equal(kept(book), 0);
    message.number = OCSP_NOTE_FORMAT;
    message.bytes = slice_of(bytes, len - 1);
    assert_int_equal(ocsp_message_take(book, &message, &is_strange, &info), ERR_INPUT);
    assert_true(info.text[0] != '\0');
    assert_int_equal(kept(book), 0);
    message.bytes = slice_of(bytes, len);
    assert_int_equal(ocsp_message_take(book, &message, &is_strange, &info), ERR_OK);
    assert_int_equal(kept(book), 1);
    ocsp_book_destroy(book);
}

// keep has the book know a certificate of an issuer whose name is so long.
static void keep(struct ocsp_book *book, enum ocsp_status status, uint32_t number, size_t name_len)
{
    const uint8_t serial[] = {1, (uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number};
    static const uint8_t name[OCSP_NOTE_MAX] = {0x30};
    static const uint8_t digest[CERT_DIGEST_LEN] = {7};
    struct errinfo info;
    struct ocsp_note note = {
        .status = status,
        .this_update_s = 1800000000,
        .next_update_s = 1800003600,
        .timeout_ms = 2000,
        .authority = digest,
        .anchor = digest,
        .subject = {.issuer_name = slice_of(name, name_len),
                    .issuer_key = SLICE_LITERAL("key"),
                    .serial = slice_of(serial, sizeof serial)},
    };
    assert_int_equal(http_url_parse(SLICE_LITERAL("http://ocsp.test/"), &note.url, &info), ERR_OK);
    assert_true(ocsp_book_hear(book, &note));
}

static void on_message(void *arg, const struct handover_message *message, int *fds, size_t fd_count)
{
    (void)arg;
    (void)message;
    (void)fds;
    (void)fd_count;
}

static void on_end(void *arg, const char *why)
{
    (void)arg;
    (void)why;
}

// received is what came out at the other end.
struct received {
    size_t count;
    size_t revoked;
    size_t bytes;
    bool is_in_order; // no revoked one after an unknown one
};

// receive_all reads what was sent, up to the word that ends it.
static void receive_all(struct ev_loop *loop, int fd, struct received *out)
{
    uint8_t *data = malloc(HANDOVER_MESSAGE_MAX);
    int fds[HANDOVER_FDS_MAX];
    size_t fd_count = 0;
    struct handover_message message;
    struct errinfo info;
    struct ocsp_note note;
    *out = (struct received){.is_in_order = true};
    assert_non_null(data);
    for (;;) {
        (void)ev_run(loop, EVRUN_NOWAIT);
        assert_int_equal(handover_receive(fd, 10000, data, &message, fds, &fd_count, &info),
                         ERR_OK);
        if (message.kind == HANDOVER_COMMIT)
            break;
        assert_int_equal(ocsp_note_parse(message.bytes, &note), ERR_OK);
        out->is_in_order &= note.status == OCSP_UNKNOWN || out->revoked == out->count;
        out->count++;
        out->revoked += note.status == OCSP_REVOKED;
        out->bytes += message.bytes.len;
    }
    free(data);
}

static void what_is_too_much_stays_behind_and_the_rest_is_sent_the_revoked_first(void **state)
{
    (void)state;
    enum { HUGE_LEN = 15000, HUGE_COUNT = 8000, SMALL_COUNT = 500, UNKNOWN_COUNT = 100 };
    const struct handover_events events = {.on_message = on_message, .on_end = on_end};
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
    struct ocsp_book *book = ocsp_book_create(on_work, NULL);
    int fds[2];
    struct received received;
    assert_true(handover_pair(fds));
    struct handover_link *link = handover_link_create(loop, fds[0], &events);
    assert_true(loop != NULL && book != NULL && link != NULL);
    for (uint32_t i = 0; i < UNKNOWN_COUNT; i++)
        keep(book, OCSP_UNKNOWN, i, 100);
    for (uint32_t i = 0; i < HUGE_COUNT; i++)
        keep(book, OCSP_REVOKED, 100000 + i, HUGE_LEN);
    for (uint32_t i = 0; i < SMALL_COUNT; i++)
        keep(book, OCSP_REVOKED, 200000 + i, 100);
    assert_true(ocsp_message_send(link, book));
    assert_true(handover_link_say(link, HANDOVER_COMMIT, 1)); // there is room for what follows
    receive_all(loop, fds[1], &received);
    assert_true(received.bytes <= OCSP_MESSAGE_BYTES_MAX);
    assert_true(received.bytes > OCSP_MESSAGE_BYTES_MAX - 2 * OCSP_NOTE_MAX);
    assert_true(received.is_in_order);
    assert_true(received.revoked > SMALL_COUNT && received.revoked < HUGE_COUNT);
    handover_link_destroy(link);
    (void)close(fds[1]);
    ocsp_book_destroy(book);
    ev_loop_destroy(loop);
}

static void a_book_of_ordinary_size_is_handed_over_whole(void **state)
{
    (void)state;
    const struct handover_events events = {.on_message = on_message, .on_end = on_end};
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
    struct ocsp_book *book = ocsp_book_create(on_work, NULL);
    int fds[2];
    struct received received;
    assert_true(handover_pair(fds));
    struct handover_link *link = handover_link_create(loop, fds[0], &events);
    assert_true(loop != NULL && book != NULL && link != NULL);
    for (uint32_t i = 0; i < 30; i++)
        keep(book, i % 3 == 0 ? OCSP_UNKNOWN : OCSP_REVOKED, i, i % 2 == 0 ? 100 : 6000);
    assert_true(ocsp_message_send(link, book));
    assert_true(handover_link_say(link, HANDOVER_COMMIT, 1));
    receive_all(loop, fds[1], &received);
    assert_int_equal(received.count, 30);
    assert_int_equal(received.revoked, 20);
    assert_true(received.is_in_order);
    handover_link_destroy(link);
    (void)close(fds[1]);
    ocsp_book_destroy(book);
    ev_loop_destroy(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_note_is_kept_a_malformed_one_refused_and_one_of_another_version_ignored),
        cmocka_unit_test(what_is_too_much_stays_behind_and_the_rest_is_sent_the_revoked_first),
        cmocka_unit_test(a_book_of_ordinary_size_is_handed_over_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
