// The store has one set. It is read every 2 s, and changed by the proxy that sees first that a change is due: a script writes only
// what comes after the set that was read.
#include "proxy/service/fleet_tickets.h"

#include <inttypes.h>
#include <openssl/mem.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "auth/base/json.h"
#include "proxy/clock/clock.h"
#include "proxy/fleet/fleet_scripts.h"
#include "proxy/fleet/ticket_set.h"
#include "proxy/log/log.h"
#include "proxy/tls/ticket_keys.h"

_Static_assert((int)TICKET_SET_SECRET_LEN == (int)TICKET_SECRET_LEN, "the same secrets");
_Static_assert((int)TICKET_SET_SECRETS_MAX == (int)TICKET_SECRETS_MAX, "all of them");

enum {
    READ_EVERY_MS = 2000,
    SEALED_MAX = TICKET_SET_TEXT_MAX + FLEET_SEAL_OVERHEAD,
};

static const char name[] = "tickets";

// KEYS: the set. ARGV: the SHA-1 of what is to stand there now ("" for nothing), what is to stand there. 1: written.
static const char swap_text[] =
    FLEET_SCRIPT_ASK "local is = ask('GET', KEYS[1])\n"
                     "if (is and redis.sha1hex(is) or '') ~= ARGV[1] then return 0 end\n"
                     "redis.call('SET', KEYS[1], ARGV[2])\n"
                     "return 1\n";

struct fleet_tickets {
    struct fleet_store *store; // borrowed
    struct store_script swap;
    struct ticket_set set; // in use; number 0: none
    int64_t seen_ms;       // monotonic; since when
    int64_t read_ms;       // when it was read last
    bool is_busy;
    bool has_swapped;       // since the store was ready
    int64_t resealed_ms;    // monotonic; when a set by another secret of ours was written over last
    uint64_t older;         // sets that were not taken
    int64_t quiet_until_ms; // monotonic; until when nothing is said of them
};

struct fleet_tickets *fleet_tickets_create(struct fleet_store *store)
{
    struct fleet_tickets *tickets = calloc(1, sizeof *tickets);
    if (tickets == NULL)
        return NULL;
    tickets->store = store;
    tickets->resealed_ms = -FLEET_RESEAL_EVERY_MS;
    fleet_script_init(swap_text, &tickets->swap);
    return tickets;
}

void fleet_tickets_destroy(struct fleet_tickets *tickets)
{
    if (tickets == NULL)
        return;
    if (tickets->store->link != NULL)
        store_link_forget(tickets->store->link, tickets);
    OPENSSL_cleanse(tickets, sizeof *tickets);
    free(tickets);
}

// is_wanted tells whether the secrets come from the store.
static bool is_wanted(const struct snapshot *snapshot)
{
    return snapshot->shared != NULL && snapshot->tickets.settings.secret_count == 0;
}

void fleet_tickets_apply(struct fleet_tickets *tickets, const struct snapshot *snapshot)
{
    struct ticket_settings settings = snapshot->tickets.settings;
    if (is_wanted(snapshot) && tickets->set.number != 0) {
        settings.secret_count = tickets->set.count;
        for (size_t i = 0; i < tickets->set.count; i++)
            (void)bytes_copy(settings.secrets[i], TICKET_SECRET_LEN,
                             slice_of(tickets->set.secrets[i], TICKET_SET_SECRET_LEN));
    }
    ticket_keys_configure(tickets->store->service->shared.tickets, &settings);
    OPENSSL_cleanse(&settings, sizeof settings);
}

// use goes by another set from now on, and remembers its number beyond a restart.
static void use(struct fleet_tickets *tickets, const struct ticket_set *set)
{
    struct service *service = tickets->store->service;
    tickets->set = *set;
    tickets->seen_ms = monotonic_ms();
    fleet_tickets_apply(tickets, service->snapshot);
    if (!fleet_store_is_kept(tickets->store) || set->number <= service->kept.tickets)
        return;
    service->kept.tickets = set->number;
    (void)tickets->store->events.keep_state(service);
}

void fleet_tickets_write(const struct fleet_tickets *tickets, struct text *out)
{
    if (tickets->set.number != 0 && is_wanted(tickets->store->service->snapshot))
        ticket_set_format(&tickets->set, out);
}

void fleet_tickets_inherit(struct fleet_tickets *tickets, struct slice written)
{
    const struct service *service = tickets->store->service;
    struct ticket_set set;
    struct errinfo info;
    if (written.len == 0 || !is_wanted(service->snapshot) || !fleet_store_is_kept(tickets->store))
        return;
    if (ticket_set_parse(written, &set, &info) == ERR_OK && set.number >= service->kept.tickets)
        use(tickets, &set);
    OPENSSL_cleanse(&set, sizeof set);
}

static void on_swapped(void *owner, const struct resp *answer)
{
    struct fleet_tickets *tickets = owner;
    tickets->is_busy = false;
    if (answer == NULL || tickets->has_swapped)
        return; // what has come of it is seen with the next reading
    tickets->has_swapped = true;
    tickets->read_ms = 0;
    fleet_tickets_on_beat(tickets);
}

// publish writes a set in the place of what was read.
static void publish(struct fleet_tickets *tickets, struct slice read, const struct ticket_set *set)
{
    char plain_data[TICKET_SET_TEXT_MAX];
    char digest_data[FLEET_DIGEST_CAP];
    char key[FLEET_KEY_CAP];
    uint8_t digest[FLEET_SEAL_LEN];
    struct text plain;
    size_t len = 0;
    text_init(&plain, plain_data, sizeof plain_data);
    ticket_set_format(set, &plain);
    fleet_store_digest(read, digest);
    uint8_t *sealed =
        fleet_store_seal(tickets->store, FLEET_PURPOSE_TICKETS, "", text_slice(&plain), &len);
    OPENSSL_cleanse(plain_data, sizeof plain_data);
    if (sealed == NULL)
        return;
    const struct slice keys[] = {fleet_store_key(tickets->store, name, "", key)};
    const struct slice arguments[] = {read.len > 0 ? fleet_digest_text(digest, digest_data)
                                                   : SLICE_LITERAL(""),
                                      slice_of(sealed, len)};
    const struct store_script_call call = {.script = &tickets->swap,
                                           .keys = keys,
                                           .key_count = 1,
                                           .arguments = arguments,
                                           .argument_count = 2};
    tickets->is_busy = fleet_store_script(tickets->store, &call, on_swapped, tickets);
    free(sealed);
}

// newest gives the highest number that this proxy has ever taken in this fleet.
static uint64_t newest(const struct fleet_tickets *tickets)
{
    const uint64_t kept =
        fleet_store_is_kept(tickets->store) ? tickets->store->service->kept.tickets : 0;
    return kept > tickets->set.number ? kept : tickets->set.number;
}

// change publishes the next set where one is due.
static void change(struct fleet_tickets *tickets, struct slice read)
{
    const int64_t now_s = (int64_t)time(NULL);
    const int64_t seen_s = (monotonic_ms() - tickets->seen_ms) / 1000;
    const int64_t rotate_s = tickets->store->service->snapshot->tickets.settings.rotate_s;
    struct ticket_set next;
    uint8_t secret[TICKET_SET_SECRET_LEN];
    if (getrandom(secret, sizeof secret, 0) != sizeof secret)
        return;
    switch (ticket_set_next(&tickets->set, now_s, rotate_s, seen_s)) {
    case TICKET_SET_KEEP:
        return;
    case TICKET_SET_ADD:
        ticket_set_add(&tickets->set, secret, now_s, &next);
        break;
    case TICKET_SET_PROMOTE:
        ticket_set_promote(&tickets->set, now_s, &next);
        break;
    }
    publish(tickets, read, &next);
    OPENSSL_cleanse(secret, sizeof secret);
    OPENSSL_cleanse(&next, sizeof next);
}

// note_older says that the store has a set that is forged, or older than one that was taken already.
static void note_older(struct fleet_tickets *tickets, const char *what)
{
    tickets->older++;
    if (fleet_may_say(&tickets->quiet_until_ms))
        log_error(LOG_FLEET_ALARM,
                  "fleet: the store's ticket secrets are %s: they are not taken, and new ones are "
                  "written; find out who else writes to the store",
                  what);
}

// replace writes what should stand there: our set, or a new one where we have none.
static void replace(struct fleet_tickets *tickets, struct slice read)
{
    struct ticket_set first;
    uint8_t secret[TICKET_SET_SECRET_LEN];
    if (tickets->set.number != 0) {
        publish(tickets, read, &tickets->set);
        return;
    }
    if (getrandom(secret, sizeof secret, 0) != sizeof secret)
        return;
    ticket_set_begin(newest(tickets), secret, (int64_t)time(NULL), &first);
    publish(tickets, read, &first);
    OPENSSL_cleanse(secret, sizeof secret);
    OPENSSL_cleanse(&first, sizeof first);
}

// take judges what the store has.
static void take(struct fleet_tickets *tickets, struct slice sealed)
{
    struct ticket_set set;
    struct errinfo info;
    size_t len = 0;
    bool is_older = false;
    uint8_t *plain =
        fleet_store_open_by(tickets->store, FLEET_PURPOSE_TICKETS, "", sealed, &len, &is_older);
    const bool is_good =
        plain != NULL && ticket_set_parse(slice_of(plain, len), &set, &info) == ERR_OK;
    if (plain != NULL)
        OPENSSL_cleanse(plain, len);
    free(plain);
    if (!is_good) {
        note_older(tickets, "forged");
        replace(tickets, sealed);
        return;
    }
    const int order = ticket_set_compare(&set, &tickets->set);
    if (set.number < newest(tickets) || (set.number == tickets->set.number && order < 0)) {
        note_older(tickets, "older than those that were taken before");
        replace(tickets, sealed);
    } else {
        if (order != 0)
            use(tickets, &set);
        if (is_older && fleet_may_reseal(&tickets->resealed_ms))
            publish(tickets, sealed, &set);
        else
            change(tickets, sealed);
    }
    OPENSSL_cleanse(&set, sizeof set);
}

static void on_read(void *owner, const struct resp *answer)
{
    struct fleet_tickets *tickets = owner;
    tickets->is_busy = false;
    if (answer == NULL || !tickets->store->is_ready)
        return;
    tickets->read_ms = monotonic_ms();
    if (answer->kind == RESP_NIL)
        replace(tickets, (struct slice){0});
    else if (answer->kind == RESP_STRING)
        take(tickets, answer->text);
}

void fleet_tickets_on_beat(struct fleet_tickets *tickets)
{
    char key[FLEET_KEY_CAP];
    const bool is_due = tickets->read_ms == 0 || monotonic_ms() - tickets->read_ms >= READ_EVERY_MS;
    if (tickets->is_busy || !is_due || !tickets->store->is_ready ||
        !is_wanted(tickets->store->service->snapshot))
        return;
    tickets->is_busy =
        fleet_store_read(tickets->store, fleet_store_key(tickets->store, name, "", key), SEALED_MAX,
                         on_read, tickets);
}

void fleet_tickets_on_ready(struct fleet_tickets *tickets)
{
    tickets->is_busy = false;
    tickets->has_swapped = false;
    tickets->read_ms = 0;
    fleet_tickets_on_beat(tickets);
}

void fleet_tickets_on_lost(struct fleet_tickets *tickets)
{
    if (tickets->store->link != NULL)
        store_link_forget(tickets->store->link, tickets);
    tickets->is_busy = false;
}

void fleet_tickets_on_key(struct fleet_tickets *tickets)
{
    tickets->resealed_ms = -FLEET_RESEAL_EVERY_MS;
}

void fleet_tickets_forget(struct fleet_tickets *tickets)
{
    fleet_tickets_on_lost(tickets);
    OPENSSL_cleanse(&tickets->set, sizeof tickets->set);
    tickets->set = (struct ticket_set){0};
}

uint64_t fleet_tickets_newest(const struct fleet_tickets *tickets)
{
    return newest(tickets);
}

bool fleet_tickets_has_any(const struct fleet_tickets *tickets)
{
    return tickets->set.number != 0 || !is_wanted(tickets->store->service->snapshot);
}

void fleet_tickets_status(const struct fleet_tickets *tickets, struct text *out)
{
    json_add_bool(out, "shared",
                  is_wanted(tickets->store->service->snapshot) && tickets->set.number != 0);
    json_add_count(out, "number", tickets->set.number);
    json_add_count(out, "refused", tickets->older);
}
