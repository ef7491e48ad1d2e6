// One array of clients, and what they are doing at the moment.
#include "tests/bench/load/fleet.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/bench/load/histogram.h"
#include "tests/bench/load/link.h"

enum {
    CHUNK = 16384,
    SHARE = 16, // reads or writes of one tunnel in a pass of the loop
    ECHO_MAX = 1 << 20,
    PATIENCE_S = 30, // for what has no time of its own
};

enum task { TASK_HOLD, TASK_OPEN, TASK_ECHO, TASK_PING, TASK_BEAT, TASK_BULK, TASK_BESIDE };

struct fleet {
    const struct client_setup *setup; // borrowed
    struct client **clients;          // owned
    size_t count;
    enum task task;
    const char *target; // of what is being opened
    size_t next;        // client to start with the task
    size_t end;         // one after the last client of the task
    size_t active;      // that are at it
    size_t done;
    size_t failed;
    size_t size; // of an echo
    bool down;
    bool up;
    bool stays_half_open; // what is opened
    uint64_t bytes_down;
    uint64_t bytes_up;
    uint64_t begun_ns;
    ev_timer timer;
    ev_timer pace; // of a beat
    struct histogram times;
};

static uint8_t chunk[ECHO_MAX]; // what is sent, and where what comes is dropped; one thread

static void begin(struct fleet *fleet, enum task task, double seconds)
{
    fleet->task = task;
    fleet->active = 0;
    fleet->done = 0;
    fleet->failed = 0;
    fleet->bytes_down = 0;
    fleet->bytes_up = 0;
    fleet->times = (struct histogram){0};
    fleet->begun_ns = now_ns();
    ev_now_update(fleet->setup->loop);
    ev_timer_set(&fleet->timer, seconds, 0.);
    ev_timer_start(fleet->setup->loop, &fleet->timer);
}

static void finish(struct fleet *fleet, const char *name)
{
    ev_timer_stop(fleet->setup->loop, &fleet->timer);
    fleet->task = TASK_HOLD;
    size_t held = 0;
    for (size_t i = 0; i < fleet->count; i++)
        held +=
            fleet->clients[i]->state == CLIENT_OPEN || fleet->clients[i]->state == CLIENT_HALF_OPEN;
    printf("{\"task\":\"%s\",\"seconds\":%.4f,\"done\":%zu,\"failed\":%zu,\"held\":%zu,"
           "\"down\":%llu,\"up\":%llu,",
           name, (double)(now_ns() - fleet->begun_ns) / 1e9, fleet->done, fleet->failed, held,
           (unsigned long long)fleet->bytes_down, (unsigned long long)fleet->bytes_up);
    histogram_print(&fleet->times);
    printf("}\n");
    (void)fflush(stdout);
}

static void on_time(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)timer;
    (void)events;
    ev_break(loop, EVBREAK_ALL);
}

static void send_message(struct client *client)
{
    struct fleet *fleet = client->owner;
    size_t len = 0;
    client->count = 0;
    client->sent_ns = now_ns();
    // Larger messages go out in pieces, as there is room.
    while (client->sent_ns != 0 && client->early_len < fleet->size) {
        const struct slice rest = slice_of(chunk, fleet->size - client->early_len);
        const enum err error = client_write(client, rest, &len);
        if (error != ERR_OK)
            break;
        client->early_len += len;
    }
    client_want(client, true, client->early_len < fleet->size);
}

// start_next begins with the next client of an echo or an opening, or ends the task.
static void start_next(struct fleet *fleet)
{
    while (fleet->next < fleet->end) {
        struct client *client = fleet->clients[fleet->next++];
        if (fleet->task == TASK_ECHO && client->state == CLIENT_OPEN) {
            fleet->active++;
            client->early_len = 0;
            send_message(client);
            return;
        }
        if (fleet->task == TASK_OPEN && client_start(client, fleet->target)) {
            fleet->active++;
            return;
        }
        fleet->failed++;
    }
    if (fleet->active == 0)
        ev_break(fleet->setup->loop, EVBREAK_ALL);
}

static void end_one(struct fleet *fleet, bool is_good)
{
    fleet->active--;
    if (is_good)
        fleet->done++;
    else
        fleet->failed++;
    start_next(fleet);
}

static void on_answer(struct client *client)
{
    struct fleet *fleet = client->owner;
    if (fleet->task != TASK_OPEN)
        return;
    const bool is_good = client->status == 200 || client->state == CLIENT_HALF_OPEN;
    histogram_add(&fleet->times, now_ns() - client->begun_ns);
    if (!is_good)
        client_close(client, false);
    client_want(client, false, false);
    end_one(fleet, is_good);
}

static void on_end(struct client *client, const char *why)
{
    struct fleet *fleet = client->owner;
    (void)why;
    if (fleet->task == TASK_OPEN || fleet->task == TASK_ECHO)
        end_one(fleet, false);
    else
        fleet->failed++;
}

static void lose(struct client *client)
{
    client_close(client, true);
    on_end(client, "lost");
}

// take_echo reads what has come back, and goes on where the message is whole.
static void take_echo(struct client *client)
{
    struct fleet *fleet = client->owner;
    for (;;) {
        size_t len = 0;
        const enum err error = client_read(client, chunk, CHUNK, &len);
        if (error == ERR_AGAIN)
            break;
        if (error != ERR_OK) {
            lose(client);
            return;
        }
        client->count += len;
        if (client->count < fleet->size)
            continue;
        histogram_add(&fleet->times, now_ns() - client->sent_ns);
        client->early_len = 0;
        if (fleet->task == TASK_BEAT) {
            fleet->done++;
            client->sent_ns = 0;
            client_want(client, true, false);
            return;
        }
        if (fleet->task == TASK_PING || fleet->task == TASK_BESIDE) {
            fleet->done++;
            send_message(client);
            return;
        }
        client_want(client, false, false);
        end_one(fleet, true);
        return;
    }
    size_t len = 0;
    while (client->early_len < fleet->size &&
           client_write(client, slice_of(chunk, fleet->size - client->early_len), &len) == ERR_OK)
        client->early_len += len;
    client_want(client, true, client->early_len < fleet->size);
}

static void move_bulk(struct client *client)
{
    struct fleet *fleet = client->owner;
    size_t len = 0;
    enum err error = ERR_OK;
    for (int turn = 0; fleet->down && error == ERR_OK && turn < SHARE; turn++) {
        error = client_read(client, chunk, CHUNK, &len);
        fleet->bytes_down += len;
    }
    if (error == ERR_OK || error == ERR_AGAIN)
        error = ERR_OK;
    for (int turn = 0; fleet->up && error == ERR_OK && turn < SHARE; turn++) {
        error = client_write(client, slice_of(chunk, CHUNK), &len);
        fleet->bytes_up += len;
    }
    if (error != ERR_OK && error != ERR_AGAIN)
        lose(client);
}

static void on_ready(struct client *client)
{
    struct fleet *fleet = client->owner;
    switch (fleet->task) {
    case TASK_ECHO:
    case TASK_PING:
    case TASK_BEAT:
        take_echo(client);
        return;
    case TASK_BULK:
        move_bulk(client);
        return;
    case TASK_BESIDE:
        if (client == fleet->clients[fleet->count - 1])
            take_echo(client);
        else
            move_bulk(client);
        return;
    case TASK_HOLD:
    case TASK_OPEN:
        client_want(client, false, false);
        return;
    }
}

static const struct client_handler handler = {on_answer, on_ready, on_end};

struct fleet *fleet_create(const struct client_setup *setup)
{
    struct fleet *fleet = calloc(1, sizeof *fleet);
    if (fleet == NULL)
        return NULL;
    fleet->setup = setup;
    ev_timer_init(&fleet->timer, on_time, 0., 0.);
    return fleet;
}

// grow adds clients that are not connected yet.
static void grow(struct fleet *fleet, size_t count)
{
    struct client **more = realloc(fleet->clients, (fleet->count + count) * sizeof *more);
    ASSERT(more != NULL);
    fleet->clients = more;
    for (size_t i = 0; i < count; i++) {
        struct client *client = calloc(1, sizeof *client);
        ASSERT(client != NULL);
        client->setup = fleet->setup;
        client->handler = &handler;
        client->owner = fleet;
        client->stays_half_open = fleet->stays_half_open;
        more[fleet->count++] = client;
    }
}

static void run_over(struct fleet *fleet, size_t first, size_t at_once)
{
    fleet->next = first;
    fleet->end = fleet->count;
    for (size_t i = 0; i < at_once && fleet->next < fleet->end; i++)
        start_next(fleet);
    if (fleet->active > 0)
        ev_run(fleet->setup->loop, 0);
}

void fleet_open(struct fleet *fleet, const char *target, size_t count, size_t at_once)
{
    const size_t first = fleet->count;
    fleet->target = target;
    grow(fleet, count);
    begin(fleet, TASK_OPEN, PATIENCE_S * 2);
    run_over(fleet, first, at_once);
    finish(fleet, "open");
}

void fleet_half_open(struct fleet *fleet, size_t count, size_t at_once)
{
    fleet->stays_half_open = true;
    fleet_open(fleet, "", count, at_once);
    fleet->stays_half_open = false;
}

void fleet_echo(struct fleet *fleet, size_t size, size_t at_once)
{
    fleet->size = size < ECHO_MAX ? size : ECHO_MAX;
    begin(fleet, TASK_ECHO, PATIENCE_S);
    run_over(fleet, 0, at_once);
    finish(fleet, "echo");
}

void fleet_ping(struct fleet *fleet, size_t size, double seconds)
{
    fleet->size = size < CHUNK ? size : CHUNK;
    begin(fleet, TASK_PING, seconds);
    for (size_t i = 0; i < fleet->count; i++) {
        if (fleet->clients[i]->state == CLIENT_OPEN) {
            fleet->clients[i]->early_len = 0;
            send_message(fleet->clients[i]);
        }
    }
    ev_run(fleet->setup->loop, 0);
    finish(fleet, "ping");
}

// on_pace sends through all tunnels that wait for nothing.
static void on_pace(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct fleet *fleet = timer->data;
    for (size_t i = 0; i < fleet->count; i++) {
        struct client *client = fleet->clients[i];
        if (client->state != CLIENT_OPEN || client->sent_ns != 0)
            continue;
        client->early_len = 0;
        send_message(client);
    }
}

void fleet_beat(struct fleet *fleet, size_t size, double every_ms, double seconds)
{
    fleet->size = size < CHUNK ? size : CHUNK;
    begin(fleet, TASK_BEAT, seconds);
    for (size_t i = 0; i < fleet->count; i++)
        fleet->clients[i]->sent_ns = 0;
    ev_timer_init(&fleet->pace, on_pace, 0., every_ms / 1000.);
    fleet->pace.data = fleet;
    ev_timer_start(fleet->setup->loop, &fleet->pace);
    ev_run(fleet->setup->loop, 0);
    ev_timer_stop(fleet->setup->loop, &fleet->pace);
    for (size_t i = 0; i < fleet->count; i++) { // whose last message is not back
        const uint64_t sent_ns = fleet->clients[i]->sent_ns;
        if (sent_ns != 0)
            histogram_add(&fleet->times, now_ns() - sent_ns);
    }
    finish(fleet, "beat");
}

void fleet_bulk(struct fleet *fleet, bool down, bool up, double seconds)
{
    fleet->down = down;
    fleet->up = up;
    begin(fleet, TASK_BULK, seconds);
    for (size_t i = 0; i < fleet->count; i++) {
        if (fleet->clients[i]->state == CLIENT_OPEN)
            client_want(fleet->clients[i], down, up);
    }
    ev_run(fleet->setup->loop, 0);
    for (size_t i = 0; i < fleet->count; i++)
        client_want(fleet->clients[i], false, false);
    finish(fleet, "bulk");
}

void fleet_beside(struct fleet *fleet, size_t size, double seconds)
{
    struct client *last = fleet->clients[fleet->count - 1];
    fleet->size = size < CHUNK ? size : CHUNK;
    fleet->down = true;
    fleet->up = false;
    begin(fleet, TASK_BESIDE, seconds);
    for (size_t i = 0; i + 1 < fleet->count; i++) {
        if (fleet->clients[i]->state == CLIENT_OPEN)
            client_want(fleet->clients[i], true, false);
    }
    if (last->state == CLIENT_OPEN) {
        last->early_len = 0;
        send_message(last);
    }
    ev_run(fleet->setup->loop, 0);
    for (size_t i = 0; i < fleet->count; i++)
        client_want(fleet->clients[i], false, false);
    finish(fleet, "beside");
}

void fleet_close(struct fleet *fleet, bool is_reset)
{
    begin(fleet, TASK_HOLD, PATIENCE_S);
    for (size_t i = 0; i < fleet->count; i++) {
        client_close(fleet->clients[i], is_reset);
        client_forget_session(fleet->clients[i]);
        free(fleet->clients[i]);
    }
    fleet->count = 0;
    if (fleet->setup->links != NULL)
        links_close(fleet->setup->links);
    finish(fleet, "close");
}
