// Strict JSON, and steps from one set to the next.
#include "proxy/fleet/ticket_set.h"

#include "auth/base/hex.h"
#include "auth/base/json.h"
#include "proxy/fleet/fleet_text.h"

enum { T_V, T_NUMBER, T_SINCE, T_NEXT, T_SECRETS, T_COUNT };
static const struct json_member rows[T_COUNT] = {
    [T_V] = FLEET_TEXT_V,
    [T_NUMBER] = {"number", JSON_INTEGER, "a whole number"},
    [T_SINCE] = {"since", JSON_INTEGER, "a whole number"},
    [T_NEXT] = {"next", JSON_INTEGER, "a whole number"},
    [T_SECRETS] = {"secrets", JSON_ARRAY, "a list"},
};

void ticket_set_format(const struct ticket_set *set, struct text *out)
{
    json_begin_object(out, NULL);
    json_add_number(out, "v", FLEET_TEXT_FORMAT);
    json_add_count(out, "number", set->number);
    json_add_number(out, "since", set->since_s);
    json_add_count(out, "next", set->has_next);
    json_begin_array(out, "secrets");
    for (size_t i = 0; i < set->count; i++)
        json_add_hex(out, NULL, slice_of(set->secrets[i], TICKET_SET_SECRET_LEN));
    json_end_array(out);
    json_end_object(out);
}

static enum err read_secrets(const json_t *list, struct ticket_set *out, struct errinfo *info)
{
    out->count = json_array_size(list);
    if (out->count == 0 || out->count > TICKET_SET_SECRETS_MAX)
        return errinfo_set(info, ERR_LIMIT, "`secrets` has none, or more than %d",
                           (int)TICKET_SET_SECRETS_MAX);
    for (size_t i = 0; i < out->count; i++) {
        const json_t *secret = json_array_get(list, i);
        size_t digits = 0;
        if (!json_is_string(secret) ||
            json_string_length(secret) != 2 * (size_t)TICKET_SET_SECRET_LEN ||
            !hex_read(json_members_slice(secret), out->secrets[i], TICKET_SET_SECRET_LEN,
                      &digits) ||
            digits != 2 * (size_t)TICKET_SET_SECRET_LEN)
            return errinfo_set(info, ERR_INPUT, "a secret is not 64 hexadecimal digits");
    }
    return ERR_OK;
}

static enum err read(json_t *const *found, struct ticket_set *out, struct errinfo *info)
{
    const json_int_t number = json_integer_value(found[T_NUMBER]);
    const json_int_t next = json_integer_value(found[T_NEXT]);
    out->since_s = json_integer_value(found[T_SINCE]);
    if (number < 1 || (uint64_t)number > TICKET_SET_NUMBER_MAX || out->since_s < 0 ||
        out->since_s > INT64_MAX / 1000 || next < 0 || next > 1)
        return errinfo_set(info, ERR_INPUT, "`number`, `since` or `next` is out of range");
    out->number = (uint64_t)number;
    out->has_next = next == 1;
    TRY(read_secrets(found[T_SECRETS], out, info));
    if (out->has_next && out->count < 2)
        return errinfo_set(info, ERR_INPUT, "`next` without a second secret");
    return ERR_OK;
}

enum err ticket_set_parse(struct slice bytes, struct ticket_set *out, struct errinfo *info)
{
    json_t *root = NULL;
    json_t *found[T_COUNT];
    *out = (struct ticket_set){0};
    TRY(fleet_text_read(bytes, TICKET_SET_TEXT_MAX, rows, T_COUNT, found, &root, info));
    const enum err error = read(found, out, info);
    json_decref(root);
    if (error != ERR_OK)
        *out = (struct ticket_set){0};
    return error;
}

int ticket_set_compare(const struct ticket_set *a, const struct ticket_set *b)
{
    if (a->number != b->number)
        return a->number < b->number ? -1 : 1;
    if (a->count != b->count)
        return a->count < b->count ? -1 : 1;
    const int order = memcmp(a->secrets, b->secrets, a->count * sizeof a->secrets[0]);
    if (order != 0)
        return order;
    return (a->has_next > b->has_next) - (a->has_next < b->has_next);
}

enum ticket_set_step ticket_set_next(const struct ticket_set *set, int64_t now_s, int64_t rotate_s,
                                     int64_t seen_s)
{
    if (set->has_next)
        return seen_s >= TICKET_SET_READY_S ? TICKET_SET_PROMOTE : TICKET_SET_KEEP;
    const bool is_due = now_s - set->since_s >= rotate_s || seen_s >= rotate_s;
    return is_due ? TICKET_SET_ADD : TICKET_SET_KEEP;
}

static uint64_t after(uint64_t number)
{
    return number < TICKET_SET_NUMBER_MAX ? number + 1 : TICKET_SET_NUMBER_MAX;
}

static void put(struct ticket_set *set, const uint8_t *secret)
{
    (void)bytes_copy(set->secrets[set->count++], TICKET_SET_SECRET_LEN,
                     slice_of(secret, TICKET_SET_SECRET_LEN));
}

void ticket_set_begin(uint64_t last, const uint8_t secret[TICKET_SET_SECRET_LEN], int64_t now_s,
                      struct ticket_set *out)
{
    *out = (struct ticket_set){.number = after(last), .since_s = now_s};
    put(out, secret);
}

void ticket_set_add(const struct ticket_set *set, const uint8_t secret[TICKET_SET_SECRET_LEN],
                    int64_t now_s, struct ticket_set *out)
{
    *out = (struct ticket_set){.number = after(set->number), .since_s = now_s, .has_next = true};
    put(out, set->secrets[0]);
    put(out, secret);
    if (set->count > 1)
        put(out, set->secrets[1]);
}

void ticket_set_promote(const struct ticket_set *set, int64_t now_s, struct ticket_set *out)
{
    ASSERT(set->has_next && set->count >= 2);
    *out = (struct ticket_set){.number = after(set->number), .since_s = now_s};
    put(out, set->secrets[1]);
    put(out, set->secrets[0]);
}
