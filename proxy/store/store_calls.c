// A ring of bytes to send, and a list of who waits. A script's words after its name are kept as they were written, so that they
// can be sent once more after the text instead of the name.
#include "proxy/store/store_calls.h"

#include <stdlib.h>

#include "auth/base/array.h"
#include "proxy/store/resp_command.h"

enum {
    BYTES_FIRST_CAP = 4096,
    BYTES_KEEP_CAP = 64 * 1024, // more is freed when all is sent
    SCRIPT_WORDS = 2,           // EVALSHA and the name, or EVAL and the text
};

void store_calls_init(struct store_calls *calls)
{
    *calls = (struct store_calls){0};
    TAILQ_INIT(&calls->list);
}

void store_calls_deinit(struct store_calls *calls)
{
    struct store_call *call = NULL;
    while ((call = store_calls_take(calls)) != NULL)
        free(call);
    free(calls->bytes);
    store_calls_init(calls);
}

// make_room gives room for `len` bytes after those that are queued. NULL without memory.
static uint8_t *make_room(struct store_calls *calls, size_t len)
{
    bytes_drop_front(calls->bytes, calls->len, calls->at);
    calls->len -= calls->at;
    calls->at = 0;
    uint8_t *bytes = array_fit(calls->bytes, calls->len + len, &calls->cap, BYTES_FIRST_CAP);
    if (bytes == NULL)
        return NULL;
    calls->bytes = bytes;
    return bytes + calls->len;
}

// has_room tells whether so many bytes more may be under way.
static bool has_room(const struct store_calls *calls, size_t len)
{
    const size_t held = calls->len - calls->at + calls->tails_len;
    return calls->count < STORE_MAX_CALLS && len <= STORE_MAX_UNSENT_LEN &&
           held <= STORE_MAX_UNSENT_LEN - len;
}

// queue puts the bytes of a command at the end: its beginning, some words, and words as they were written before.
static bool queue(struct store_calls *calls, size_t word_count, const struct slice *words,
                  size_t count, struct slice tail)
{
    char header[RESP_HEADER_CAP];
    const size_t header_len = resp_array_begin(word_count, header);
    const size_t words_len = resp_words_len(words, count);
    const size_t len = header_len + words_len + tail.len;
    if (!has_room(calls, len))
        return false;
    uint8_t *out = make_room(calls, len);
    if (out == NULL)
        return false;
    const bool has_begun = bytes_copy(out, header_len, slice_of(header, header_len));
    resp_words_write(words, count, out + header_len);
    const bool has_ended = bytes_copy(out + header_len + words_len, tail.len, tail);
    ASSERT(has_begun && has_ended);
    calls->len += len;
    return true;
}

static void append(struct store_calls *calls, struct store_call *call)
{
    TAILQ_INSERT_TAIL(&calls->list, call, link);
    calls->count++;
    calls->tails_len += call->tail_len;
}

bool store_calls_add(struct store_calls *calls, const struct slice *words, size_t count,
                     const struct store_call *call)
{
    size_t tail_len = 0;
    if (call->script != NULL)
        tail_len = resp_words_len(words + SCRIPT_WORDS, count - SCRIPT_WORDS);
    if (!has_room(calls, tail_len))
        return false;
    struct store_call *kept = calloc(1, sizeof *kept + tail_len);
    if (kept == NULL)
        return false;
    kept->on_reply = call->on_reply;
    kept->owner = call->owner;
    kept->sent_ms = call->sent_ms;
    kept->deadline_ms = call->deadline_ms;
    kept->script = call->script;
    (void)string_copy(kept->subject, sizeof kept->subject, slice_of_string(call->subject));
    kept->word_count = count;
    kept->tail_len = tail_len;
    if (tail_len > 0)
        resp_words_write(words + SCRIPT_WORDS, count - SCRIPT_WORDS, kept->tail);
    if (!queue(calls, count, words, count, (struct slice){0})) {
        free(kept);
        return false;
    }
    append(calls, kept);
    return true;
}

struct store_call *store_calls_take(struct store_calls *calls)
{
    struct store_call *call = TAILQ_FIRST(&calls->list);
    if (call == NULL)
        return NULL;
    TAILQ_REMOVE(&calls->list, call, link);
    calls->count--;
    calls->tails_len -= call->tail_len;
    return call;
}

bool store_calls_repeat(struct store_calls *calls, struct store_call *call)
{
    const struct slice words[SCRIPT_WORDS] = {SLICE_LITERAL("EVAL"),
                                              slice_of_string(call->script->text)};
    if (!queue(calls, call->word_count, words, SCRIPT_WORDS, slice_of(call->tail, call->tail_len)))
        return false;
    call->script = NULL;
    append(calls, call);
    return true;
}

void store_calls_forget(struct store_calls *calls, const void *owner)
{
    struct store_call *call = NULL;
    TAILQ_FOREACH(call, &calls->list, link)
    {
        if (call->owner == owner)
            call->on_reply = NULL;
    }
}

struct slice store_calls_unsent(const struct store_calls *calls)
{
    return slice_from(slice_of(calls->bytes, calls->len), calls->at);
}

void store_calls_sent(struct store_calls *calls, size_t len)
{
    calls->at += len;
    if (calls->at < calls->len)
        return;
    calls->at = 0;
    calls->len = 0;
    if (calls->cap > BYTES_KEEP_CAP) {
        free(calls->bytes);
        calls->bytes = NULL;
        calls->cap = 0;
    }
}
