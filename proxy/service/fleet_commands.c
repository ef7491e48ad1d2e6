// An order of ours: first the members are read again, then the order is put down, then answers are looked for until all are
// there or the time is over, then it is done here.
#include "proxy/service/fleet_commands.h"

#include <inttypes.h>
#include <stdlib.h>

#include "auth/base/date.h"
#include "auth/base/json.h"
#include "proxy/clock/clock.h"
#include "proxy/fleet/fleet_order_list.h"
#include "proxy/fleet/fleet_page.h"
#include "proxy/fleet/fleet_scripts.h"
#include "proxy/log/log.h"
#include "proxy/service/fleet_doing.h"

enum {
    ISSUED_MAX = 8, // orders of ours under way
    WAIT_MS = 3000, // for everything
    ORDERS_LIFE_MS = 300000,
    FORGET_MS = 60000, // for which an order that is over waits to be asked for
    NAMES_MAX = 4000,  // of those that live
    ANSWER_BYTES_MAX = FLEET_INSTANCE_CAP + FLEET_ANSWER_TEXT_MAX + FLEET_SEAL_OVERHEAD,
};

// KEYS: the list of orders, the counter of all that ever were, alive. ARGV: one ("": there is none), how many are kept, for how
// many ms, how many names. -> those that live at this moment.
static const char order_text[] =
    FLEET_SCRIPT_ASK "if ARGV[1] ~= '' then\n"
                     "  counter(KEYS[2])\n"
                     "  ask('RPUSH', KEYS[1], ARGV[1])\n"
                     "  redis.call('LTRIM', KEYS[1], -ARGV[2], -1)\n"
                     "  redis.call('PEXPIRE', KEYS[1], ARGV[3])\n"
                     "  redis.call('INCR', KEYS[2])\n"
                     "end\n"
                     "return ask('ZRANGEBYSCORE', KEYS[3], '(0', '+inf', 'LIMIT', 0, ARGV[4])\n";

#define FLEET_UNTOLD                                                                               \
    "%s: nobody was told, and nothing was done here; run `sallyport %s` without --fleet and --on " \
    "on each machine, which needs no store"

enum stage {
    STAGE_FREE,
    STAGE_MEMBERS, // who is there is being read
    STAGE_SENDS,   // it is on its way to the store
    STAGE_WAITS,   // for answers
    STAGE_HERE,    // it is done here
    STAGE_OVER,
};

struct heard {
    char instance[FLEET_INSTANCE_CAP];
    char host[MEMBER_HOST_CAP];
    bool is_answered;
    enum fleet_result result;
    char message[FLEET_ANSWER_MESSAGE_CAP];
};

// issued is an order of ours.
struct issued {
    struct fleet_commands *commands; // borrowed
    enum stage stage;
    uint64_t number; // here
    uint64_t reading;
    int64_t until_ms; // monotonic
    enum fleet_verb verb;
    uint32_t uid;
    char argument[FLEET_ORDER_ARGUMENT_CAP];
    char only[FLEET_INSTANCE_CAP];
    char id[FLEET_ORDER_ID_CAP];
    struct heard *heard; // owned
    size_t count;
    uint64_t unnamed; // proxies that live, and are none of those that are meant
    bool is_mine;     // it is to be done here too
    bool is_asking;
    int64_t ends_ms; // Unix; nobody does it later
    struct fleet_doing doing;
    struct errinfo problem; // why nothing was told to anybody; "": it was
};

struct fleet_commands {
    struct fleet_store *store;       // borrowed
    struct fleet_presence *presence; // borrowed
    struct store_script order;
    struct issued issued[ISSUED_MAX];
    uint64_t number; // of the last order of ours
    uint64_t sent;   // of the last one that others were told
    ev_timer look;   // while answers are waited for
};

static void advance(struct issued *issued);

static void on_look(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)events;
    struct fleet_commands *commands = timer->data;
    bool is_under_way = false;
    for (size_t i = 0; i < ISSUED_MAX; i++) {
        const enum stage stage = commands->issued[i].stage;
        if (stage != STAGE_FREE && stage != STAGE_OVER)
            advance(&commands->issued[i]);
        is_under_way |= stage != STAGE_FREE && stage != STAGE_OVER;
    }
    if (!is_under_way)
        ev_timer_stop(loop, timer);
}

struct fleet_commands *fleet_commands_create(struct fleet_store *store,
                                             struct fleet_presence *presence)
{
    struct fleet_commands *commands = calloc(1, sizeof *commands);
    if (commands == NULL)
        return NULL;
    commands->store = store;
    commands->presence = presence;
    fleet_script_init(order_text, &commands->order);
    ev_timer_init(&commands->look, on_look, 0.1, 0.1);
    commands->look.data = commands;
    return commands;
}

// release frees a place for the next order; what was asked for the one before is not answered any more.
static void release(struct issued *issued)
{
    if (issued->commands != NULL && issued->commands->store->link != NULL)
        store_link_forget(issued->commands->store->link, issued);
    free(issued->heard);
    *issued = (struct issued){0};
}

void fleet_commands_destroy(struct fleet_commands *commands)
{
    if (commands == NULL)
        return;
    ev_timer_stop(commands->store->service->loop, &commands->look);
    fleet_commands_on_lost(commands);
    for (size_t i = 0; i < ISSUED_MAX; i++)
        release(&commands->issued[i]);
    free(commands);
}

void fleet_commands_on_lost(struct fleet_commands *commands)
{
    for (size_t i = 0; i < ISSUED_MAX; i++) {
        if (commands->store->link != NULL)
            store_link_forget(commands->store->link, &commands->issued[i]);
        commands->issued[i].is_asking = false;
    }
}

static struct heard *find(struct issued *issued, struct slice instance)
{
    for (size_t i = 0; i < issued->count; i++) {
        if (slice_equal(slice_of_string(issued->heard[i].instance), instance))
            return &issued->heard[i];
    }
    return NULL;
}

static bool have_all(const struct issued *issued)
{
    for (size_t i = 0; i < issued->count; i++) {
        if (!issued->heard[i].is_answered)
            return false;
    }
    return true;
}

static void on_done_here(void *arg, enum fleet_result result, const char *message)
{
    struct issued *issued = arg;
    struct heard *own = &issued->heard[issued->count++];
    const struct slice name = slice_of_string(issued->commands->store->instance);
    const struct member *member =
        members_find(fleet_presence_members(issued->commands->presence), name);
    (void)string_copy(own->instance, sizeof own->instance, name);
    if (member != NULL)
        (void)string_copy(own->host, sizeof own->host, slice_of_string(member->host));
    own->is_answered = true;
    own->result = result;
    (void)string_copy(own->message, sizeof own->message,
                      slice_first(slice_of_string(message), FLEET_ANSWER_MESSAGE_CAP - 1));
    issued->stage = STAGE_OVER;
}

// do_here does it in this process, if it is meant.
static void do_here(struct issued *issued)
{
    issued->stage = issued->is_mine ? STAGE_HERE : STAGE_OVER;
    if (issued->is_mine)
        fleet_do(&issued->doing, issued->commands->store->service, issued->verb, issued->argument,
                 on_done_here, issued);
}

static void fail(struct issued *issued, const char *why)
{
    (void)errinfo_set(&issued->problem, ERR_SYSTEM, "%s", why);
    issued->stage = STAGE_OVER;
}

// take_answer notes what one has answered, if it is really from that one.
static void take_answer(struct issued *issued, struct slice instance, struct slice sealed)
{
    char name[FLEET_ANSWER_NAME_CAP];
    struct fleet_order_answer answer;
    struct errinfo info;
    size_t len = 0;
    struct heard *heard = find(issued, instance);
    if (heard == NULL || heard->is_answered)
        return;
    fleet_order_answer_name(issued->id, heard->instance, name);
    uint8_t *plain =
        fleet_store_open(issued->commands->store, FLEET_PURPOSE_ANSWER, name, sealed, &len);
    if (plain != NULL && fleet_order_answer_parse(slice_of(plain, len), &answer, &info) == ERR_OK) {
        heard->is_answered = true;
        heard->result = answer.result;
        (void)string_copy(heard->message, sizeof heard->message, slice_of_string(answer.message));
    }
    free(plain);
}

static void ask_answers(struct issued *issued, struct slice cursor);

static void on_answers(void *owner, const struct resp *answer)
{
    struct issued *issued = owner;
    struct fleet_page page;
    issued->is_asking = false;
    if (issued->stage != STAGE_WAITS || answer == NULL || fleet_page_parse(answer, &page) != ERR_OK)
        return;
    for (size_t i = 0; i < page.pair_count; i++)
        take_answer(issued, page.pairs[2 * i].text, page.pairs[2 * i + 1].text);
    if (!page.is_last)
        ask_answers(issued, page.cursor);
    else if (have_all(issued))
        do_here(issued);
}

static void ask_answers(struct issued *issued, struct slice cursor)
{
    const struct fleet_store *store = issued->commands->store;
    char key[FLEET_KEY_CAP];
    issued->is_asking = fleet_store_page(store, fleet_store_key(store, "done:", issued->id, key),
                                         cursor, ANSWER_BYTES_MAX, on_answers, issued);
}

// fail_untold ends an order that nobody was told, and says what to do.
static void fail_untold(struct issued *issued)
{
    const char *silence = fleet_store_silence(issued->commands->store);
    issued->stage = STAGE_OVER;
    (void)errinfo_set(&issued->problem, ERR_SYSTEM, FLEET_UNTOLD,
                      silence == NULL ? "the store has not answered in time" : silence,
                      fleet_verb_name(issued->verb));
}

// fail_unsent ends an order of which it is not known whether it has come to the store.
static void fail_unsent(struct issued *issued, const char *why)
{
    if (issued->count == 0)
        fail_untold(issued);
    else
        fail(issued, why);
}

// is_named tells whether one that lives is among those that are meant, or is told by one of them.
static bool is_named(struct issued *issued, struct slice instance)
{
    const struct fleet_commands *commands = issued->commands;
    if (slice_equal(instance, slice_of_string(commands->store->instance)) ||
        find(issued, instance) != NULL)
        return true;
    const struct member *member =
        members_find(fleet_presence_members(commands->presence), instance);
    return member != NULL && slice_equal(slice_of_string(member->instance), instance) &&
           member->state == MEMBER_RETIRED;
}

// on_sent takes the names of those that lived when the order had come to the store, so that nobody is passed over who had begun to.
static void on_sent(void *owner, const struct resp *answer)
{
    struct issued *issued = owner;
    if (issued->stage != STAGE_SENDS)
        return;
    if (answer == NULL || answer->kind != RESP_ARRAY) {
        fail_unsent(
            issued,
            "the store has not taken the order: it may have been told to some, or to nobody");
        return;
    }
    issued->unnamed = answer->count >= NAMES_MAX; // of the others nothing is known
    for (size_t i = 0; i < answer->count; i++)
        issued->unnamed += !is_named(issued, answer->items[i].text);
    if (issued->only[0] != '\0')
        issued->unnamed = 0;
    if (issued->count == 0)
        do_here(issued);
    else
        issued->stage = STAGE_WAITS;
}

// seal_order makes what stands in the store: the order's id, and after it what is sealed under that name. The caller frees it.
static uint8_t *seal_order(const struct fleet_commands *commands, const struct fleet_order *order,
                           size_t *out_len)
{
    struct text plain;
    size_t len = 0;
    char *data = malloc(FLEET_ORDER_TEXT_MAX);
    if (data == NULL)
        return NULL;
    text_init(&plain, data, FLEET_ORDER_TEXT_MAX);
    fleet_order_format(order, &plain);
    uint8_t *sealed = plain.is_cut ? NULL
                                   : fleet_store_seal(commands->store, FLEET_PURPOSE_ORDER,
                                                      order->id, text_slice(&plain), &len);
    free(data);
    uint8_t *both = sealed == NULL ? NULL : malloc(len + FLEET_ORDER_ID_CAP);
    if (both != NULL) {
        (void)bytes_copy(both, FLEET_ORDER_ID_CAP, slice_of_string(order->id));
        (void)bytes_copy(both + FLEET_ORDER_ID_CAP - 1, len, slice_of(sealed, len));
        *out_len = len + FLEET_ORDER_ID_CAP - 1;
    }
    free(sealed);
    return both;
}

// put_down sends what is sealed to the store, or nothing but the question who lives. False: the store does not take it.
static bool put_down(struct issued *issued, struct slice sealed)
{
    struct fleet_commands *commands = issued->commands;
    char keys[3][FLEET_KEY_CAP];
    char numbers[3][FLEET_NUMBER_CAP];
    const struct slice names[] = {fleet_store_key(commands->store, "orders", "", keys[0]),
                                  fleet_store_key(commands->store, "orders:n", "", keys[1]),
                                  fleet_store_key(commands->store, "alive", "", keys[2])};
    const struct slice arguments[] = {sealed, fleet_number_text(FLEET_ORDERS_KEPT, numbers[0]),
                                      fleet_number_text(ORDERS_LIFE_MS, numbers[1]),
                                      fleet_number_text(NAMES_MAX, numbers[2])};
    const struct store_script_call call = {.script = &commands->order,
                                           .keys = names,
                                           .key_count = 3,
                                           .arguments = arguments,
                                           .argument_count = 4};
    issued->stage = STAGE_SENDS;
    return fleet_store_script(commands->store, &call, on_sent, issued);
}

// make_order fills in what those that are meant are told. False: no memory, or no randomness.
static bool make_order(const struct issued *issued, struct fleet_order *out)
{
    const struct fleet_commands *commands = issued->commands;
    *out = (struct fleet_order){.number = commands->sent + 1,
                                .uid = issued->uid,
                                .verb = issued->verb,
                                .issued_ms = issued->ends_ms - FLEET_ORDER_LIFE_MS,
                                .ends_ms = issued->ends_ms,
                                .target_count = issued->count};
    out->targets = calloc(issued->count, sizeof *out->targets);
    if (out->targets == NULL || !fleet_make_name(out->id, sizeof out->id))
        return false;
    for (size_t i = 0; i < issued->count; i++)
        (void)string_copy(out->targets[i], FLEET_INSTANCE_CAP,
                          slice_of_string(issued->heard[i].instance));
    (void)string_copy(out->issuer, sizeof out->issuer, slice_of_string(commands->store->instance));
    (void)string_copy(out->argument, sizeof out->argument, slice_of_string(issued->argument));
    return true;
}

// send tells those that are meant, but for this process. Where there are none, the store is asked whether that is so.
static void send(struct issued *issued)
{
    struct fleet_commands *commands = issued->commands;
    struct fleet_order order;
    size_t len = 0;
    issued->ends_ms = wall_clock_ms() + FLEET_ORDER_LIFE_MS;
    if (issued->count == 0) {
        if (issued->only[0] != '\0')
            do_here(issued);
        else if (!put_down(issued, (struct slice){0}))
            fail_untold(issued);
        return;
    }
    uint8_t *sealed = make_order(issued, &order) ? seal_order(commands, &order, &len) : NULL;
    (void)string_copy(issued->id, sizeof issued->id, slice_of_string(order.id));
    fleet_order_deinit(&order);
    commands->sent++;
    if (sealed == NULL)
        fail(issued, "no memory: nobody was told");
    else if (!put_down(issued, slice_of(sealed, len)))
        fail(issued, "the store does not take the order: nobody was told");
    free(sealed);
}

// say_unfound says why no single proxy is meant.
static void say_unfound(struct issued *issued, const struct members *members)
{
    const struct slice prefix = slice_of_string(issued->only);
    size_t count = 0;
    for (size_t i = 0; i < members_count(members); i++)
        count += slice_starts_with(slice_of_string(members_at(members, i)->instance), prefix);
    issued->stage = STAGE_OVER;
    if (count == 0)
        (void)errinfo_set(&issued->problem, ERR_INPUT,
                          "no proxy has an instance that begins with `%s`; `sallyport status "
                          "--fleet` lists them",
                          issued->only);
    else
        (void)errinfo_set(&issued->problem, ERR_INPUT,
                          "`%s` is not enough, %zu proxies have an instance that begins so: give "
                          "more digits, 4 at least",
                          issued->only, count);
}

// choose makes the list of those that are meant. An old process is told by the one that leads it.
static void choose(struct issued *issued)
{
    const struct members *members = fleet_presence_members(issued->commands->presence);
    const char *self = issued->commands->store->instance;
    const struct member *only =
        issued->only[0] == '\0' ? NULL : members_find(members, slice_of_string(issued->only));
    if (issued->only[0] != '\0' && only == NULL) {
        say_unfound(issued, members);
        return;
    }
    if (only != NULL && only->state == MEMBER_RETIRED && strcmp(only->instance, self) != 0) {
        fail(
            issued,
            "this instance is the old process of an upgrade, which hears no orders: give it to the "
            "instance that serves there, which passes it on");
        return;
    }
    issued->heard = calloc(members_count(members) + 1, sizeof *issued->heard);
    if (issued->heard == NULL) {
        fail(issued, "no memory");
        return;
    }
    issued->is_mine = only == NULL || strcmp(only->instance, self) == 0;
    for (size_t i = 0; i < members_count(members); i++) {
        const struct member *member = members_at(members, i);
        if ((only != NULL && member != only) || strcmp(member->instance, self) == 0 ||
            (only == NULL && member->state == MEMBER_RETIRED))
            continue;
        struct heard *heard = &issued->heard[issued->count++];
        (void)string_copy(heard->instance, sizeof heard->instance,
                          slice_of_string(member->instance));
        (void)string_copy(heard->host, sizeof heard->host, slice_of_string(member->host));
    }
    send(issued);
}

// advance takes the next step of an order of ours.
static void advance(struct issued *issued)
{
    const bool is_late = monotonic_ms() >= issued->until_ms;
    switch (issued->stage) {
    case STAGE_MEMBERS:
        if (fleet_presence_done(issued->commands->presence) >= issued->reading)
            choose(issued);
        else if (is_late || !issued->commands->store->is_ready)
            fail_untold(issued);
        return;
    case STAGE_SENDS:
        if (is_late)
            fail_unsent(issued,
                        "the store does not answer: it may have been told to some, or to nobody");
        return;
    case STAGE_WAITS:
        if (is_late)
            do_here(issued);
        else if (!issued->is_asking)
            ask_answers(issued, SLICE_LITERAL("0"));
        return;
    case STAGE_FREE:
    case STAGE_HERE:
    case STAGE_OVER:
        return;
    }
}

// is_free tells whether a place can be used: also one whose end nobody has asked for, since he has gone.
static bool is_free(const struct issued *issued)
{
    return issued->stage == STAGE_FREE ||
           (issued->stage == STAGE_OVER && monotonic_ms() > issued->until_ms + FORGET_MS);
}

enum err fleet_commands_issue(struct fleet_commands *commands, enum fleet_verb verb,
                              const char *argument, const char *only, uint32_t uid,
                              uint64_t *out_number, struct errinfo *info)
{
    size_t i = 0;
    if (!fleet_do_is_good(verb, argument, info))
        return ERR_INPUT;
    if (!commands->store->is_ready)
        return errinfo_set(info, ERR_SYSTEM, FLEET_UNTOLD, fleet_store_silence(commands->store),
                           fleet_verb_name(verb));
    while (i < ISSUED_MAX && !is_free(&commands->issued[i]))
        i++;
    if (i == ISSUED_MAX)
        return errinfo_set(info, ERR_AGAIN, "too many orders are under way: ask again");
    struct issued *issued = &commands->issued[i];
    release(issued);
    *issued = (struct issued){.commands = commands,
                              .stage = STAGE_MEMBERS,
                              .number = ++commands->number,
                              .reading = fleet_presence_ask(commands->presence),
                              .until_ms = monotonic_ms() + WAIT_MS,
                              .verb = verb,
                              .uid = uid};
    (void)string_copy(issued->argument, sizeof issued->argument, slice_of_string(argument));
    if (!string_copy(issued->only, sizeof issued->only, slice_of_string(only))) {
        release(issued);
        return errinfo_set(info, ERR_INPUT, "an instance has 16 hexadecimal digits");
    }
    *out_number = issued->number;
    ev_timer_again(commands->store->service->loop, &commands->look);
    return ERR_OK;
}

// say_heard says what one has answered, or what it means that it has not.
static void say_heard(const struct issued *issued, const struct heard *heard, struct errinfo *out)
{
    char until[DATE_TEXT_CAP];
    if (heard->is_answered)
        (void)errinfo_set(out, ERR_OK, "%s", heard->message);
    else
        (void)errinfo_set(out, ERR_OK,
                          "it may do it until %s, unless it has ended: `sallyport status --fleet` "
                          "shows whether it is there",
                          date_format(issued->ends_ms / 1000, DATE_SECOND, until));
}

// tell adds the answers as a line.
static void tell(const struct issued *issued, struct text *out)
{
    json_begin_object(out, NULL);
    json_add_string(out, "order", issued->id[0] == '\0' ? NULL : issued->id);
    json_begin_array(out, "answers");
    for (size_t i = 0; i < issued->count; i++) {
        const struct heard *heard = &issued->heard[i];
        struct errinfo message;
        say_heard(issued, heard, &message);
        json_begin_object(out, NULL);
        json_add_string(out, "instance", heard->instance);
        json_add_string(out, "host", heard->host);
        json_add_string(out, "result",
                        !heard->is_answered ? "no_answer" : fleet_result_name(heard->result));
        json_add_string(out, "message", message.text);
        json_end_object(out);
    }
    json_end_array(out);
    json_end_object(out);
    text_append_string(out, "\n");
}

// conclude sums up what has come of an order.
static void conclude(const struct issued *issued, struct fleet_commands_result *out)
{
    const struct heard *own = issued->is_mine ? &issued->heard[issued->count - 1] : NULL;
    const struct heard *nobody = NULL;
    const char *order = issued->id[0] == '\0' ? "no other proxy was meant" : "order ";
    const char *unnamed = issued->unnamed == 0
                              ? ""
                              : "; more proxies live that have not said who they are: ask again";
    size_t done = 0;
    size_t idle = 0;
    for (size_t h = 0; h < issued->count; h++) {
        const struct heard *heard = &issued->heard[h];
        done += heard->is_answered && heard->result == FLEET_DONE;
        if (!heard->is_answered || heard->result != FLEET_NOBODY)
            continue;
        idle++;
        nobody = heard;
    }
    out->is_good = done > 0 && done + idle == issued->count && issued->unnamed == 0;
    if (nobody != NULL && idle == issued->count)
        (void)errinfo_set(&out->message, ERR_INPUT, "%.250s; %zu proxies were asked; %s%s%s",
                          nobody->message, issued->count, order, issued->id, unnamed);
    else
        (void)errinfo_set(&out->message, ERR_OK, "done by %zu of %zu proxies%s%.200s%s; %s%s%s",
                          done, issued->count,
                          own == NULL ? "" : " (here: ", own == NULL ? "" : own->message,
                          own == NULL ? "" : ")", order, issued->id, unnamed);
}

struct fleet_commands_result fleet_commands_look(struct fleet_commands *commands, uint64_t number,
                                                 struct text *out)
{
    struct fleet_commands_result result = {.is_over = true};
    size_t i = 0;
    while (i < ISSUED_MAX && commands->issued[i].number != number)
        i++;
    struct issued *issued = i == ISSUED_MAX ? NULL : &commands->issued[i];
    if (issued == NULL || issued->problem.text[0] != '\0') {
        (void)errinfo_set(&result.message, ERR_SYSTEM, "%s",
                          issued == NULL ? "the fleet was left meanwhile" : issued->problem.text);
        if (issued != NULL && issued->stage == STAGE_OVER)
            release(issued);
        return result;
    }
    if (issued->stage != STAGE_OVER) {
        result.is_over = false;
        return result;
    }
    conclude(issued, &result);
    log_info(LOG_ADMIN, "fleet: uid %u here: %s %.200s: %.250s", (unsigned)issued->uid,
             fleet_verb_name(issued->verb), issued->argument, result.message.text);
    tell(issued, out);
    release(issued);
    return result;
}
