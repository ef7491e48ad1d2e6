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
    if (left_ms <= 0 || atomic_load(call->must_stop) ||
        poll(&waited, 1, left_ms < LOOK_MS ? (int)left_ms : LOOK_MS) < 0)
        return false;
    if (waited.revents == 0)
        return true; // late, which is seen the next time
    return key_inbox_fill(&call->in, call->fd) == ERR_OK;
}

enum err key_call_ask(struct key_call *call, struct key_message *request, int beside,
                      struct key_message *out)
{
    const int64_t until_ms =
        monotonic_ms() + (call->patience_ms > 0 ? call->patience_ms : ANSWER_MS);
    if (call->fd < 0)
        return ERR_EOF;
    request->number = ++call->number;
    if (!send_request(call, request, beside))
        return break_off(call);
    for (;;) {
        const enum key_parse parsed = key_inbox_take(&call->in, out);
        if (parsed == KEY_PARSE_GOOD && !key_message_is_request(out->kind) &&
            out->number == request->number)
            return ERR_OK;
        if (parsed != KEY_PARSE_MORE || !receive(call, until_ms))
            return break_off(call);
    }
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
