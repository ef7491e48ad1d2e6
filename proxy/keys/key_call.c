// Send, then read until the answer with the number is there.
#include "proxy/keys/key_call.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/clock/clock.h"

enum {
    ANSWER_MS = 10 * 1000,
    LOOK_MS = 100, // how soon an end is noticed
};

// break_off has everybody see that this holder is of no use. The descriptor stays until key_call_hang_up.
static enum err break_off(struct key_call *call)
{
    (void)shutdown(call->fd, SHUT_RDWR);
    return ERR_EOF;
}

static bool send_request(struct key_call *call, const struct key_message *request, int beside)
{
    if (beside >= 0)
        return key_wire_send_with(call->fd, request, beside);
    return key_outbox_add(&call->out, request) && key_outbox_send(&call->out, call->fd) == ERR_OK;
}

// receive waits for more bytes.
static bool receive(struct key_call *call, int64_t until_ms)
{
    struct pollfd waited = {.fd = call->fd, .events = POLLIN};
    const int64_t left_ms = until_ms - monotonic_ms();
    if (left_ms <= 0)
        return true; // late, which is seen the next time
    if (atomic_load(call->must_stop) ||
        poll(&waited, 1, left_ms < LOOK_MS ? (int)left_ms : LOOK_MS) < 0)
        return false;
    if (waited.revents == 0)
        return true;
    return key_inbox_fill(&call->in, call->fd) == ERR_OK;
}

// take_answer takes the answer to the last request, if it is there. Answers to earlier ones, which came late, are passed over.
static enum key_parse take_answer(struct key_call *call, struct key_message *out)
{
    enum key_parse parsed = KEY_PARSE_MORE;
    do {
        parsed = key_inbox_take(&call->in, out);
    } while (parsed == KEY_PARSE_GOOD && out->number < call->number);
    if (parsed == KEY_PARSE_GOOD &&
        (key_message_is_request(out->kind) || out->number != call->number))
        return KEY_PARSE_BAD;
    return parsed;
}

// ask is key_call_ask with its own patience. ERR_TIMEOUT: there is no answer yet.
static enum err ask(struct key_call *call, struct key_message *request, int beside,
                    int64_t until_ms, struct key_message *out)
{
    if (call->fd < 0)
        return ERR_EOF;
    request->number = ++call->number;
    if (!send_request(call, request, beside))
        return break_off(call);
    for (;;) {
        const enum key_parse parsed = take_answer(call, out);
        if (parsed == KEY_PARSE_GOOD)
            return ERR_OK;
        if (parsed == KEY_PARSE_MORE && monotonic_ms() >= until_ms)
            return ERR_TIMEOUT;
        if (parsed != KEY_PARSE_MORE || !receive(call, until_ms))
            return break_off(call);
    }
}

enum err key_call_ask(struct key_call *call, struct key_message *request, int beside,
                      struct key_message *out)
{
    const int64_t until_ms =
        monotonic_ms() + (call->patience_ms > 0 ? call->patience_ms : ANSWER_MS);
    const enum err error = ask(call, request, beside, until_ms, out);
    return error == ERR_TIMEOUT ? break_off(call) : error;
}

enum err key_call_try(struct key_call *call, struct key_message *request, int64_t until_ms,
                      struct key_message *out)
{
    return ask(call, request, -1, until_ms, out);
}

void key_call_tell(struct key_call *call, const struct key_message *message)
{
    if (call->fd >= 0 && !send_request(call, message, -1))
        (void)break_off(call);
}

void key_call_hang_up(struct key_call *call)
{
    if (call->fd >= 0)
        (void)close(call->fd);
    call->fd = -1;
    key_inbox_deinit(&call->in);
    key_outbox_deinit(&call->out);
}
