// A fixed number of slots; each connects, does its part, and begins again. The mixture of the soak is drawn
// by a small generator with a fixed seed, so that a run can be repeated.
#include "tests/bench/load/storm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/load/histogram.h"

enum { ECHO_MAX = 200 * 1024, READ_LEN = 16384, TARGETS_MAX = 64 };

// act is what a slot of the mixture does on its connection.
enum act {
    ACT_CLOSE,   // close at once
    ACT_ECHO,    // send, compare what comes back, close
    ACT_RESET,   // reset in the midst of an echo
    ACT_REFUSED, // ask for what is forbidden
    ACT_LEAVE,   // go away in the handshake
    ACT_COUNT,
};

static const char *const act_names[ACT_COUNT] = {"closed", "echoed", "reset", "refused", "left"};

struct slot {
    struct client client; // first
    struct storm *storm;  // borrowed
    enum act act;
    uint32_t size;
    uint32_t sent;
    uint32_t seen;
    bool is_asked_again; // after a refusal, on the same connection
};

struct storm {
    const struct client_setup *setup;    // borrowed
    const struct storm_options *options; // borrowed
    char *targets;                       // owned; those of the options, each with its NUL
    const char *target[TARGETS_MAX];     // borrowed from there
    size_t target_count;
    struct slot *slots; // owned
    size_t *spare;      // owned; indexes of slots that wait for their time
    size_t spare_count;
    ev_timer end;
    ev_timer pace;
    uint64_t begun_ns;
    uint64_t started;
    uint64_t missed; // not started on time: no slot was free
    uint64_t done;
    uint64_t resumed;
    uint64_t kept;
    uint64_t failed;
    uint64_t acts[ACT_COUNT];
    uint32_t dice;
    bool is_over;
    size_t active;
    const char *failure; // static memory; the last one
    struct histogram times;
};

static uint8_t pattern[ECHO_MAX]; // what echoes send

static uint32_t roll(struct storm *storm, uint32_t sides)
{
    storm->dice = storm->dice * 1664525 + 1013904223;
    return (storm->dice >> 8) % sides;
}

static void draw(struct slot *slot)
{
    static const enum act acts[10] = {ACT_CLOSE, ACT_ECHO,  ACT_ECHO,    ACT_ECHO,    ACT_ECHO,
                                      ACT_ECHO,  ACT_RESET, ACT_REFUSED, ACT_REFUSED, ACT_LEAVE};
    struct storm *storm = slot->storm;
    slot->act = acts[roll(storm, 10)];
    slot->size = 1 + roll(storm, roll(storm, 4) == 0 ? ECHO_MAX : 2000);
    slot->sent = 0;
    slot->seen = 0;
    slot->client.wants_resumption = roll(storm, 2) == 0;
    slot->client.stays_half_open = slot->act == ACT_LEAVE;
}

static void start(struct slot *slot)
{
    struct storm *storm = slot->storm;
    const char *target = storm->target[storm->started % storm->target_count];
    if (storm->options->is_mixed) {
        draw(slot);
        if (slot->act == ACT_REFUSED)
            target = storm->options->forbidden;
    }
    storm->started++;
    slot->is_asked_again = false;
    if (!client_start(&slot->client, target)) {
        storm->failed++;
        storm->failure = "no descriptor";
        return;
    }
    storm->active++;
}

// rest ends a slot's round: begins the next one, or waits for its time.
static void rest(struct slot *slot)
{
    struct storm *storm = slot->storm;
    storm->active--;
    if (storm->is_over) {
        if (storm->active == 0)
            ev_break(storm->setup->loop, EVBREAK_ALL);
        return;
    }
    if (storm->options->rate > 0)
        storm->spare[storm->spare_count++] = (size_t)(slot - storm->slots);
    else
        start(slot);
}

static void fail(struct slot *slot, const char *why)
{
    slot->storm->failed++;
    slot->storm->failure = why;
    client_close(&slot->client, true);
    client_forget_session(&slot->client);
    rest(slot);
}

static void succeed(struct slot *slot, bool is_reset)
{
    struct storm *storm = slot->storm;
    storm->done++;
    storm->acts[slot->act]++;
    storm->resumed += slot->client.is_resumed;
    histogram_add(&storm->times, now_ns() - slot->client.begun_ns);
    client_close(&slot->client, is_reset);
    rest(slot);
}

// send_some gives false when the connection is lost.
static bool send_some(struct slot *slot)
{
    while (slot->sent < slot->size) {
        size_t len = 0;
        const struct slice rest_of = slice_of(pattern + slot->sent, slot->size - slot->sent);
        const enum err error = client_write(&slot->client, rest_of, &len);
        if (error == ERR_AGAIN)
            break;
        if (error != ERR_OK)
            return false;
        slot->sent += (uint32_t)len;
    }
    client_want(&slot->client, true, slot->sent < slot->size);
    return true;
}

static void step_echo(struct slot *slot)
{
    for (;;) {
        uint8_t bytes[READ_LEN];
        size_t len = 0;
        const enum err error = client_read(&slot->client, bytes, sizeof bytes, &len);
        if (error == ERR_AGAIN)
            break;
        if (error != ERR_OK) {
            fail(slot, "tunnel lost");
            return;
        }
        if (slot->seen + len > slot->size ||
            !slice_equal(slice_of(bytes, len), slice_of(pattern + slot->seen, len))) {
            fail(slot, "wrong bytes");
            return;
        }
        slot->seen += (uint32_t)len;
        if (slot->act == ACT_RESET && slot->seen * 2 > slot->size) {
            succeed(slot, true);
            return;
        }
        if (slot->seen == slot->size) {
            succeed(slot, false);
            return;
        }
    }
    if (!send_some(slot))
        fail(slot, "tunnel lost");
}

static void answer_mixed(struct slot *slot)
{
    const int wanted = slot->act == ACT_REFUSED ? 403 : 200;
    if (slot->client.status != wanted)
        fail(slot, slot->client.status == 503 ? "503" : "wrong status");
    else if (slot->act == ACT_ECHO || slot->act == ACT_RESET)
        step_echo(slot);
    else
        succeed(slot, false);
}

static void answer_refused(struct slot *slot)
{
    struct storm *storm = slot->storm;
    // 407 is how Smokescreen refuses.
    if (slot->client.status != 403 && slot->client.status != 407) {
        fail(slot, slot->client.status == 503 ? "503" : "not refused");
        return;
    }
    storm->kept += slot->is_asked_again;
    if (!slot->client.is_kept || storm->is_over) {
        succeed(slot, false);
        return;
    }
    storm->done++;
    histogram_add(&storm->times, now_ns() - slot->client.begun_ns);
    slot->client.begun_ns = now_ns();
    slot->is_asked_again = true;
    client_ask(&slot->client, storm->options->target);
}

static void on_answer(struct client *client)
{
    struct slot *slot = (struct slot *)client;
    const struct storm_options *options = slot->storm->options;
    if (options->is_mixed && slot->act == ACT_LEAVE)
        succeed(slot, true); // in the midst of the handshake
    else if (options->is_mixed)
        answer_mixed(slot);
    else if (options->is_refused)
        answer_refused(slot);
    else if (client->status == 200)
        succeed(slot, false);
    else
        fail(slot, "not allowed");
}

static void on_ready(struct client *client)
{
    step_echo((struct slot *)client);
}

static void on_client_end(struct client *client, const char *why)
{
    struct slot *slot = (struct slot *)client;
    if (slot->is_asked_again && client->status == 0 && client->head_len == 0) {
        // A refusal that ended the connection without saying so.
        client_close(client, false);
        rest(slot);
        return;
    }
    fail(slot, why);
}

static const struct client_handler handler = {on_answer, on_ready, on_client_end};

static void on_time(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)events;
    struct storm *storm = timer->data;
    if (storm->is_over || storm->active == 0) // nobody is waited for a second time
        ev_break(loop, EVBREAK_ALL);
    storm->is_over = true;
    ev_timer_stop(loop, &storm->pace);
    ev_timer_set(timer, 10., 0.);
    ev_timer_start(loop, timer);
}

// on_pace starts what is due; the clock, not the timer, says how many that are.
static void on_pace(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct storm *storm = timer->data;
    const double passed_s = (double)(now_ns() - storm->begun_ns) / 1e9;
    const uint64_t due = (uint64_t)(passed_s * storm->options->rate);
    while (storm->started + storm->missed < due) {
        if (storm->spare_count == 0)
            storm->missed++;
        else
            start(&storm->slots[storm->spare[--storm->spare_count]]);
    }
}

static void print(const struct storm *storm, double seconds)
{
    printf("{\"task\":\"storm\",\"seconds\":%.4f,\"done\":%llu,\"failed\":%llu,\"failure\":\"%s\","
           "\"resumed\":%llu,\"kept\":%llu,\"missed\":%llu,\"unfinished\":%zu,",
           seconds, (unsigned long long)storm->done, (unsigned long long)storm->failed,
           storm->failure == NULL ? "" : storm->failure, (unsigned long long)storm->resumed,
           (unsigned long long)storm->kept, (unsigned long long)storm->missed, storm->active);
    for (int act = 0; storm->options->is_mixed && act < ACT_COUNT; act++)
        printf("\"%s\":%llu,", act_names[act], (unsigned long long)storm->acts[act]);
    histogram_print(&storm->times);
    printf("}\n");
    (void)fflush(stdout);
}

static void run(struct storm *storm)
{
    struct ev_loop *loop = storm->setup->loop;
    ev_now_update(loop);
    storm->begun_ns = now_ns();
    ev_timer_init(&storm->end, on_time, storm->options->seconds, 0.);
    ev_timer_init(&storm->pace, on_pace, 0., 0.001);
    storm->end.data = storm;
    storm->pace.data = storm;
    ev_timer_start(loop, &storm->end);
    if (storm->options->rate > 0)
        ev_timer_start(loop, &storm->pace);
    for (size_t i = 0; i < storm->options->at_once; i++) {
        struct slot *slot = &storm->slots[i];
        slot->storm = storm;
        slot->client.setup = storm->setup;
        slot->client.handler = &handler;
        slot->client.wants_resumption = storm->options->is_resumed;
        if (storm->options->rate > 0)
            storm->spare[storm->spare_count++] = i;
        else
            start(slot);
    }
    ev_run(loop, 0);
    const double seconds = (double)(now_ns() - storm->begun_ns) / 1e9;
    print(storm, seconds);
    for (size_t i = 0; i < storm->options->at_once; i++) {
        client_close(&storm->slots[i].client, true);
        client_forget_session(&storm->slots[i].client);
    }
    ev_timer_stop(loop, &storm->end);
    ev_timer_stop(loop, &storm->pace);
}

static void split_targets(struct storm *storm)
{
    storm->targets = strdup(storm->options->target);
    char *rest = storm->targets;
    ASSERT(rest != NULL);
    while (rest != NULL && storm->target_count < TARGETS_MAX)
        storm->target[storm->target_count++] = strsep(&rest, ",");
}

void storm_run(const struct client_setup *setup, const struct storm_options *options)
{
    struct storm *storm = calloc(1, sizeof *storm);
    ASSERT(storm != NULL);
    *storm = (struct storm){.setup = setup, .options = options, .dice = 20260101};
    storm->slots = calloc(options->at_once, sizeof *storm->slots);
    storm->spare = calloc(options->at_once, sizeof *storm->spare);
    ASSERT(storm->slots != NULL && storm->spare != NULL);
    split_targets(storm);
    for (size_t i = 0; i < sizeof pattern; i++)
        pattern[i] = (uint8_t)roll(storm, 256);
    run(storm);
    free(storm->targets);
    free(storm->slots);
    free(storm->spare);
    free(storm);
}
