// libyaml's events become a tree. The only file that knows yaml.h.
//
// libyaml is driven event by event, so that depth and size are checked before it can spend time on
// what lies behind: 200 KB of `[` take it minutes, and the 17th bracket ends it here.
#include "proxy/config/yaml_document.h"

#include <stdlib.h>
#include <yaml.h>

#include "auth/base/arena.h"

enum { FEW_KEYS = 16 }; // of a map that is checked without memory from the heap

struct yaml_document {
    struct arena *arena;     // owned; holds the nodes and texts
    const struct node *root; // in the arena
};

// A map or list that is not closed yet.
struct frame {
    struct node *node;       // in the arena
    struct node *last_child; // in the arena
    struct node *key;        // of a map: the key that waits for its value; in the arena
};

struct builder {
    struct yaml_document *document;  // borrowed from yaml_document_parse
    struct diagnostics *diagnostics; // borrowed
    const char *file;                // borrowed
    struct frame frames[YAML_MAX_DEPTH];
    size_t depth;
    size_t event_count;
    bool has_duplicates;
    bool has_document;
};

const char *node_kind_name(enum node_kind kind)
{
    static const char *const names[] = {
        [NODE_SCALAR] = "a value", [NODE_LIST] = "a list", [NODE_MAP] = "a map"};
    return names[kind];
}

const struct node *node_get(const struct node *map, const char *key)
{
    if (map == NULL || map->kind != NODE_MAP)
        return NULL;
    for (const struct node *value = map->child; value != NULL; value = value->next) {
        if (slice_equal(value->key->text, slice_of_string(key)))
            return value;
    }
    return NULL;
}

static uint32_t clamp_place(size_t from_zero)
{
    return from_zero < UINT32_MAX ? (uint32_t)from_zero + 1 : UINT32_MAX;
}

// refuse adds an error at `mark`, with a hint after a line break, and returns `error`.
static PRINTF_LIKE(4, 5) enum err refuse(struct builder *builder, const yaml_mark_t *mark,
                                         enum err error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)diagnostics_add_list(builder->diagnostics, SEVERITY_ERROR, builder->file,
                               clamp_place(mark->line), clamp_place(mark->column), format, args);
    va_end(args);
    return error;
}

static enum err refuse_no_memory(struct builder *builder, const yaml_mark_t *mark)
{
    return refuse(builder, mark, ERR_MEMORY, "no memory to read further");
}

static int compare_keys(const void *left, const void *right)
{
    const struct node *a = (*(const struct node *const *)left)->key;
    const struct node *b = (*(const struct node *const *)right)->key;
    const size_t common = a->text.len < b->text.len ? a->text.len : b->text.len;
    const int order = common == 0 ? 0 : memcmp(a->text.data, b->text.data, common);
    if (order != 0)
        return order;
    if (a->text.len != b->text.len)
        return a->text.len < b->text.len ? -1 : 1;
    if (a->line != b->line)
        return a->line < b->line ? -1 : 1;
    return a->column < b->column ? -1 : a->column > b->column;
}

static void report_duplicate(struct builder *builder, const struct node *first,
                             const struct node *second)
{
    builder->has_duplicates = true;
    const int shown = second->text.len < 64 ? (int)second->text.len : 64;
    (void)diagnostics_add(builder->diagnostics, SEVERITY_ERROR, builder->file, second->line,
                          second->column,
                          "duplicate key `%.*s`\nit is at line %u already; keep one of them", shown,
                          (const char *)second->text.data, first->line);
}

// check_keys reports the keys that stand in `map` twice.
static enum err check_keys(struct builder *builder, const struct node *map)
{
    const struct node *few[FEW_KEYS];
    const struct node **sorted = few;
    size_t count = 0;
    if (map->child_count > FEW_KEYS && (sorted = calloc(map->child_count, sizeof *sorted)) == NULL)
        return ERR_MEMORY;
    for (const struct node *value = map->child; value != NULL; value = value->next)
        sorted[count++] = value;
    qsort(sorted, count, sizeof *sorted, compare_keys);
    for (size_t i = 1; i < count; i++) {
        if (slice_equal(sorted[i - 1]->key->text, sorted[i]->key->text))
            report_duplicate(builder, sorted[i - 1]->key, sorted[i]->key);
    }
    if (sorted != few)
        free(sorted);
    return ERR_OK;
}

// refuse_properties refuses what may stand in front of a node: anchors and tags.
static enum err refuse_properties(struct builder *builder, const yaml_mark_t *mark,
                                  const yaml_char_t *anchor, const yaml_char_t *tag)
{
    if (anchor != NULL)
        return refuse(builder, mark, ERR_INPUT,
                      "anchors (`&name`) are not supported"
                      "\nwrite the value out; quote a text that begins with `&`");
    if (tag != NULL)
        return refuse(builder, mark, ERR_INPUT,
                      "tags (`!name`) are not supported"
                      "\nleave the tag out; quote a text that begins with `!`");
    return ERR_OK;
}

// check_key refuses what is no plain word in the place of a map's key.
static enum err check_key(struct builder *builder, const yaml_mark_t *mark, const struct node *node)
{
    if (node->kind != NODE_SCALAR)
        return refuse(builder, mark, ERR_INPUT, "a key must be a word, not a list or a map");
    if (node->text.len == 0)
        return refuse(builder, mark, ERR_INPUT, "a key is empty\nwrite `key: value`");
    if (!node->is_quoted && slice_equal(node->text, SLICE_LITERAL("<<")))
        return refuse(builder, mark, ERR_INPUT,
                      "merge keys (`<<`) are not supported\nwrite the keys out");
    return ERR_OK;
}

// attach puts a new node into the map or list that is open, or makes it the root.
static enum err attach(struct builder *builder, const yaml_mark_t *mark, struct node *node)
{
    if (builder->depth == 0) {
        builder->document->root = node;
        return ERR_OK;
    }
    struct frame *frame = &builder->frames[builder->depth - 1];
    if (frame->node->kind == NODE_MAP && frame->key == NULL) {
        TRY(check_key(builder, mark, node));
        frame->key = node;
        return ERR_OK;
    }
    node->key = frame->key;
    frame->key = NULL;
    if (frame->last_child == NULL)
        frame->node->child = node;
    else
        frame->last_child->next = node;
    frame->last_child = node;
    frame->node->child_count++; // YAML_MAX_EVENTS is far below UINT32_MAX
    return ERR_OK;
}

// add_node makes a node of `kind` at `mark` and attaches it.
static enum err add_node(struct builder *builder, const yaml_mark_t *mark, enum node_kind kind,
                         struct slice text, bool is_quoted)
{
    struct arena *arena = builder->document->arena;
    struct node *node = arena_alloc(arena, 1, sizeof *node);
    if (node == NULL)
        return refuse_no_memory(builder, mark);
    *node = (struct node){.kind = kind,
                          .is_quoted = is_quoted,
                          .line = clamp_place(mark->line),
                          .column = clamp_place(mark->column)};
    if (kind == NODE_SCALAR) {
        const char *copy = arena_copy_string(arena, text);
        if (copy == NULL)
            return refuse_no_memory(builder, mark);
        node->text = slice_of(copy, text.len);
    }
    TRY(attach(builder, mark, node));
    if (kind == NODE_SCALAR)
        return ERR_OK;
    if (builder->depth == YAML_MAX_DEPTH)
        return refuse(builder, mark, ERR_LIMIT,
                      "maps and lists are nested too deeply"
                      "\nno configuration needs more than 16 levels");
    builder->frames[builder->depth++] = (struct frame){.node = node};
    return ERR_OK;
}

static enum err add_scalar(struct builder *builder, const yaml_event_t *event)
{
    const yaml_mark_t *mark = &event->start_mark;
    const struct slice text = slice_of(event->data.scalar.value, event->data.scalar.length);
    TRY(refuse_properties(builder, mark, event->data.scalar.anchor, event->data.scalar.tag));
    if (slice_find(text, 0) != text.len)
        return refuse(builder, mark, ERR_INPUT, "a text holds a NUL byte");
    return add_node(builder, mark, NODE_SCALAR, text,
                    event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE);
}

// close_node ends the innermost map or list.
static enum err close_node(struct builder *builder, const yaml_mark_t *mark)
{
    ASSERT(builder->depth > 0); // libyaml's events are balanced
    const struct node *node = builder->frames[--builder->depth].node;
    if (node->kind == NODE_MAP && check_keys(builder, node) != ERR_OK)
        return refuse_no_memory(builder, mark);
    return ERR_OK;
}

static enum err start_document(struct builder *builder, const yaml_event_t *event)
{
    const yaml_mark_t *mark = &event->start_mark;
    if (builder->has_document)
        return refuse(builder, mark, ERR_INPUT,
                      "a second document begins here"
                      "\none file holds one document; remove the `---`");
    builder->has_document = true;
    if (event->data.document_start.tag_directives.start !=
        event->data.document_start.tag_directives.end)
        return refuse(builder, mark, ERR_INPUT, "%%TAG is not supported");
    return ERR_OK;
}

static enum err take_event(struct builder *builder, const yaml_event_t *event)
{
    const yaml_mark_t *mark = &event->start_mark;
    const struct slice none = {0};
    if (++builder->event_count > YAML_MAX_EVENTS)
        return refuse(builder, mark, ERR_LIMIT, "the file has too many entries");
    switch (event->type) {
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        return ERR_OK;
    case YAML_DOCUMENT_START_EVENT:
        return start_document(builder, event);
    case YAML_ALIAS_EVENT:
        return refuse(
            builder, mark, ERR_INPUT,
            "aliases (`*name`) are not supported"
            "\nwrite the value out; quote a text that begins with `*`: \"*.example.com\"");
    case YAML_SCALAR_EVENT:
        return add_scalar(builder, event);
    case YAML_SEQUENCE_START_EVENT:
        TRY(refuse_properties(builder, mark, event->data.sequence_start.anchor,
                              event->data.sequence_start.tag));
        return add_node(builder, mark, NODE_LIST, none, false);
    case YAML_MAPPING_START_EVENT:
        TRY(refuse_properties(builder, mark, event->data.mapping_start.anchor,
                              event->data.mapping_start.tag));
        return add_node(builder, mark, NODE_MAP, none, false);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return close_node(builder, mark);
    }
    return ERR_OK;
}

// mark_of_offset counts lines and columns up to a byte: for errors that come without a place.
static yaml_mark_t mark_of_offset(struct slice bytes, size_t offset)
{
    yaml_mark_t mark = {.index = offset};
    for (size_t i = 0; i < offset && i < bytes.len; i++) {
        mark.column += (bytes.data[i] & 0xC0) != 0x80;
        if (bytes.data[i] == '\n') {
            mark.line++;
            mark.column = 0;
        }
    }
    return mark;
}

// line_at gives the text of a line, from 0.
static struct slice line_at(struct slice bytes, size_t number)
{
    for (size_t end = slice_find(bytes, '\n'); number > 0 && end < bytes.len; number--) {
        bytes = slice_from(bytes, end + 1);
        end = slice_find(bytes, '\n');
    }
    return slice_first(bytes, slice_find(bytes, '\n'));
}

// has_bare_ipv6 tells whether a line has a value such as [::]:8443, which YAML reads as a list.
static bool has_bare_ipv6(struct slice line)
{
    const size_t open = slice_find(line, '[');
    const size_t close = slice_find(line, ']');
    return close > open && close + 1 < line.len && line.data[close + 1] == ':' &&
           (open == 0 || line.data[open - 1] == ' ') &&
           slice_find(slice_of(line.data + open, close - open), ':') < close - open;
}

// hint_for_open says what is not closed, and where it begins; false when it is not about that.
static bool hint_for_open(const char *context, const char *problem, const yaml_mark_t *start,
                          struct errinfo *out)
{
    const unsigned line = clamp_place(start->line);
    const unsigned column = clamp_place(start->column);
    if (strstr(problem, "',' or '}'") != NULL)
        (void)errinfo_set(out, ERR_INPUT,
                          "the `{` at %u:%u is not closed: add the missing `}`, or a comma", line,
                          column);
    else if (strstr(problem, "',' or ']'") != NULL)
        (void)errinfo_set(out, ERR_INPUT,
                          "the `[` at %u:%u is not closed: add the missing `]`, or a comma", line,
                          column);
    else if (strstr(context, "quoted scalar") != NULL)
        (void)errinfo_set(out, ERR_INPUT, "the quote at %u:%u is not closed", line, column);
    else if (strstr(problem, "expected '-'") != NULL || strstr(problem, "expected key") != NULL)
        (void)errinfo_set(out, ERR_INPUT,
                          "the indent does not fit what begins at %u:%u: indent what belongs "
                          "together alike, with blanks",
                          line, column);
    else
        return false;
    return true;
}

// hint_for_syntax gives a way out of the mistakes that people make most, or "". `buffer` is room for it.
static const char *hint_for_syntax(const yaml_parser_t *parser, struct slice bytes,
                                   struct errinfo *buffer)
{
    const char *context = parser->context == NULL ? "" : parser->context;
    const char *problem = parser->problem == NULL ? "" : parser->problem;
    if (has_bare_ipv6(line_at(bytes, parser->problem_mark.line)))
        return "an address that begins with `[` needs quotes: \"[::]:8443\"";
    if (slice_contains(line_at(bytes, parser->problem_mark.line), SLICE_LITERAL("${")))
        return "`${` is not expanded here, and a text with braces needs quotes";
    if (strstr(context, "alias") != NULL || strstr(context, "anchor") != NULL)
        return "quote a text that begins with `*` or `&`: \"*.example.com\"";
    if (strstr(problem, "tab character") != NULL)
        return "indent with blanks, not with tabs";
    if (strstr(problem, "cannot start any token") != NULL)
        return "quote a text that begins with `@`, `%` or a backquote, such as \"@name\"; indent "
               "with blanks, not with tabs";
    if (strstr(problem, "mapping values are not allowed") != NULL)
        return "this line is indented too far, the line above lacks its `:`, or a text with `: ` in "
               "it needs quotes";
    if (strstr(problem, "expected ':'") != NULL)
        return "write `key: value`, with a blank after the colon";
    return hint_for_open(context, problem, &parser->context_mark, buffer) ? buffer->text : "";
}

// refuse_syntax reports what libyaml itself could not read.
static enum err refuse_syntax(struct builder *builder, const yaml_parser_t *parser,
                              struct slice bytes)
{
    const char *problem = parser->problem == NULL ? "unreadable" : parser->problem;
    yaml_mark_t mark = parser->problem_mark;
    struct errinfo hint = {0};
    if (parser->error == YAML_MEMORY_ERROR)
        return refuse_no_memory(builder, &mark);
    if (parser->error == YAML_READER_ERROR) {
        mark = mark_of_offset(bytes, parser->problem_offset);
        return refuse(builder, &mark, ERR_INPUT,
                      "not readable as UTF-8 text: %s"
                      "\nsave the file as UTF-8 without control characters",
                      problem);
    }
    const char *context = parser->context == NULL ? "" : parser->context;
    return refuse(builder, &mark, ERR_INPUT, "not valid YAML: %s%s%s\n%s", context,
                  context[0] == '\0' ? "" : ", ", problem, hint_for_syntax(parser, bytes, &hint));
}

// build takes events until the stream ends or something is refused.
static enum err build(struct builder *builder, yaml_parser_t *parser, struct slice bytes)
{
    for (;;) {
        yaml_event_t event;
        if (!yaml_parser_parse(parser, &event))
            return refuse_syntax(builder, parser, bytes);
        const bool is_last = event.type == YAML_STREAM_END_EVENT;
        const enum err error = take_event(builder, &event);
        yaml_event_delete(&event);
        TRY(error);
        if (is_last)
            break;
    }
    const yaml_mark_t start = {0};
    if (builder->document->root == NULL)
        return refuse(builder, &start, ERR_INPUT, "the file is empty");
    return builder->has_duplicates ? ERR_INPUT : ERR_OK;
}

enum err yaml_document_parse(struct slice bytes, const char *file, struct diagnostics *diagnostics,
                             struct yaml_document **out)
{
    const yaml_mark_t start = {0};
    struct builder builder = {.diagnostics = diagnostics, .file = file};
    if (bytes.len > YAML_MAX_BYTES)
        return refuse(&builder, &start, ERR_LIMIT, "the file is larger than 64 MiB");
    struct yaml_document *document = calloc(1, sizeof *document);
    if (document != NULL)
        document->arena = arena_create();
    yaml_parser_t parser;
    if (document == NULL || document->arena == NULL || !yaml_parser_initialize(&parser)) {
        yaml_document_destroy(document);
        return refuse_no_memory(&builder, &start);
    }
    builder.document = document;
    // Said here, so that a byte order mark cannot choose UTF-16. The one of UTF-8 is dropped:
    // libyaml would count it as a column.
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    if (slice_starts_with(bytes, SLICE_LITERAL("\xEF\xBB\xBF")))
        bytes = slice_from(bytes, 3);
    // libyaml asserts that there is an address, also of nothing.
    yaml_parser_set_input_string(&parser, bytes.len == 0 ? (const uint8_t *)"" : bytes.data,
                                 bytes.len);
    const enum err error = build(&builder, &parser, bytes);
    yaml_parser_delete(&parser);
    if (error != ERR_OK) {
        yaml_document_destroy(document);
        return error;
    }
    *out = document;
    return ERR_OK;
}

const struct node *yaml_document_root(const struct yaml_document *document)
{
    return document->root;
}

bool yaml_document_holds(const struct yaml_document *document, const struct node *node)
{
    return arena_holds(document->arena, node);
}

void yaml_document_destroy(struct yaml_document *document)
{
    if (document == NULL)
        return;
    arena_destroy(document->arena);
    free(document);
}
