// One pass over the lines of a head, in the order of RFC 9112: start line (3, 4), field lines (5), framing (6).
#include "proxy/http/head.h"

#include "auth/base/text.h"
#include "auth/base/utf8.h"
#include "auth/ipaddr.h"
#include "proxy/http/field.h"
#include "proxy/http/hop.h"

// bounds are those of one head.
struct bounds {
    size_t len;
    size_t line_len;
    size_t field_count;
};

// reader goes over a head line by line.
struct reader {
    struct bounds bounds;
    bool is_full;       // there are as many bytes as a head may have
    struct slice whole; // more is not looked at
    struct slice rest;
};

static struct reader reader_of(struct slice bytes, struct bounds bounds)
{
    const struct slice whole = slice_first(bytes, bounds.len);
    return (struct reader){bounds, bytes.len >= bounds.len, whole, whole};
}

static size_t position(const struct reader *reader)
{
    return reader->whole.len - reader->rest.len;
}

static enum head_result read_line(struct reader *reader, struct slice *out, const char **out_why)
{
    const enum line_result line = line_next(&reader->rest, reader->bounds.line_len, out);
    if (line == LINE_OK)
        return HEAD_OK;
    *out_why = line == LINE_BAD ? "line ending" : "head too large";
    if (line == LINE_BAD)
        return HEAD_BAD;
    return line == LINE_TOO_LONG || reader->is_full ? HEAD_TOO_LARGE : HEAD_MORE;
}

// is_target: visible ASCII, and UTF-8 as it is typed; what it means is for auth/target and absolute_url.
static bool is_target(struct slice s)
{
    for (size_t i = 0, len = 0; i < s.len; i += len) {
        len = utf8_length(slice_from(s, i));
        if (len == 0 || s.data[i] <= 0x20 || s.data[i] == 0x7F)
            return false;
    }
    return s.len > 0;
}

// written_len gives how long a target is once its bytes above ASCII are percent-encoded, as they are passed on.
static size_t written_len(struct slice target)
{
    size_t len = target.len;
    for (size_t i = 0; i < target.len; i++)
        len += target.data[i] >= 0x80 ? 2 : 0;
    return len;
}

// read_request_line: method SP request-target SP HTTP-version, single blanks only (RFC 9112 3).
static bool read_request_line(struct slice line, struct message_head *out, const char **out_why)
{
    const size_t first = slice_find(line, ' ');
    const struct slice method = slice_first(line, first);
    const struct slice after = slice_from(line, first + 1);
    const size_t second = slice_find(after, ' ');
    const struct slice target = slice_first(after, second);
    const struct slice version = slice_from(after, second + 1);
    *out_why = "request line";
    if (!is_token(method) || method.len > HEAD_MAX_METHOD_LEN || !is_target(target))
        return false;
    *out_why = "HTTP version";
    if (slice_equal(version, SLICE_LITERAL("HTTP/1.1")))
        out->minor_version = 1;
    else if (!slice_equal(version, SLICE_LITERAL("HTTP/1.0")))
        return false;
    out->method_text = method;
    out->target = target;
    out->method = slice_equal(method, SLICE_LITERAL("CONNECT")) ? METHOD_CONNECT : METHOD_OTHER;
    out->is_persistent = out->minor_version == 1;
    return true;
}

// is_disguised tells whether `name` is `dashed` once underscores are taken for dashes, as programs behind CGI
// and WSGI do.
static bool is_disguised(struct slice name, struct slice dashed)
{
    bool has_underscore = false;
    if (name.len != dashed.len)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        has_underscore = has_underscore || name.data[i] == '_';
        if (ascii_lower(name.data[i]) != dashed.data[i] &&
            !(name.data[i] == '_' && dashed.data[i] == '-'))
            return false;
    }
    return has_underscore;
}

// read_status_line: HTTP-version SP status-code [ SP reason-phrase ]. The blank in front of an empty phrase is
// left out by many servers; nobody reads that in two ways.
static bool read_status_line(struct slice line, struct message_head *out)
{
    if (slice_starts_with(line, SLICE_LITERAL("HTTP/1.1 ")))
        out->minor_version = 1;
    else if (!slice_starts_with(line, SLICE_LITERAL("HTTP/1.0 ")))
        return false;
    const struct slice rest = slice_from(line, 9);
    uint64_t status = 0;
    if (!decimal_parse(slice_first(rest, 3), 599, &status) || (rest.len > 3 && rest.data[3] != ' '))
        return false;
    out->status = (uint16_t)status;
    out->reason = slice_from(rest, 4);
    out->is_persistent = out->minor_version == 1;
    return out->status >= 100 && is_field_value(out->reason);
}

static bool is_named(struct field field, const char *name)
{
    return slice_equal_ignore_case(field.name, slice_of_string(name));
}

static void read_connection(struct slice value, struct message_head *out)
{
    out->has_close = out->has_close || list_has(value, SLICE_LITERAL("close"));
    if (out->has_close)
        out->is_persistent = false;
    else if (list_has(value, SLICE_LITERAL("keep-alive")))
        out->is_persistent = true;
}

// counts_forwards tells whether Max-Forwards limits how far a request may go (RFC 9110 7.6.2).
static bool counts_forwards(struct slice method)
{
    return slice_equal(method, SLICE_LITERAL("OPTIONS")) ||
           slice_equal(method, SLICE_LITERAL("TRACE"));
}

// read_request_field reads the fields that matter in a request only.
static bool read_request_field(struct field field, struct message_head *out, const char **out_why)
{
    if (is_named(field, "host")) {
        *out_why = "several Host fields";
        if (out->has_host)
            return false;
        out->has_host = true;
        out->host = field.value;
    } else if (is_named(field, "max-forwards") && counts_forwards(out->method_text)) {
        *out_why = "Max-Forwards";
        if (out->has_max_forwards || !decimal_parse(field.value, INT64_MAX, &out->max_forwards))
            return false;
        out->has_max_forwards = true;
    } else if (is_disguised(field.name, SLICE_LITERAL("content-length")) ||
               is_disguised(field.name, SLICE_LITERAL("transfer-encoding"))) {
        *out_why = "an underscore in a framing field";
        return false;
    }
    return true;
}

// read_field notes the few fields that matter here. Of each framing field there is one, with one plain value: a list,
// even of equal numbers, is refused, and so is a coding in HTTP/1.0 (RFC 9112 6.1, 6.3).
static bool read_field(struct field field, struct message_head *out, const char **out_why)
{
    if (is_named(field, "connection")) {
        read_connection(field.value, out);
    } else if (is_named(field, "content-length")) {
        *out_why = "Content-Length";
        if (out->has_length || !decimal_parse(field.value, INT64_MAX, &out->length))
            return false;
        out->has_length = true;
    } else if (is_named(field, "transfer-encoding")) {
        *out_why = "Transfer-Encoding";
        if (out->is_chunked || out->minor_version == 0 ||
            !slice_equal_ignore_case(field.value, SLICE_LITERAL("chunked")))
            return false;
        out->is_chunked = true;
    } else if (out->status == 0) {
        return read_request_field(field, out, out_why);
    } else if (is_named(field, "upgrade")) {
        out->is_websocket = out->is_websocket || list_has(field.value, SLICE_LITERAL("websocket"));
    }
    return true;
}

// read_fields reads the field lines and the empty line after them.
static enum head_result read_fields(struct reader *reader, struct message_head *out,
                                    const char **out_why)
{
    const size_t start = position(reader);
    for (size_t count = 0;; count++) {
        const size_t at = position(reader);
        struct slice line;
        struct field field;
        const enum head_result result = read_line(reader, &line, out_why);
        if (result != HEAD_OK)
            return result;
        if (line.len == 0) {
            out->fields = slice_from(slice_first(reader->whole, at), start);
            out->len = position(reader);
            return HEAD_OK;
        }
        *out_why = "head too large";
        if (count == reader->bounds.field_count)
            return HEAD_TOO_LARGE;
        *out_why = "header field";
        if (!field_parse(line, &field) || !read_field(field, out, out_why))
            return HEAD_BAD;
    }
}

// read_wishes notes what is asked of the next hop. In HTTP/1.0 nobody can (RFC 9110 7.8, 10.1.1).
static void read_wishes(struct message_head *out, const struct hop_options *options)
{
    struct slice fields = out->fields;
    struct field field;
    while (out->minor_version == 1 && field_next(&fields, &field)) {
        if (is_named(field, "expect")) {
            const bool is_known =
                slice_equal_ignore_case(field.value, SLICE_LITERAL("100-continue"));
            out->expects_other = out->expects_other || !is_known;
            out->expects_continue = true;
        } else if (is_named(field, "upgrade")) {
            out->is_websocket =
                out->is_websocket || (list_has(field.value, SLICE_LITERAL("websocket")) &&
                                      hop_options_have(options, SLICE_LITERAL("upgrade")));
        } else if (is_named(field, "te")) {
            out->takes_trailers =
                out->takes_trailers || list_has(field.value, SLICE_LITERAL("trailers"));
        }
    }
}

// check_framing refuses what two readers could frame in two ways (RFC 9112 6.3).
static bool check_framing(const struct message_head *head, struct hop_options *out_options,
                          const char **out_why)
{
    *out_why = "Content-Length and Transfer-Encoding";
    if (head->has_length && head->is_chunked)
        return false;
    *out_why = "Connection";
    return hop_options_read(head->fields, out_options);
}

static enum body_kind framed_body(const struct message_head *head)
{
    if (head->is_chunked)
        return BODY_CHUNKED;
    return head->length > 0 ? BODY_LENGTH : BODY_NONE;
}

// bounds_of gives the bounds of a head that begins with `start`, as far as it has come: CONNECT is told by its first
// bytes, which no bound is near to.
static struct bounds bounds_of(struct slice start, size_t max_len, bool may_introduce)
{
    if (!may_introduce && slice_starts_with(start, SLICE_LITERAL("CONNECT ")))
        return (struct bounds){HEAD_CONNECT_MAX_LEN, HEAD_CONNECT_MAX_LINE_LEN,
                               HEAD_CONNECT_MAX_FIELDS};
    return (struct bounds){max_len, max_len, max_len / HEAD_BYTES_PER_FIELD};
}

static enum head_result parse_request(struct slice bytes, size_t max_len, bool may_introduce,
                                      struct message_head *out, const char **out_why)
{
    *out = (struct message_head){0};
    // One empty line in front is forgiven (RFC 9112 2.2).
    const size_t start = slice_starts_with(bytes, SLICE_LITERAL("\r\n")) ? 2 : 0;
    struct reader reader =
        reader_of(bytes, bounds_of(slice_from(bytes, start), max_len, may_introduce));
    struct hop_options options;
    struct slice line;
    reader.rest = slice_from(reader.whole, start);
    enum head_result result = read_line(&reader, &line, out_why);
    if (result != HEAD_OK)
        return result;
    if (!read_request_line(line, out, out_why))
        return HEAD_BAD;
    *out_why = "head too large";
    if (written_len(out->target) > reader.bounds.line_len)
        return HEAD_TOO_LARGE;
    result = read_fields(&reader, out, out_why);
    if (result != HEAD_OK)
        return result;
    if (!check_framing(out, &options, out_why))
        return HEAD_BAD;
    out->body = framed_body(out);
    *out_why = "a body on CONNECT";
    if (out->method == METHOD_CONNECT && out->body != BODY_NONE)
        return HEAD_BAD;
    read_wishes(out, &options);
    return HEAD_OK;
}

enum head_result request_head_parse(struct slice bytes, size_t max_len, struct message_head *out,
                                    const char **out_why)
{
    return parse_request(bytes, max_len, false, out, out_why);
}

enum head_result request_head_parse_introduced(struct slice bytes, size_t max_len,
                                               struct message_head *out, const char **out_why)
{
    return parse_request(bytes, max_len, true, out, out_why);
}

static enum head_result parse_response(struct slice bytes, struct bounds bounds, bool is_for_head,
                                       struct message_head *out, const char **out_why)
{
    *out = (struct message_head){0};
    struct reader reader = reader_of(bytes, bounds);
    struct hop_options options;
    struct slice line;
    enum head_result result = read_line(&reader, &line, out_why);
    if (result != HEAD_OK)
        return result;
    *out_why = "status line";
    if (!read_status_line(line, out))
        return HEAD_BAD;
    result = read_fields(&reader, out, out_why);
    if (result != HEAD_OK)
        return result;
    if (!check_framing(out, &options, out_why))
        return HEAD_BAD;
    const bool announces_body = framed_body(out) != BODY_NONE;
    *out_why = "a body on an interim response";
    if (out->status < 200 && announces_body)
        return HEAD_BAD;
    if (!is_for_head && out->status >= 200 && out->status != 204 && out->status != 304)
        out->body = announces_body || out->has_length ? framed_body(out) : BODY_TO_END;
    // A 204 that announces a body may well send one: nothing after it can be trusted.
    if (out->body == BODY_TO_END || (out->status == 204 && announces_body))
        out->is_persistent = false;
    return HEAD_OK;
}

enum head_result response_head_parse(struct slice bytes, bool is_for_head, struct message_head *out,
                                     const char **out_why)
{
    static const struct bounds bounds = {RESPONSE_HEAD_MAX_LEN, RESPONSE_HEAD_MAX_LINE_LEN,
                                         RESPONSE_HEAD_MAX_FIELDS};
    return parse_response(bytes, bounds, is_for_head, out, out_why);
}

enum head_result response_head_parse_own(struct slice bytes, bool is_for_head,
                                         struct message_head *out, const char **out_why)
{
    static const struct bounds bounds = {RESPONSE_HEAD_OWN_MAX_LEN, RESPONSE_HEAD_MAX_LINE_LEN,
                                         RESPONSE_HEAD_OWN_MAX_FIELDS};
    return parse_response(bytes, bounds, is_for_head, out, out_why);
}
