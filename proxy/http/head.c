// One pass over the lines of a head. The order of checks is that of RFC 9112: request line (3), field
// lines (5), framing (6).
#include "proxy/http/head.h"

#include "auth/base/text.h"
#include "proxy/http/field.h"
#include "proxy/http/hop.h"

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
static bool read_request_line(struct slice line, struct request_head *out, const char **out_why)
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

// read_content_length: one field with one number (RFC 9112 6.3, 5; a list, even of equal numbers, is refused).
static bool read_content_length(struct slice value, struct request_head *out, const char **out_why)
{
    *out_why = "Content-Length";
    if (out->has_length || !content_length_parse(value, &out->length))
        return false;
    out->has_length = true;
    return true;
}

// read_transfer_encoding: `chunked` alone, once, not in HTTP/1.0 (RFC 9112 6.1).
static bool read_transfer_encoding(struct slice value, struct request_head *out,
                                   const char **out_why)
{
    *out_why = "Transfer-Encoding";
    if (out->body == BODY_CHUNKED || out->minor_version == 0 ||
        !slice_equal_ignore_case(value, SLICE_LITERAL("chunked")))
        return false;
    out->body = BODY_CHUNKED;
    return true;
}

// counts_forwards: of these methods Max-Forwards tells how far the request may go (RFC 9110 7.6.2).
static bool counts_forwards(struct slice method)
{
    return slice_equal(method, SLICE_LITERAL("OPTIONS")) ||
           slice_equal(method, SLICE_LITERAL("TRACE"));
}

static bool read_max_forwards(struct slice value, struct request_head *out, const char **out_why)
{
    *out_why = "Max-Forwards";
    if (!counts_forwards(out->method_text))
        return true;
    if (out->has_max_forwards || !content_length_parse(value, &out->max_forwards))
        return false;
    out->has_max_forwards = true;
    return true;
}

static void read_connection(struct slice value, struct request_head *out)
{
    out->has_close = out->has_close || list_has(value, SLICE_LITERAL("close"));
    if (out->has_close)
        out->is_persistent = false;
    else if (list_has(value, SLICE_LITERAL("keep-alive")))
        out->is_persistent = true;
}

static bool is_named(struct field field, const char *name)
{
    return slice_equal_ignore_case(field.name, slice_of_string(name));
}

// read_field notes the few fields that matter here.
static bool read_field(struct field field, struct request_head *out, const char **out_why)
{
    if (is_named(field, "host")) {
        *out_why = "several Host fields";
        if (out->has_host)
            return false;
        out->has_host = true;
        out->host = field.value;
    } else if (is_named(field, "connection")) {
        read_connection(field.value, out);
    } else if (is_named(field, "content-length")) {
        return read_content_length(field.value, out, out_why);
    } else if (is_named(field, "transfer-encoding")) {
        return read_transfer_encoding(field.value, out, out_why);
    } else if (is_named(field, "max-forwards")) {
        return read_max_forwards(field.value, out, out_why);
    } else if (is_disguised(field.name, SLICE_LITERAL("content-length")) ||
               is_disguised(field.name, SLICE_LITERAL("transfer-encoding"))) {
        *out_why = "an underscore in a framing field";
        return false;
    }
    return true;
}

// read_wishes notes what is asked of the next hop. In HTTP/1.0 nobody can (RFC 9110 7.8, 10.1.1).
static void read_wishes(struct request_head *out, const struct hop_options *options)
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
            out->wants_websocket =
                out->wants_websocket || (list_has(field.value, SLICE_LITERAL("websocket")) &&
                                         hop_options_have(options, SLICE_LITERAL("upgrade")));
        } else if (is_named(field, "te")) {
            out->takes_trailers =
                out->takes_trailers || list_has(field.value, SLICE_LITERAL("trailers"));
        }
    }
}

// settle decides, with all fields read, how the body is framed (RFC 9112 6.3).
static bool settle(struct request_head *out, const char **out_why)
{
    struct hop_options options;
    *out_why = "Content-Length and Transfer-Encoding";
    if (out->has_length && out->body == BODY_CHUNKED)
        return false;
    *out_why = "a body on CONNECT";
    if (out->method == METHOD_CONNECT && (out->length > 0 || out->body == BODY_CHUNKED))
        return false;
    *out_why = "Connection";
    if (!hop_options_read(out->fields, &options))
        return false;
    if (out->length > 0)
        out->body = BODY_LENGTH;
    read_wishes(out, &options);
    return true;
}

static bool read_field_line(struct slice line, struct request_head *out, const char **out_why)
{
    struct field field;
    *out_why = "header field";
    return field_parse(line, &field) && read_field(field, out, out_why);
}

// bounds are those of one head.
struct bounds {
    size_t len;
    size_t line_len;
    size_t field_count;
};

// bounds_of gives the bounds of a head that begins with `start`, as far as it has come: CONNECT is told by its first
// bytes, which no bound is near to.
static struct bounds bounds_of(struct slice start, size_t max_len)
{
    if (slice_starts_with(start, SLICE_LITERAL("CONNECT ")))
        return (struct bounds){HEAD_CONNECT_MAX_LEN, HEAD_CONNECT_MAX_LINE_LEN,
                               HEAD_CONNECT_MAX_FIELDS};
    return (struct bounds){max_len, max_len, max_len / HEAD_BYTES_PER_FIELD};
}

static enum head_result result_of_line(enum line_result line, bool is_full, const char **out_why)
{
    *out_why = line == LINE_BAD ? "line ending" : "head too large";
    if (line == LINE_BAD)
        return HEAD_BAD;
    return line == LINE_TOO_LONG || is_full ? HEAD_TOO_LARGE : HEAD_MORE;
}

enum head_result request_head_parse(struct slice bytes, size_t max_len, struct request_head *out,
                                    const char **out_why)
{
    *out = (struct request_head){0};
    // One empty line in front is forgiven (RFC 9112 2.2).
    const size_t start = slice_starts_with(bytes, SLICE_LITERAL("\r\n")) ? 2 : 0;
    const struct bounds bounds = bounds_of(slice_from(bytes, start), max_len);
    const bool is_full = bytes.len >= bounds.len;
    const struct slice whole = slice_first(bytes, bounds.len); // more is not looked at
    struct slice rest = slice_from(whole, start);
    struct slice line = {0};
    enum line_result result = line_next(&rest, bounds.line_len, &line);
    if (result != LINE_OK)
        return result_of_line(result, is_full, out_why);
    if (!read_request_line(line, out, out_why))
        return HEAD_BAD;
    *out_why = "head too large";
    if (written_len(out->target) > bounds.line_len)
        return HEAD_TOO_LARGE;
    const size_t fields_at = whole.len - rest.len;
    for (size_t count = 0;; count++) {
        const size_t at = whole.len - rest.len;
        result = line_next(&rest, bounds.line_len, &line);
        if (result != LINE_OK)
            return result_of_line(result, is_full, out_why);
        if (line.len == 0) {
            out->fields = slice_of(whole.data + fields_at, at - fields_at);
            out->len = whole.len - rest.len;
            return settle(out, out_why) ? HEAD_OK : HEAD_BAD;
        }
        *out_why = "head too large";
        if (count == bounds.field_count)
            return HEAD_TOO_LARGE;
        if (!read_field_line(line, out, out_why))
            return HEAD_BAD;
    }
}
