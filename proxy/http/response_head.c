// One pass over the lines, as for requests: status line (RFC 9112 4), field lines (5), framing (6).
#include "proxy/http/response_head.h"

#include "proxy/http/field.h"
#include "proxy/http/hop.h"

static bool is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

// read_status_line: HTTP-version SP status-code [ SP reason-phrase ]. The blank in front of an empty phrase is
// left out by many servers; nobody reads that in two ways.
static bool read_status_line(struct slice line, struct response_head *out)
{
    if (slice_starts_with(line, SLICE_LITERAL("HTTP/1.1 ")))
        out->minor_version = 1;
    else if (!slice_starts_with(line, SLICE_LITERAL("HTTP/1.0 ")))
        return false;
    const struct slice rest = slice_from(line, 9);
    if (rest.len < 3 || !is_digit(rest.data[0]) || !is_digit(rest.data[1]) ||
        !is_digit(rest.data[2]) || (rest.len > 3 && rest.data[3] != ' '))
        return false;
    out->status =
        (uint16_t)((rest.data[0] - '0') * 100 + (rest.data[1] - '0') * 10 + (rest.data[2] - '0'));
    out->reason = slice_from(rest, 4);
    out->is_persistent = out->minor_version == 1;
    return out->status >= 100 && out->status < 600 && is_field_value(out->reason);
}

static bool is_named(struct field field, const char *name)
{
    return slice_equal_ignore_case(field.name, slice_of_string(name));
}

static void read_connection(struct slice value, struct response_head *out)
{
    out->has_close = out->has_close || list_has(value, SLICE_LITERAL("close"));
    if (out->has_close)
        out->is_persistent = false;
    else if (list_has(value, SLICE_LITERAL("keep-alive")))
        out->is_persistent = true;
}

// read_field notes what frames the message. Of each framing field there is one, with one plain value.
static bool read_field(struct field field, struct response_head *out, const char **out_why)
{
    if (is_named(field, "connection")) {
        read_connection(field.value, out);
    } else if (is_named(field, "content-length")) {
        *out_why = "Content-Length";
        if (out->has_length || !content_length_parse(field.value, &out->length))
            return false;
        out->has_length = true;
    } else if (is_named(field, "transfer-encoding")) {
        *out_why = "Transfer-Encoding";
        if (out->is_chunked || out->minor_version == 0 ||
            !slice_equal_ignore_case(field.value, SLICE_LITERAL("chunked")))
            return false;
        out->is_chunked = true;
    } else if (is_named(field, "upgrade")) {
        out->is_websocket = out->is_websocket || list_has(field.value, SLICE_LITERAL("websocket"));
    }
    return true;
}

// settle decides how the body is framed (RFC 9112 6.3).
static bool settle(struct response_head *out, bool is_for_head, const char **out_why)
{
    struct hop_options options;
    *out_why = "Content-Length and Transfer-Encoding";
    if (out->has_length && out->is_chunked)
        return false;
    *out_why = "Connection";
    if (!hop_options_read(out->fields, &options))
        return false;
    *out_why = "a body on an interim response";
    if (out->status < 200 && (out->is_chunked || out->length > 0))
        return false;
    if (is_for_head || out->status < 200 || out->status == 204 || out->status == 304)
        out->body = BODY_NONE;
    else if (out->is_chunked)
        out->body = BODY_CHUNKED;
    else if (out->has_length)
        out->body = out->length > 0 ? BODY_LENGTH : BODY_NONE;
    else
        out->body = BODY_TO_END;
    // A 204 that announces a body may well send one: nothing after it can be trusted.
    if (out->body == BODY_TO_END || (out->status == 204 && (out->is_chunked || out->length > 0)))
        out->is_persistent = false;
    return true;
}

static enum head_result result_of_line(enum line_result line, struct slice bytes,
                                       const char **out_why)
{
    *out_why = line == LINE_BAD ? "line ending" : "head too large";
    if (line == LINE_BAD)
        return HEAD_BAD;
    return line == LINE_TOO_LONG || bytes.len >= RESPONSE_HEAD_MAX_LEN ? HEAD_TOO_LARGE : HEAD_MORE;
}

enum head_result response_head_parse(struct slice bytes, bool is_for_head,
                                     struct response_head *out, const char **out_why)
{
    *out = (struct response_head){0};
    const struct slice whole = slice_first(bytes, RESPONSE_HEAD_MAX_LEN);
    struct slice rest = whole;
    struct slice line = {0};
    enum line_result result = line_next(&rest, RESPONSE_HEAD_MAX_LINE_LEN, &line);
    if (result != LINE_OK)
        return result_of_line(result, bytes, out_why);
    *out_why = "status line";
    if (!read_status_line(line, out))
        return HEAD_BAD;
    const size_t fields_at = whole.len - rest.len;
    for (size_t count = 0;; count++) {
        const size_t at = whole.len - rest.len;
        struct field field;
        result = line_next(&rest, RESPONSE_HEAD_MAX_LINE_LEN, &line);
        if (result != LINE_OK)
            return result_of_line(result, bytes, out_why);
        if (line.len == 0) {
            out->fields = slice_of(whole.data + fields_at, at - fields_at);
            out->len = whole.len - rest.len;
            return settle(out, is_for_head, out_why) ? HEAD_OK : HEAD_BAD;
        }
        *out_why = "head too large";
        if (count == RESPONSE_HEAD_MAX_FIELDS)
            return HEAD_TOO_LARGE;
        *out_why = "header field";
        if (!field_parse(line, &field) || !read_field(field, out, out_why))
            return HEAD_BAD;
    }
}
