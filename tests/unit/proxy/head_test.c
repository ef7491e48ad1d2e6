// Request heads: what is read and, at greater length, what is refused.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "auth/base/text.h"
#include "proxy/http/head.h"

enum { PLAIN_MAX_LEN = 32 * 1024 };

static enum head_result parse(struct slice bytes, struct message_head *out)
{
    const char *why = NULL;
    const enum head_result result = request_head_parse(bytes, PLAIN_MAX_LEN, out, &why);
    if (result == HEAD_BAD || result == HEAD_TOO_LARGE)
        assert_true(why != NULL && why[0] != '\0');
    return result;
}

// parse_copy parses a copy on the heap of exactly this size, so that reading too far is seen.
static enum head_result parse_copy(struct slice bytes)
{
    uint8_t *copy = malloc(bytes.len + 1);
    assert_non_null(copy);
    assert_true(bytes_copy(copy, bytes.len, bytes));
    struct message_head head;
    const enum head_result result = parse(slice_of(copy, bytes.len), &head);
    free(copy);
    return result;
}

struct accepted {
    const char *text;
    const char *target;
    const char *host; // NULL: none
    int minor;
    bool is_persistent;
};

static const struct accepted accepted[] = {
    {"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n", "a.example:443",
     "a.example:443", 1, true},
    {"CONNECT a.example:443 HTTP/1.0\r\n\r\n", "a.example:443", NULL, 0, false},
    {"CONNECT a.example:443 HTTP/1.1\r\n\r\n", "a.example:443", NULL, 1, true},
    {"\r\nCONNECT a.example:443 HTTP/1.1\r\n\r\n", "a.example:443", NULL, 1, true},
    {"CONNECT a:1 HTTP/1.1\r\nhost:a\r\n\r\n", "a:1", "a", 1, true},
    {"CONNECT a:1 HTTP/1.1\r\nHOST: \t a \t \r\n\r\n", "a:1", "a", 1, true},
    {"CONNECT a:1 HTTP/1.1\r\nHost:\r\n\r\n", "a:1", "", 1, true},
    {"CONNECT [::1]:1 HTTP/1.1\r\nHost: [::1]\r\n\r\n", "[::1]:1", "[::1]", 1, true},
    {"CONNECT a:1 HTTP/1.1\r\nConnection: close\r\n\r\n", "a:1", NULL, 1, false},
    {"CONNECT a:1 HTTP/1.1\r\nConnection: Keep-Alive, foo ,\tCLOSE\r\n\r\n", "a:1", NULL, 1, false},
    {"CONNECT a:1 HTTP/1.1\r\nConnection: close\r\nConnection: keep-alive\r\n\r\n", "a:1", NULL, 1,
     false},
    {"CONNECT a:1 HTTP/1.1\r\nConnection: closed, not-close\r\n\r\n", "a:1", NULL, 1, true},
    {"CONNECT a:1 HTTP/1.1\r\nConnection: ,,\r\n\r\n", "a:1", NULL, 1, true},
    {"CONNECT a:1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "a:1", NULL, 0, true},
    {"CONNECT a:1 HTTP/1.0\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n", "a:1", NULL, 0,
     false},
    {"CONNECT a:1 HTTP/1.0\r\nProxy-Connection: keep-alive\r\n\r\n", "a:1", NULL, 0, false},
    {"CONNECT a:1 HTTP/1.1\r\nContent-Length: 0\r\n\r\n", "a:1", NULL, 1, true},
    {"CONNECT a:1 HTTP/1.1\r\nX: obs-text \xE9\x80\xFF\r\n\r\n", "a:1", NULL, 1, true},
    {"CONNECT a:1 HTTP/1.1\r\nX-Empty:\r\nY: a:b: c\tc\r\n\r\n", "a:1", NULL, 1, true},
    {"CONNECT a:1 HTTP/1.1\r\n!#$%&'*+-.^_`|~09azAZ: 1\r\n\r\n", "a:1", NULL, 1, true},
    // What the target means is judged elsewhere.
    {"CONNECT http://a/?b#c HTTP/1.1\r\n\r\n", "http://a/?b#c", NULL, 1, true},
    {"CONNECT http://a/\xC3\xA9\xF0\x9F\x98\x80 HTTP/1.1\r\n\r\n",
     "http://a/\xC3\xA9\xF0\x9F\x98\x80", NULL, 1, true},
};

static void reads_what_is_well_formed(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof accepted / sizeof *accepted; i++) {
        const struct accepted *row = &accepted[i];
        struct message_head head;
        if (parse(slice_of_string(row->text), &head) != HEAD_OK)
            fail_msg("refused: %s", row->text);
        assert_int_equal(head.method, METHOD_CONNECT);
        assert_true(slice_equal(head.method_text, SLICE_LITERAL("CONNECT")));
        assert_true(slice_equal(head.target, slice_of_string(row->target)));
        assert_int_equal(head.has_host, row->host != NULL);
        if (row->host != NULL)
            assert_true(slice_equal(head.host, slice_of_string(row->host)));
        assert_int_equal(head.minor_version, row->minor);
        if (head.is_persistent != row->is_persistent)
            fail_msg("persistent? %s", row->text);
        assert_int_equal(head.len, strlen(row->text));
    }
}

static void asks_for_more_at_every_prefix_of_a_good_head(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof accepted / sizeof *accepted; i++) {
        const struct slice whole = slice_of_string(accepted[i].text);
        for (size_t len = 0; len < whole.len; len++) {
            if (parse_copy(slice_first(whole, len)) != HEAD_MORE)
                fail_msg("not MORE after %zu bytes of: %s", len, accepted[i].text);
        }
    }
}

static void leaves_the_bytes_behind_the_head_alone(void **state)
{
    (void)state;
    static const char *const behind[] = {
        "\n", "\r\n", "\r", "x", " folded", "CONNECT b:2 HTTP/1.1\r\n\r\n", "\x16\x03\x01"};
    for (size_t i = 0; i < sizeof accepted / sizeof *accepted; i++) {
        for (size_t j = 0; j < sizeof behind / sizeof *behind; j++) {
            char text[512];
            (void)snprintf(text, sizeof text, "%s%s", accepted[i].text, behind[j]);
            struct message_head head;
            assert_int_equal(parse(slice_of_string(text), &head), HEAD_OK);
            assert_int_equal(head.len, strlen(accepted[i].text));
        }
    }
}

static void other_methods_are_told_apart(void **state)
{
    (void)state;
    static const char *const methods[] = {"GET",      "connect", "Connect",
                                          "CONNECTX", "OPTIONS", "M-SEARCH"};
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        char text[128];
        (void)snprintf(text, sizeof text,
                       "%s http://a/ HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n", methods[i]);
        struct message_head head;
        assert_int_equal(parse(slice_of_string(text), &head), HEAD_OK);
        assert_int_equal(head.method, METHOD_OTHER);
        assert_int_equal(head.body, BODY_LENGTH);
        assert_int_equal(head.length, 5);
        assert_true(slice_equal(head.method_text, slice_of_string(methods[i])));
    }
}

#define CONNECT_A "CONNECT a:1 HTTP/1.1\r\n"

static const struct slice refused[] = {
    // line ends
    SLICE_LITERAL("CONNECT a:1 HTTP/1.1\n\n"),
    SLICE_LITERAL("CONNECT a:1 HTTP/1.1\n\r\n"),
    SLICE_LITERAL(CONNECT_A "Host: a\n\r\n"),
    SLICE_LITERAL(CONNECT_A "\n"),
    SLICE_LITERAL("\nCONNECT a:1 HTTP/1.1\r\n\r\n"),
    SLICE_LITERAL("\r\n\r\nCONNECT a:1 HTTP/1.1\r\n\r\n"),
    SLICE_LITERAL("\rCONNECT a:1 HTTP/1.1\r\n\r\n"),
    SLICE_LITERAL("\r\r\nCONNECT a:1 HTTP/1.1\r\n\r\n"),
    SLICE_LITERAL("CONNECT a:1 HTTP/1.1\r\r\n\r\n"),
    SLICE_LITERAL("CONNECT a:1 HTTP/1.1\rHost: a\r\n\r\n"),
    SLICE_LITERAL(CONNECT_A "Host: a\rb\r\n\r\n"),
    SLICE_LITERAL(CONNECT_A "Host: a\r\r\n\r\n"),
    SLICE_LITERAL(CONNECT_A "X: a\rHost: b"),
    // NUL and other control bytes
    SLICE_LITERAL("CONNECT a\0:1 HTTP/1.1\r\n\r\n"),
    SLICE_LITERAL("CONN\0ECT a:1 HTTP/1.1\r\n\r\n"),
    SLICE_LITERAL("CONNECT a:1 HTTP/1.1\0\r\n\r\n"),
    SLICE_LITERAL(CONNECT_A "Host: a\0b\r\n\r\n"),
    SLICE_LITERAL(CONNECT_A "Ho\0st: a\r\n\r\n"),
    SLICE_LITERAL(CONNECT_A "\0: a\r\n\r\n"),
    SLICE_LITERAL(CONNECT_A "X: a\x01\r\n\r\n"),
    SLICE_LITERAL(CONNECT_A "X: a\x1B[2J\r\n\r\n"),
    SLICE_LITERAL(CONNECT_A "X: a\x0B\r\n\r\n"),
    SLICE_LITERAL(CONNECT_A "X: a\x7F\r\n\r\n"),
    SLICE_LITERAL("CONNECT a\x7F:1 HTTP/1.1\r\n\r\n"),
    SLICE_LITERAL("CONNECT a\x80:1 HTTP/1.1\r\n\r\n"),
    SLICE_LITERAL("CONNECT a\xC3:1 HTTP/1.1\r\n\r\n"),
    SLICE_LITERAL("CONNECT a:1\xC3 HTTP/1.1\r\n\r\n"),
    SLICE_LITERAL("CONNECT a:1/\xC0\xAF HTTP/1.1\r\n\r\n"),
    SLICE_LITERAL("CONNECT a:1/\xED\xA0\x80 HTTP/1.1\r\n\r\n"),
    SLICE_LITERAL("CONNECT a:1/\xFF HTTP/1.1\r\n\r\n"),
    SLICE_LITERAL("CONNECT a\xE9:1 HTTP/1.1\r\n\r\n"),
    // folded lines
    SLICE_LITERAL(CONNECT_A "X: a\r\n b\r\n\r\n"),
    SLICE_LITERAL(CONNECT_A "X: a\r\n\tb\r\n\r\n"),
    SLICE_LITERAL(CONNECT_A "X: a\r\n \r\n\r\n"),
    SLICE_LITERAL(CONNECT_A " Host: a\r\n\r\n"),
    SLICE_LITERAL(CONNECT_A "Host: a\r\n x: y\r\n\r\n"),
    // field names
    SLICE_LITERAL(CONNECT_A "Host : a\r\n\r\n"),
    SLICE_LITERAL(CONNECT_A "Host\t: a\r\n\r\n"),
    SLICE_LITERAL(CONNECT_A ": a\r\n\r\n"),
    SLICE_LITERAL(CONNECT_A ":\r\n\r\n"),
    SLICE_LITERAL(CONNECT_A "Host\r\n\r\n"),
    SLICE_LITERAL(CONNECT_A "Ho st: a\r\n\r\n"),
    SLICE_LITERAL(CONNECT_A "Host\x80: a\r\n\r\n"),
    SLICE_LITERAL(CONNECT_A "Ho(st: a\r\n\r\n"),
    SLICE_LITERAL(CONNECT_A "\"Host\": a\r\n\r\n"),
    // several Hosts
    SLICE_LITERAL(CONNECT_A "Host: a\r\nHost: a\r\n\r\n"),
    SLICE_LITERAL(CONNECT_A "Host: a\r\nX: b\r\nhOST: b\r\n\r\n"),
    SLICE_LITERAL(CONNECT_A "Host:\r\nHost:\r\n\r\n"),
    // request lines
    SLICE_LITERAL(" CONNECT a:1 HTTP/1.1\r\n\r\n"),
    SLICE_LITERAL("CONNECT  a:1 HTTP/1.1\r\n\r\n"),
    SLICE_LITERAL("CONNECT a:1  HTTP/1.1\r\n\r\n"),
    SLICE_LITERAL("CONNECT a:1 HTTP/1.1 \r\n\r\n"),
    SLICE_LITERAL("CONNECT\ta:1 HTTP/1.1\r\n\r\n"),
    SLICE_LITERAL("CONNECT a:1\tHTTP/1.1\r\n\r\n"),
    SLICE_LITERAL("CONNECT a:1 HTTP/1.1\t\r\n\r\n"),
    SLICE_LITERAL("CONNECT a :1 HTTP/1.1\r\n\r\n"),
    SLICE_LITERAL("CONNECT a:1\r\n\r\n"),
    SLICE_LITERAL("CONNECT a:1 \r\n\r\n"),
    SLICE_LITERAL("CONNECT  HTTP/1.1\r\n\r\n"),
    SLICE_LITERAL("CONNECT HTTP/1.1\r\n\r\n"),
    SLICE_LITERAL("CONNECT\r\n\r\n"),
    SLICE_LITERAL("a:1 HTTP/1.1\r\n\r\n"),
    SLICE_LITERAL(" \r\n\r\n"),
    SLICE_LITERAL("CON(NECT a:1 HTTP/1.1\r\n\r\n"),
    SLICE_LITERAL("CON\xC3\x89 a:1 HTTP/1.1\r\n\r\n"),
    // versions
    SLICE_LITERAL("CONNECT a:1 HTTP/2.0\r\n\r\n"),
    SLICE_LITERAL("CONNECT a:1 HTTP/2\r\n\r\n"),
    SLICE_LITERAL("CONNECT a:1 HTTP/1.2\r\n\r\n"),
    SLICE_LITERAL("CONNECT a:1 HTTP/0.9\r\n\r\n"),
    SLICE_LITERAL("CONNECT a:1 HTTP/1\r\n\r\n"),
    SLICE_LITERAL("CONNECT a:1 HTTP/1.10\r\n\r\n"),
    SLICE_LITERAL("CONNECT a:1 HTTP/01.1\r\n\r\n"),
    SLICE_LITERAL("CONNECT a:1 http/1.1\r\n\r\n"),
    SLICE_LITERAL("CONNECT a:1 HTTP 1.1\r\n\r\n"),
    SLICE_LITERAL("CONNECT a:1 HTTPS/1.1\r\n\r\n"),
    SLICE_LITERAL("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    // a body on CONNECT
    SLICE_LITERAL(CONNECT_A "Content-Length: 1\r\n\r\n"),
    SLICE_LITERAL(CONNECT_A "Content-Length:\r\n\r\n"),
    SLICE_LITERAL(CONNECT_A "Content-Length: 00\r\n\r\n"),
    SLICE_LITERAL(CONNECT_A "Content-Length: +0\r\n\r\n"),
    SLICE_LITERAL(CONNECT_A "Content-Length: -0\r\n\r\n"),
    SLICE_LITERAL(CONNECT_A "Content-Length: 0x0\r\n\r\n"),
    SLICE_LITERAL(CONNECT_A "Content-Length: 0, 0\r\n\r\n"),
    SLICE_LITERAL(CONNECT_A "Content-Length: 0 0\r\n\r\n"),
    SLICE_LITERAL(CONNECT_A "Content-Length: 0\r\ncontent-length: 5\r\n\r\n"),
    SLICE_LITERAL(CONNECT_A "Transfer-Encoding: chunked\r\n\r\n"),
    SLICE_LITERAL(CONNECT_A "transfer-encoding: identity\r\n\r\n"),
    SLICE_LITERAL(CONNECT_A "Transfer-Encoding:\r\n\r\n"),
    // no HTTP at all
    SLICE_LITERAL("\x16\x03\x01\x02\x00\x01\r\n\r\n"),
    SLICE_LITERAL("SSH-2.0-OpenSSH_9.2\r\n\r\n"),
};

static void refuses_what_two_readers_could_read_differently(void **state)
{
    (void)state;
    _Static_assert(sizeof refused / sizeof *refused >= 2 * (sizeof accepted / sizeof *accepted),
                   "negative cases outnumber positive ones");
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        const enum head_result result = parse_copy(refused[i]);
        if (result != HEAD_BAD)
            fail_msg("result %d for: %.*s", result, (int)refused[i].len, refused[i].data);
    }
}

static void what_is_bad_stays_bad_with_more_bytes_behind(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        uint8_t text[256];
        assert_true(bytes_copy(text, sizeof text, refused[i]));
        assert_true(bytes_copy(text + refused[i].len, 64, SLICE_LITERAL("X: y\r\n\r\n")));
        struct message_head head;
        assert_int_equal(parse(slice_of(text, refused[i].len + 8), &head), HEAD_BAD);
    }
}

static void a_bad_head_still_tells_its_request_line(void **state)
{
    (void)state;
    struct message_head head;
    assert_int_equal(parse(SLICE_LITERAL("CONNECT a:1 HTTP/1.1\r\nbad\r\n\r\n"), &head), HEAD_BAD);
    assert_true(slice_equal(head.method_text, SLICE_LITERAL("CONNECT")));
    assert_true(slice_equal(head.target, SLICE_LITERAL("a:1")));
    assert_int_equal(parse(SLICE_LITERAL("CONNECT a:1 HTTP/3.0\r\n\r\n"), &head), HEAD_BAD);
    assert_int_equal(head.method_text.len, 0);
    assert_int_equal(head.target.len, 0);
}

// A head of any length, field by field.
struct draft {
    uint8_t *data;
    size_t len;
    size_t cap;
};

static void draft_begin(struct draft *draft, const char *request_line)
{
    draft->cap = 4 * PLAIN_MAX_LEN;
    draft->len = 0;
    draft->data = malloc(draft->cap);
    assert_non_null(draft->data);
    assert_true(bytes_copy(draft->data, draft->cap, slice_of_string(request_line)));
    draft->len = strlen(request_line);
}

// draft_add adds a line of `len` bytes without its end: `X: aaa...`.
static void draft_add(struct draft *draft, size_t len)
{
    assert_true(len >= 3 && draft->len + len + 2 <= draft->cap);
    memset(draft->data + draft->len, 'a', len);
    assert_true(bytes_copy(draft->data + draft->len, 3, SLICE_LITERAL("X: ")));
    assert_true(bytes_copy(draft->data + draft->len + len, 2, SLICE_LITERAL("\r\n")));
    draft->len += len + 2;
}

static enum head_result draft_finish(struct draft *draft, size_t *out_len)
{
    assert_true(bytes_copy(draft->data + draft->len, 2, SLICE_LITERAL("\r\n")));
    struct message_head head;
    const enum head_result result = parse(slice_of(draft->data, draft->len + 2), &head);
    *out_len = head.len;
    free(draft->data);
    return result;
}

static void the_number_of_fields_is_bounded(void **state)
{
    (void)state;
    for (size_t count = HEAD_CONNECT_MAX_FIELDS - 1; count <= HEAD_CONNECT_MAX_FIELDS + 1;
         count++) {
        struct draft draft;
        size_t len = 0;
        draft_begin(&draft, CONNECT_A);
        for (size_t i = 0; i < count; i++)
            draft_add(&draft, 5);
        assert_int_equal(draft_finish(&draft, &len),
                         count <= HEAD_CONNECT_MAX_FIELDS ? HEAD_OK : HEAD_TOO_LARGE);
    }
}

static void the_length_of_a_line_is_bounded(void **state)
{
    (void)state;
    // A line and its CR fill the limit; one byte more is too much, with and without its end.
    for (size_t line = HEAD_CONNECT_MAX_LINE_LEN - 2; line <= HEAD_CONNECT_MAX_LINE_LEN + 1;
         line++) {
        struct draft draft;
        size_t len = 0;
        draft_begin(&draft, CONNECT_A);
        draft_add(&draft, line);
        assert_int_equal(draft_finish(&draft, &len),
                         line < HEAD_CONNECT_MAX_LINE_LEN ? HEAD_OK : HEAD_TOO_LARGE);
    }
    uint8_t *endless = malloc(HEAD_CONNECT_MAX_LINE_LEN + 1);
    assert_non_null(endless);
    memset(endless, 'a', HEAD_CONNECT_MAX_LINE_LEN + 1);
    assert_true(bytes_copy(endless, 8, SLICE_LITERAL("CONNECT ")));
    assert_int_equal(parse_copy(slice_of(endless, HEAD_CONNECT_MAX_LINE_LEN)), HEAD_MORE);
    assert_int_equal(parse_copy(slice_of(endless, HEAD_CONNECT_MAX_LINE_LEN + 1)), HEAD_TOO_LARGE);
    free(endless);
}

static void a_target_counts_as_it_is_passed_on(void **state)
{
    (void)state;
    static char data[PLAIN_MAX_LEN];
    struct text text;
    const size_t most = (PLAIN_MAX_LEN - strlen("http://a/")) / 6;
    for (size_t letters = most - 1; letters <= most + 1; letters++) {
        text_init(&text, data, sizeof data);
        text_append_string(&text, "GET http://a/");
        for (size_t i = 0; i < letters; i++)
            text_append_string(&text, "\xC3\xA9");
        text_append_string(&text, " HTTP/1.1\r\n\r\n");
        assert_int_equal(parse_copy(text_slice(&text)), letters <= most ? HEAD_OK : HEAD_TOO_LARGE);
    }
}

#define GET_A "GET http://a/ HTTP/1.1\r\n"

static void other_heads_have_bounds_of_their_own(void **state)
{
    (void)state;
    const size_t fixed = strlen(GET_A) + 2 + 2; // and the line end of the one field
    for (size_t total = PLAIN_MAX_LEN - 1; total <= PLAIN_MAX_LEN + 1; total++) {
        struct draft draft;
        size_t len = 0;
        draft_begin(&draft, GET_A);
        draft_add(&draft, total - fixed);
        const enum head_result result = draft_finish(&draft, &len);
        assert_int_equal(result, total <= PLAIN_MAX_LEN ? HEAD_OK : HEAD_TOO_LARGE);
        assert_int_equal(len, result == HEAD_OK ? total : 0);
    }
    const size_t most = PLAIN_MAX_LEN / HEAD_BYTES_PER_FIELD;
    for (size_t count = most - 1; count <= most + 1; count++) {
        struct draft draft;
        size_t len = 0;
        draft_begin(&draft, GET_A);
        for (size_t i = 0; i < count; i++)
            draft_add(&draft, 5);
        assert_int_equal(draft_finish(&draft, &len), count <= most ? HEAD_OK : HEAD_TOO_LARGE);
    }
    struct draft endless;
    draft_begin(&endless, "");
    draft_add(&endless, PLAIN_MAX_LEN - 2);
    assert_int_equal(parse_copy(slice_of(endless.data, PLAIN_MAX_LEN - 1)), HEAD_MORE);
    memset(endless.data, 'a', PLAIN_MAX_LEN);
    assert_int_equal(parse_copy(slice_of(endless.data, PLAIN_MAX_LEN)), HEAD_TOO_LARGE);
    free(endless.data);
}

static void the_bounds_of_a_connect_are_not_raised(void **state)
{
    (void)state;
    static const char *const starts[] = {CONNECT_A, "\r\n" CONNECT_A};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        struct draft draft;
        size_t len = 0;
        draft_begin(&draft, starts[i]);
        draft_add(&draft, HEAD_CONNECT_MAX_LINE_LEN);
        assert_int_equal(draft_finish(&draft, &len), HEAD_TOO_LARGE);
    }
}

static void the_length_of_the_head_is_bounded(void **state)
{
    (void)state;
    const size_t fixed = strlen(CONNECT_A) + 2 + 3 * 2; // and three line ends
    for (size_t total = HEAD_CONNECT_MAX_LEN - 1; total <= HEAD_CONNECT_MAX_LEN + 1; total++) {
        struct draft draft;
        size_t len = 0;
        const size_t rest = total - fixed;
        draft_begin(&draft, CONNECT_A);
        draft_add(&draft, rest / 3);
        draft_add(&draft, rest / 3);
        draft_add(&draft, rest - 2 * (rest / 3));
        const enum head_result result = draft_finish(&draft, &len);
        assert_int_equal(result, total <= HEAD_CONNECT_MAX_LEN ? HEAD_OK : HEAD_TOO_LARGE);
        assert_int_equal(len, result == HEAD_OK ? total : 0);
    }
}

static void an_unfinished_head_of_full_length_is_too_large(void **state)
{
    (void)state;
    struct draft draft;
    draft_begin(&draft, CONNECT_A);
    for (size_t i = 0; i < 4; i++)
        draft_add(&draft, HEAD_CONNECT_MAX_LEN / 4);
    assert_int_equal(parse_copy(slice_of(draft.data, HEAD_CONNECT_MAX_LEN - 1)), HEAD_MORE);
    assert_int_equal(parse_copy(slice_of(draft.data, HEAD_CONNECT_MAX_LEN)), HEAD_TOO_LARGE);
    free(draft.data);
}

static void the_first_fault_decides_however_much_has_arrived(void **state)
{
    (void)state;
    // A bare CR in a line that then grows too long, and junk after the limit of the whole head.
    uint8_t *bytes = malloc(4 * HEAD_CONNECT_MAX_LEN);
    assert_non_null(bytes);
    memset(bytes, 'a', 4 * HEAD_CONNECT_MAX_LEN);
    assert_true(bytes_copy(bytes, 8, SLICE_LITERAL("CONNECT ")));
    bytes[100] = '\r';
    assert_int_equal(parse_copy(slice_of(bytes, 101)), HEAD_MORE);
    assert_int_equal(parse_copy(slice_of(bytes, 102)), HEAD_BAD);
    assert_int_equal(parse_copy(slice_of(bytes, 2 * HEAD_CONNECT_MAX_LINE_LEN)), HEAD_BAD);
    bytes[100] = 'a';
    bytes[HEAD_CONNECT_MAX_LINE_LEN + 5] = '\r';
    assert_int_equal(parse_copy(slice_of(bytes, 2 * HEAD_CONNECT_MAX_LINE_LEN)), HEAD_TOO_LARGE);
    free(bytes);
    struct draft draft;
    draft_begin(&draft, CONNECT_A);
    for (size_t i = 0; i < 4; i++)
        draft_add(&draft, HEAD_CONNECT_MAX_LEN / 4);
    draft.data[draft.len - 5] = '\0';
    assert_int_equal(parse_copy(slice_of(draft.data, HEAD_CONNECT_MAX_LEN)), HEAD_TOO_LARGE);
    assert_int_equal(parse_copy(slice_of(draft.data, draft.len)), HEAD_TOO_LARGE);
    free(draft.data);
}

#define POST_A "POST http://a/ HTTP/1.1\r\nHost: a\r\n"

struct framed {
    const char *text;
    enum body_kind body;
    uint64_t length;
};

static const struct framed framed[] = {
    {POST_A "\r\n", BODY_NONE, 0},
    {POST_A "Content-Length: 0\r\n\r\n", BODY_NONE, 0},
    {POST_A "Content-Length: 7\r\n\r\n", BODY_LENGTH, 7},
    {POST_A "content-length:\t9223372036854775807 \r\n\r\n", BODY_LENGTH, INT64_MAX},
    {POST_A "Transfer-Encoding: chunked\r\n\r\n", BODY_CHUNKED, 0},
    {POST_A "TRANSFER-ENCODING:Chunked\r\n\r\n", BODY_CHUNKED, 0},
    {POST_A "Content-Lengths: 7\r\nX-Transfer-Encoding: x\r\n\r\n", BODY_NONE, 0},
    {"POST http://a/ HTTP/1.0\r\nContent-Length: 7\r\n\r\n", BODY_LENGTH, 7},
};

static void a_body_is_framed_in_one_way(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof framed / sizeof *framed; i++) {
        struct message_head head;
        if (parse(slice_of_string(framed[i].text), &head) != HEAD_OK)
            fail_msg("refused: %s", framed[i].text);
        assert_int_equal(head.body, framed[i].body);
        assert_int_equal(head.length, framed[i].length);
    }
}

static const char *const misframed[] = {
    POST_A "Content-Length: 5\r\nContent-Length: 5\r\n\r\n",
    POST_A "Content-Length: 5\r\ncontent-length: 6\r\n\r\n",
    POST_A "Content-Length: 0\r\nContent-Length: 0\r\n\r\n",
    POST_A "Content-Length: 5, 5\r\n\r\n",
    POST_A "Content-Length: +5\r\n\r\n",
    POST_A "Content-Length: -5\r\n\r\n",
    POST_A "Content-Length: 05\r\n\r\n",
    POST_A "Content-Length: 0x5\r\n\r\n",
    POST_A "Content-Length: 5a\r\n\r\n",
    POST_A "Content-Length: 5 5\r\n\r\n",
    POST_A "Content-Length: 5.0\r\n\r\n",
    POST_A "Content-Length: \"5\"\r\n\r\n",
    POST_A "Content-Length:\r\n\r\n",
    POST_A "Content-Length: 9223372036854775808\r\n\r\n",
    POST_A "Content-Length: 18446744073709551621\r\n\r\n",
    POST_A "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    POST_A "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
    POST_A "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n",
    POST_A "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
    POST_A "Transfer-Encoding: chunked, chunked\r\n\r\n",
    POST_A "Transfer-Encoding: gzip, chunked\r\n\r\n",
    POST_A "Transfer-Encoding: chunked, gzip\r\n\r\n",
    POST_A "Transfer-Encoding: chunked,\r\n\r\n",
    POST_A "Transfer-Encoding: chunked;q=1\r\n\r\n",
    POST_A "Transfer-Encoding: \"chunked\"\r\n\r\n",
    POST_A "Transfer-Encoding: xchunked\r\n\r\n",
    POST_A "Transfer-Encoding: identity\r\n\r\n",
    POST_A "Transfer-Encoding:\r\n\r\n",
    "POST http://a/ HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
    POST_A "Transfer_Encoding: chunked\r\n\r\n",
    POST_A "Content_Length: 5\r\n\r\n",
    POST_A "content_length: 5\r\nContent-Length: 5\r\n\r\n",
    POST_A "Connection: a b\r\n\r\n",
    POST_A "Connection: a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a\r\n\r\n",
};

static void a_body_that_could_be_framed_in_two_ways_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof misframed / sizeof *misframed; i++) {
        if (parse_copy(slice_of_string(misframed[i])) != HEAD_BAD)
            fail_msg("not refused: %s", misframed[i]);
    }
}

static void wishes_of_the_next_hop_are_noted(void **state)
{
    (void)state;
    struct message_head head;
    assert_int_equal(parse(SLICE_LITERAL(POST_A "Expect: 100-Continue\r\nTE: trailers\r\n"
                                                "Connection: keep-alive, upgrade\r\n"
                                                "Upgrade: x, WebSocket\r\n\r\n"),
                           &head),
                     HEAD_OK);
    assert_true(head.expects_continue && head.takes_trailers && head.is_websocket);
    assert_false(head.expects_other);
    assert_int_equal(
        parse(SLICE_LITERAL(POST_A "Expect: more\r\nUpgrade: websocket\r\n\r\n"), &head), HEAD_OK);
    assert_true(head.expects_other);
    assert_false(head.is_websocket); // no Connection option
    assert_int_equal(parse(SLICE_LITERAL("GET http://a/ HTTP/1.0\r\nExpect: 100-continue\r\n"
                                         "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n"),
                           &head),
                     HEAD_OK);
    assert_false(head.expects_continue || head.is_websocket);
}

static void what_is_too_large_says_so(void **state)
{
    (void)state;
    struct draft draft;
    draft_begin(&draft, CONNECT_A);
    for (size_t i = 0; i < 3; i++)
        draft_add(&draft, HEAD_CONNECT_MAX_LEN / 3);
    assert_true(bytes_copy(draft.data + draft.len, 2, SLICE_LITERAL("\r\n")));
    struct message_head head;
    const char *why = NULL;
    assert_int_equal(
        request_head_parse(slice_of(draft.data, draft.len + 2), PLAIN_MAX_LEN, &head, &why),
        HEAD_TOO_LARGE);
    assert_string_equal(why, "head too large");
    free(draft.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_is_well_formed),
        cmocka_unit_test(asks_for_more_at_every_prefix_of_a_good_head),
        cmocka_unit_test(leaves_the_bytes_behind_the_head_alone),
        cmocka_unit_test(other_methods_are_told_apart),
        cmocka_unit_test(a_body_is_framed_in_one_way),
        cmocka_unit_test(a_body_that_could_be_framed_in_two_ways_is_refused),
        cmocka_unit_test(wishes_of_the_next_hop_are_noted),
        cmocka_unit_test(refuses_what_two_readers_could_read_differently),
        cmocka_unit_test(what_is_bad_stays_bad_with_more_bytes_behind),
        cmocka_unit_test(a_bad_head_still_tells_its_request_line),
        cmocka_unit_test(the_number_of_fields_is_bounded),
        cmocka_unit_test(the_length_of_a_line_is_bounded),
        cmocka_unit_test(a_target_counts_as_it_is_passed_on),
        cmocka_unit_test(other_heads_have_bounds_of_their_own),
        cmocka_unit_test(the_bounds_of_a_connect_are_not_raised),
        cmocka_unit_test(the_length_of_the_head_is_bounded),
        cmocka_unit_test(an_unfinished_head_of_full_length_is_too_large),
        cmocka_unit_test(the_first_fault_decides_however_much_has_arrived),
        cmocka_unit_test(what_is_too_large_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
