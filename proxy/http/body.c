// A chunk's line and the trailer section are looked at once they are whole, within their bounds; content is
// handed out as it comes.
#include "proxy/http/body.h"

#include "auth/base/hex.h"
#include "proxy/http/field.h"
#include "proxy/http/hop.h"

void body_reader_init(struct body_reader *reader, enum body_kind kind, uint64_t length)
{
    *reader = (struct body_reader){.kind = kind};
    switch (kind) {
    case BODY_NONE:
        reader->state = BODY_STATE_DONE;
        return;
    case BODY_LENGTH:
        reader->state = length == 0 ? BODY_STATE_DONE : BODY_STATE_DATA;
        reader->remaining = length;
        return;
    case BODY_CHUNKED:
        reader->state = BODY_STATE_CHUNK_LINE;
        return;
    case BODY_TO_END:
        reader->state = BODY_STATE_DATA;
        reader->remaining = UINT64_MAX;
        return;
    }
}

// parse_chunk_line reads chunk-size [ chunk-ext ] (RFC 9112 7.1). No blank stands after the size, and an
// extension begins with its semicolon: what else there is, readers take for one thing or another.
static bool parse_chunk_line(struct slice line, uint64_t *out_size, size_t *out_extensions_len)
{
    uint64_t size = 0;
    size_t digits = 0;
    for (; digits < line.len && hex_digit(line.data[digits]) >= 0; digits++) {
        if (size > (INT64_MAX >> 4))
            return false;
        size = size << 4 | (uint64_t)hex_digit(line.data[digits]);
    }
    const struct slice extensions = slice_from(line, digits);
    if (digits == 0 || digits > 16 || !is_field_value(extensions))
        return false;
    *out_size = size;
    *out_extensions_len = extensions.len;
    return extensions.len == 0 || (extensions.len > 1 && extensions.data[0] == ';');
}

// next_excess bounds what somebody may make us read for nothing: extensions are fine where the content is
// more than they are.
static uint32_t next_excess(uint32_t excess_len, size_t extensions_len, uint64_t size)
{
    const uint64_t sum = (uint64_t)excess_len + extensions_len;
    return sum > size ? (uint32_t)(sum - size) : 0;
}

// read_chunk_line goes from a chunk's size to its data, or from the last one to the trailer.
static enum body_result read_chunk_line(struct body_reader *reader, struct slice *rest,
                                        const char **out_why)
{
    struct slice line;
    uint64_t size = 0;
    size_t extensions_len = 0;
    *out_why = "chunk size";
    const enum line_result result = line_next(rest, BODY_MAX_CHUNK_LINE_LEN, &line);
    if (result != LINE_OK)
        return result == LINE_MORE ? BODY_MORE : BODY_BAD;
    if (!parse_chunk_line(line, &size, &extensions_len))
        return BODY_BAD;
    *out_why = "chunk extensions";
    reader->excess_len = next_excess(reader->excess_len, extensions_len, size);
    if (reader->excess_len > BODY_MAX_EXCESS_LEN)
        return BODY_BAD;
    reader->remaining = size;
    reader->state = size == 0 ? BODY_STATE_TRAILER : BODY_STATE_DATA;
    return BODY_DATA; // nothing yet, but it went on
}

static enum body_result read_chunk_end(struct body_reader *reader, struct slice *rest,
                                       const char **out_why)
{
    const struct slice crlf = SLICE_LITERAL("\r\n");
    *out_why = "no line end after a chunk";
    if (rest->len < crlf.len)
        return slice_starts_with(crlf, *rest) ? BODY_MORE : BODY_BAD;
    if (!slice_starts_with(*rest, crlf))
        return BODY_BAD;
    *rest = slice_from(*rest, crlf.len);
    reader->state = BODY_STATE_CHUNK_LINE;
    return BODY_DATA;
}

// read_trailer takes the fields and the empty line, once all of it is there.
static enum body_result read_trailer(struct body_reader *reader, struct slice *rest,
                                     struct slice *out_fields, const char **out_why)
{
    struct slice left = slice_first(*rest, BODY_MAX_TRAILER_LEN);
    const struct slice section = left;
    *out_why = "trailer fields";
    for (size_t count = 0; count <= BODY_MAX_TRAILER_FIELDS; count++) {
        struct slice line;
        struct field field;
        const size_t before = section.len - left.len;
        const enum line_result result = line_next(&left, BODY_MAX_TRAILER_LEN, &line);
        if (result == LINE_MORE && section.len < BODY_MAX_TRAILER_LEN)
            return BODY_MORE;
        if (result != LINE_OK)
            return BODY_BAD;
        if (line.len == 0) {
            *out_fields = slice_first(section, before);
            *rest = slice_from(*rest, before + 2);
            reader->state = BODY_STATE_DONE;
            return BODY_DONE;
        }
        if (!field_parse(line, &field))
            return BODY_BAD;
    }
    return BODY_BAD;
}

static enum body_result read_data(struct body_reader *reader, struct slice *rest,
                                  struct slice *out_content)
{
    if (rest->len == 0)
        return BODY_MORE;
    *out_content =
        slice_first(*rest, reader->remaining < rest->len ? (size_t)reader->remaining : rest->len);
    *rest = slice_from(*rest, out_content->len);
    if (reader->kind == BODY_TO_END)
        return BODY_DATA;
    reader->remaining -= out_content->len;
    if (reader->remaining == 0)
        reader->state = reader->kind == BODY_CHUNKED ? BODY_STATE_CHUNK_END : BODY_STATE_DONE;
    return BODY_DATA;
}

enum body_result body_reader_next(struct body_reader *reader, struct slice bytes, size_t *out_used,
                                  struct slice *out_content, const char **out_why)
{
    struct slice rest = bytes;
    enum body_result result = BODY_DATA;
    *out_content = (struct slice){0};
    while (result == BODY_DATA && out_content->len == 0) {
        switch (reader->state) {
        case BODY_STATE_DATA:
            result = read_data(reader, &rest, out_content);
            break;
        case BODY_STATE_CHUNK_LINE:
            result = read_chunk_line(reader, &rest, out_why);
            break;
        case BODY_STATE_CHUNK_END:
            result = read_chunk_end(reader, &rest, out_why);
            break;
        case BODY_STATE_TRAILER:
            result = read_trailer(reader, &rest, out_content, out_why);
            break;
        case BODY_STATE_DONE:
            result = BODY_DONE;
            break;
        }
    }
    *out_used = bytes.len - rest.len;
    return result;
}

bool body_reader_ends_well(const struct body_reader *reader)
{
    return reader->state == BODY_STATE_DONE || reader->kind == BODY_TO_END;
}

uint64_t body_reader_max_read(const struct body_reader *reader, size_t max_after)
{
    if (reader->kind == BODY_TO_END)
        return UINT64_MAX;
    const uint64_t certain = reader->state == BODY_STATE_DATA ? reader->remaining : 0;
    return reader->kind == BODY_CHUNKED ? certain + max_after : certain;
}

void body_chunk_append(struct slice content, struct text *out)
{
    text_append_format(out, "%zx\r\n", content.len);
    text_append(out, content);
    text_append(out, SLICE_LITERAL("\r\n"));
}

void body_end_append(struct slice trailer, struct text *out)
{
    struct field field;
    text_append(out, SLICE_LITERAL("0\r\n"));
    while (field_next(&trailer, &field)) {
        if (!hop_is_forbidden_trailer(field.name))
            field_append(&field, out);
    }
    text_append(out, SLICE_LITERAL("\r\n"));
}
