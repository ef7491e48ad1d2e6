// Frames are written by hand: a library would take back a stream that was not sent yet.
#include "tests/bench/load/flood.h"

#include <stdio.h>

#include "tests/bench/load/histogram.h"

enum {
    PAIR_MAX = 128,     // bytes of a HEADERS and a RST_STREAM
    OUT_CAP = 16384,    // bytes; one record
    AUTHORITY_MAX = 64, // bytes
    CANCEL = 8,         // RFC 9113 7
};

struct flood {
    struct client client; // first
    const char *target;   // borrowed
    double rate;
    uint64_t begun_ns;
    uint64_t offered; // that were due; those that were due while it was not connected, too
    uint64_t done;
    uint64_t cuts;
    uint32_t next_id; // of a stream
    bool is_over;
    uint8_t out[OUT_CAP]; // must not change until it is written
    size_t out_len;
    size_t out_count; // resets in it
    ev_timer pace;
    ev_timer end;
};

static size_t put(uint8_t *out, size_t at, uint64_t value, size_t len)
{
    for (size_t i = 0; i < len; i++)
        out[at + i] = (uint8_t)(value >> 8 * (len - 1 - i));
    return at + len;
}

static size_t put_frame_header(uint8_t *out, size_t at, size_t len, uint8_t type, uint8_t flags,
                               uint32_t id)
{
    at = put(out, at, len, 3);
    at = put(out, at, type, 1);
    at = put(out, at, flags, 1);
    return put(out, at, id, 4);
}

static size_t put_literal(uint8_t *out, size_t at, uint8_t name_index, struct slice value)
{
    at = put(out, at, name_index, 1); // without indexing (RFC 7541 6.2.2)
    at = put(out, at, value.len, 1);
    (void)bytes_copy(out + at, value.len, value);
    return at + value.len;
}

static void put_pair(struct flood *flood)
{
    enum { HEADERS = 1, RST_STREAM = 3, END_HEADERS = 4, AUTHORITY = 1, METHOD = 2 };
    const struct slice method = SLICE_LITERAL("CONNECT");
    const struct slice target = slice_first(slice_of_string(flood->target), AUTHORITY_MAX);
    const size_t len = 2 + method.len + 2 + target.len;
    size_t at = flood->out_len;
    at = put_frame_header(flood->out, at, len, HEADERS, END_HEADERS, flood->next_id);
    at = put_literal(flood->out, at, METHOD, method);
    at = put_literal(flood->out, at, AUTHORITY, target);
    at = put_frame_header(flood->out, at, 4, RST_STREAM, 0, flood->next_id);
    flood->out_len = put(flood->out, at, CANCEL, 4);
    flood->next_id += 2;
    flood->out_count++;
}

static void come_back(struct flood *flood)
{
    flood->client.wants_resumption = true;
    flood->out_len = 0;
    flood->out_count = 0;
    flood->next_id = 1;
    if (!client_start(&flood->client, ""))
        ev_break(flood->client.setup->loop, EVBREAK_ALL);
}

static void on_cut(struct flood *flood)
{
    client_close(&flood->client, true);
    flood->cuts++;
    if (!flood->is_over)
        come_back(flood);
}

// send_pairs gives false when the connection was cut.
static bool send_pairs(struct flood *flood)
{
    size_t len = 0;
    const enum err error = client_write(&flood->client, slice_of(flood->out, flood->out_len), &len);
    if (error == ERR_AGAIN)
        return true;
    if (error != ERR_OK) {
        on_cut(flood);
        return false;
    }
    flood->done += flood->out_count;
    flood->out_len = 0;
    flood->out_count = 0;
    return true;
}

static void on_open(struct client *client)
{
    struct flood *flood = (struct flood *)client;
    const struct slice preface = SLICE_LITERAL("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    (void)bytes_copy(flood->out, OUT_CAP, preface);
    flood->out_len = put_frame_header(flood->out, preface.len, 0, 4, 0, 0); // SETTINGS
    client_want(client, true, false);
    (void)send_pairs(flood);
}

static void on_ready(struct client *client)
{
    uint8_t dropped[OUT_CAP];
    size_t len = 0;
    enum err error = ERR_OK;
    while (error == ERR_OK)
        error = client_read(client, dropped, sizeof dropped, &len);
    if (error != ERR_AGAIN)
        on_cut((struct flood *)client);
}

static void on_end(struct client *client, const char *why)
{
    (void)why;
    on_cut((struct flood *)client);
}

// on_pace sends what is due; what was due while there was no connection is not made up for.
static void on_pace(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct flood *flood = timer->data;
    const double passed_s = (double)(now_ns() - flood->begun_ns) / 1e9;
    const uint64_t due = (uint64_t)(passed_s * flood->rate);
    (void)loop, (void)events;
    while (flood->client.state == CLIENT_OPEN && flood->offered < due) {
        while (flood->out_len + PAIR_MAX <= OUT_CAP && flood->offered < due) {
            put_pair(flood);
            flood->offered++;
        }
        if (!send_pairs(flood) || flood->out_len > 0)
            break;
    }
    flood->offered = due;
}

static void on_time(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)timer, (void)events;
    ev_break(loop, EVBREAK_ALL);
}

void flood_run(const struct client_setup *setup, const char *target, double seconds, double rate)
{
    static const struct client_handler handler = {on_open, on_ready, on_end};
    static struct flood flood; // large; one thread
    struct histogram none = {0};
    flood = (struct flood){.client = {.setup = setup, .handler = &handler, .is_link = true},
                           .target = target,
                           .rate = rate,
                           .begun_ns = now_ns()};
    ev_timer_init(&flood.pace, on_pace, 0., 0.001);
    ev_timer_init(&flood.end, on_time, seconds, 0.);
    flood.pace.data = &flood;
    ev_now_update(setup->loop);
    ev_timer_start(setup->loop, &flood.pace);
    ev_timer_start(setup->loop, &flood.end);
    come_back(&flood);
    ev_run(setup->loop, 0);
    ev_timer_stop(setup->loop, &flood.pace);
    ev_timer_stop(setup->loop, &flood.end);
    flood.is_over = true;
    client_close(&flood.client, true);
    client_forget_session(&flood.client);
    printf("{\"task\":\"resets\",\"seconds\":%.4f,\"done\":%llu,\"failed\":0,\"cuts\":%llu,",
           (double)(now_ns() - flood.begun_ns) / 1e9, (unsigned long long)flood.done,
           (unsigned long long)flood.cuts);
    histogram_print(&none);
    printf("}\n");
    (void)fflush(stdout);
}
