// A sorted array. What one says is strict JSON.
#include "proxy/fleet/members.h"

#include <stdlib.h>

#include "auth/base/json.h"
#include "proxy/fleet/fleet_text.h"
#include "proxy/fleet/fleet_word.h"

enum { PREFIX_MIN = 4 };

static const char *const state_names[] = {
#define X(symbol, name) [symbol] = name,
    MEMBER_STATE_TABLE(X)
#undef X
};

enum { STATE_COUNT = sizeof state_names / sizeof *state_names };

const char *member_state_name(enum member_state state)
{
    return state_names[state];
}

enum {
    M_V,
    M_INSTANCE,
    M_NUMBER,
    M_PID,
    M_HOST,
    M_ADDRESS,
    M_VERSION,
    M_CONFIG,
    M_AUDIT,
    M_GENERATION,
    M_SINCE,
    M_NOW,
    M_ENDS,
    M_SESSIONS,
    M_TUNNELS,
    M_BLOCKS,
    M_STATE,
    M_COUNT
};
static const struct json_member rows[M_COUNT] = {
    [M_V] = FLEET_TEXT_V,
    [M_INSTANCE] = {"instance", JSON_STRING, "a string"},
    [M_NUMBER] = {"number", JSON_INTEGER, "a whole number"},
    [M_PID] = {"pid", JSON_INTEGER, "a whole number"},
    [M_HOST] = {"host", JSON_STRING, "a string"},
    [M_ADDRESS] = {"address", JSON_STRING, "a string"},
    [M_VERSION] = {"version", JSON_STRING, "a string"},
    [M_CONFIG] = {"config", JSON_STRING, "a string"},
    [M_AUDIT] = {"audit", JSON_STRING, "a string"},
    [M_GENERATION] = {"generation", JSON_INTEGER, "a whole number"},
    [M_SINCE] = {"since", JSON_INTEGER, "a whole number"},
    [M_NOW] = {"now", JSON_INTEGER, "a whole number"},
    [M_ENDS] = {"certificate_ends", JSON_INTEGER, "a whole number"},
    [M_SESSIONS] = {"sessions", JSON_INTEGER, "a whole number"},
    [M_TUNNELS] = {"tunnels", JSON_INTEGER, "a whole number"},
    [M_BLOCKS] = {"blocks", JSON_INTEGER, "a whole number"},
    [M_STATE] = {"state", JSON_STRING, "a string"},
};

void member_format(const struct member *member, struct text *out)
{
    json_begin_object(out, NULL);
    json_add_number(out, "v", FLEET_TEXT_FORMAT);
    json_add_string(out, "instance", member->instance);
    json_add_count(out, "number", member->number);
    json_add_number(out, "pid", member->pid);
    json_add_string(out, "host", member->host);
    json_add_string(out, "address", member->address);
    json_add_string(out, "version", member->version);
    json_add_string(out, "config", member->config);
    json_add_string(out, "audit", member->audit);
    json_add_count(out, "generation", member->generation);
    json_add_number(out, "since", member->since_s);
    json_add_number(out, "now", member->now_s);
    json_add_number(out, "certificate_ends", member->certificate_ends_s);
    json_add_count(out, "sessions", member->sessions);
    json_add_count(out, "tunnels", member->tunnels);
    json_add_count(out, "blocks", member->blocks);
    json_add_string(out, "state", member_state_name(member->state));
    json_end_object(out);
}

// take_word reads a string of printable ASCII without blanks.
static enum err take_word(json_t *const *found, size_t row, char *out, size_t cap,
                          struct errinfo *info)
{
    const struct slice word = json_members_slice(found[row]);
    for (size_t i = 0; i < word.len; i++) {
        if (word.data[i] <= ' ' || word.data[i] >= 0x7F)
            return errinfo_set(info, ERR_INPUT, "`%s` has a byte that it may not have",
                               rows[row].name);
    }
    if (!string_copy(out, cap, word))
        return errinfo_set(info, ERR_LIMIT, "`%s` is too long", rows[row].name);
    return ERR_OK;
}

static enum err read(json_t *const *found, struct member *out, struct errinfo *info)
{
    size_t state = 0;
    for (size_t row = 0; row < M_COUNT; row++) {
        if (rows[row].type == JSON_INTEGER && (json_integer_value(found[row]) < 0 ||
                                               json_integer_value(found[row]) > INT64_MAX / 1000))
            return errinfo_set(info, ERR_INPUT, "`%s` is out of range", rows[row].name);
    }
    if (!fleet_instance_is(json_members_slice(found[M_INSTANCE])))
        return errinfo_set(info, ERR_INPUT, "`instance` is no instance");
    TRY(take_word(found, M_INSTANCE, out->instance, sizeof out->instance, info));
    TRY(take_word(found, M_HOST, out->host, sizeof out->host, info));
    TRY(take_word(found, M_ADDRESS, out->address, sizeof out->address, info));
    TRY(take_word(found, M_VERSION, out->version, sizeof out->version, info));
    TRY(take_word(found, M_CONFIG, out->config, sizeof out->config, info));
    TRY(take_word(found, M_AUDIT, out->audit, sizeof out->audit, info));
    TRY(fleet_text_choose(found[M_STATE], "state", state_names, STATE_COUNT, &state, info));
    out->state = (enum member_state)state;
    out->number = (uint64_t)json_integer_value(found[M_NUMBER]);
    out->pid = json_integer_value(found[M_PID]);
    out->generation = (uint64_t)json_integer_value(found[M_GENERATION]);
    out->since_s = json_integer_value(found[M_SINCE]);
    out->now_s = json_integer_value(found[M_NOW]);
    out->certificate_ends_s = json_integer_value(found[M_ENDS]);
    out->sessions = (uint64_t)json_integer_value(found[M_SESSIONS]);
    out->tunnels = (uint64_t)json_integer_value(found[M_TUNNELS]);
    out->blocks = (uint64_t)json_integer_value(found[M_BLOCKS]);
    return ERR_OK;
}

enum err member_parse(struct slice bytes, struct member *out, struct errinfo *info)
{
    json_t *root = NULL;
    json_t *found[M_COUNT];
    *out = (struct member){0};
    TRY(fleet_text_read(bytes, MEMBER_TEXT_MAX, rows, M_COUNT, found, &root, info));
    const enum err error = read(found, out, info);
    json_decref(root);
    return error;
}

// -- the list

struct known {
    struct member member;
    bool is_met;
};

struct members {
    struct known *items; // owned; sorted
    size_t count;
    size_t cap;
    bool is_differing;
    int64_t differing_since_ms; // monotonic
    size_t differing_count;     // proxies, when they differed last
};

struct members *members_create(void)
{
    return calloc(1, sizeof(struct members));
}

void members_destroy(struct members *members)
{
    if (members == NULL)
        return;
    free(members->items);
    free(members);
}

void members_begin(struct members *members)
{
    for (size_t i = 0; i < members->count; i++)
        members->items[i].is_met = false;
}

void members_end(struct members *members)
{
    size_t kept = 0;
    for (size_t i = 0; i < members->count; i++) {
        if (members->items[i].is_met)
            members->items[kept++] = members->items[i];
    }
    members->count = kept;
}

static int compare(const struct member *a, const struct member *b)
{
    const int host = strcmp(a->host, b->host);
    if (host != 0)
        return host;
    if (a->pid != b->pid)
        return a->pid < b->pid ? -1 : 1;
    return strcmp(a->instance, b->instance);
}

static struct known *find(struct members *members, const char *instance)
{
    for (size_t i = 0; i < members->count; i++) {
        if (strcmp(members->items[i].member.instance, instance) == 0)
            return &members->items[i];
    }
    return NULL;
}

// has_room makes room for one more.
static bool has_room(struct members *members)
{
    if (members->count < members->cap)
        return true;
    const size_t cap = members->cap == 0 ? 8 : 2 * members->cap;
    struct known *items =
        cap > MEMBERS_MAX ? NULL : reallocarray(members->items, cap, sizeof *items);
    if (items == NULL)
        return false;
    members->items = items;
    members->cap = cap;
    return true;
}

enum member_finding members_meet(struct members *members, const struct member *member)
{
    struct known *known = find(members, member->instance);
    if (known != NULL) {
        const bool is_replayed = member->number < known->member.number;
        known->is_met = true;
        if (member->number > known->member.number)
            known->member = *member;
        return is_replayed ? MEMBER_REPLAYED : MEMBER_KNOWN;
    }
    if (!has_room(members))
        return MEMBER_NO_ROOM;
    size_t place = members->count++;
    for (; place > 0 && compare(member, &members->items[place - 1].member) < 0; place--)
        members->items[place] = members->items[place - 1];
    members->items[place] = (struct known){.member = *member, .is_met = true};
    return MEMBER_NEW;
}

size_t members_count(const struct members *members)
{
    return members->count;
}

size_t members_count_proxies(const struct members *members)
{
    size_t count = 0;
    for (size_t i = 0; i < members->count; i++)
        count += members->items[i].member.state != MEMBER_RETIRED;
    return count;
}

const struct member *members_at(const struct members *members, size_t index)
{
    ASSERT(index < members->count);
    return &members->items[index].member;
}

const struct member *members_find(const struct members *members, struct slice prefix)
{
    const struct member *found = NULL;
    for (size_t i = 0; i < members->count && prefix.len >= PREFIX_MIN; i++) {
        const struct member *member = &members->items[i].member;
        if (!slice_starts_with(slice_of_string(member->instance), prefix))
            continue;
        if (found != NULL)
            return NULL;
        found = member;
    }
    return found;
}

// is_first tells whether nobody before `index` that serves has this configuration.
static bool is_first(const struct members *members, size_t index)
{
    const struct member *member = &members->items[index].member;
    for (size_t i = 0; i < index; i++) {
        const struct member *other = &members->items[i].member;
        if (other->state != MEMBER_RETIRED && strcmp(other->config, member->config) == 0)
            return false;
    }
    return member->state != MEMBER_RETIRED;
}

size_t members_compare(struct members *members, int64_t now_ms)
{
    size_t different = 0;
    for (size_t i = 0; i < members->count; i++)
        different += is_first(members, i);
    if (different > 1 && !members->is_differing)
        members->differing_since_ms = now_ms;
    members->is_differing = different > 1;
    if (members->is_differing)
        members->differing_count = members_count_proxies(members);
    return different;
}

size_t members_count_differing(const struct members *members)
{
    return members->differing_count;
}

bool members_differ(const struct members *members, int64_t now_ms)
{
    return members->is_differing && now_ms - members->differing_since_ms > MEMBERS_DIFFER_MS;
}
