// What is not the framing of HTTP/2 goes on as it is; the framing of HTTP/1.1 is written again.
#include "proxy/http2/response_head.h"

#include "auth/ipaddr.h"
#include "proxy/http/field.h"

static bool is_named(const struct field *field, const char *name)
{
    return slice_equal(field->name, slice_of_string(name));
}

uint16_t response_head_status(const struct request_fields *fields)
{
    struct slice rest = request_fields_all(fields);
    struct field field;
    uint64_t status = 0;
    size_t count = 0;
    bool has_regular = false;
    if (fields->why != NULL)
        return 0;
    while (request_fields_next(&rest, &field)) {
        if (field.name.data[0] != ':') {
            has_regular = true;
            continue;
        }
        if (has_regular || !is_named(&field, ":status") || field.value.len != 3 ||
            !decimal_parse(field.value, 599, &status))
            return 0;
        count++;
    }
    return count == 1 && status >= 100 ? (uint16_t)status : 0;
}

bool response_head_is_text(const struct request_fields *fields)
{
    struct slice rest = request_fields_all(fields);
    struct field field;
    while (request_fields_next(&rest, &field)) {
        if (is_named(&field, "content-type") &&
            slice_starts_with(field.value, SLICE_LITERAL("text/plain")))
            return true;
    }
    return false;
}

// write_fields writes what goes on. False: two lengths, or one that is none.
static bool write_fields(const struct request_fields *fields, bool is_tunnel, struct text *out,
                         size_t *out_length_count, uint64_t *out_length)
{
    struct slice rest = request_fields_all(fields);
    struct field field;
    while (request_fields_next(&rest, &field)) {
        const bool is_length = is_named(&field, "content-length");
        if (is_length &&
            (++*out_length_count > 1 || !decimal_parse(field.value, INT64_MAX, out_length)))
            return false;
        if (field.name.data[0] != ':' && !(is_length && is_tunnel))
            field_append(&field, out);
    }
    return true;
}

enum err response_head_write(const struct request_fields *fields, bool has_end, struct slice reason,
                             bool says_close, struct text *out, bool *out_has_length)
{
    const uint16_t status = response_head_status(fields);
    const bool is_tunnel = status >= 200 && status < 300;
    const bool is_bare = is_tunnel || status == 304;
    size_t length_count = 0;
    uint64_t length = 0;
    text_append_format(out, "HTTP/1.1 %u ", status);
    text_append(out, reason);
    text_append_string(out, "\r\n");
    if (status == 0 || !write_fields(fields, is_tunnel, out, &length_count, &length) ||
        (has_end && length > 0 && !is_bare))
        return ERR_INPUT;
    *out_has_length = length_count > 0 && !is_bare;
    if (has_end && length_count == 0 && !is_bare)
        text_append_string(out, "content-length: 0\r\n");
    if (!is_tunnel && (says_close || (!has_end && !*out_has_length)))
        text_append_string(out, "connection: close\r\n");
    text_append_string(out, "\r\n");
    ASSERT(!out->is_cut);
    return ERR_OK;
}

struct slice response_head_reason(struct slice content)
{
    const struct slice line = slice_first(content, slice_find(content, '\n'));
    if (line.len == content.len || line.len > RESPONSE_HEAD_REASON_MAX)
        return (struct slice){0};
    for (size_t i = 0; i < line.len; i++) {
        if (line.data[i] < ' ' || line.data[i] > '~')
            return (struct slice){0};
    }
    return line;
}
