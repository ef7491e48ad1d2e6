// One function for each kind of value. Every message says what was found, what was expected and what to do.
#include "proxy/config/reader.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>

#include "auth/base/text.h"
#include "auth/base/array.h"
#include "auth/ipaddr.h"
#include "proxy/config/spelling.h"

enum { QUOTED_BYTES_MAX = 64 }; // of a value in a message

bool reader_report(struct reader *reader, enum severity severity, const struct node *node,
                   const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)diagnostics_add_list(reader->diagnostics, severity, reader->file,
                               node == NULL ? 0 : node->line, node == NULL ? 0 : node->column,
                               format, args);
    va_end(args);
    return false;
}

bool reader_refuse(struct reader *reader, const struct node *node, const char *what,
                   const char *reason, const char *hint)
{
    return reader_error(reader, node, "%s `%s`: %s\n%s", what, reader_quote(reader, node->text),
                        reason, hint);
}

bool reader_no_memory(struct reader *reader)
{
    if (!reader->is_out_of_memory)
        reader_error(reader, NULL, "no memory to load the configuration");
    reader->is_out_of_memory = true;
    return false;
}

const char *reader_quote(struct reader *reader, struct slice text)
{
    struct text quoted;
    text_init(&quoted, reader->quoted, sizeof reader->quoted);
    text_append(&quoted, slice_first(text, QUOTED_BYTES_MAX));
    if (text.len > QUOTED_BYTES_MAX)
        text_append_string(&quoted, "...");
    return reader->quoted;
}

void *reader_alloc(struct reader *reader, size_t count, size_t size)
{
    void *out = arena_alloc(reader->arena, count, size);
    if (out == NULL)
        reader_no_memory(reader);
    return out;
}

const char *reader_copy(struct reader *reader, struct slice text)
{
    const char *out = arena_copy_string(reader->arena, text);
    if (out == NULL)
        reader_no_memory(reader);
    return out;
}

// meant_for gives the index of the word that is meant by one of other programs, or of a key nearby; `count`: none.
static size_t meant_for(struct slice wrong, const char *const *words, size_t count)
{
    static const char *const pairs[][2] = {
        {"to", "until"},    {"until", "to"},   {"till", "until"},   {"till", "to"},
        {"end", "until"},   {"start", "from"}, {"parent", "via"},   {"parent", "parents"},
        {"parents", "via"}, {"proxy", "via"},  {"upstream", "via"}, {"timezone", "zone"},
        {"tz", "zone"},     {"cas", "ca"},     {"ca_file", "ca"},   {"host", "hosts"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        for (size_t j = 0; j < count && slice_equal(wrong, slice_of_string(pairs[i][0])); j++) {
            if (strcmp(words[j], pairs[i][1]) == 0)
                return j;
        }
    }
    return count;
}

const char *reader_words(struct reader *reader, struct slice wrong, const char *const *words,
                         size_t count)
{
    struct text hint;
    text_init(&hint, reader->hint, sizeof reader->hint);
    const size_t meant = meant_for(wrong, words, count);
    const size_t nearest = meant < count ? meant : spelling_nearest(wrong, words, count);
    if (nearest < count)
        text_append_format(&hint, "did you mean `%s`? ", words[nearest]);
    text_append_string(&hint, "known here: ");
    for (size_t i = 0; i < count; i++)
        text_append_format(&hint, "%s%s", i == 0 ? "" : ", ", words[i]);
    return reader->hint;
}

bool reader_expect(struct reader *reader, const struct node *node, enum node_kind kind,
                   const char *what)
{
    if (node == NULL)
        return false;
    if (node->kind == kind)
        return true;
    if (node->kind == NODE_SCALAR && node->text.len == 0)
        return reader_error(reader, node, "%s is empty: expected %s", what, node_kind_name(kind));
    const char *hint = "";
    if (kind == NODE_LIST)
        hint = node->kind == NODE_SCALAR ? "write it in brackets: [value]"
                                         : "put `- ` in front of each entry, or brackets around it";
    else if (kind == NODE_SCALAR && node->kind == NODE_LIST)
        hint = "one value is meant here: write it without brackets, or `- `";
    else if (kind == NODE_MAP && node->line == 1 && node->column == 1)
        hint = "is this the right file? A configuration begins with `version: 1`";
    return reader_error(reader, node, "%s is %s: expected %s\n%s", what, node_kind_name(node->kind),
                        node_kind_name(kind), hint);
}

bool reader_list(struct reader *reader, const struct node *node, const char *what, size_t min,
                 size_t max)
{
    if (!reader_expect(reader, node, NODE_LIST, what))
        return false;
    if (node->child_count < min)
        return reader_error(
            reader, node,
            "%s is empty\nwrite at least one entry, or leave the key out if it may be", what);
    if (node->child_count > max)
        return reader_error(reader, node, "%s has %" PRIu32 " entries: at most %zu are allowed",
                            what, node->child_count, max);
    return true;
}

void *reader_items(struct reader *reader, const struct node *node, const struct items *items,
                   size_t *out_count)
{
    *out_count = 0;
    if (!reader_list(reader, node, items->what, items->min, items->max))
        return NULL;
    uint8_t *elements = reader_alloc(reader, node->child_count, items->size);
    if (elements == NULL)
        return NULL;
    for (const struct node *entry = node->child; entry != NULL; entry = entry->next) {
        if (items->read(reader, entry, elements + *out_count * items->size, items->arg))
            (*out_count)++;
    }
    return elements;
}

// is_bare_word tells whether `node` is this word, not in quotes.
static bool is_bare_word(const struct node *node, const char *word)
{
    return !node->is_quoted && slice_equal(node->text, slice_of_string(word));
}

bool reader_text(struct reader *reader, const struct node *node, const char *what, size_t max_len,
                 struct slice *out)
{
    static const char *const bare[] = {"true", "false", "null", "~"};
    if (!reader_expect(reader, node, NODE_SCALAR, what))
        return false;
    if (node->text.len == 0)
        return reader_error(reader, node, "%s is empty", what);
    for (size_t i = 0; i < sizeof bare / sizeof bare[0]; i++) {
        if (is_bare_word(node, bare[i]))
            return reader_error(reader, node,
                                "%s is `%s`: expected a text"
                                "\nfor the word itself, write it in quotes",
                                what, bare[i]);
    }
    if (node->text.len > max_len)
        return reader_error(reader, node, "%s is longer than %zu bytes", what, max_len);
    for (size_t i = 0; i < node->text.len; i++) {
        if (node->text.data[i] < 0x20 || node->text.data[i] == 0x7F)
            return reader_error(reader, node, "%s holds a control character", what);
    }
    *out = node->text;
    return true;
}

// is_for_a_shell tells whether a path looks like one that a shell or a template should expand.
static bool is_for_a_shell(struct slice path)
{
    return slice_starts_with(path, SLICE_LITERAL("~/")) ||
           slice_contains(path, SLICE_LITERAL("${")) || slice_contains(path, SLICE_LITERAL("$("));
}

bool reader_path(struct reader *reader, const struct node *node, const char *what, const char **out)
{
    struct slice path = {0};
    char buffer[CONFIG_PATH_MAX + 1];
    struct text full;
    if (!reader_text(reader, node, what, CONFIG_PATH_MAX, &path))
        return false;
    text_init(&full, buffer, sizeof buffer);
    if (path.data[0] != '/' && reader->folder != NULL && strcmp(reader->folder, ".") != 0)
        text_append_format(&full, "%s/", reader->folder);
    text_append(&full, path);
    if (full.is_cut)
        return reader_error(reader, node, "%s is longer than %d bytes", what, CONFIG_PATH_MAX);
    if (is_for_a_shell(path))
        reader_warning(reader, node,
                       "%s `%s`: nothing in a configuration is expanded"
                       "\nwrite the whole path; relative ones begin at the folder of the file",
                       what, reader_quote(reader, path));
    *out = reader_copy(reader, text_slice(&full));
    return *out != NULL;
}

static bool is_name_byte(uint8_t byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '.' || byte == '_' || byte == '-';
}

bool reader_check_name(struct reader *reader, const struct node *node, const char *what)
{
    struct slice text = {0};
    if (!reader_text(reader, node, what, CONFIG_TEXT_MAX, &text))
        return false;
    bool is_name = text.len <= CONFIG_NAME_MAX;
    for (size_t i = 0; i < text.len && is_name; i++)
        is_name = is_name_byte(text.data[i]);
    if (is_name)
        return true;
    return reader_error(reader, node,
                        "%s `%s` is not a name: expected 1 to 32 of A-Z a-z 0-9 `.` `_` `-`", what,
                        reader_quote(reader, text));
}

bool reader_name(struct reader *reader, const struct node *node, const char *what, const char **out)
{
    if (node == NULL || !reader_check_name(reader, node, what))
        return false;
    *out = reader_copy(reader, node->text);
    return *out != NULL;
}

bool reader_integer(struct reader *reader, const struct node *node, const char *what, int64_t min,
                    int64_t max, int64_t *out)
{
    if (!reader_expect(reader, node, NODE_SCALAR, what))
        return false;
    const struct slice text = node->text;
    uint64_t value = 0;
    if (!node->is_quoted && decimal_parse(text, (uint64_t)max, &value) && (int64_t)value >= min) {
        *out = (int64_t)value;
        return true;
    }
    return reader_error(reader, node, "%s is `%s`: expected a whole number from %lld to %lld%s",
                        what, reader_quote(reader, text), (long long)min, (long long)max,
                        node->is_quoted ? ", without quotes" : "");
}

bool reader_boolean(struct reader *reader, const struct node *node, const char *what, bool *out)
{
    if (!reader_expect(reader, node, NODE_SCALAR, what))
        return false;
    *out = is_bare_word(node, "true");
    if (*out || is_bare_word(node, "false"))
        return true;
    return reader_error(reader, node, "%s is `%s`: expected true or false", what,
                        reader_quote(reader, node->text));
}

bool reader_choice(struct reader *reader, const struct node *node, const char *what,
                   const char *const *words, size_t count, size_t *out)
{
    struct slice text = {0};
    if (!reader_text(reader, node, what, CONFIG_TEXT_MAX, &text))
        return false;
    for (*out = 0; *out < count; ++*out) {
        if (slice_equal(text, slice_of_string(words[*out])))
            return true;
    }
    return reader_error(reader, node, "%s `%s` is not known\n%s", what, reader_quote(reader, text),
                        reader_words(reader, text, words, count));
}

static int compare_places(const void *left, const void *right)
{
    const struct named_place *a = left;
    const struct named_place *b = right;
    const int order = strcmp(a->name, b->name);
    if (order != 0)
        return order;
    if (a->node->line != b->node->line)
        return a->node->line < b->node->line ? -1 : 1;
    return a->node->column < b->node->column ? -1 : a->node->column > b->node->column;
}

void reader_note_name(struct reader *reader, struct named_places *places, const char *name,
                      const struct node *node)
{
    struct named_place *items =
        array_make_room(places->items, places->count, &places->cap, sizeof *items);
    if (items == NULL) {
        reader_no_memory(reader);
        return;
    }
    places->items = items;
    items[places->count++] = (struct named_place){.name = name, .node = node};
}

void reader_check_unique(struct reader *reader, const char *what, struct named_places *places)
{
    const struct named_place *items = places->items;
    if (places->count > 0)
        qsort(places->items, places->count, sizeof *items, compare_places);
    for (size_t i = 1; i < places->count; i++) {
        if (strcmp(items[i - 1].name, items[i].name) == 0)
            reader_error(reader, items[i].node,
                         "%s `%s` is used twice"
                         "\nthe other one is at line %" PRIu32 "; names are unique",
                         what, items[i].name, items[i - 1].node->line);
    }
}

void reader_unique(struct reader *reader, const char *what, struct named_places *places)
{
    reader_check_unique(reader, what, places);
    named_places_deinit(places);
}

void named_places_deinit(struct named_places *places)
{
    free(places->items);
    *places = (struct named_places){0};
}
