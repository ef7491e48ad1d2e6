// An order of ours: first the members are read again, then the order is put down, then answers are looked for until all are
// there or the time is over, then it is done here. An order of others: judged once, done once, answered once.
#include "proxy/service/fleet_commands.h"

#include <inttypes.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/random.h>

#include "auth/base/json.h"
#include "proxy/audit/audit_log.h"
#include "proxy/clock/clock.h"
#include "proxy/log/log.h"
#include "proxy/service/fleet_doing.h"

enum {
    ISSUED_MAX = 8,   // orders of ours under way
    OBEYED_MAX = 32,  // of others
    WAIT_MS = 3000,   // for everything
    KEPT_ORDERS = 16, // in the store
    ORDERS_LIFE_MS = 300000,
    DONE_LIFE_MS = 60000,
    ANSWER_PAGE = 200,
};

// KEYS: the list of orders, the counter of all that ever were. ARGV: one, how many are kept, for how many ms.
static const char order_text[] = "redis.call('RPUSH', KEYS[1], ARGV[1])\n"
                                 "redis.call('LTRIM', KEYS[1], -ARGV[2], -1)\n"
                                 "redis.call('PEXPIRE', KEYS[1], ARGV[3])\n"
                                 "return redis.call('INCR', KEYS[2])\n";

// KEYS: the answers to one order. ARGV: who answers, what, for how many ms it is kept.
static const char answer_text[] = "redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])\n"
                                  "redis.call('PEXPIRE', KEYS[1], ARGV[3])\n"
                                  "return 1\n";

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
    bool is_done;
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
    bool is_mine; // it is to be done here too
    bool is_asking;
    struct fleet_doing doing;
    struct errinfo problem; // why nothing was told to anybody; "": it was
};

// obeyed is an order of another that is being done.
struct obeyed {
    LIST_ENTRY(obeyed) link;
    struct fleet_commands *commands; // borrowed
    struct fleet_order order;        // owned
    struct fleet_doing doing;
};

LIST_HEAD(obeyed_list, obeyed);

struct fleet_commands {
    struct fleet_store *store;       // borrowed
    struct fleet_presence *presence; // borrowed
    struct store_script order;
    struct store_script answer;
    struct fleet_issuers *issuers; // owned
    struct obeyed_list obeyed;     // owned
    struct issued issued[ISSUED_MAX];
    uint64_t number;     // of the last order of ours
    uint64_t sent;       // of the last one that others were told
    int64_t order_count; // as the store said last; -1: never
    size_t obeyed_count;
    uint64_t done;
    uint64_t refused;
    uint64_t forged;
    bool is_forgery_said;
    ev_timer look; // while answers are waited for
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
    commands->issuers = fleet_issuers_create();
    if (commands->issuers == NULL) {
        free(commands);
        return NULL;
    }
    commands->store = store;
    commands->presence = presence;
    commands->order_count = -1;
    fleet_script_init(order_text, &commands->order);
    fleet_script_init(answer_text, &commands->answer);
    ev_timer_init(&commands->look, on_look, 0.1, 0.1);
    commands->look.data = commands;
    return commands;
}

static void forget(struct obeyed *obeyed)
{
    obeyed->commands->obeyed_count--;
    LIST_REMOVE(obeyed, link);
    fleet_order_deinit(&obeyed->order);
    free(obeyed);
}

static void release(struct issued *issued)
{
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
    while (!LIST_EMPTY(&commands->obeyed))
        forget(LIST_FIRST(&commands->obeyed));
    fleet_issuers_destroy(commands->issuers);
    free(commands);
}

// -- orders of others

// record makes the `admin` record of an order of another.
static void record(struct fleet_commands *commands, const struct fleet_order *order, bool is_done,
                   const char *message)
{
    char argument[2 * FLEET_ORDER_ARGUMENT_CAP];
    struct text text;
    text_init(&text, argument, sizeof argument);
    text_append_string(&text, order->argument);
    const struct audit_admin admin = {.now_ms = wall_clock_ms(),
                                      .command = fleet_verb_name(order->verb),
                                      .argument = text.len == 0 ? NULL : argument,
                                      .uid = order->uid,
                                      .instance = order->issuer,
                                      .order = order->id,
                                      .result = is_done ? "ok" : "failed",
                                      .detail = message};
    audit_log_submit_bounded(commands->store->service->shared.audit, AUDIT_KIND_ADMIN,
                             audit_admin_create(&admin), 1);
}

static void on_ignored(void *owner, const struct resp *answer)
{
    (void)owner;
    (void)answer; // the one that waits for it learns that there was no answer
}

// answer_name gives the name under which the answer of an instance to an order is sealed.
static void answer_name(const char *id, const char *instance, char out[2 * FLEET_INSTANCE_CAP + 1])
{
    struct text text;
    text_init(&text, out, 2 * FLEET_INSTANCE_CAP + 1);
    text_append_format(&text, "%s:%s", id, instance);
}

// send_answer tells the issuer.
static void send_answer(struct fleet_commands *commands, const struct fleet_order *order,
                        bool is_done, const char *message)
{
    const struct fleet_store *store = commands->store;
    char key[FLEET_KEY_CAP];
    char name[2 * FLEET_INSTANCE_CAP + 1];
    char plain_data[FLEET_ANSWER_TEXT_MAX];
    char life[16];
    struct text plain;
    struct text life_text;
    struct fleet_order_answer answer = {.is_done = is_done};
    size_t len = 0;
    (void)string_copy(answer.instance, sizeof answer.instance, slice_of_string(store->instance));
    (void)string_copy(answer.message, sizeof answer.message,
                      slice_first(slice_of_string(message), FLEET_ANSWER_MESSAGE_CAP - 1));
    text_init(&plain, plain_data, sizeof plain_data);
    fleet_order_answer_format(&answer, &plain);
    answer_name(order->id, store->instance, name);
    uint8_t *sealed = fleet_store_seal(store, FLEET_PURPOSE_ANSWER, name, text_slice(&plain), &len);
    if (sealed == NULL)
        return;
    text_init(&life_text, life, sizeof life);
    text_append_format(&life_text, "%d", (int)DONE_LIFE_MS);
    const struct slice keys[] = {fleet_store_key(store, "done:", order->id, key)};
    const struct slice arguments[] = {slice_of_string(store->instance), slice_of(sealed, len),
                                      text_slice(&life_text)};
    const struct store_script_call call = {.script = &commands->answer,
                                           .keys = keys,
                                           .key_count = 1,
                                           .arguments = arguments,
                                           .argument_count = 3};
    (void)fleet_store_script(store, &call, on_ignored, commands); // it learns that there was none
    free(sealed);
}

// conclude counts, records and answers.
static void conclude(struct fleet_commands *commands, const struct fleet_order *order, bool is_done,
                     const char *message)
{
    if (is_done)
        commands->done++;
    else
        commands->refused++;
    log_info(LOG_ADMIN, "fleet: instance %s, uid %u: %s %.200s: %.200s", order->issuer,
             (unsigned)order->uid, fleet_verb_name(order->verb), order->argument, message);
    record(commands, order, is_done, message);
    send_answer(commands, order, is_done, message);
}

static void on_obeyed(void *arg, bool is_done, const char *message)
{
    struct obeyed *obeyed = arg;
    conclude(obeyed->commands, &obeyed->order, is_done, message);
    forget(obeyed);
}

// say_clock explains why an order of the wrong time is not obeyed.
static void say_clock(const struct fleet_order *order, int64_t now_ms, struct errinfo *out)
{
    (void)errinfo_set(out, ERR_OK,
                      "not done: by the clock of this machine the order is from %.1f s %s; the "
                      "clocks of the proxies have to agree within %d s",
                      (double)(now_ms > order->issued_ms ? now_ms - order->issued_ms
                                                         : order->issued_ms - now_ms) /
                          1000.,
                      now_ms > order->issued_ms ? "ago" : "ahead",
                      (int)(FLEET_ORDER_SKEW_MS / 1000));
}

// obey does an order, and takes it over.
static void obey(struct fleet_commands *commands, struct fleet_order *order)
{
    struct obeyed *obeyed = commands->obeyed_count == OBEYED_MAX ? NULL : calloc(1, sizeof *obeyed);
    if (obeyed == NULL) {
        conclude(commands, order, false, "not done: no memory, or too many orders at once");
        fleet_order_deinit(order);
        return;
    }
    *obeyed = (struct obeyed){.commands = commands, .order = *order};
    commands->obeyed_count++;
    LIST_INSERT_HEAD(&commands->obeyed, obeyed, link);
    fleet_do(&obeyed->doing, commands->store->service, obeyed->order.verb, obeyed->order.argument,
             on_obeyed, obeyed);
}

// judge decides about an order, which it takes over.
static void judge(struct fleet_commands *commands, struct fleet_order *order)
{
    const int64_t now_ms = wall_clock_ms();
    const char *self = commands->store->instance;
    struct errinfo message = {.text = "not done: it would hold for longer than orders do"};
    const enum fleet_judgement judgement = fleet_order_judge(
        order, self, fleet_issuers_last(commands->issuers, order->issuer), now_ms);
    const bool is_for_us = judgement != FLEET_NOT_MEANT && judgement != FLEET_REPEATED;
    if (is_for_us && !fleet_issuers_note(commands->issuers, order->issuer, order->number)) {
        conclude(commands, order, false, "not done: too many other proxies have given orders");
    } else if (judgement == FLEET_OBEY) {
        obey(commands, order);
        return;
    } else if (is_for_us) {
        if (judgement != FLEET_TOO_LONG)
            say_clock(order, now_ms, &message);
        log_warning(LOG_FLEET_ALARM, "fleet: an order of instance %s: %s", order->issuer,
                    message.text);
        conclude(commands, order, false, message.text);
    }
    fleet_order_deinit(order);
}

static void on_order(void *owner, const struct resp *answer)
{
    struct fleet_commands *commands = owner;
    struct fleet_order order = {0};
    struct errinfo info;
    char id[FLEET_ORDER_ID_CAP];
    size_t len = 0;
    if (answer == NULL || answer->kind != RESP_STRING)
        return;
    (void)string_copy(id, sizeof id, slice_first(answer->text, FLEET_ORDER_ID_CAP - 1));
    uint8_t *plain = fleet_store_open(commands->store, FLEET_PURPOSE_ORDER, id,
                                      slice_from(answer->text, FLEET_ORDER_ID_CAP - 1), &len);
    if (plain != NULL && fleet_order_parse(slice_of(plain, len), &order, &info) == ERR_OK &&
        strcmp(order.id, id) == 0) {
        judge(commands, &order);
    } else {
        fleet_order_deinit(&order);
        commands->forged++;
        if (!commands->is_forgery_said)
            log_error(LOG_FLEET_ALARM, "fleet: an order in the store is forged, and is not obeyed: "
                                       "somebody else writes to the store");
        commands->is_forgery_said = true;
    }
    free(plain);
}

// read_orders reads those that are there, the oldest first: what was seen before is known by its number.
static void read_orders(struct fleet_commands *commands)
{
    char key[FLEET_KEY_CAP];
    const struct slice list = fleet_store_key(commands->store, "orders", "", key);
    for (int i = KEPT_ORDERS; i >= 1; i--) {
        char index_data[16];
        struct text index;
        text_init(&index, index_data, sizeof index_data);
        text_append_format(&index, "-%d", i);
        const struct slice words[] = {SLICE_LITERAL("LINDEX"), list, text_slice(&index)};
        if (!fleet_store_call(commands->store, words, 3, on_order, commands))
            return;
    }
}

void fleet_commands_on_beat(struct fleet_commands *commands, int64_t order_count)
{
    if (!commands->store->is_ready || order_count == commands->order_count)
        return;
    commands->order_count = order_count;
    read_orders(commands);
}

void fleet_commands_on_lost(struct fleet_commands *commands)
{
    if (commands->store->link != NULL)
        store_link_forget(commands->store->link, commands);
    for (size_t i = 0; i < ISSUED_MAX; i++) {
        if (commands->store->link != NULL)
            store_link_forget(commands->store->link, &commands->issued[i]);
        commands->issued[i].is_asking = false;
    }
    commands->order_count = -1;
}

// -- orders of ours

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

static void on_done_here(void *arg, bool is_done, const char *message)
{
    struct issued *issued = arg;
    struct heard *own = &issued->heard[issued->count++];
    (void)string_copy(own->instance, sizeof own->instance,
                      slice_of_string(issued->commands->store->instance));
    own->is_answered = true;
    own->is_done = is_done;
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
    char name[2 * FLEET_INSTANCE_CAP + 1];
    struct fleet_order_answer answer;
    struct errinfo info;
    size_t len = 0;
    struct heard *heard = find(issued, instance);
    if (heard == NULL || heard->is_answered)
        return;
    answer_name(issued->id, heard->instance, name);
    uint8_t *plain =
        fleet_store_open(issued->commands->store, FLEET_PURPOSE_ANSWER, name, sealed, &len);
    if (plain != NULL && fleet_order_answer_parse(slice_of(plain, len), &answer, &info) == ERR_OK) {
        heard->is_answered = true;
        heard->is_done = answer.is_done;
        (void)string_copy(heard->message, sizeof heard->message, slice_of_string(answer.message));
    }
    free(plain);
}

static void ask_answers(struct issued *issued, struct slice cursor);

static void on_answers(void *owner, const struct resp *answer)
{
    struct issued *issued = owner;
    issued->is_asking = false;
    if (issued->stage != STAGE_WAITS || answer == NULL || answer->kind != RESP_ARRAY ||
        answer->count != 2 || answer->items[0].kind != RESP_STRING ||
        answer->items[1].kind != RESP_ARRAY)
        return;
    const struct resp *pairs = &answer->items[1];
    for (size_t i = 0; i + 1 < pairs->count; i += 2)
        take_answer(issued, pairs->items[i].text, pairs->items[i + 1].text);
    if (!slice_equal(answer->items[0].text, SLICE_LITERAL("0")))
        ask_answers(issued, answer->items[0].text);
    else if (have_all(issued))
        do_here(issued);
}

static void ask_answers(struct issued *issued, struct slice cursor)
{
    char key[FLEET_KEY_CAP];
    char count_data[16];
    struct text count;
    text_init(&count, count_data, sizeof count_data);
    text_append_format(&count, "%d", (int)ANSWER_PAGE);
    const struct slice words[] = {
        SLICE_LITERAL("HSCAN"), fleet_store_key(issued->commands->store, "done:", issued->id, key),
        cursor, SLICE_LITERAL("COUNT"), text_slice(&count)};
    issued->is_asking = fleet_store_call(issued->commands->store, words, 5, on_answers, issued);
}

static void on_sent(void *owner, const struct resp *answer)
{
    struct issued *issued = owner;
    if (issued->stage != STAGE_SENDS)
        return;
    if (answer == NULL || answer->kind != RESP_INTEGER)
        fail(issued,
             "the store has not taken the order: it may have been told to some, or to nobody");
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

// put_down sends the order to the store. False: no memory, or the store does not take it.
static bool put_down(struct issued *issued, const struct fleet_order *order)
{
    struct fleet_commands *commands = issued->commands;
    char keys[2][FLEET_KEY_CAP];
    char numbers[2][16];
    struct text kept;
    struct text life;
    size_t len = 0;
    text_init(&kept, numbers[0], sizeof numbers[0]);
    text_append_format(&kept, "%d", (int)KEPT_ORDERS);
    text_init(&life, numbers[1], sizeof numbers[1]);
    text_append_format(&life, "%d", (int)ORDERS_LIFE_MS);
    uint8_t *sealed = seal_order(commands, order, &len);
    if (sealed == NULL)
        return false;
    const struct slice names[] = {fleet_store_key(commands->store, "orders", "", keys[0]),
                                  fleet_store_key(commands->store, "orders:n", "", keys[1])};
    const struct slice arguments[] = {slice_of(sealed, len), text_slice(&kept), text_slice(&life)};
    const struct store_script_call call = {.script = &commands->order,
                                           .keys = names,
                                           .key_count = 2,
                                           .arguments = arguments,
                                           .argument_count = 3};
    const bool is_sent = fleet_store_script(commands->store, &call, on_sent, issued);
    free(sealed);
    return is_sent;
}

// make_id makes a random name.
static bool make_id(char out[FLEET_ORDER_ID_CAP])
{
    uint8_t random[(FLEET_ORDER_ID_CAP - 1) / 2];
    struct text text;
    if (getrandom(random, sizeof random, 0) != sizeof random)
        return false;
    text_init(&text, out, FLEET_ORDER_ID_CAP);
    text_append_hex(&text, slice_of(random, sizeof random));
    return true;
}

// send tells those that are meant, but for this process.
static void send(struct issued *issued)
{
    struct fleet_commands *commands = issued->commands;
    const int64_t now_ms = wall_clock_ms();
    struct fleet_order order = {.number = commands->sent + 1,
                                .uid = issued->uid,
                                .verb = issued->verb,
                                .issued_ms = now_ms,
                                .ends_ms = now_ms + FLEET_ORDER_LIFE_MS,
                                .target_count = issued->count};
    if (issued->count == 0) {
        do_here(issued);
        return;
    }
    order.targets = calloc(issued->count, sizeof *order.targets);
    if (order.targets == NULL || !make_id(order.id)) {
        fleet_order_deinit(&order);
        fail(issued, "no memory");
        return;
    }
    for (size_t i = 0; i < issued->count; i++)
        (void)string_copy(order.targets[i], FLEET_INSTANCE_CAP,
                          slice_of_string(issued->heard[i].instance));
    (void)string_copy(order.issuer, sizeof order.issuer,
                      slice_of_string(commands->store->instance));
    (void)string_copy(order.argument, sizeof order.argument, slice_of_string(issued->argument));
    (void)string_copy(issued->id, sizeof issued->id, slice_of_string(order.id));
    commands->sent++;
    issued->stage = STAGE_SENDS;
    if (!put_down(issued, &order))
        fail(issued, "the store does not take the order: nobody was told");
    fleet_order_deinit(&order);
}

// choose makes the list of those that are meant. An old process is told by the one that leads it.
static void choose(struct issued *issued)
{
    const struct members *members = fleet_presence_members(issued->commands->presence);
    const char *self = issued->commands->store->instance;
    const struct member *only =
        issued->only[0] == '\0' ? NULL : members_find(members, slice_of_string(issued->only));
    if (issued->only[0] != '\0' && only == NULL) {
        fail(issued,
             "no proxy, or more than one, has an instance that begins so; `sallyport status "
             "--fleet` lists them");
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
            fail(issued, "the store does not answer: nobody was told");
        return;
    case STAGE_SENDS:
        if (is_late)
            fail(issued, "the store does not answer: it may have been told to some, or to nobody");
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

enum err fleet_commands_issue(struct fleet_commands *commands, enum fleet_verb verb,
                              const char *argument, const char *only, uint32_t uid,
                              uint64_t *out_number, struct errinfo *info)
{
    size_t i = 0;
    if (!fleet_do_is_good(verb, argument, info))
        return ERR_INPUT;
    if (!commands->store->is_ready)
        return errinfo_set(info, ERR_SYSTEM, "the store does not answer: nobody was told");
    while (i < ISSUED_MAX && commands->issued[i].stage != STAGE_FREE)
        i++;
    if (i == ISSUED_MAX)
        return errinfo_set(info, ERR_AGAIN, "too many orders are under way: ask again");
    struct issued *issued = &commands->issued[i];
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

// tell adds the answers as a line.
static void tell(const struct issued *issued, struct text *out)
{
    json_begin_object(out, NULL);
    json_add_string(out, "order", issued->id[0] == '\0' ? NULL : issued->id);
    json_begin_array(out, "answers");
    for (size_t i = 0; i < issued->count; i++) {
        const struct heard *heard = &issued->heard[i];
        json_begin_object(out, NULL);
        json_add_string(out, "instance", heard->instance);
        json_add_string(out, "host", heard->host);
        json_add_string(out, "result",
                        !heard->is_answered ? "no_answer"
                        : heard->is_done    ? "ok"
                                            : "failed");
        json_add_string(out, "message", heard->message);
        json_end_object(out);
    }
    json_end_array(out);
    json_end_object(out);
    text_append_string(out, "\n");
}

struct fleet_commands_result fleet_commands_look(struct fleet_commands *commands, uint64_t number,
                                                 struct text *out)
{
    struct fleet_commands_result result = {.is_over = true};
    size_t i = 0;
    size_t good = 0;
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
    for (size_t h = 0; h < issued->count; h++)
        good += issued->heard[h].is_done;
    result.is_good = good == issued->count;
    (void)errinfo_set(&result.message, ERR_OK, "%s: done by %zu of %zu proxies; order %s",
                      fleet_verb_name(issued->verb), good, issued->count,
                      issued->id[0] == '\0' ? "none, since no other is there" : issued->id);
    tell(issued, out);
    release(issued);
    return result;
}

void fleet_commands_counts(const struct fleet_commands *commands, uint64_t *out_done,
                           uint64_t *out_refused, uint64_t *out_forged)
{
    *out_done = commands->done;
    *out_refused = commands->refused;
    *out_forged = commands->forged;
}
