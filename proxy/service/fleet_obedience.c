// Judged once, done once, answered once. What came of it has a record.
#include "proxy/service/fleet_obedience.h"

#include <stdlib.h>
#include <sys/queue.h>

#include "proxy/audit/audit_log.h"
#include "proxy/clock/clock.h"
#include "proxy/fleet/fleet_findings.h"
#include "proxy/fleet/fleet_order_list.h"
#include "proxy/fleet/fleet_scripts.h"
#include "proxy/log/log.h"
#include "proxy/service/fleet_doing.h"

enum {
    OBEYED_MAX = 32, // at once
    DONE_LIFE_MS = 60000,
    ORDER_BYTES_MAX = FLEET_ORDER_ID_CAP + FLEET_ORDER_TEXT_MAX + FLEET_SEAL_OVERHEAD,
    LIST_BYTES = 512 * 1024,       // of the orders of one answer
    ASKED_MAX = FLEET_ORDERS_KEPT, // how often the list is asked for between two beats
};

static const char list_text[] = FLEET_ORDER_LIST_SCRIPT;

// KEYS: the answers to one order. ARGV: who answers, what, for how many ms it is kept.
static const char answer_text[] = FLEET_SCRIPT_ASK "ask('HSET', KEYS[1], ARGV[1], ARGV[2])\n"
                                                   "redis.call('PEXPIRE', KEYS[1], ARGV[3])\n"
                                                   "return 1\n";

// obeyed is an order of another that is being done.
struct obeyed {
    LIST_ENTRY(obeyed) link;
    struct fleet_obedience *obedience; // borrowed
    struct fleet_order order;          // owned
    struct fleet_doing doing;
};

LIST_HEAD(obeyed_list, obeyed);

struct fleet_obedience {
    struct fleet_store *store; // borrowed
    struct store_script answer;
    struct store_script list;
    struct fleet_issuers *issuers; // owned
    struct obeyed_list obeyed;     // owned
    size_t obeyed_count;
    int64_t heard;  // number of the last order that was read; -1: none
    bool is_asking; // for the orders after it
    unsigned asked; // how often since the last beat
    uint64_t done;
    uint64_t refused;
    uint64_t forged;
    int64_t quiet_until_ms; // monotonic; until when nothing is said of forged ones
};

struct fleet_obedience *fleet_obedience_create(struct fleet_store *store)
{
    struct fleet_obedience *obedience = calloc(1, sizeof *obedience);
    if (obedience == NULL)
        return NULL;
    obedience->issuers = fleet_issuers_create();
    if (obedience->issuers == NULL) {
        free(obedience);
        return NULL;
    }
    obedience->store = store;
    obedience->heard = -1;
    fleet_script_init(answer_text, &obedience->answer);
    fleet_script_init(list_text, &obedience->list);
    return obedience;
}

static void forget(struct obeyed *obeyed)
{
    obeyed->obedience->obeyed_count--;
    LIST_REMOVE(obeyed, link);
    fleet_order_deinit(&obeyed->order);
    free(obeyed);
}

void fleet_obedience_destroy(struct fleet_obedience *obedience)
{
    if (obedience == NULL)
        return;
    fleet_obedience_on_lost(obedience);
    while (!LIST_EMPTY(&obedience->obeyed))
        forget(LIST_FIRST(&obedience->obeyed));
    fleet_issuers_destroy(obedience->issuers);
    free(obedience);
}

// record makes the `admin` record of an order of another.
static void record(struct fleet_obedience *obedience, const struct fleet_order *order,
                   enum fleet_result result, const char *message)
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
                                      .result = result == FLEET_FAILED ? "failed" : "ok",
                                      .detail = message};
    audit_log_submit_bounded(obedience->store->service->shared.audit, AUDIT_KIND_ADMIN,
                             audit_admin_create(&admin), 1);
}

static void on_ignored(void *owner, const struct resp *answer)
{
    (void)owner;
    (void)answer; // the one that waits for it learns that there was no answer
}

// send_answer tells the issuer.
static void send_answer(struct fleet_obedience *obedience, const struct fleet_order *order,
                        enum fleet_result result, const char *message)
{
    const struct fleet_store *store = obedience->store;
    char key[FLEET_KEY_CAP];
    char name[FLEET_ANSWER_NAME_CAP];
    char plain_data[FLEET_ANSWER_TEXT_MAX];
    char life[16];
    struct text plain;
    struct text life_text;
    struct fleet_order_answer answer = {.result = result};
    size_t len = 0;
    (void)string_copy(answer.instance, sizeof answer.instance, slice_of_string(store->instance));
    (void)string_copy(answer.message, sizeof answer.message,
                      slice_first(slice_of_string(message), FLEET_ANSWER_MESSAGE_CAP - 1));
    text_init(&plain, plain_data, sizeof plain_data);
    fleet_order_answer_format(&answer, &plain);
    fleet_order_answer_name(order->id, store->instance, name);
    uint8_t *sealed = fleet_store_seal(store, FLEET_PURPOSE_ANSWER, name, text_slice(&plain), &len);
    if (sealed == NULL)
        return;
    text_init(&life_text, life, sizeof life);
    text_append_format(&life_text, "%d", (int)DONE_LIFE_MS);
    const struct slice keys[] = {fleet_store_key(store, "done:", order->id, key)};
    const struct slice arguments[] = {slice_of_string(store->instance), slice_of(sealed, len),
                                      text_slice(&life_text)};
    const struct store_script_call call = {.script = &obedience->answer,
                                           .keys = keys,
                                           .key_count = 1,
                                           .arguments = arguments,
                                           .argument_count = 3};
    (void)fleet_store_script(store, &call, on_ignored, obedience); // it learns that there was none
    free(sealed);
}

// conclude counts, records and answers.
static void conclude(struct fleet_obedience *obedience, const struct fleet_order *order,
                     enum fleet_result result, const char *message)
{
    if (result == FLEET_FAILED)
        obedience->refused++;
    else
        obedience->done++;
    log_info(LOG_ADMIN, "fleet: instance %s, uid %u: %s %.200s: %.200s", order->issuer,
             (unsigned)order->uid, fleet_verb_name(order->verb), order->argument, message);
    record(obedience, order, result, message);
    send_answer(obedience, order, result, message);
}

static void on_obeyed(void *arg, enum fleet_result result, const char *message)
{
    struct obeyed *obeyed = arg;
    conclude(obeyed->obedience, &obeyed->order, result, message);
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
static void obey(struct fleet_obedience *obedience, struct fleet_order *order)
{
    struct obeyed *obeyed =
        obedience->obeyed_count == OBEYED_MAX ? NULL : calloc(1, sizeof *obeyed);
    if (obeyed == NULL) {
        conclude(obedience, order, FLEET_FAILED, "not done: no memory, or too many orders at once");
        fleet_order_deinit(order);
        return;
    }
    *obeyed = (struct obeyed){.obedience = obedience, .order = *order};
    obedience->obeyed_count++;
    LIST_INSERT_HEAD(&obedience->obeyed, obeyed, link);
    fleet_do(&obeyed->doing, obedience->store->service, obeyed->order.verb, obeyed->order.argument,
             on_obeyed, obeyed);
}

// judge decides about an order, which it takes over.
static void judge(struct fleet_obedience *obedience, struct fleet_order *order)
{
    const int64_t now_ms = wall_clock_ms();
    const char *self = obedience->store->instance;
    struct errinfo message = {.text = "not done: it would hold for longer than orders do"};
    const enum fleet_judgement judgement = fleet_order_judge(
        order, self, fleet_issuers_have(obedience->issuers, order->issuer, order->number), now_ms);
    const bool is_for_us = judgement != FLEET_NOT_MEANT && judgement != FLEET_REPEATED;
    if (is_for_us && !fleet_issuers_note(obedience->issuers, order->issuer, order->number,
                                         order->ends_ms, now_ms)) {
        conclude(obedience, order, FLEET_FAILED,
                 "not done: too many other proxies have given orders");
    } else if (judgement == FLEET_OBEY) {
        obey(obedience, order);
        return;
    } else if (is_for_us) {
        if (judgement != FLEET_TOO_LONG)
            say_clock(order, now_ms, &message);
        log_warning(LOG_FLEET_ALARM, "fleet: an order of instance %s: %s", order->issuer,
                    message.text);
        conclude(obedience, order, FLEET_FAILED, message.text);
    }
    fleet_order_deinit(order);
}

// take_order opens what stands in the store as an order.
static void take_order(struct fleet_obedience *obedience, struct slice item)
{
    struct fleet_order order = {0};
    struct errinfo info;
    char id[FLEET_ORDER_ID_CAP];
    char shown[FLEET_SHOWN_CAP];
    size_t len = 0;
    (void)string_copy(id, sizeof id, slice_first(item, FLEET_ORDER_ID_CAP - 1));
    uint8_t *plain = fleet_store_open(obedience->store, FLEET_PURPOSE_ORDER, id,
                                      slice_from(item, FLEET_ORDER_ID_CAP - 1), &len);
    if (plain != NULL && fleet_order_parse(slice_of(plain, len), &order, &info) == ERR_OK &&
        strcmp(order.id, id) == 0) {
        judge(obedience, &order);
    } else {
        fleet_order_deinit(&order);
        obedience->forged++;
        if (fleet_may_say(&obedience->quiet_until_ms))
            log_error(LOG_FLEET_ALARM,
                      "fleet: an order in the store is forged, and is not obeyed: it begins with "
                      "%s; somebody else writes to the store",
                      fleet_shown_name(slice_of_string(id), shown));
    }
    free(plain);
}

static void ask_orders(struct fleet_obedience *obedience);

// on_orders takes the orders after the last one that was heard. Where there is no answer they are asked for with the next beat.
static void on_orders(void *owner, const struct resp *answer)
{
    struct fleet_obedience *obedience = owner;
    struct fleet_order_list list;
    obedience->is_asking = false;
    if (answer == NULL || fleet_order_list_parse(answer, &list) != ERR_OK)
        return;
    obedience->heard = list.given;
    for (size_t i = 0; i < list.count; i++)
        take_order(obedience, list.items[i].text);
    if (list.given < list.last)
        ask_orders(obedience);
}

static void ask_orders(struct fleet_obedience *obedience)
{
    const struct fleet_store *store = obedience->store;
    char keys[2][FLEET_KEY_CAP];
    char numbers[4][FLEET_NUMBER_CAP];
    const struct slice names[] = {fleet_store_key(store, "orders", "", keys[0]),
                                  fleet_store_key(store, "orders:n", "", keys[1])};
    const struct slice arguments[] = {
        obedience->heard < 0 ? SLICE_LITERAL("-1")
                             : fleet_number_text((size_t)obedience->heard, numbers[0]),
        fleet_number_text(FLEET_ORDERS_KEPT, numbers[1]),
        fleet_number_text(ORDER_BYTES_MAX, numbers[2]), fleet_number_text(LIST_BYTES, numbers[3])};
    const struct store_script_call call = {.script = &obedience->list,
                                           .keys = names,
                                           .key_count = 2,
                                           .arguments = arguments,
                                           .argument_count = 4};
    if (obedience->is_asking || obedience->asked >= ASKED_MAX)
        return;
    obedience->asked++;
    obedience->is_asking = fleet_store_script(store, &call, on_orders, obedience);
}

void fleet_obedience_on_beat(struct fleet_obedience *obedience, int64_t order_count)
{
    obedience->asked = 0;
    if (obedience->store->is_ready && order_count != obedience->heard)
        ask_orders(obedience);
}

void fleet_obedience_on_deaf(struct fleet_obedience *obedience)
{
    obedience->asked = 0;
    if (obedience->store->is_ready)
        ask_orders(obedience);
}

void fleet_obedience_on_lost(struct fleet_obedience *obedience)
{
    if (obedience->store->link != NULL)
        store_link_forget(obedience->store->link, obedience);
    obedience->heard = -1;
    obedience->is_asking = false;
}

void fleet_obedience_metrics(const struct fleet_obedience *obedience, struct exposition *out)
{
    static const struct family orders = {.name = "sallyport_fleet_orders",
                                         .kind = FAMILY_COUNTER,
                                         .help = "Orders of other proxies, by what came of them."};
    exposition_add_family(out, &orders);
    if (obedience == NULL)
        return;
    const struct {
        const char *result;
        uint64_t count;
    } rows[] = {
        {"done", obedience->done}, {"failed", obedience->refused}, {"forged", obedience->forged}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct label label = {"result", rows[i].result};
        exposition_add_count(out, &label, 1, rows[i].count);
    }
}
