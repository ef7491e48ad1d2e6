// Strict JSON, and comparisons.
#include "proxy/fleet/fleet_orders.h"

#include <stdlib.h>

#include "auth/base/json.h"
#include "proxy/fleet/fleet_text.h"
#include "proxy/fleet/fleet_word.h"

enum { ISSUERS_MAX = 4096 };

static const char *const verb_names[] = {
#define X(symbol, name) [symbol] = name,
    FLEET_VERB_TABLE(X)
#undef X
};

static const char *const judgement_names[] = {
#define X(symbol, name) [symbol] = name,
    FLEET_JUDGEMENT_TABLE(X)
#undef X
};

const char *fleet_verb_name(enum fleet_verb verb)
{
    return verb_names[verb];
}

const char *fleet_judgement_name(enum fleet_judgement judgement)
{
    return judgement_names[judgement];
}

enum {
    O_V,
    O_ID,
    O_ISSUER,
    O_NUMBER,
    O_UID,
    O_VERB,
    O_ARGUMENT,
    O_ISSUED,
    O_ENDS,
    O_TARGETS,
    O_COUNT
};
static const struct json_member order_rows[O_COUNT] = {
    [O_V] = FLEET_TEXT_V,
    [O_ID] = {"id", JSON_STRING, "a string"},
    [O_ISSUER] = {"issuer", JSON_STRING, "a string"},
    [O_NUMBER] = {"number", JSON_INTEGER, "a whole number"},
    [O_UID] = {"uid", JSON_INTEGER, "a whole number"},
    [O_VERB] = {"verb", JSON_STRING, "a string"},
    [O_ARGUMENT] = {"argument", JSON_STRING, "a string"},
    [O_ISSUED] = {"issued", JSON_INTEGER, "a whole number"},
    [O_ENDS] = {"ends", JSON_INTEGER, "a whole number"},
    [O_TARGETS] = {"targets", JSON_ARRAY, "a list"},
};

void fleet_order_format(const struct fleet_order *order, struct text *out)
{
    json_begin_object(out, NULL);
    json_add_number(out, "v", FLEET_TEXT_FORMAT);
    json_add_string(out, "id", order->id);
    json_add_string(out, "issuer", order->issuer);
    json_add_count(out, "number", order->number);
    json_add_count(out, "uid", order->uid);
    json_add_string(out, "verb", fleet_verb_name(order->verb));
    json_add_string(out, "argument", order->argument);
    json_add_number(out, "issued", order->issued_ms);
    json_add_number(out, "ends", order->ends_ms);
    json_begin_array(out, "targets");
    for (size_t i = 0; i < order->target_count; i++)
        json_add_string(out, NULL, order->targets[i]);
    json_end_array(out);
    json_end_object(out);
}

// take_instance reads a string that names an instance, or is as random as one.
static enum err take_instance(const json_t *string, const char *name, char out[FLEET_INSTANCE_CAP],
                              struct errinfo *info)
{
    if (!json_is_string(string) || !fleet_instance_is(json_members_slice(string)))
        return errinfo_set(info, ERR_INPUT, "`%s` is not 16 hexadecimal digits", name);
    (void)string_copy(out, FLEET_INSTANCE_CAP, json_members_slice(string));
    return ERR_OK;
}

// take_line reads a text of one line without control characters.
static enum err take_line(const json_t *string, const char *name, char *out, size_t cap,
                          struct errinfo *info)
{
    const struct slice line = json_members_slice(string);
    for (size_t i = 0; i < line.len; i++) {
        if (line.data[i] < ' ' || line.data[i] == 0x7F)
            return errinfo_set(info, ERR_INPUT, "`%s` has a control character", name);
    }
    if (!string_copy(out, cap, line))
        return errinfo_set(info, ERR_LIMIT, "`%s` is too long", name);
    return ERR_OK;
}

static enum err take_targets(const json_t *list, struct fleet_order *out, struct errinfo *info)
{
    const size_t count = json_array_size(list);
    if (count == 0 || count > FLEET_ORDER_TARGETS_MAX)
        return errinfo_set(info, ERR_LIMIT, "`targets` has none, or more than %d",
                           (int)FLEET_ORDER_TARGETS_MAX);
    out->targets = calloc(count, sizeof *out->targets);
    if (out->targets == NULL)
        return errinfo_set(info, ERR_MEMORY, "no memory");
    for (size_t i = 0; i < count; i++)
        TRY(take_instance(json_array_get(list, i), "targets", out->targets[out->target_count++],
                          info));
    return ERR_OK;
}

static enum err read_order(json_t *const *found, struct fleet_order *out, struct errinfo *info)
{
    const json_int_t number = json_integer_value(found[O_NUMBER]);
    const json_int_t uid = json_integer_value(found[O_UID]);
    size_t verb = 0;
    out->issued_ms = json_integer_value(found[O_ISSUED]);
    out->ends_ms = json_integer_value(found[O_ENDS]);
    if (number < 1 || uid < 0 || uid > UINT32_MAX)
        return errinfo_set(info, ERR_INPUT, "`number` or `uid` is out of range");
    if (out->issued_ms < 0 || out->issued_ms > INT64_MAX / 2 || out->ends_ms < out->issued_ms ||
        out->ends_ms > INT64_MAX / 2)
        return errinfo_set(info, ERR_INPUT, "`issued` or `ends` is out of range");
    out->number = (uint64_t)number;
    out->uid = (uint32_t)uid;
    TRY(take_instance(found[O_ID], "id", out->id, info));
    TRY(take_instance(found[O_ISSUER], "issuer", out->issuer, info));
    TRY(fleet_text_choose(found[O_VERB], "verb", verb_names, sizeof verb_names / sizeof *verb_names,
                          &verb, info));
    out->verb = (enum fleet_verb)verb;
    TRY(take_line(found[O_ARGUMENT], "argument", out->argument, sizeof out->argument, info));
    return take_targets(found[O_TARGETS], out, info);
}

enum err fleet_order_parse(struct slice bytes, struct fleet_order *out, struct errinfo *info)
{
    json_t *root = NULL;
    json_t *found[O_COUNT];
    *out = (struct fleet_order){0};
    TRY(fleet_text_read(bytes, FLEET_ORDER_TEXT_MAX, order_rows, O_COUNT, found, &root, info));
    const enum err error = read_order(found, out, info);
    json_decref(root);
    return error;
}

void fleet_order_deinit(struct fleet_order *order)
{
    free(order->targets);
    *order = (struct fleet_order){0};
}

enum fleet_judgement fleet_order_judge(const struct fleet_order *order, const char *self,
                                       bool was_seen, int64_t now_ms)
{
    bool is_meant = false;
    for (size_t i = 0; i < order->target_count && !is_meant; i++)
        is_meant = strcmp(order->targets[i], self) == 0;
    if (!is_meant)
        return FLEET_NOT_MEANT;
    if (was_seen)
        return FLEET_REPEATED;
    if (order->ends_ms - order->issued_ms > FLEET_ORDER_LIFE_MS)
        return FLEET_TOO_LONG;
    if (now_ms > order->ends_ms + FLEET_ORDER_SKEW_MS)
        return FLEET_TOO_LATE;
    if (now_ms < order->issued_ms - FLEET_ORDER_SKEW_MS)
        return FLEET_TOO_EARLY;
    return FLEET_OBEY;
}

// -- who has said what

struct issuer {
    char name[FLEET_INSTANCE_CAP];
    uint64_t last;   // the highest number
    uint64_t seen;   // bit i: the number that is lower by i was noted
    int64_t ends_ms; // of the order that ends last
};

struct fleet_issuers {
    size_t count;
    struct issuer list[ISSUERS_MAX];
};

struct fleet_issuers *fleet_issuers_create(void)
{
    return calloc(1, sizeof(struct fleet_issuers));
}

void fleet_issuers_destroy(struct fleet_issuers *issuers)
{
    free(issuers);
}

static size_t find_issuer(const struct fleet_issuers *issuers, const char *name)
{
    size_t i = 0;
    while (i < issuers->count && strcmp(issuers->list[i].name, name) != 0)
        i++;
    return i;
}

bool fleet_issuers_have(const struct fleet_issuers *issuers, const char *issuer, uint64_t number)
{
    const size_t i = find_issuer(issuers, issuer);
    if (i == issuers->count || number > issuers->list[i].last)
        return false;
    const uint64_t lower_by = issuers->list[i].last - number;
    return lower_by >= FLEET_NUMBERS_MAX || (issuers->list[i].seen >> lower_by & 1) != 0;
}

// make_room gives the place for a new issuer; ISSUERS_MAX: there is none.
static size_t make_room(struct fleet_issuers *issuers, int64_t now_ms)
{
    size_t i = 0;
    if (issuers->count < ISSUERS_MAX)
        return issuers->count++;
    while (i < ISSUERS_MAX && issuers->list[i].ends_ms >= now_ms - FLEET_ORDER_SKEW_MS)
        i++;
    return i;
}

bool fleet_issuers_note(struct fleet_issuers *issuers, const char *issuer, uint64_t number,
                        int64_t ends_ms, int64_t now_ms)
{
    size_t i = find_issuer(issuers, issuer);
    if (i == issuers->count) {
        i = make_room(issuers, now_ms);
        if (i == ISSUERS_MAX)
            return false;
        issuers->list[i] = (struct issuer){.ends_ms = ends_ms};
        (void)string_copy(issuers->list[i].name, FLEET_INSTANCE_CAP, slice_of_string(issuer));
    }
    struct issuer *noted = &issuers->list[i];
    if (number > noted->last) {
        const uint64_t higher_by = number - noted->last;
        noted->seen = higher_by >= FLEET_NUMBERS_MAX ? 0 : noted->seen << higher_by;
        noted->last = number;
    }
    if (noted->last - number < FLEET_NUMBERS_MAX)
        noted->seen |= (uint64_t)1 << (noted->last - number);
    if (ends_ms > noted->ends_ms)
        noted->ends_ms = ends_ms;
    return true;
}

// -- answers

static const char *const result_names[] = {
#define X(symbol, name) [symbol] = name,
    FLEET_RESULT_TABLE(X)
#undef X
};

const char *fleet_result_name(enum fleet_result result)
{
    return result_names[result];
}

void fleet_order_answer_name(const char *id, const char *instance, char out[FLEET_ANSWER_NAME_CAP])
{
    struct text text;
    text_init(&text, out, FLEET_ANSWER_NAME_CAP);
    text_append_format(&text, "%s:%s", id, instance);
}

enum { A_V, A_INSTANCE, A_RESULT, A_MESSAGE, A_COUNT };
static const struct json_member answer_rows[A_COUNT] = {
    [A_V] = FLEET_TEXT_V,
    [A_INSTANCE] = {"instance", JSON_STRING, "a string"},
    [A_RESULT] = {"result", JSON_STRING, "a string"},
    [A_MESSAGE] = {"message", JSON_STRING, "a string"},
};

void fleet_order_answer_format(const struct fleet_order_answer *answer, struct text *out)
{
    json_begin_object(out, NULL);
    json_add_number(out, "v", FLEET_TEXT_FORMAT);
    json_add_string(out, "instance", answer->instance);
    json_add_string(out, "result", fleet_result_name(answer->result));
    json_add_string(out, "message", answer->message);
    json_end_object(out);
}

static enum err read_answer(json_t *const *found, struct fleet_order_answer *out,
                            struct errinfo *info)
{
    size_t result = 0;
    TRY(take_instance(found[A_INSTANCE], "instance", out->instance, info));
    TRY(fleet_text_choose(found[A_RESULT], "result", result_names,
                          sizeof result_names / sizeof *result_names, &result, info));
    out->result = (enum fleet_result)result;
    return take_line(found[A_MESSAGE], "message", out->message, sizeof out->message, info);
}

enum err fleet_order_answer_parse(struct slice bytes, struct fleet_order_answer *out,
                                  struct errinfo *info)
{
    json_t *root = NULL;
    json_t *found[A_COUNT];
    *out = (struct fleet_order_answer){0};
    TRY(fleet_text_read(bytes, FLEET_ANSWER_TEXT_MAX, answer_rows, A_COUNT, found, &root, info));
    const enum err error = read_answer(found, out, info);
    json_decref(root);
    return error;
}
