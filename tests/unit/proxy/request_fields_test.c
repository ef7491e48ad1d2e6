// Requests of HTTP/2 as heads of HTTP/1.1: what each becomes, and what is malformed.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proxy/http2/request_fields.h"

enum { MAX_FIELDS = 8 };

struct row {
    const char *label;
    const char *fields[MAX_FIELDS][2];
    bool has_end;
    const char *head; // NULL: malformed
    enum request_body body;
    const char *why;
};

#define METHOD(text)                                                                               \
    {                                                                                              \
        ":method", text                                                                            \
    }
#define SCHEME                                                                                     \
    {                                                                                              \
        ":scheme", "http"                                                                          \
    }
#define AUTHORITY(text)                                                                            \
    {                                                                                              \
        ":authority", text                                                                         \
    }
#define PATH(text)                                                                                 \
    {                                                                                              \
        ":path", text                                                                              \
    }
#define GET          METHOD("GET"), SCHEME, AUTHORITY("a.example"), PATH("/x?y=1")
#define POST         METHOD("POST"), SCHEME, AUTHORITY("a.example"), PATH("/")
#define GET_HEAD     "GET http://a.example/x?y=1 HTTP/1.1\r\nhost: a.example\r\n"
#define POST_HEAD    "POST http://a.example/ HTTP/1.1\r\nhost: a.example\r\n"
#define CONNECT      METHOD("CONNECT"), AUTHORITY("a.example:443")
#define CONNECT_HEAD "CONNECT a.example:443 HTTP/1.1\r\nhost: a.example:443\r\n"

// add keeps the fields of a row, each from memory of exactly its size.
static enum err add(struct request_fields *fields, const char *name, const char *value)
{
    const size_t name_len = strlen(name);
    const size_t value_len = strlen(value);
    uint8_t *copy = malloc(name_len + value_len + 1);
    assert_non_null(copy);
    assert_true(bytes_copy(copy, name_len, slice_of_string(name)));
    assert_true(bytes_copy(copy + name_len, value_len, slice_of_string(value)));
    const enum err error =
        request_fields_add(fields, slice_of(copy, name_len), slice_of(copy + name_len, value_len));
    free(copy);
    return error;
}

static void check(const struct row *row)
{
    static char data[REQUEST_FIELDS_HEAD_CAP];
    struct request_fields fields = {0};
    struct text head;
    enum request_body body = REQUEST_BODY_NONE;
    const char *why = NULL;
    text_init(&head, data, sizeof data);
    for (size_t i = 0; i < MAX_FIELDS && row->fields[i][0] != NULL; i++)
        (void)(add(&fields, row->fields[i][0], row->fields[i][1]) == ERR_OK);
    const enum err error = request_fields_write_head(&fields, row->has_end, &head, &body, &why);
    if ((error == ERR_OK) != (row->head != NULL))
        fail_msg("%s: %s", row->label, error == ERR_OK ? data : why);
    if (row->head == NULL) {
        assert_int_equal(error, ERR_INPUT);
        assert_string_equal(why, row->why);
    } else {
        assert_string_equal(data, row->head);
        assert_int_equal(body, row->body);
    }
    request_fields_deinit(&fields);
}

static void a_request_becomes_the_head_that_means_the_same(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"connect", {CONNECT}, false, CONNECT_HEAD "\r\n", REQUEST_BODY_CHUNKED, NULL},
        {"connect that says all at once",
         {CONNECT},
         true,
         CONNECT_HEAD "\r\n",
         REQUEST_BODY_NONE,
         NULL},
        {"connect with the same host",
         {CONNECT, {"host", "A.example:443"}},
         false,
         CONNECT_HEAD "\r\n",
         REQUEST_BODY_CHUNKED,
         NULL},
        {"connect with other fields",
         {CONNECT, {"user-agent", "x y"}},
         false,
         CONNECT_HEAD "user-agent: x y\r\n\r\n",
         REQUEST_BODY_CHUNKED,
         NULL},
        {"get", {GET}, true, GET_HEAD "\r\n", REQUEST_BODY_NONE, NULL},
        {"get with an empty value",
         {GET, {"x-empty", ""}},
         true,
         GET_HEAD "x-empty: \r\n\r\n",
         REQUEST_BODY_NONE,
         NULL},
        {"crumbs",
         {GET, {"cookie", "a=1"}, {"x", "1"}, {"cookie", "b=2"}},
         true,
         GET_HEAD "x: 1\r\ncookie: a=1; b=2\r\n\r\n",
         REQUEST_BODY_NONE,
         NULL},
        {"te",
         {GET, {"te", "trailers"}},
         true,
         GET_HEAD "te: trailers\r\n\r\n",
         REQUEST_BODY_NONE,
         NULL},
        {"host alone",
         {METHOD("GET"), SCHEME, PATH("/"), {"host", "b.example"}},
         true,
         "GET http://b.example/ HTTP/1.1\r\nhost: b.example\r\n\r\n",
         REQUEST_BODY_NONE,
         NULL},
        {"no body, and says so",
         {POST, {"content-length", "0"}},
         true,
         POST_HEAD "content-length: 0\r\n\r\n",
         REQUEST_BODY_NONE,
         NULL},
        {"a body of a length",
         {POST, {"content-length", "3"}},
         false,
         POST_HEAD "content-length: 3\r\n\r\n",
         REQUEST_BODY_LENGTH,
         NULL},
        {"a body until its end",
         {POST},
         false,
         POST_HEAD "transfer-encoding: chunked\r\n\r\n",
         REQUEST_BODY_CHUNKED,
         NULL},
        {"https, which the reader of heads answers",
         {METHOD("GET"), {":scheme", "https"}, AUTHORITY("a.example"), PATH("/")},
         true,
         "GET https://a.example/ HTTP/1.1\r\nhost: a.example\r\n\r\n",
         REQUEST_BODY_NONE,
         NULL},
        {"the asterisk",
         {METHOD("OPTIONS"), SCHEME, AUTHORITY("a.example"), PATH("*")},
         true,
         "OPTIONS http://a.example HTTP/1.1\r\nhost: a.example\r\n\r\n",
         REQUEST_BODY_NONE,
         NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        check(&rows[i]);
}

static void what_could_be_read_in_two_ways_is_malformed(void **state)
{
    (void)state;
#define BAD(label, why, ...)                                                                       \
    {                                                                                              \
        label, {__VA_ARGS__}, true, NULL, REQUEST_BODY_NONE, why                                   \
    }
    static const char name[] = "the name of a field";
    static const char value[] = "the value of a field";
    static const char of_connection[] = "a field of the connection";
    static const char connect[] = "CONNECT has :method and :authority alone";
    const struct row rows[] = {
        BAD("nothing", ":method", {NULL}),
        BAD("no method", ":method", SCHEME, AUTHORITY("a.example"), PATH("/")),
        BAD("an empty method", ":method", METHOD(""), SCHEME, AUTHORITY("a.example"), PATH("/")),
        BAD("a method with a blank", ":method", METHOD("GET /"), SCHEME, AUTHORITY("a"), PATH("/")),
        BAD("two methods", "a pseudo-field", METHOD("GET"), METHOD("GET"), SCHEME),
        BAD("an unknown pseudo-field", "a pseudo-field", GET, {":protocol", "websocket"}),
        BAD("a response's pseudo-field", "a pseudo-field", GET, {":status", "200"}),
        BAD("a pseudo-field after a field", "a pseudo-field", METHOD("GET"), {"a", "b"}, SCHEME),
        BAD("connect with a path", connect, CONNECT, PATH("/")),
        BAD("connect with a scheme", connect, CONNECT, SCHEME),
        BAD("connect to nothing", ":authority", METHOD("CONNECT")),
        BAD("connect to two words", ":authority", METHOD("CONNECT"), AUTHORITY("a b:443")),
        BAD("connect to host alone", ":authority", METHOD("CONNECT"), {"host", "a.example:443"}),
        BAD("two authorities", "a pseudo-field", CONNECT, AUTHORITY("b.example:443")),
        BAD("another host", "Host and :authority differ", CONNECT, {"host", "b.example:443"}),
        BAD("another host's port", "Host and :authority differ", CONNECT, {"host", "a.example"}),
        BAD("two hosts", "several Host fields", GET, {"host", "a.example"}, {"host", "a.example"}),
        BAD("no scheme", ":scheme", METHOD("GET"), AUTHORITY("a.example"), PATH("/")),
        BAD("a scheme that ends early", ":scheme", METHOD("GET"), {":scheme", "http://b/?"},
            AUTHORITY("a.example"), PATH("/")),
        BAD("no authority", ":authority", METHOD("GET"), SCHEME, PATH("/")),
        BAD("an empty authority", ":authority", METHOD("GET"), SCHEME, AUTHORITY(""), PATH("/")),
        BAD("an authority with a path", ":authority", METHOD("GET"), SCHEME,
            AUTHORITY("a.example/b"), PATH("/")),
        BAD("an authority with a query", ":authority", METHOD("GET"), SCHEME, AUTHORITY("a?b"),
            PATH("/")),
        BAD("no path", ":path", METHOD("GET"), SCHEME, AUTHORITY("a.example")),
        BAD("an empty path", ":path", METHOD("GET"), SCHEME, AUTHORITY("a.example"), PATH("")),
        BAD("a path that is a host's", ":path", METHOD("GET"), SCHEME, AUTHORITY("a"),
            PATH(".example/")),
        BAD("a path with a blank", ":path", METHOD("GET"), SCHEME, AUTHORITY("a"),
            PATH("/ HTTP/1.1")),
        BAD("an asterisk that is no OPTIONS", ":path", METHOD("GET"), SCHEME, AUTHORITY("a"),
            PATH("*")),
        BAD("an empty name", name, GET, {"", "x"}),
        BAD("an upper-case name", name, GET, {"X-A", "x"}),
        BAD("an upper-case pseudo-field", name, GET, {":Path", "/"}),
        BAD("a colon alone", name, GET, {":", "/"}),
        BAD("a name with a blank", name, GET, {"a b", "x"}),
        BAD("a name with a colon", name, GET, {"a:b", "x"}),
        BAD("a name with a line end", name, GET, {"a\r\nb", "x"}),
        BAD("a value with a line end", value, GET, {"a", "x\r\nhost: b"}),
        BAD("a value with a line feed", value, GET, {"a", "x\ny"}),
        BAD("a value with a blank in front", value, GET, {"a", " x"}),
        BAD("a value with a tab after it", value, GET, {"a", "x\t"}),
        BAD("connection", of_connection, GET, {"connection", "close"}),
        BAD("proxy-connection", of_connection, GET, {"proxy-connection", "close"}),
        BAD("keep-alive", of_connection, GET, {"keep-alive", "timeout=5"}),
        BAD("upgrade", of_connection, GET, {"upgrade", "websocket"}),
        BAD("transfer-encoding", of_connection, POST, {"transfer-encoding", "chunked"}),
        BAD("te that is more", of_connection, GET, {"te", "trailers, gzip"}),
        BAD("a length and no body", "content-length without a body", POST, {"content-length", "3"}),
        BAD("two lengths", "several content-lengths", POST, {"content-length", "0"},
            {"content-length", "0"}),
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        check(&rows[i]);
}

static void a_value_that_no_string_holds_is_malformed(void **state)
{
    (void)state;
    static const struct slice values[] = {{(const uint8_t *)"a\0b", 3}, {(const uint8_t *)"\0", 1}};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct request_fields fields = {0};
        assert_int_equal(request_fields_add(&fields, SLICE_LITERAL("a"), values[i]), ERR_INPUT);
        assert_int_equal(request_fields_add(&fields, SLICE_LITERAL("b"), SLICE_LITERAL("c")),
                         ERR_INPUT);
        request_fields_deinit(&fields);
    }
}

static void an_authority_is_as_long_as_a_host_can_be(void **state)
{
    (void)state;
    static char data[REQUEST_FIELDS_HEAD_CAP];
    char authority[REQUEST_FIELDS_MAX_AUTHORITY + 2];
    for (size_t len = REQUEST_FIELDS_MAX_AUTHORITY; len <= REQUEST_FIELDS_MAX_AUTHORITY + 1;
         len++) {
        struct request_fields fields = {0};
        struct text head;
        enum request_body body = REQUEST_BODY_NONE;
        const char *why = NULL;
        memset(authority, 'a', len);
        authority[len] = '\0';
        text_init(&head, data, sizeof data);
        assert_int_equal(add(&fields, ":method", "CONNECT"), ERR_OK);
        assert_int_equal(add(&fields, ":authority", authority), ERR_OK);
        assert_int_equal(request_fields_write_head(&fields, true, &head, &body, &why),
                         len == REQUEST_FIELDS_MAX_AUTHORITY ? ERR_OK : ERR_INPUT);
        request_fields_deinit(&fields);
    }
}

static void a_list_is_counted_as_the_rfc_counts(void **state)
{
    (void)state;
    enum { COUNT = REQUEST_FIELDS_MAX_SIZE / 33 }; // of a field with a name of one byte
    static char data[REQUEST_FIELDS_HEAD_CAP];
    struct request_fields fields = {0};
    struct text lines;
    const char *why = NULL;
    text_init(&lines, data, sizeof data);
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(add(&fields, "a", ""), ERR_OK);
    assert_int_equal(request_fields_write_trailer(&fields, &lines, &why), ERR_OK);
    assert_int_equal(lines.len, COUNT * strlen("a: \r\n"));
    assert_int_equal(add(&fields, "a", ""),
                     ERR_LIMIT); // and then it is no list without its last field
    assert_true(fields.is_too_large);
    assert_int_equal(request_fields_write_trailer(&fields, &lines, &why), ERR_INPUT);
    assert_string_equal(why, "the header list is larger than 16 KiB");
    request_fields_deinit(&fields);
}

static void a_list_of_one_large_field_fits_up_to_its_last_byte(void **state)
{
    (void)state;
    enum { LEN = REQUEST_FIELDS_MAX_SIZE - 33 };
    static char data[REQUEST_FIELDS_HEAD_CAP];
    static char value[LEN + 2];
    struct request_fields fields = {0};
    struct text lines;
    const char *why = NULL;
    memset(value, 'v', LEN + 1);
    assert_int_equal(add(&fields, "a", value), ERR_LIMIT);
    request_fields_deinit(&fields);
    value[LEN] = '\0';
    assert_int_equal(add(&fields, "a", value), ERR_OK);
    text_init(&lines, data, sizeof data);
    assert_int_equal(request_fields_write_trailer(&fields, &lines, &why), ERR_OK);
    assert_int_equal(lines.len, LEN + strlen("a: \r\n"));
    request_fields_deinit(&fields);
}

static void a_trailer_has_no_pseudo_fields(void **state)
{
    (void)state;
    char data[REQUEST_FIELDS_HEAD_CAP];
    struct request_fields fields = {0};
    struct text lines;
    const char *why = NULL;
    text_init(&lines, data, sizeof data);
    assert_int_equal(add(&fields, "x-sum", "1"), ERR_OK);
    assert_int_equal(add(&fields, ":path", "/"), ERR_OK);
    assert_int_equal(request_fields_write_trailer(&fields, &lines, &why), ERR_INPUT);
    assert_string_equal(why, "a pseudo-field in a trailer");
    request_fields_deinit(&fields);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_becomes_the_head_that_means_the_same),
        cmocka_unit_test(what_could_be_read_in_two_ways_is_malformed),
        cmocka_unit_test(a_value_that_no_string_holds_is_malformed),
        cmocka_unit_test(an_authority_is_as_long_as_a_host_can_be),
        cmocka_unit_test(a_list_is_counted_as_the_rfc_counts),
        cmocka_unit_test(a_list_of_one_large_field_fits_up_to_its_last_byte),
        cmocka_unit_test(a_trailer_has_no_pseudo_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
