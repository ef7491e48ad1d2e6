// Lines, read strictly: half a record could let a newcomer win against whom it does not name.
#include "proxy/config/included_record.h"

#include "proxy/config/file.h"

enum { PIECE_CAP = 8192 };

static const char header[] = "sallyport included 2\n";

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

// take_line gives the next line, without its end, in the arena. ERR_INPUT: it is empty.
static enum err take_line(struct slice *rest, struct arena *arena, const char **out,
                          size_t *out_len)
{
    const size_t end = slice_find(*rest, '\n');
    if (end == 0 || end == rest->len)
        return ERR_INPUT;
    *out = arena_copy_string(arena, slice_first(*rest, end));
    *out_len = end;
    *rest = slice_from(*rest, end + 1);
    return *out == NULL ? ERR_MEMORY : ERR_OK;
}

static enum err part_parse(struct slice *rest, struct arena *arena, struct included_part *out)
{
    const char *holdings = NULL;
    size_t path_len = 0;
    size_t len = 0;
    TRY(take_line(rest, arena, &out->path, &path_len));
    if (path_len > CONFIG_PATH_MAX)
        return ERR_LIMIT;
    if (!is_path(slice_of(out->path, path_len)))
        return ERR_INPUT;
    TRY(take_line(rest, arena, &holdings, &len));
    if (holdings[0] != '{')
        return ERR_INPUT;
    out->holdings = slice_of(holdings, len);
    return ERR_OK;
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
    if (lines > 2 * INCLUDED_RECORD_FILES_MAX)
        return ERR_LIMIT;
    struct included_part *items = arena_alloc(arena, lines / 2 + 1, sizeof *items);
    if (items == NULL)
        return ERR_MEMORY;
    while (rest.len > 0) {
        TRY(part_parse(&rest, arena, &items[count]));
        if (count > 0 && strcmp(items[count - 1].path, items[count].path) >= 0)
            return ERR_INPUT;
        count++;
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
        if (part->holdings.data == NULL || !is_path(slice_of_string(part->path)))
            continue;
        text_append_format(&text, "%s\n", part->path);
        text_flush(&text);
        sink(arg, part->holdings); // it may be longer than a piece
        text_append_string(&text, "\n");
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
        reader_warning(reader, node,
                       "what included files hold is not known, so that of those which want the "
                       "same none counts: %s: %s"
                       "\nsee which are refused; the proxy writes the record again",
                       path, why.text);
}
