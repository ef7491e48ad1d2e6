// Lines, read strictly: half a record could let a newcomer win against whom it does not name.
#include "proxy/config/included_record.h"

#include "auth/base/hex.h"
#include "proxy/config/file.h"

enum { DIGITS = 2 * INCLUDED_DIGEST_LEN, PIECE_CAP = 8192 };

static const char header[] = "sallyport included 1\n";

bool included_record_path(const char *state_path, char out[INCLUDED_RECORD_PATH_CAP])
{
    struct text text;
    text_init(&text, out, INCLUDED_RECORD_PATH_CAP);
    text_append_format(&text, "%s.included", state_path);
    return !text.is_cut;
}

static bool is_path(struct slice path)
{
    bool is_good = path.len > 0;
    for (size_t i = 0; i < path.len && is_good; i++)
        is_good = path.data[i] >= 0x20;
    return is_good;
}

// is_digest tells whether these are lower-case digits alone.
static bool is_digest(struct slice text)
{
    bool is_good = text.len == DIGITS;
    for (size_t i = 0; i < text.len && is_good; i++)
        is_good = hex_digit(text.data[i]) >= 0 && ascii_lower(text.data[i]) == text.data[i];
    return is_good;
}

static enum err line_parse(struct slice line, struct arena *arena, struct included_part *out)
{
    const struct slice path = slice_from(line, DIGITS + 1);
    uint8_t *digest = NULL;
    size_t digits = 0;
    if (!is_digest(slice_first(line, DIGITS)) || line.data[DIGITS] != ' ' || !is_path(path))
        return ERR_INPUT;
    if (path.len > CONFIG_PATH_MAX)
        return ERR_LIMIT;
    digest = arena_alloc_bytes(arena, INCLUDED_DIGEST_LEN);
    out->path = arena_copy_string(arena, path);
    out->digest = digest;
    if (digest == NULL || out->path == NULL)
        return ERR_MEMORY;
    return hex_read(slice_first(line, DIGITS), digest, INCLUDED_DIGEST_LEN, &digits) ? ERR_OK
                                                                                     : ERR_INPUT;
}

enum err included_record_parse(struct slice bytes, struct arena *arena, struct included_parts *out)
{
    struct slice rest = slice_from(bytes, sizeof header - 1);
    size_t lines = 0;
    size_t count = 0;
    *out = (struct included_parts){0};
    if (!slice_starts_with(bytes, slice_of_string(header)) || bytes.data[bytes.len - 1] != '\n')
        return ERR_INPUT;
    for (size_t i = 0; i < rest.len; i++)
        lines += rest.data[i] == '\n';
    if (lines > INCLUDED_RECORD_FILES_MAX)
        return ERR_LIMIT;
    struct included_part *items = arena_alloc(arena, lines + 1, sizeof *items);
    if (items == NULL)
        return ERR_MEMORY;
    while (rest.len > 0) {
        const size_t end = slice_find(rest, '\n');
        if (end <= DIGITS)
            return ERR_INPUT;
        TRY(line_parse(slice_first(rest, end), arena, &items[count]));
        if (count > 0 && strcmp(items[count - 1].path, items[count].path) >= 0)
            return ERR_INPUT;
        count++;
        rest = slice_from(rest, end + 1);
    }
    *out = (struct included_parts){.items = items, .count = count};
    return ERR_OK;
}

void included_record_format(const struct included_parts *parts, text_sink_fn sink, void *arg)
{
    char piece[PIECE_CAP];
    struct text text;
    text_init_sink(&text, piece, sizeof piece, sink, arg);
    text_append_string(&text, header);
    for (size_t i = 0; i < parts->count; i++) {
        const struct included_part *part = &parts->items[i];
        if (part->digest == NULL || !is_path(slice_of_string(part->path)))
            continue;
        text_append_hex(&text, slice_of(part->digest, INCLUDED_DIGEST_LEN));
        text_append_format(&text, " %s\n", part->path);
    }
    text_flush(&text);
}

void included_record_read(struct reader *reader, const struct node *node, const char *state_path,
                          struct included_parts *out)
{
    char path[INCLUDED_RECORD_PATH_CAP];
    struct file_content content = {0};
    struct errinfo why = {.text = "it is no such record"};
    *out = (struct included_parts){0};
    if (state_path == NULL || !included_record_path(state_path, path) || !file_is_there(path))
        return;
    enum err error = file_read(path, INCLUDED_RECORD_BYTES_MAX, FILE_PUBLIC, &content, &why);
    if (error == ERR_OK)
        error = included_record_parse(content.bytes, reader->arena, out);
    file_content_deinit(&content);
    if (error == ERR_MEMORY)
        reader_no_memory(reader);
    else if (error != ERR_OK)
        reader_warning(
            reader, node,
            "which included files are in force is not known, so that of those which want the "
            "same none counts: %s: %s"
            "\nsee which are refused; the proxy writes the record again",
            path, why.text);
}
