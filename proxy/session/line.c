// One of two, told apart by the uplink.
#include "proxy/session/line.h"

void line_open_socket(struct line *line, struct channel *channel, int fd)
{
    tcp_stream_init(&line->tcp, channel->peer->context->loop, fd);
    line->stream = &line->tcp.stream;
    line->stream->on_ready = channel->stream->on_ready;
    line->stream->owner = channel->stream->owner;
}

void line_open_uplink(struct line *line, struct uplink *uplink)
{
    line->uplink = uplink;
    line->stream = uplink_stream(uplink);
}

void line_move(struct line *from, struct line *to, struct channel *channel)
{
    if (from->uplink != NULL)
        line_open_uplink(to, from->uplink);
    else
        line_open_socket(to, channel, tcp_stream_take_fd(&from->tcp));
    *from = (struct line){.stream = NULL};
}

void line_await_bytes(struct line *line)
{
    if (line->uplink == NULL)
        tcp_stream_await_bytes(&line->tcp);
}

void line_flush(struct line *line)
{
    if (line->uplink != NULL)
        uplink_flush(line->uplink);
}

bool line_is_lost(const struct line *line)
{
    return line->uplink != NULL && uplink_is_lost(line->uplink);
}

int line_take_fd(struct line *line)
{
    if (line->stream == NULL || line->uplink != NULL)
        return -1;
    line->stream = NULL;
    return tcp_stream_take_fd(&line->tcp);
}

void line_close(struct line *line, bool is_reset)
{
    if (line->stream == NULL)
        return;
    line->stream = NULL;
    if (line->uplink == NULL) {
        stream_close(&line->tcp.stream, is_reset);
        return;
    }
    uplink_destroy(line->uplink, is_reset);
    line->uplink = NULL;
}
