// One pass over the lines of a head. The order of checks is that of RFC 9112: request line (3), field
// lines (5), framing (6).
#include "proxy/http/head.h"

// is_token_byte: RFC 9110 5.6.2.
static bool is_token_byte(uint8_t byte)
{
    if ((byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
        (byte >= 'a' && byte <= 'z'))
        return true;
    return byte != 0 && strchr("!#$%&'*+-.^_`|~", byte) != NULL;
}

static bool is_token(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!is_token_byte(s.data[i]))
            return false;
    }
    return s.len > 0;
}

// is_target: visible ASCII only; what it means is for auth/target.
static bool is_target(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] <= 0x20 || s.data[i] >= 0x7F)
            return false;
    }
    return s.len > 0;
}

// is_field_value: RFC 9110 5.5, obs-text allowed, no other control byte than a tab.
static bool is_field_value(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if ((s.data[i] < 0x20 && s.data[i] != '\t') || s.data[i] == 0x7F)
            return false;
    }
    return true;
}

static bool is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t';
}

static struct slice trim(struct slice s)
{
    while (s.len > 0 && is_blank(s.data[0]))
        s = slice_from(s, 1);
    while (s.len > 0 && is_blank(s.data[s.len - 1]))
        s = slice_first(s, s.len - 1);
    return s;
}

enum line_result { LINE_OK, LINE_MORE, LINE_BAD, LINE_TOO_LONG };

// next_line takes one line off `rest`, without its CRLF. A CR or LF anywhere else is bad. What it says
// does not depend on how much has arrived behind the byte that decides.
static enum line_result next_line(struct slice *rest, struct slice *out)
{
    const size_t lf = slice_find(*rest, '\n');
    const struct slice line = slice_first(*rest, lf);
    const struct slice start = slice_first(line, HEAD_MAX_LINE_LEN);
    const size_t cr = slice_find(start, '\r');
    if (cr < start.len && cr + 1 < line.len)
        return LINE_BAD;
    if (line.len > HEAD_MAX_LINE_LEN)
        return LINE_TOO_LONG;
    if (lf == rest->len)
        return LINE_MORE;
    if (cr == line.len)
        return LINE_BAD;
    *out = slice_first(line, cr);
    *rest = slice_from(*rest, lf + 1);
    return LINE_OK;
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
    if (!is_token(method) || !is_target(target))
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

// list_has tells whether a comma-separated list (RFC 9110 5.6.1) has the token, in any case.
static bool list_has(struct slice list, struct slice token)
{
    while (list.len > 0) {
        const size_t comma = slice_find(list, ',');
        if (slice_equal_ignore_case(trim(slice_first(list, comma)), token))
            return true;
        list = slice_from(list, comma + 1);
    }
    return false;
}

// read_field notes the few fields that matter here.
static bool read_field(struct slice name, struct slice value, struct request_head *out,
                       const char **out_why)
{
    if (slice_equal_ignore_case(name, SLICE_LITERAL("host"))) {
        *out_why = "several Host fields";
        if (out->has_host)
            return false;
        out->has_host = true;
        out->host = value;
    } else if (slice_equal_ignore_case(name, SLICE_LITERAL("connection"))) {
        out->has_close = out->has_close || list_has(value, SLICE_LITERAL("close"));
        if (out->has_close)
            out->is_persistent = false;
        else if (list_has(value, SLICE_LITERAL("keep-alive")))
            out->is_persistent = true;
    } else if (slice_equal_ignore_case(name, SLICE_LITERAL("content-length"))) {
        *out_why = "a body on CONNECT";
        if (out->method == METHOD_CONNECT && !slice_equal(value, SLICE_LITERAL("0")))
            return false;
    } else if (slice_equal_ignore_case(name, SLICE_LITERAL("transfer-encoding"))) {
        *out_why = "a body on CONNECT";
        if (out->method == METHOD_CONNECT)
            return false;
    }
    return true;
}

static bool read_field_line(struct slice line, struct request_head *out, const char **out_why)
{
    const size_t colon = slice_find(line, ':');
    const struct slice name = slice_first(line, colon);
    *out_why = "header field";
    if (colon == line.len || !is_token(name))
        return false; // also a folded line, which starts with a blank
    const struct slice value = trim(slice_from(line, colon + 1));
    if (!is_field_value(value))
        return false;
    return read_field(name, value, out, out_why);
}

static enum head_result result_of_line(enum line_result line, struct slice bytes,
                                       const char **out_why)
{
    *out_why = line == LINE_BAD ? "line ending" : "head too large";
    if (line == LINE_BAD)
        return HEAD_BAD;
    return line == LINE_TOO_LONG || bytes.len >= HEAD_MAX_LEN ? HEAD_TOO_LARGE : HEAD_MORE;
}

enum head_result request_head_parse(struct slice bytes, struct request_head *out,
                                    const char **out_why)
{
    *out = (struct request_head){0};
    const struct slice whole = slice_first(bytes, HEAD_MAX_LEN); // more is not looked at
    struct slice rest = whole;
    if (slice_starts_with(rest, SLICE_LITERAL("\r\n")))
        rest = slice_from(rest, 2); // one empty line in front is forgiven (RFC 9112 2.2)
    struct slice line = {0};
    enum line_result result = next_line(&rest, &line);
    if (result != LINE_OK)
        return result_of_line(result, bytes, out_why);
    if (!read_request_line(line, out, out_why))
        return HEAD_BAD;
    for (size_t count = 0;; count++) {
        result = next_line(&rest, &line);
        if (result != LINE_OK)
            return result_of_line(result, bytes, out_why);
        if (line.len == 0) {
            out->len = whole.len - rest.len;
            return HEAD_OK;
        }
        *out_why = "head too large";
        if (count == HEAD_MAX_FIELDS)
            return HEAD_TOO_LARGE;
        if (!read_field_line(line, out, out_why))
            return HEAD_BAD;
    }
}
