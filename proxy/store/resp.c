// An answer becomes a tree as hiredis reads it: it calls our functions once for each element, in order, arrays before what is
// in them. An element is written to its place in the array that announced it; only the root is memory of its own. A
// function of ours that says no ends the reading; `why` has the reason.
//
// hiredis 0.14 and 1.x call the same functions; 1.x knows RESP3 too, and has functions for its types.
#include "proxy/store/resp.h"

#include <stdlib.h>

#include <hiredis/read.h>

#include "auth/ipaddr.h"

// The type that hiredis gives the number of elements of an array.
#ifdef REDIS_REPLY_DOUBLE
typedef size_t announced_count;
#else
typedef int announced_count;
#endif

enum { ANNOUNCED_CAP = 24 }; // bytes of a line that announces a string

struct resp_reader {
    redisReader *parser; // owned
    size_t pending_len;  // bytes since the last answer
    size_t element_count;
    const char *why;   // static memory; NULL: all is well
    size_t excess_len; // of an answer that is too long; 0: none
};

static const char no_memory[] = "no memory for the answer";
static const char asked_by_nobody[] = "a type that was not asked for (RESP3)";

static struct resp_reader *reader_of(const redisReadTask *task)
{
    return task->privdata;
}

static void *refuse(struct resp_reader *reader, const char *why)
{
    reader->why = why;
    return NULL;
}

// place gives the memory for what the task has read.
static struct resp *place(const redisReadTask *task)
{
    if (task->parent == NULL) {
        struct resp *root = calloc(1, sizeof *root);
        return root != NULL ? root : refuse(reader_of(task), no_memory);
    }
    struct resp *array = task->parent->obj;
    ASSERT(task->idx >= 0 && (size_t)task->idx < array->count);
    return &array->items[task->idx];
}

// abandon gives back what place gave, where nothing came of it.
static void *abandon(const redisReadTask *task, struct resp *node, const char *why)
{
    if (task->parent == NULL)
        free(node);
    return refuse(reader_of(task), why);
}

// copy_text gives `bytes` a NUL after them, so that a text may be shown. NULL without memory.
static const uint8_t *copy_text(struct slice bytes)
{
    uint8_t *copy = malloc(bytes.len + 1);
    if (copy == NULL)
        return NULL;
    const bool fits = bytes_copy(copy, bytes.len, bytes);
    ASSERT(fits);
    copy[bytes.len] = '\0';
    return copy;
}

static bool has_line_end(struct slice line)
{
    return slice_find(line, '\r') < line.len || slice_find(line, '\n') < line.len;
}

static void *create_string(const redisReadTask *task, char *data, size_t len)
{
    enum resp_kind kind = RESP_STRING;
    if (task->type == REDIS_REPLY_STATUS)
        kind = RESP_STATUS;
    else if (task->type == REDIS_REPLY_ERROR)
        kind = RESP_ERROR;
    else if (task->type != REDIS_REPLY_STRING)
        return refuse(reader_of(task), asked_by_nobody);
    // hiredis has seen that two more bytes are there, but not which.
    if (data[len] != '\r' || data[len + 1] != '\n')
        return refuse(reader_of(task), "a string does not end where it was announced to");
    // hiredis 1.x looks for this by itself, 0.14 does not.
    if (kind != RESP_STRING && has_line_end(slice_of(data, len)))
        return refuse(reader_of(task), "a status or an error has a line end in it");
    struct resp *node = place(task);
    if (node == NULL)
        return NULL;
    const uint8_t *text = copy_text(slice_of(data, len));
    if (text == NULL)
        return abandon(task, node, no_memory);
    node->kind = kind;
    node->text = slice_of(text, len);
    return node;
}

// depth_of counts the arrays round what the task reads.
static size_t depth_of(const redisReadTask *task)
{
    size_t depth = 0;
    for (const redisReadTask *outer = task->parent; outer != NULL; outer = outer->parent)
        depth++;
    return depth;
}

static void *create_array(const redisReadTask *task, announced_count announced)
{
    struct resp_reader *reader = reader_of(task);
    const size_t count = (size_t)announced;
    if (task->type != REDIS_REPLY_ARRAY)
        return refuse(reader, asked_by_nobody);
    if (depth_of(task) >= RESP_MAX_DEPTH)
        return refuse(reader, "arrays in arrays, more than four");
    if (count > RESP_MAX_ELEMENTS - reader->element_count)
        return refuse(reader, "an array is announced that is longer than may be");
    struct resp *node = place(task);
    if (node == NULL)
        return NULL;
    struct resp *items = calloc(count == 0 ? 1 : count, sizeof *items);
    if (items == NULL)
        return abandon(task, node, no_memory);
    reader->element_count += count;
    *node = (struct resp){.kind = RESP_ARRAY, .items = items, .count = count};
    return node;
}

static void *create_integer(const redisReadTask *task, long long value)
{
    struct resp *node = place(task);
    if (node != NULL)
        *node = (struct resp){.kind = RESP_INTEGER, .integer = value};
    return node;
}

static void *create_nil(const redisReadTask *task)
{
    // What is announced with a length of -1 has the type that was announced.
    if (task->type == REDIS_REPLY_NIL)
        return refuse(reader_of(task), asked_by_nobody);
    struct resp *node = place(task);
    if (node != NULL)
        *node = (struct resp){.kind = RESP_NIL};
    return node;
}

#ifdef REDIS_REPLY_DOUBLE
static void *create_double(const redisReadTask *task, double value, char *text, size_t len)
{
    (void)value;
    (void)text;
    (void)len;
    return refuse(reader_of(task), asked_by_nobody);
}

static void *create_bool(const redisReadTask *task, int value)
{
    (void)value;
    return refuse(reader_of(task), asked_by_nobody);
}
#endif

// free_parts frees what a node owns; as deep as arrays may be.
static void free_parts(struct resp *node)
{
    for (size_t i = 0; i < node->count; i++)
        free_parts(&node->items[i]);
    free(node->items);
    free((void *)(uintptr_t)node->text.data);
}

void resp_free(struct resp *answer)
{
    if (answer == NULL)
        return;
    free_parts(answer);
    free(answer);
}

static void free_object(void *object)
{
    resp_free(object);
}

struct resp_reader *resp_reader_create(void)
{
    // hiredis keeps the address and writes nothing there.
    static redisReplyObjectFunctions functions = {
        .createString = create_string,
        .createArray = create_array,
        .createInteger = create_integer,
        .createNil = create_nil,
#ifdef REDIS_REPLY_DOUBLE
        .createDouble = create_double,
        .createBool = create_bool,
#endif
        .freeObject = free_object,
    };
    struct resp_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL)
        return NULL;
    reader->parser = redisReaderCreateWithFunctions(&functions);
    if (reader->parser == NULL) {
        free(reader);
        return NULL;
    }
    reader->parser->privdata = reader;
    // hiredis would make a new buffer after a large answer, and asserts that there is memory for it.
    reader->parser->maxbuf = 0;
    return reader;
}

void resp_reader_destroy(struct resp_reader *reader)
{
    if (reader == NULL)
        return;
    redisReaderFree(reader->parser);
    free(reader);
}

void resp_reader_feed(struct resp_reader *reader, struct slice bytes)
{
    if (reader->why != NULL || bytes.len == 0)
        return;
    if (redisReaderFeed(reader->parser, (const char *)bytes.data, bytes.len) != REDIS_OK)
        reader->why = no_memory;
}

// unread_len gives the bytes that hiredis has not made an answer of.
static size_t unread_len(const struct resp_reader *reader)
{
    return reader->parser->len - reader->parser->pos;
}

// awaited_len gives how many bytes the string has that hiredis waits for; 0: it waits for none. Only of a string does hiredis leave a
// whole line unread; the number may be of an integer, or of a text, for as long as its line may go on.
static uint64_t awaited_len(const struct resp_reader *reader)
{
    const char *unread = reader->parser->buf + reader->parser->pos;
    const struct slice rest = slice_first(slice_of(unread, unread_len(reader)), ANNOUNCED_CAP);
    const size_t end = slice_find(rest, '\r');
    uint64_t len = 0;
    if (!slice_starts_with(slice_from(rest, end), SLICE_LITERAL("\r\n")) ||
        !decimal_parse(slice_first(rest, end), INT64_MAX, &len))
        return 0;
    return len;
}

// look_at_length refuses what is too long, as soon as it is announced.
static void look_at_length(struct resp_reader *reader, const void *answer)
{
    const uint64_t awaited = answer == NULL ? awaited_len(reader) : 0;
    const size_t here_len = reader->pending_len + (answer == NULL ? unread_len(reader) : 0);
    if (awaited > RESP_MAX_LEN)
        reader->excess_len = awaited;
    else if (here_len > RESP_MAX_LEN)
        reader->excess_len = here_len;
    if (reader->excess_len != 0)
        reader->why = "an answer is longer than may be";
}

enum resp_result resp_reader_next(struct resp_reader *reader, struct resp **out,
                                  const char **out_why)
{
    void *answer = NULL;
    const size_t before = unread_len(reader);
    if (reader->why == NULL && redisReaderGetReply(reader->parser, &answer) != REDIS_OK &&
        reader->why == NULL)
        reader->why = "what came is no answer of a Redis";
    if (reader->why == NULL) {
        reader->pending_len += before - unread_len(reader);
        look_at_length(reader, answer);
    }
    if (reader->why != NULL) {
        resp_free(answer);
        *out_why = reader->why;
        return RESP_BAD;
    }
    if (answer == NULL)
        return RESP_MORE;
    reader->pending_len = 0;
    reader->element_count = 0;
    *out = answer;
    return RESP_OK;
}

size_t resp_reader_excess(const struct resp_reader *reader)
{
    return reader->excess_len;
}

bool resp_is_error(const struct resp *answer, const char *code)
{
    const struct slice word = slice_first(answer->text, slice_find(answer->text, ' '));
    return answer->kind == RESP_ERROR && slice_equal(word, slice_of_string(code));
}

bool resp_is_status(const struct resp *answer, const char *status)
{
    return answer->kind == RESP_STATUS && slice_equal(answer->text, slice_of_string(status));
}

bool resp_read_integer(const struct resp *answer, int64_t *out)
{
    if (answer->kind == RESP_INTEGER) {
        *out = answer->integer;
        return true;
    }
    const bool is_negative = slice_starts_with(answer->text, SLICE_LITERAL("-"));
    uint64_t value = 0;
    if (answer->kind != RESP_STRING ||
        !decimal_parse(slice_from(answer->text, is_negative ? 1 : 0), INT64_MAX, &value) ||
        (is_negative && value == 0))
        return false;
    *out = is_negative ? -(int64_t)value : (int64_t)value;
    return true;
}
