// One's own entry is written every 2 s. All are read as often while they are few, and more rarely when they are many, so that
// the store's work grows with their number and not with its square.
#include "proxy/service/fleet_presence.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "auth/base/json.h"
#include "proxy/clock/clock.h"
#include "proxy/config/endpoint_text.h"
#include "proxy/config/served_list.h"
#include "proxy/fleet/fleet_findings.h"
#include "proxy/fleet/fleet_scripts.h"
#include "proxy/log/log.h"
#include "proxy/service/survey.h"
#include "proxy/tls/context.h"
#include "proxy/version.h"

enum {
    SAY_EVERY_MS = 2000,
    READ_EVERY_MS = 2000,
    READ_SLOWLY_MS = 30000,
    FEW = 32,
    LISTED_MAX = 1000, // in status
    DIFFERENCE_CAP = 256,
};

// KEYS: alive, members. ARGV: cursor. A page of those that are alive: {cursor, instance, what it says, ...}. Who is dead
// is what the beats have found. What the dead have left is removed.
static const char roster_text[] = FLEET_SCRIPT_ASK
    "local page = ask('HSCAN', KEYS[2], ARGV[1], 'COUNT', 100)\n"
    "local out = {page[1]}\n"
    "for i = 1, #page[2], 2 do\n"
    "  local score = ask('ZSCORE', KEYS[1], page[2][i])\n"
    "  if score and tonumber(score) > 0 and #page[2][i] + #page[2][i + 1] <= 4096 then\n"
    "    out[#out + 1] = page[2][i]\n"
    "    out[#out + 1] = page[2][i + 1]\n"
    "  else\n"
    "    redis.call('HDEL', KEYS[2], page[2][i])\n"
    "  end\n"
    "end\n"
    "return out\n";

struct fleet_presence {
    struct fleet_store *store; // borrowed
    struct store_script roster;
    struct members *members; // owned
    uint64_t number;         // of what was said last
    int64_t said_ms;         // monotonic
    int64_t read_ms;         // when the last reading began
    int64_t complete_ms;     // when the last one began that is complete
    bool is_counting;        // the workers are asked
    bool is_reading;
    bool has_read;  // all, since the store became ready
    uint64_t asked; // number of readings that are wanted
    uint64_t done;
    uint64_t reading;  // `asked` when the one under way began
    uint64_t counting; // `asked` when the workers were asked last
    uint64_t counted;  // that of their last answer
    size_t read_count; // entries of it
    size_t different;  // configurations
    bool is_warned;
    uint64_t forged;
    int64_t quiet_until_ms; // monotonic; until when nothing is said of forged ones
};

struct fleet_presence *fleet_presence_create(struct fleet_store *store)
{
    struct fleet_presence *presence = calloc(1, sizeof *presence);
    if (presence == NULL)
        return NULL;
    presence->members = members_create();
    if (presence->members == NULL) {
        free(presence);
        return NULL;
    }
    presence->store = store;
    fleet_script_init(roster_text, &presence->roster);
    return presence;
}

void fleet_presence_destroy(struct fleet_presence *presence)
{
    if (presence == NULL)
        return;
    if (presence->store->link != NULL)
        store_link_forget(presence->store->link, presence);
    members_destroy(presence->members);
    free(presence);
}

// -- saying

// first_end gives when the first of today's certificates ends; 0: there is none.
static int64_t first_end(const struct snapshot *snapshot)
{
    int64_t first_s = 0;
    for (size_t l = 0; l < snapshot->listener_count; l++) {
        struct served_certificate served;
        for (size_t i = 0; served_list_next(&snapshot->listeners[l], &i, &served);) {
            const int64_t end_s = served.info->not_after_s;
            if (first_s == 0 || end_s < first_s)
                first_s = end_s;
        }
    }
    return first_s < 0 ? 0 : first_s;
}

// take_host gives the name of this machine, as far as it is one that may be said.
static void take_host(char out[MEMBER_HOST_CAP])
{
    char name[256] = "";
    if (gethostname(name, sizeof name - 1) != 0)
        name[0] = '\0';
    const struct slice host = slice_first(slice_of_string(name), MEMBER_HOST_CAP - 1);
    for (size_t i = 0; i < host.len; i++) {
        if (host.data[i] <= ' ' || host.data[i] >= 0x7F)
            name[i] = '-';
    }
    (void)string_copy(out, MEMBER_HOST_CAP, host);
}

static enum member_state state_of(const struct fleet_store *store)
{
    const struct service *service = store->service;
    if (service->succession.retirement != NULL && !store->is_alone)
        return MEMBER_RETIRED;
    if (service->stopping_at_s != 0)
        return MEMBER_DRAINS;
    return ev_is_active(&service->lame_duck) ? MEMBER_LAME_DUCK : MEMBER_SERVES;
}

// describe fills in what this proxy says of itself.
static void describe(struct fleet_presence *presence, const struct scan *sum, struct member *out)
{
    const struct service *service = presence->store->service;
    struct text audit;
    struct audit_log_status status;
    char address[ENDPOINT_TEXT_CAP];
    audit_log_look(service->shared.audit, &status);
    *out = (struct member){
        .number = ++presence->number,
        .pid = (int64_t)getpid(),
        .generation = service->snapshot->generation,
        .since_s = service->started_s,
        .now_s = (int64_t)time(NULL),
        .certificate_ends_s = first_end(service->snapshot),
        .sessions = sum->sessions[SESSION_SERVING],
        .tunnels = sum->exchanges[EXCHANGE_TUNNEL],
        .blocks = blocklist_count(service->blocks),
        .state = state_of(presence->store),
        .heard_ms = monotonic_ms(),
    };
    (void)string_copy(out->instance, sizeof out->instance,
                      slice_of_string(presence->store->instance));
    (void)string_copy(out->version, sizeof out->version, slice_of_string(SALLYPORT_VERSION));
    (void)string_copy(out->config, sizeof out->config, slice_of_string(service->snapshot->id));
    text_init(&audit, out->audit, sizeof out->audit);
    text_append_format(&audit, "%08" PRIx32, status.instance);
    take_host(out->host);
    if (service->snapshot->listener_count > 0)
        (void)string_copy(out->address, sizeof out->address,
                          slice_of_string(endpoint_format(&service->sockets.bound[0], address)));
}

static void on_said(void *owner, const struct resp *answer)
{
    (void)owner;
    (void)answer; // it is said again anyway
}

static void count(struct fleet_presence *presence);

static void ask_counts(void *arg, struct scan *out)
{
    (void)arg;
    out->kind = SCAN_TOTALS;
}

// say writes one's own entry, with what the workers have counted.
static void say(void *arg, struct scan *sum)
{
    struct fleet_presence *presence = arg;
    struct fleet_store *store = presence->store;
    char key[FLEET_KEY_CAP];
    char plain_data[MEMBER_TEXT_MAX];
    struct text plain;
    struct member member;
    size_t len = 0;
    presence->is_counting = false;
    describe(presence, sum, &member);
    (void)members_meet(presence->members, &member);
    presence->counted = presence->counting;
    if (presence->counted < presence->asked)
        count(presence);
    if (!store->is_ready)
        return;
    text_init(&plain, plain_data, sizeof plain_data);
    member_format(&member, &plain);
    uint8_t *sealed = plain.is_cut ? NULL
                                   : fleet_store_seal(store, FLEET_PURPOSE_MEMBER, store->instance,
                                                      text_slice(&plain), &len);
    if (sealed == NULL)
        return;
    const struct slice words[] = {SLICE_LITERAL("HSET"), fleet_store_key(store, "members", "", key),
                                  slice_of_string(store->instance), slice_of(sealed, len)};
    (void)fleet_store_call(store, words, 4, on_said, presence); // it is said again anyway
    free(sealed);
}

// -- reading

// note_forged counts an entry that is not believed.
static void note_forged(struct fleet_presence *presence, struct slice name, const char *what)
{
    char shown[FLEET_SHOWN_CAP];
    presence->forged++;
    if (fleet_may_say(&presence->quiet_until_ms))
        log_error(
            LOG_FLEET_ALARM,
            "fleet: the entry %s of the store's members %s: somebody else writes to the store",
            fleet_shown_name(name, shown), what);
}

static void meet(struct fleet_presence *presence, struct slice name, struct slice sealed)
{
    char instance[FLEET_INSTANCE_CAP];
    struct member member;
    struct errinfo info;
    size_t len = 0;
    if (slice_equal(name, slice_of_string(presence->store->instance)))
        return; // we know better
    uint8_t *plain =
        string_copy(instance, sizeof instance, name)
            ? fleet_store_open(presence->store, FLEET_PURPOSE_MEMBER, instance, sealed, &len)
            : NULL;
    const bool is_good = plain != NULL &&
                         member_parse(slice_of(plain, len), &member, &info) == ERR_OK &&
                         strcmp(member.instance, instance) == 0;
    if (!is_good) {
        note_forged(presence, name, "is forged");
    } else {
        member.heard_ms = monotonic_ms();
        if (members_meet(presence->members, &member) == MEMBER_REPLAYED)
            note_forged(presence, name, "is older than what was said before");
    }
    free(plain);
}

// meet_self keeps one's own entry in the list.
static void meet_self(struct fleet_presence *presence)
{
    const struct member *own =
        members_find(presence->members, slice_of_string(presence->store->instance));
    if (own == NULL)
        return;
    const struct member copy = *own;
    (void)members_meet(presence->members, &copy);
}

// say_same says that those that are in sight do not differ any more. Of the others it is not known what they have.
static void say_same(const struct fleet_presence *presence)
{
    const size_t there = members_count_proxies(presence->members);
    const size_t before = members_count_differing(presence->members);
    if (before > there)
        log_info(LOG_FLEET_DIFFERS,
                 "fleet: the proxies in sight, %zu, have the same configuration; there were %zu "
                 "when they differed: the others have ended, or do not reach this store, and it is "
                 "not known what they have",
                 there, before);
    else
        log_info(LOG_FLEET_DIFFERS,
                 "fleet: all proxies in sight, %zu, have the same configuration again", there);
}

// warn says once when configurations have differed for too long, and when they are the same again.
static void warn(struct fleet_presence *presence)
{
    const bool differs = members_differ(presence->members, monotonic_ms());
    if (differs && !presence->is_warned)
        log_warning(LOG_FLEET_DIFFERS,
                    "fleet: %zu different configurations have been in force for more than a "
                    "minute: `sallyport status --fleet` shows which proxy has which",
                    presence->different);
    else if (presence->is_warned && presence->different <= 1)
        say_same(presence);
    presence->is_warned = presence->different > 1 && (differs || presence->is_warned);
}

static void on_page(void *owner, const struct resp *answer);

static bool ask_page(struct fleet_presence *presence, struct slice cursor)
{
    char keys[2][FLEET_KEY_CAP];
    const struct slice names[] = {fleet_store_key(presence->store, "alive", "", keys[0]),
                                  fleet_store_key(presence->store, "members", "", keys[1])};
    const struct store_script_call call = {.script = &presence->roster,
                                           .keys = names,
                                           .key_count = 2,
                                           .arguments = &cursor,
                                           .argument_count = 1};
    return fleet_store_script(presence->store, &call, on_page, presence);
}

static bool is_page(const struct resp *answer)
{
    if (answer == NULL || answer->kind != RESP_ARRAY || answer->count % 2 != 1)
        return false;
    for (size_t i = 0; i < answer->count; i++) {
        if (answer->items[i].kind != RESP_STRING)
            return false;
    }
    return true;
}

static void on_page(void *owner, const struct resp *answer)
{
    struct fleet_presence *presence = owner;
    if (!is_page(answer)) {
        presence->is_reading = false;
        return;
    }
    for (size_t i = 1; i < answer->count; i += 2)
        meet(presence, answer->items[i].text, answer->items[i + 1].text);
    presence->read_count += answer->count / 2 + 1; // pages with nothing come to an end, too
    const bool is_last = slice_equal(answer->items[0].text, SLICE_LITERAL("0")) ||
                         presence->read_count > MEMBERS_MAX;
    if (!is_last) {
        presence->is_reading = ask_page(presence, answer->items[0].text);
        return;
    }
    meet_self(presence);
    members_end(presence->members);
    presence->is_reading = false;
    presence->has_read = true;
    presence->complete_ms = presence->read_ms;
    presence->done = presence->reading;
    presence->different = members_compare(presence->members, monotonic_ms());
    warn(presence);
}

static void read_all(struct fleet_presence *presence)
{
    if (presence->is_reading || !ask_page(presence, SLICE_LITERAL("0")))
        return;
    presence->is_reading = true;
    presence->read_ms = monotonic_ms();
    presence->reading = presence->asked;
    presence->read_count = 0;
    members_begin(presence->members);
}

// count has the workers asked for what is said then.
static void count(struct fleet_presence *presence)
{
    const bool can_count = presence->store->service->worker_count > 0; // not before they run
    if (!can_count || presence->is_counting)
        return;
    presence->said_ms = monotonic_ms();
    presence->is_counting = true;
    presence->counting = presence->asked;
    survey_ask(&presence->store->service->survey,
               &(struct survey_question){.ask = ask_counts, .tell = say, .arg = presence});
}

void fleet_presence_on_ready(struct fleet_presence *presence)
{
    presence->said_ms = 0;
    presence->read_ms = 0;
    fleet_presence_on_beat(presence);
}

void fleet_presence_on_lost(struct fleet_presence *presence)
{
    if (presence->store->link != NULL)
        store_link_forget(presence->store->link, presence);
    presence->is_reading = false;
    presence->has_read = false;
}

void fleet_presence_on_beat(struct fleet_presence *presence)
{
    const int64_t now_ms = monotonic_ms();
    if (!presence->store->is_ready)
        return;
    if (now_ms - presence->said_ms >= SAY_EVERY_MS)
        count(presence);
    const int64_t every_ms =
        members_count(presence->members) > FEW ? READ_SLOWLY_MS : READ_EVERY_MS;
    if (presence->asked > presence->done || now_ms - presence->read_ms >= every_ms)
        read_all(presence);
}

uint64_t fleet_presence_ask(struct fleet_presence *presence)
{
    // One under way may have passed somebody already.
    presence->asked++;
    count(presence);
    if (presence->store->is_ready)
        read_all(presence);
    return presence->asked;
}

uint64_t fleet_presence_done(const struct fleet_presence *presence)
{
    return presence->done;
}

uint64_t fleet_presence_counted(const struct fleet_presence *presence)
{
    return presence->counted < presence->done ? presence->counted : presence->done;
}

bool fleet_presence_has_read(const struct fleet_presence *presence)
{
    return presence->has_read;
}

const struct members *fleet_presence_members(const struct fleet_presence *presence)
{
    return presence->members;
}

bool fleet_presence_differs(const struct fleet_presence *presence)
{
    return members_differ(presence->members, monotonic_ms());
}

void fleet_presence_metrics(const struct fleet_presence *presence, struct exposition *out)
{
    static const struct family forged = {
        .name = "sallyport_fleet_members_forged",
        .kind = FAMILY_COUNTER,
        .help =
            "What proxies say of themselves in the store that did not open, or was said before."};
    static const struct family there = {.name = "sallyport_fleet_members",
                                        .kind = FAMILY_GAUGE,
                                        .help = "Proxies of the fleet that are there."};
    static const struct family configs = {.name = "sallyport_fleet_configs",
                                          .kind = FAMILY_GAUGE,
                                          .help = "Different configurations of those that serve."};
    const bool is_shared = presence != NULL;
    exposition_add_single(out, &there, is_shared,
                          is_shared ? members_count_proxies(presence->members) : 0);
    exposition_add_single(out, &configs, is_shared, is_shared ? presence->different : 0);
    exposition_add_single(out, &forged, is_shared, is_shared ? presence->forged : 0);
}

static void add_member(const struct member *member, const char *self, int64_t silent_ms,
                       struct text *out)
{
    json_begin_object(out, NULL);
    json_add_string(out, "instance", member->instance);
    json_add_bool(out, "self", strcmp(member->instance, self) == 0);
    json_add_string(out, "host", member->host);
    json_add_string(out, "address", member->address);
    json_add_number(out, "pid", member->pid);
    json_add_string(out, "state", member_state_name(member->state));
    json_add_string(out, "version", member->version);
    json_add_string(out, "config", member->config);
    json_add_count(out, "generation", member->generation);
    json_add_string(out, "audit_instance", member->audit);
    json_add_time(out, "since", member->since_s);
    json_add_number(out, "clock_s", member->now_s);
    json_add_number(out, "silent_s", silent_ms > MEMBERS_SILENT_MS ? silent_ms / 1000 : 0);
    if (member->certificate_ends_s == 0)
        json_add_null(out, "certificate_ends");
    else
        json_add_time(out, "certificate_ends", member->certificate_ends_s);
    json_add_count(out, "sessions", member->sessions);
    json_add_count(out, "tunnels", member->tunnels);
    json_add_count(out, "blocks", member->blocks);
    json_end_object(out);
}

void fleet_presence_status(const struct fleet_presence *presence, bool with_members,
                           struct text *out)
{
    const size_t count = members_count(presence->members);
    json_add_count(out, "members_count", count);
    json_add_count(out, "proxies_count", members_count_proxies(presence->members));
    json_add_count(out, "configs", presence->different);
    json_add_bool(out, "configs_differ", fleet_presence_differs(presence));
    if (!with_members)
        return;
    json_begin_array(out, "members");
    for (size_t i = 0; i < count && i < LISTED_MAX; i++) {
        const struct member *member = members_at(presence->members, i);
        add_member(member, presence->store->instance, presence->complete_ms - member->heard_ms,
                   out);
    }
    json_end_array(out);
    json_add_count(out, "members_not_listed", count > LISTED_MAX ? count - LISTED_MAX : 0);
}
