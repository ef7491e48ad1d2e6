// The inbox: small at first, never larger than a request head may be, gone when empty.
#include "proxy/session/channel.h"

#include <stdlib.h>

#include "auth/client_hello.h"
#include "proxy/net/stream.h"

void channel_init(struct channel *channel, struct peer *peer, struct stream *stream)
{
    *channel = (struct channel){.peer = peer, .stream = stream};
}

// inbox_max_len gives how many bytes the inbox may have beside the head of the request under way.
static size_t inbox_max_len(const struct channel *channel)
{
    const size_t max =
        channel->awaits_hello ? CLIENT_HELLO_MAX_LEN : peer_head_max_len(channel->peer);
    return max > channel->head_len ? max - channel->head_len : 0;
}

// grow makes room for more, where there may be more.
static enum err grow(struct channel *channel)
{
    if (channel->inbox_len < channel->inbox_cap)
        return ERR_OK;
    const size_t max = inbox_max_len(channel);
    const size_t doubled = channel->inbox_cap == 0 ? INBOX_FIRST_CAP : channel->inbox_cap * 2;
    const size_t cap = doubled < max ? doubled : max;
    if (cap <= channel->inbox_cap)
        return ERR_LIMIT;
    uint8_t *larger = realloc(channel->inbox, cap);
    if (larger == NULL)
        return ERR_MEMORY;
    channel->inbox = larger;
    channel->inbox_cap = cap;
    return ERR_OK;
}

enum err channel_fill(struct channel *channel)
{
    size_t total = 0;
    for (;;) {
        enum err error = channel->has_end ? ERR_EOF : grow(channel);
        size_t len = 0;
        if (error == ERR_OK)
            error = stream_read(channel->stream, channel->inbox + channel->inbox_len,
                                channel->inbox_cap - channel->inbox_len, &len);
        if (error == ERR_EOF)
            channel->has_end = true;
        if (error != ERR_OK) {
            if (channel->inbox_len == 0)
                channel_empty(channel);
            return total > 0 ? ERR_OK : error;
        }
        channel->inbox_len += len;
        total += len;
    }
}

struct slice channel_unread(const struct channel *channel)
{
    return slice_of(channel->inbox, channel->inbox_len);
}

void channel_empty(struct channel *channel)
{
    free(channel->inbox);
    channel->inbox = NULL;
    channel->inbox_len = 0;
    channel->inbox_cap = 0;
}

enum err channel_take_head(struct channel *channel, struct message_head *head)
{
    struct slice *const slices[] = {&head->method_text, &head->target, &head->host, &head->fields};
    uint8_t *taken = malloc(head->len);
    if (taken == NULL)
        return ERR_MEMORY;
    (void)bytes_copy(taken, head->len, slice_first(channel_unread(channel), head->len));
    for (size_t i = 0; i < sizeof slices / sizeof *slices; i++) {
        if (slices[i]->len > 0)
            slices[i]->data = taken + (slices[i]->data - channel->inbox);
    }
    channel->head = taken;
    channel->head_len = head->len;
    channel_consume(channel, head->len);
    return ERR_OK;
}

void channel_drop_head(struct channel *channel)
{
    free(channel->head);
    channel->head = NULL;
    channel->head_len = 0;
}

void channel_consume(struct channel *channel, size_t len)
{
    ASSERT(len <= channel->inbox_len);
    bytes_drop_front(channel->inbox, channel->inbox_len, len);
    channel->inbox_len -= len;
    if (channel->inbox_len == 0) {
        channel_empty(channel);
        return;
    }
    uint8_t *smaller = realloc(channel->inbox, channel->inbox_len);
    if (smaller == NULL)
        return;
    channel->inbox = smaller;
    channel->inbox_cap = channel->inbox_len;
}

enum err channel_put_back(struct channel *channel, struct slice bytes)
{
    const size_t len = bytes.len + channel->inbox_len;
    if (bytes.len == 0)
        return ERR_OK;
    if (len > HEAD_MAX_LEN)
        return ERR_LIMIT;
    uint8_t *joined = malloc(len);
    if (joined == NULL)
        return ERR_MEMORY;
    const bool fits = bytes_copy(joined, len, bytes) &&
                      bytes_copy(joined + bytes.len, len - bytes.len, channel_unread(channel));
    ASSERT(fits);
    free(channel->inbox);
    channel->inbox = joined;
    channel->inbox_len = len;
    channel->inbox_cap = len;
    return ERR_OK;
}

enum reason channel_end_reason(const struct channel *channel)
{
    return stream_is_truncated(channel->stream) ? REASON_CLIENT_TRUNCATED : REASON_CLIENT_CLOSED;
}

bool channel_has_room(const struct channel *channel)
{
    return !channel->has_end && channel->inbox_len < inbox_max_len(channel);
}

void channel_deinit(struct channel *channel)
{
    channel_drop_head(channel);
    channel_empty(channel);
}
