// When the store answers, a greeting shows whether its seals are ours; then the parts begin. A beat twice a second says that we
// live, and what has changed.
#include "proxy/service/fleet.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "auth/base/json.h"
#include "proxy/clock/clock.h"
#include "proxy/fleet/fleet_scripts.h"
#include "proxy/log/log.h"
#include "proxy/net/loop_memory.h"
#include "proxy/service/fleet_blocking.h"
#include "proxy/service/fleet_greeting.h"
#include "proxy/service/fleet_limits.h"
#include "proxy/service/fleet_line.h"
#include "proxy/service/fleet_tickets.h"
#include "proxy/service/fleet_wait.h"
#include "proxy/service/store_report.h"
#include "proxy/config/shared_settings.h"
#include "proxy/store/store_places.h"

enum { PROBLEM_CAP = 400 };

// sense is how far what the store says makes sense.
struct sense {
    char deafness[PROBLEM_CAP]; // why the last beat has told nothing; "": it has
    uint64_t deaf_beats;
    uint64_t mended;       // values that made none
    int64_t deaf_quiet_ms; // monotonic; until when nothing is said of it
    int64_t mended_quiet_ms;
};

// losses is what was said of a store that does not answer.
struct losses {
    bool is_said; // of the present one
    struct fleet_pace pace;
};

struct fleet {
    struct fleet_store store;
    struct fleet_line *line; // owned; NULL: none, and no `store.link`
    struct buffer_pool buffers;
    bool must_begin; // something is to be shared, and could not be: it is tried again
    int64_t begin_quiet_ms;
    ev_timer timer;
    struct store_script beat;
    struct fleet_greeting *greeting; // owned, like the parts
    struct fleet_blocking *blocking;
    struct fleet_presence *presence;
    struct fleet_tickets *tickets;
    struct fleet_obedience *obedience;
    struct fleet_commands *commands;
    struct fleet_limits *limits;
    int64_t beat_ms;        // monotonic; when the last beat was sent
    bool is_connected;      // the link is ready
    bool was_connected;     // ever, to this store
    bool was_foreign;       // its seals were not ours, and nothing was said since
    int64_t quiet_until_ms; // monotonic; until when no other fault is said
    bool is_beating;        // an answer is waited for
    bool has_left;          // another process serves
    bool is_refusing;       // `on_lost: refuse`
    struct losses losses;
    struct sense sense;
};

// -- the parts

// hears tells whether this process itself has to do with the blocks and orders of the others.
static bool hears(const struct fleet *fleet)
{
    return !fleet->has_left || fleet->store.is_alone;
}

static void begin_parts(struct fleet *fleet)
{
    fleet->store.is_ready = true;
    fleet_presence_on_ready(
        fleet->presence); // first: what the others know is part of the comparison of blocks
    if (hears(fleet))
        fleet_blocking_on_ready(fleet->blocking);
    if (!fleet->has_left)
        fleet_tickets_on_ready(fleet->tickets);
}

static void end_parts(struct fleet *fleet)
{
    fleet->store.is_ready = false;
    fleet_blocking_on_lost(fleet->blocking);
    fleet_tickets_on_lost(fleet->tickets);
    fleet_presence_on_lost(fleet->presence);
    fleet_commands_on_lost(fleet->commands);
    fleet_obedience_on_lost(fleet->obedience);
}

static void beat(struct fleet *fleet);

// may_beat tells whether the store is this fleet's. To another one, or one that was not looked at yet, nothing is written.
static bool may_beat(const struct fleet *fleet)
{
    const enum fleet_trust trust = fleet_greeting_trust(fleet->greeting);
    return fleet->is_connected && (trust == FLEET_OURS || trust == FLEET_FRESH);
}

static void on_trust(void *owner)
{
    struct fleet *fleet = owner;
    const bool is_ours = fleet_greeting_trust(fleet->greeting) == FLEET_OURS;
    if (is_ours && fleet->was_foreign)
        log_info(LOG_STORE_READY, "fleet: what is in the store opens with `shared.key_file` now: "
                                  "blocks, orders and tickets are shared again");
    fleet->store.is_foreign = fleet_greeting_trust(fleet->greeting) == FLEET_FOREIGN;
    fleet->was_foreign = (fleet->was_foreign && !is_ours) || fleet->store.is_foreign;
    fleet_limits_note_state(fleet->limits, may_beat(fleet));
    if (may_beat(fleet))
        beat(fleet); // before all else: who is there before he says that he is ready is counted
    if (is_ours && !fleet->store.is_ready)
        begin_parts(fleet);
    else if (!is_ours && fleet->store.is_ready)
        end_parts(fleet);
}

// -- the beat

// go_deaf says that a beat has told nothing. Limits count the store as lost then; all else goes on by time.
static void go_deaf(struct fleet *fleet, const struct resp *answer)
{
    const char *sentence = store_link_facts(fleet->store.link)->sentence;
    struct text text;
    fleet->sense.deaf_beats++;
    text_init(&text, fleet->sense.deafness, sizeof fleet->sense.deafness);
    if (answer->kind == RESP_ERROR)
        text_append_format(&text, "the store answers a beat with an error: %.250s", sentence);
    else
        text_append_string(&text, "the store's answer to a beat makes no sense");
    text_append_string(&text, "; limits count it as lost, blocks and orders go on by time");
    if (fleet_may_say(&fleet->sense.deaf_quiet_ms))
        log_error(LOG_STORE_LOST, "fleet: %s", fleet->sense.deafness);
    fleet_greeting_on_beat(fleet->greeting, true);
    if (!fleet->store.is_ready)
        return;
    if (hears(fleet)) {
        fleet_blocking_on_deaf(fleet->blocking);
        fleet_obedience_on_deaf(fleet->obedience);
    }
    if (!fleet->has_left)
        fleet_tickets_on_beat(fleet->tickets);
    fleet_presence_on_beat(fleet->presence);
}

// note_mended says that somebody has written what makes no sense.
static void note_mended(struct fleet *fleet, uint64_t mended)
{
    fleet->sense.mended += mended;
    if (mended != 0 && fleet_may_say(&fleet->sense.mended_quiet_ms))
        log_error(
            LOG_FLEET_ALARM,
            "fleet: something in the store made no sense, and was written again: find out who "
            "else writes to the store");
}

static void on_beat(void *owner, const struct resp *answer)
{
    struct fleet *fleet = owner;
    struct fleet_beat beat;
    fleet->is_beating = false;
    if (answer == NULL)
        return;
    if (fleet_beat_parse(answer, &beat) != ERR_OK) {
        go_deaf(fleet, answer);
        return;
    }
    if (fleet->sense.deafness[0] != '\0') {
        log_info(LOG_STORE_READY, "fleet: the store answers beats again");
        store_link_forgive(fleet->store.link);
        fleet->sense.deafness[0] = '\0';
        fleet->sense.deaf_quiet_ms = 0;
    }
    note_mended(fleet, (uint64_t)beat.mended);
    fleet_greeting_on_beat(fleet->greeting, beat.was_known);
    if (!fleet->store.is_ready)
        return;
    fleet_limits_note_beat(fleet->limits, &beat, fleet->beat_ms);
    if (hears(fleet)) {
        const struct fleet_blocking_news news = {beat.revision, beat.blocks, !beat.was_known};
        fleet_blocking_on_beat(fleet->blocking, news);
        fleet_obedience_on_beat(fleet->obedience, beat.orders);
    }
    if (!fleet->has_left)
        fleet_tickets_on_beat(fleet->tickets);
    fleet_presence_on_beat(fleet->presence);
}

static void beat(struct fleet *fleet)
{
    char names[6][FLEET_KEY_CAP];
    char life_data[16], epoch_data[24];
    struct text life, epoch;
    text_init(&life, life_data, sizeof life_data);
    text_append_format(&life, "%d", (int)FLEET_ALIVE_MS);
    text_init(&epoch, epoch_data, sizeof epoch_data);
    text_append_format(&epoch, "%llu", (unsigned long long)fleet_limits_epoch(fleet->limits));
    const struct slice keys[] = {fleet_store_key(&fleet->store, "alive", "", names[0]),
                                 fleet_store_key(&fleet->store, "rev", "", names[1]),
                                 fleet_store_key(&fleet->store, "orders:n", "", names[2]),
                                 fleet_store_key(&fleet->store, "scarce", "", names[3]),
                                 fleet_store_key(&fleet->store, "epochs", "", names[4]),
                                 fleet_store_key(&fleet->store, "blocks", "", names[5])};
    const struct slice arguments[] = {slice_of_string(fleet->store.instance),
                                      slice_of_string(fleet->store.prefix), text_slice(&life),
                                      text_slice(&epoch)};
    const struct store_script_call call = {.script = &fleet->beat,
                                           .keys = keys,
                                           .key_count = 6,
                                           .arguments = arguments,
                                           .argument_count = 4};
    if (fleet->is_beating)
        return;
    fleet->beat_ms = monotonic_ms();
    fleet->is_beating = fleet_store_script(&fleet->store, &call, on_beat, fleet);
}

// -- the link

// is_known tells whether it is known who is blocked: what was compared with this store, now or before a restart, is in force.
static bool is_known(const struct fleet *fleet)
{
    return fleet_store_is_kept(&fleet->store);
}

// may_say_lost tells whether a loss may be said: of a store that answers for a moment again and again a few times a minute, and when it
// stays away.
static bool may_say_lost(struct fleet *fleet, const struct store_facts *facts)
{
    return wall_clock_ms() - facts->since_ms > STORE_STEADY_MS ||
           fleet_may_say_some(&fleet->losses.pace);
}

// say_lost says once that the store does not answer, and what it means.
static void say_lost(struct fleet *fleet)
{
    const struct store_facts *facts = store_link_facts(fleet->store.link);
    if (fleet->losses.is_said || !may_say_lost(fleet, facts))
        return;
    fleet->losses.is_said = true;
    log_error(LOG_STORE_LOST, "fleet: the store does not answer: %s; %s", facts->sentence,
              is_known(fleet) ? "blocks stay as last known" : "it is not known who is blocked");
}

// say_fault says what the store answers in the place of doing it, once a minute.
static void say_fault(struct fleet *fleet, const struct store_facts *facts)
{
    if (facts->sentence[0] != '\0' && fleet_may_say(&fleet->quiet_until_ms))
        log_warning(LOG_STORE_FAULT, "fleet: %s", facts->sentence);
}

static void on_change(void *owner)
{
    struct fleet *fleet = owner;
    const struct store_facts *facts = store_link_facts(fleet->store.link);
    const bool is_connected = facts->state == STORE_READY;
    if (is_connected && !fleet->is_connected) {
        fleet->is_connected = true;
        if (fleet->losses.is_said || !fleet->was_connected)
            log_info(LOG_STORE_READY, "fleet: the store at %s answers; this is instance %s",
                     facts->place, fleet->store.instance);
        fleet->losses.is_said = false;
        fleet->was_connected = true;
        fleet->is_beating = false;
        fleet_greeting_ask(fleet->greeting); // and beats, if it is ours
    } else if (!is_connected && fleet->is_connected) {
        fleet->is_connected = false;
        fleet->is_beating = false;
        fleet->sense.deafness[0] = '\0'; // it is worse now
        fleet_limits_note_state(fleet->limits, false);
        end_parts(fleet);
        fleet_greeting_on_lost(fleet->greeting);
    }
    if (facts->state == STORE_LOST)
        say_lost(fleet);
    if (is_connected)
        say_fault(fleet, facts);
}

// is_draining tells whether no new connections come here.
static bool is_draining(const struct fleet *fleet)
{
    const struct service *service = fleet->store.service;
    return service->stopping_at_s != 0 || service->succession.retirement != NULL;
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct fleet *fleet = timer->data;
    fleet_limits_set_draining(fleet->limits, fleet->has_left || is_draining(fleet));
    fleet_limits_tick(fleet->limits);
    if (fleet->must_begin)
        fleet_adopt(fleet, fleet->store.service->snapshot);
    if (fleet->store.link == NULL)
        return; // what was shared is still in use here, and is looked after until it ends
    if (may_beat(fleet))
        beat(fleet);
    else if (fleet->is_connected)
        fleet_greeting_on_beat(fleet->greeting, true);
    else if (store_link_facts(fleet->store.link)->state == STORE_LOST)
        say_lost(fleet);
}

// say_end tells the store that this process leaves, so that the others have at once what it had.
static void say_end(struct fleet *fleet)
{
    char names[2][FLEET_KEY_CAP];
    if (fleet->store.link == NULL || !may_beat(fleet))
        return;
    const struct slice words[] = {SLICE_LITERAL("EVAL"),
                                  slice_of_string(fleet_script_text(FLEET_LEAVE)),
                                  SLICE_LITERAL("2"),
                                  fleet_store_key(&fleet->store, "alive", "", names[0]),
                                  fleet_store_key(&fleet->store, "members", "", names[1]),
                                  slice_of_string(fleet->store.instance)};
    store_link_say(fleet->store.link, words, sizeof words / sizeof *words);
}

static void disconnect(struct fleet *fleet)
{
    if (fleet->store.link == NULL)
        return;
    end_parts(fleet);
    fleet_greeting_on_lost(fleet->greeting);
    fleet_limits_set_link(fleet->limits, NULL);
    fleet_line_destroy(fleet->line);
    fleet->line = NULL;
    fleet->store.link = NULL;
    fleet->is_connected = false;
    fleet->is_beating = false;
}

// make_line makes a connection by `snapshot`, beside the one that is in use.
static enum err make_line(struct fleet *fleet, const struct snapshot *snapshot,
                          struct fleet_line **out, struct errinfo *info)
{
    const struct fleet_line_options options = {.loop = fleet->store.service->loop,
                                               .buffers = &fleet->buffers,
                                               .resolver = &snapshot->resolver,
                                               .store = &snapshot->shared->store,
                                               .on_change = on_change,
                                               .owner = fleet};
    return fleet_line_create(&options, out, info);
}

// use_line goes by another connection from now on.
static void use_line(struct fleet *fleet, struct fleet_line *line)
{
    disconnect(fleet);
    fleet_greeting_forget(fleet->greeting);
    fleet->losses.is_said = false; // of the store before
    fleet->was_connected = false;
    fleet->line = line;
    fleet->store.link = line->link;
    fleet_limits_set_link(fleet->limits, fleet->store.link);
    ev_timer_again(fleet->store.service->loop, &fleet->timer);
}

// -- life

static void on_leases(void *owner)
{
    const struct fleet *fleet = owner;
    service_post(fleet->store.service, WORKER_LEASES);
}

static bool make_parts(struct fleet *fleet)
{
    const struct fleet_limits_options options = {.loop = fleet->store.service->loop,
                                                 .ledger = fleet->store.service->shared.ledger,
                                                 .instance = fleet->store.instance,
                                                 .prefix = fleet->store.prefix,
                                                 .on_answer = on_leases,
                                                 .owner = fleet};
    fleet->limits = fleet_limits_create(&options);
    fleet->greeting = fleet_greeting_create(&fleet->store, on_trust, fleet);
    fleet->presence = fleet_presence_create(&fleet->store);
    if (fleet->presence != NULL)
        fleet->blocking = fleet_blocking_create(&fleet->store, fleet->presence);
    fleet->tickets = fleet_tickets_create(&fleet->store);
    fleet->obedience = fleet_obedience_create(&fleet->store);
    if (fleet->presence != NULL)
        fleet->commands = fleet_commands_create(&fleet->store, fleet->presence);
    return fleet->limits != NULL && fleet->greeting != NULL && fleet->blocking != NULL &&
           fleet->tickets != NULL && fleet->obedience != NULL && fleet->commands != NULL;
}

// change_fleet forgets what is of another fleet: its store's seals, its secrets, and that anything of it is known.
static void change_fleet(struct fleet *fleet)
{
    struct service *service = fleet->store.service;
    if (fleet->store.is_ready)
        end_parts(fleet);
    fleet_greeting_forget(fleet->greeting);
    if (fleet->has_left)
        return;
    fleet_blocking_forget(fleet->blocking);
    fleet_tickets_forget(fleet->tickets);
    fleet_blocks_unshare(service->kept.words);
    service->are_blocks_unknown = !is_known(fleet);
    log_info(LOG_FLEET,
             "fleet: it is another one: what is blocked here holds there, too, as soon as "
             "the store was read");
}

// change_secrets goes by other secrets of the same fleet: what is kept is of the one that seals now.
static void change_secrets(struct fleet *fleet)
{
    struct service *service = fleet->store.service;
    char mark[FLEET_KEY_MARK_CAP];
    fleet_key_mark(fleet->store.key, mark);
    fleet_blocking_on_key(fleet->blocking);
    fleet_tickets_on_key(fleet->tickets);
    fleet_greeting_on_key(fleet->greeting);
    if (!fleet_store_is_kept(&fleet->store) || strcmp(mark, service->kept.store) == 0)
        return;
    (void)string_copy(service->kept.store, sizeof service->kept.store, slice_of_string(mark));
    (void)fleet->store.events.keep_state(service);
}

// begin_sharing goes by `snapshot`, which shares something. After an error nothing has changed.
static enum err begin_sharing(struct fleet *fleet, const struct snapshot *snapshot,
                              struct errinfo *info)
{
    const struct shared_settings *shared = snapshot->shared;
    struct service *service = fleet->store.service;
    const bool is_same_link =
        fleet->line != NULL && store_settings_equal(&fleet->line->settings, &shared->store);
    struct fleet_line *line = NULL;
    if (service->kept.words == NULL && block_state_init(&service->kept) != ERR_OK)
        return errinfo_set(info, ERR_MEMORY, "no memory to share");
    if (!is_same_link)
        TRY(make_line(fleet, snapshot, &line, info));
    struct fleet_key *key =
        fleet_key_create(&shared->secrets, slice_of_string(shared->store.prefix));
    if (key == NULL) {
        fleet_line_destroy(line);
        return errinfo_set(info, ERR_MEMORY, "no memory to share");
    }
    const bool is_other = fleet->store.key != NULL && !fleet_key_is_akin(fleet->store.key, key);
    // Another place may be the same store: there what is open here counts on.
    if (is_other)
        say_end(fleet);
    if (line != NULL)
        use_line(fleet, line);
    fleet_key_destroy(fleet->store.key);
    fleet->store.key = key;
    if (is_other)
        change_fleet(fleet);
    else if (!fleet->has_left)
        change_secrets(fleet);
    fleet->is_refusing = shared->on_lost == SHARED_REFUSE;
    (void)string_copy(fleet->store.prefix, sizeof fleet->store.prefix,
                      slice_of_string(shared->store.prefix));
    fleet_limits_set_policy(fleet->limits, fleet->store.prefix, fleet->is_refusing);
    if (is_same_link && fleet->is_connected)
        fleet_greeting_ask(fleet->greeting);
    if (!is_same_link && !fleet->has_left)
        fleet_blocks_version_all(service->kept.words, fleet->store.instance, (int64_t)time(NULL));
    return ERR_OK;
}

enum err fleet_create(struct service *service, const struct fleet_events *events,
                      struct fleet **out, struct errinfo *info)
{
    struct fleet *fleet = calloc(1, sizeof *fleet);
    *out = fleet;
    if (fleet == NULL)
        return errinfo_set(info, ERR_MEMORY, "no memory to share");
    fleet->store.service = service;
    fleet->store.events = *events;
    fleet_store_init(&fleet->store);
    ev_timer_init(&fleet->timer, on_timer, (ev_tstamp)FLEET_BEAT_MS / 1000.,
                  (ev_tstamp)FLEET_BEAT_MS / 1000.);
    fleet->timer.data = fleet;
    fleet_script_init(fleet_script_text(FLEET_BEAT), &fleet->beat);
    if (!fleet_store_make_instance(&fleet->store))
        return errinfo_set(info, ERR_SYSTEM, "no randomness");
    if (!make_parts(fleet))
        return errinfo_set(info, ERR_MEMORY, "no memory to share");
    if (service->snapshot->shared == NULL)
        return ERR_OK;
    return begin_sharing(fleet, service->snapshot, info);
}

void fleet_destroy(struct fleet *fleet)
{
    if (fleet == NULL)
        return;
    say_end(fleet);
    disconnect(fleet);
    ev_timer_stop(fleet->store.service->loop, &fleet->timer);
    fleet_commands_destroy(fleet->commands);
    fleet_obedience_destroy(fleet->obedience);
    fleet_tickets_destroy(fleet->tickets);
    fleet_blocking_destroy(fleet->blocking);
    fleet_presence_destroy(fleet->presence);
    fleet_greeting_destroy(fleet->greeting);
    fleet_limits_destroy(fleet->limits);
    buffer_pool_deinit(&fleet->buffers);
    fleet_key_destroy(fleet->store.key);
    free(fleet);
}

void fleet_await(struct fleet *fleet, int64_t patience_ms)
{
    struct service *service = fleet->store.service;
    const struct fleet_wait wait = {.loop = service->loop,
                                    .greeting = fleet->greeting,
                                    .blocking = fleet->blocking,
                                    .tickets = fleet->tickets};
    if (!fleet_is_shared(fleet))
        return;
    fleet_wait_run(&wait, patience_ms);
    service->are_blocks_unknown = !is_known(fleet);
    service->snapshot->are_blocks_unknown = service->are_blocks_unknown;
    if (service->are_blocks_unknown)
        log_error(
            LOG_STORE_LOST,
            "fleet: it is not known who is blocked: every request is refused (503 store_lost) "
            "until the store has said so");
    else if (!fleet_wait_is_over(&wait))
        log_warning(LOG_STORE_LOST,
                    "fleet: the store has not answered yet: blocks are as last known");
}

// end_sharing keeps the blocks, for this proxy alone. What is kept is the business of the process that serves.
static void end_sharing(struct fleet *fleet)
{
    struct service *service = fleet->store.service;
    say_end(fleet);
    disconnect(fleet);
    if (fleet->has_left)
        return;
    fleet_blocking_forget(fleet->blocking);
    fleet_blocks_localize(service->kept.words);
    service->kept.store[0] = '\0';
    service->kept.tickets = 0;
    service->are_blocks_unknown = false;
    log_info(LOG_STORE_LOST, "fleet: nothing is shared any more: the blocks stay here");
}

void fleet_adopt(struct fleet *fleet, const struct snapshot *snapshot)
{
    const bool was_shared = fleet_is_shared(fleet);
    struct service *service = fleet->store.service;
    struct errinfo info;
    fleet->must_begin = false;
    if (snapshot->shared == NULL) {
        if (was_shared) {
            end_sharing(fleet);
            (void)fleet->store.events.keep_state(service);
        }
        return;
    }
    if (begin_sharing(fleet, snapshot, &info) != ERR_OK) {
        fleet->must_begin = true;
        ev_timer_again(service->loop, &fleet->timer);
        if (fleet_may_say(&fleet->begin_quiet_ms))
            log_error(LOG_STORE_LOST,
                      "fleet: %s; what was shared before stays so, and it is tried again",
                      info.text);
    }
    if (!was_shared && !fleet->has_left)
        service->are_blocks_unknown = !is_known(fleet);
}

void fleet_leave(struct fleet *fleet)
{
    if (fleet == NULL)
        return;
    fleet->has_left = true;
    fleet_blocking_on_lost(fleet->blocking);
    fleet_tickets_on_lost(fleet->tickets);
    fleet_commands_on_lost(fleet->commands);
    fleet_obedience_on_lost(fleet->obedience);
}

void fleet_return(struct fleet *fleet)
{
    if (fleet == NULL || !fleet->has_left)
        return;
    fleet->has_left = false;
    if (!fleet->store.is_ready)
        return;
    fleet_blocking_on_ready(fleet->blocking);
    fleet_tickets_on_ready(fleet->tickets);
}

void fleet_go_alone(struct fleet *fleet)
{
    if (fleet == NULL || fleet->store.is_alone)
        return;
    struct block_state *kept = &fleet->store.service->kept;
    if (kept->words == NULL && block_state_init(kept) != ERR_OK) {
        log_error(LOG_NO_MEMORY, "fleet: no memory to hear of blocks any more");
        return;
    }
    fleet_blocks_localize(kept->words);
    fleet->store.is_alone = true;
    if (!fleet->store.is_ready)
        return;
    fleet_blocking_on_ready(fleet->blocking);
    (void)fleet_presence_ask(fleet->presence); // others are told at once what it is now
}

bool fleet_has_left(const struct fleet *fleet)
{
    return fleet != NULL && fleet->has_left;
}

bool fleet_is_shared(const struct fleet *fleet)
{
    return fleet != NULL && fleet->store.link != NULL;
}

const char *fleet_instance(const struct fleet *fleet)
{
    return fleet == NULL ? "" : fleet->store.instance;
}

const char *fleet_silence(const struct fleet *fleet)
{
    return fleet_is_shared(fleet) ? fleet_store_silence(&fleet->store) : NULL;
}

const char *fleet_obstacle(const struct fleet *fleet)
{
    return fleet_blocking_obstacle(fleet->blocking);
}

void fleet_push(struct fleet *fleet)
{
    if (fleet_is_shared(fleet))
        fleet_blocking_push(fleet->blocking);
}

void fleet_note_compared(struct fleet *fleet)
{
    struct block_state *kept = &fleet->store.service->kept;
    kept->tickets = fleet_tickets_newest(fleet->tickets); // of this fleet, before the mark is
    fleet_key_mark(fleet->store.key, kept->store);
    fleet->store.service->are_blocks_unknown = false;
}

void fleet_write_tickets(const struct fleet *fleet, struct text *out)
{
    if (fleet != NULL)
        fleet_tickets_write(fleet->tickets, out);
}

void fleet_inherit_tickets(struct fleet *fleet, struct slice written)
{
    fleet_tickets_inherit(fleet->tickets, written);
}

void fleet_apply_tickets(struct fleet *fleet, const struct snapshot *snapshot)
{
    fleet_tickets_apply(fleet->tickets, snapshot);
}

uint64_t fleet_ask(struct fleet *fleet)
{
    return fleet_is_shared(fleet) ? fleet_presence_ask(fleet->presence) : 0;
}

uint64_t fleet_answered(const struct fleet *fleet)
{
    return fleet_is_shared(fleet) ? fleet_presence_counted(fleet->presence) : UINT64_MAX;
}

struct fleet_commands *fleet_commands_of(struct fleet *fleet)
{
    return fleet == NULL ? NULL : fleet->commands;
}

// answers tells whether the store does, and with sense.
static bool answers(const struct fleet *fleet)
{
    return fleet->is_connected && fleet->sense.deafness[0] == '\0';
}

// say_refusal adds why limits of the fleet count the store as lost.
static void say_refusal(const struct fleet *fleet, struct text *out)
{
    const char *silence = fleet->sense.deafness[0] != '\0' ? "the store's answers make no sense"
                                                           : fleet_store_silence(&fleet->store);
    text_append_format(out,
                       "%s, and `shared.on_lost` is refuse: clients with limits of the fleet are "
                       "refused\n",
                       silence == NULL ? "the store has not answered in time" : silence);
}

bool fleet_is_ready(const struct fleet *fleet, struct text *out)
{
    if (!fleet_is_shared(fleet))
        return true;
    const bool is_unknown = fleet->store.service->are_blocks_unknown;
    const bool is_refusing = fleet->is_refusing && !fleet_limits_asks(fleet->limits);
    if (is_unknown)
        text_append_string(out, "the store was never read, so that it is not known who is "
                                "blocked: requests are refused\n");
    if (is_refusing)
        say_refusal(fleet, out);
    return !is_unknown && !is_refusing;
}

static const struct family store_up = {.name = "sallyport_store_up",
                                       .kind = FAMILY_GAUGE,
                                       .help = "1 while the store that the fleet shares answers."};
static const struct family deaf_beats = {
    .name = "sallyport_fleet_deaf_beats",
    .kind = FAMILY_COUNTER,
    .help = "Beats that the store has answered with what makes no sense, or with an error."};
static const struct family store_mended = {
    .name = "sallyport_fleet_store_mended",
    .kind = FAMILY_COUNTER,
    .help = "Values in the store that made no sense, and were written again."};
static const struct family trusted = {
    .name = "sallyport_fleet_trusted",
    .kind = FAMILY_GAUGE,
    .help = "0 while what is in the store is not sealed by our key, or the store was not reached."};
static const struct family blocks_known = {
    .name = "sallyport_fleet_blocks_known",
    .kind = FAMILY_GAUGE,
    .help = "0 while it is not known who is blocked, and so every request is refused."};
static const struct family configs_differ = {
    .name = "sallyport_fleet_configs_differ",
    .kind = FAMILY_GAUGE,
    .help = "1 when configurations have differed for more than a minute."};

void fleet_metrics(const struct fleet *fleet, struct exposition *out)
{
    const bool is_shared = fleet_is_shared(fleet);
    exposition_add_single(out, &store_up, is_shared, is_shared && answers(fleet));
    exposition_add_single(out, &deaf_beats, is_shared, is_shared ? fleet->sense.deaf_beats : 0);
    exposition_add_single(out, &store_mended, is_shared, is_shared ? fleet->sense.mended : 0);
    exposition_add_single(out, &trusted, is_shared, is_shared && fleet->store.is_ready);
    exposition_add_single(out, &blocks_known, is_shared,
                          is_shared && !fleet->store.service->are_blocks_unknown);
    exposition_add_single(out, &configs_differ, is_shared,
                          is_shared && fleet_presence_differs(fleet->presence));
    fleet_blocking_metrics(is_shared ? fleet->blocking : NULL, out);
    store_report_metrics(is_shared ? store_link_facts(fleet->store.link) : NULL, out);
    fleet_limits_metrics(is_shared ? fleet->limits : NULL, out);
    fleet_presence_metrics(is_shared ? fleet->presence : NULL, out);
    fleet_obedience_metrics(is_shared ? fleet->obedience : NULL, out);
}

static void add_store(const struct fleet *fleet, struct text *out)
{
    const struct store_facts *facts = store_link_facts(fleet->store.link);
    const char *problem = fleet_greeting_problem(fleet->greeting);
    json_begin_object(out, "store");
    json_add_string(out, "state", store_state_name(facts->state));
    json_add_string(out, "place", facts->place[0] == '\0' ? NULL : facts->place);
    json_add_time(out, "since", facts->since_ms / 1000);
    json_add_count(out, "calls", facts->calls);
    json_add_count(out, "failures", facts->failures);
    json_add_count(out, "connects", facts->connects);
    json_add_count(out, "deaf_beats", fleet->sense.deaf_beats);
    json_add_count(out, "mended", fleet->sense.mended);
    json_add_string(out, "problem",
                    problem != NULL                    ? problem
                    : fleet->sense.deafness[0] != '\0' ? fleet->sense.deafness
                    : facts->sentence[0] != '\0'       ? facts->sentence
                                                       : NULL);
    json_end_object(out);
}

void fleet_status(const struct fleet *fleet, bool with_members, struct text *out)
{
    if (!fleet_is_shared(fleet)) {
        json_add_null(out, "fleet");
        return;
    }
    json_begin_object(out, "fleet");
    json_add_string(out, "instance", fleet->store.instance);
    add_store(fleet, out);
    json_begin_object(out, "blocks");
    json_add_bool(out, "known", !fleet->store.service->are_blocks_unknown);
    fleet_blocking_status(fleet->blocking, out);
    json_end_object(out);
    json_begin_object(out, "tickets");
    fleet_tickets_status(fleet->tickets, out);
    json_end_object(out);
    fleet_limits_status(fleet->limits, out);
    fleet_presence_status(fleet->presence, with_members, out);
    json_end_object(out);
}
