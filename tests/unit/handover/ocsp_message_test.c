// What OCSP has said, as messages: what does not fit is refused, and what another version says is left alone.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka wants the four above first
#include <cmocka.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_note_is_kept_a_malformed_one_refused_and_one_of_another_version_ignored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
