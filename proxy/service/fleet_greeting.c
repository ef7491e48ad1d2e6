// One script looks, and writes where that is right. Who was right once in this process writes over what does not open; who was not
// has to find something of its fleet first, if there is anything.
#include "proxy/service/fleet_greeting.h"

#include <openssl/mem.h>
#include <stdlib.h>

#include "auth/base/text.h"
#include "proxy/clock/clock.h"
#include "proxy/fleet/fleet_scripts.h"
#include "proxy/log/log.h"

enum {
    ASK_EVERY = 60, // beats
    ASK_AGAIN = 4,  // where it is not ours, or did not answer
    MOST = 8192,    // bytes of one thing that is looked at
    SAMPLES_MAX = 200,
    LEFT_HEAD = 2,
    PROBLEM_CAP = 400,
};

static const char greeting_text[] = "sallyport fleet 1";

// KEYS: key, blocks, members, tickets, fresh. ARGV: what is to stand at `key`; look, put or swap; the most bytes of one thing; the SHA-1 of
// what is swapped. `look` writes where there is nothing at all, and notes for three seconds that this was so; `put` where nothing stands
// at `key`; `swap` in the place of what was seen.
// -> {there, is fresh, what stands at `key`}, {made, is fresh}, or {left, is fresh, what it is, its name, its value, ...}
static const char ask_text[] = FLEET_SCRIPT_ASK
    "local most = tonumber(ARGV[3])\n"
    "local is = ask('GET', KEYS[1])\n"
    "if is and #is > most then\n"
    "  redis.call('DEL', KEYS[1])\n"
    "  is = false\n"
    "end\n"
    "local fresh = ask('GET', KEYS[5]) and 1 or 0\n"
    "if is and not (ARGV[2] == 'swap' and redis.sha1hex(is) == ARGV[4]) then return {'there', fresh, is} end\n"
    "if not is and ARGV[2] == 'look' then\n"
    "  local left = {'left', fresh}\n"
    "  local function add(what, name, value)\n"
    "    if #name + #value > most then return end\n"
    "    left[#left + 1] = what\n"
    "    left[#left + 1] = name\n"
    "    left[#left + 1] = value\n"
    "  end\n"
    "  local tickets = ask('GET', KEYS[4])\n"
    "  if tickets then add('tickets', '', tickets) end\n"
    "  for i, what in ipairs({'blocks', 'members'}) do\n"
    "    local page = ask('HSCAN', KEYS[1 + i], '0', 'COUNT', 10)\n"
    "    for j = 1, math.min(#page[2], 40), 2 do add(what, page[2][j], page[2][j + 1]) end\n"
    "  end\n"
    "  if #left > 2 then return left end\n"
    "  redis.call('SET', KEYS[5], '1')\n"
    "  redis.call('PEXPIRE', KEYS[5], 3000)\n"
    "  fresh = 1\n"
    "end\n"
    "redis.call('SET', KEYS[1], ARGV[1])\n"
    "return {'made', fresh}\n";

struct fleet_greeting {
    struct fleet_store *store; // borrowed
    struct store_script script;
    void (*on_change)(void *owner);
    void *owner;
    enum fleet_trust trust;
    bool was_ours;    // since this store and key are in use
    bool was_foreign; // likewise
    bool is_asking;
    unsigned beats; // since it was asked last
    char problem[PROBLEM_CAP];
    int64_t quiet_until_ms; // monotonic; until when nothing is said of it
    int64_t
        resealed_ms; // monotonic; when a greeting by another secret of ours was written over last
};

static void ask(struct fleet_greeting *greeting, const char *how, const char *swapped);

struct fleet_greeting *fleet_greeting_create(struct fleet_store *store,
                                             void (*on_change)(void *owner), void *owner)
{
    struct fleet_greeting *greeting = calloc(1, sizeof *greeting);
    if (greeting == NULL)
        return NULL;
    greeting->store = store;
    greeting->on_change = on_change;
    greeting->owner = owner;
    greeting->resealed_ms = -FLEET_RESEAL_EVERY_MS;
    fleet_script_init(ask_text, &greeting->script);
    return greeting;
}

void fleet_greeting_destroy(struct fleet_greeting *greeting)
{
    if (greeting == NULL)
        return;
    fleet_greeting_on_lost(greeting);
    free(greeting);
}

// knows tells whether this proxy has a file of state of this fleet, and was never wrong here.
static bool knows(const struct fleet_greeting *greeting)
{
    return fleet_store_is_kept(greeting->store) && !greeting->was_foreign;
}

static void enter(struct fleet_greeting *greeting, enum fleet_trust trust)
{
    const bool is_new = greeting->trust != trust;
    struct text text;
    text_init(&text, greeting->problem, sizeof greeting->problem);
    if (trust == FLEET_FOREIGN)
        text_append_format(
            &text,
            "what is in the store under `%s` does not open with `shared.key_file`: blocks, "
            "orders and tickets are not shared; give all proxies the same key_file, or "
            "another fleet another `shared.prefix`",
            greeting->store->prefix);
    if (trust == FLEET_FRESH)
        text_append_string(
            &text, "the store was empty, and nothing is known here of this fleet: for three "
                   "seconds others may put back what they know");
    if (is_new && trust == FLEET_FOREIGN)
        log_error(LOG_FLEET_ALARM, "fleet: %s", greeting->problem);
    if (is_new && trust == FLEET_FRESH)
        log_info(LOG_FLEET, "fleet: %s", greeting->problem);
    greeting->trust = trust;
    greeting->was_ours = greeting->was_ours || trust == FLEET_OURS;
    greeting->was_foreign = greeting->was_foreign || trust == FLEET_FOREIGN;
    if (is_new)
        greeting->on_change(greeting->owner);
}

// believe goes by a greeting that is ours.
static void believe(struct fleet_greeting *greeting, bool is_fresh)
{
    const bool must_wait = is_fresh && !greeting->was_ours && !knows(greeting);
    enter(greeting, must_wait ? FLEET_FRESH : FLEET_OURS);
}

// is_greeting tells whether a greeting opens, and whether a secret seals it that is not our first one.
static bool is_greeting(const struct fleet_greeting *greeting, struct slice sealed, bool *is_older)
{
    size_t len = 0;
    uint8_t *plain =
        fleet_store_open_by(greeting->store, FLEET_PURPOSE_GREETING, "", sealed, &len, is_older);
    const bool is_ours =
        plain != NULL && slice_equal(slice_of(plain, len), slice_of_string(greeting_text));
    free(plain);
    return is_ours;
}

// meet_greeting goes by what stands there.
static void meet_greeting(struct fleet_greeting *greeting, struct slice sealed, bool is_fresh)
{
    char digest[FLEET_DIGEST_CAP];
    uint8_t seal[FLEET_SEAL_LEN];
    bool is_older = false;
    fleet_store_digest(sealed, seal);
    (void)fleet_digest_text(seal, digest);
    if (is_greeting(greeting, sealed, &is_older)) {
        if (is_older && fleet_may_reseal(&greeting->resealed_ms))
            ask(greeting, "swap", digest);
        believe(greeting, is_fresh);
        return;
    }
    if (!greeting->was_ours) {
        enter(greeting, FLEET_FOREIGN);
        return;
    }
    if (fleet_may_say(&greeting->quiet_until_ms))
        log_error(LOG_FLEET_ALARM,
                  "fleet: somebody has put another greeting into the store that does not open with "
                  "`shared.key_file`; ours is written over it: a proxy with another key_file uses "
                  "the prefix `%s`, or somebody else writes there",
                  greeting->store->prefix);
    ask(greeting, "swap", digest);
}

// opens tells whether one of the things that are there without a greeting is of our fleet.
static bool opens(const struct fleet_greeting *greeting, const struct resp *what)
{
    const enum fleet_purpose purpose =
        slice_equal(what[0].text, SLICE_LITERAL("tickets"))  ? FLEET_PURPOSE_TICKETS
        : slice_equal(what[0].text, SLICE_LITERAL("blocks")) ? FLEET_PURPOSE_BLOCK
                                                             : FLEET_PURPOSE_MEMBER;
    char name[FLEET_NAME_CAP];
    size_t len = 0;
    if (!string_copy(name, sizeof name, what[1].text))
        return false;
    uint8_t *plain = fleet_store_open(greeting->store, purpose, name, what[2].text, &len);
    const bool is_ours = plain != NULL;
    if (is_ours)
        OPENSSL_cleanse(plain, len);
    free(plain);
    return is_ours;
}

static void meet_left(struct fleet_greeting *greeting, const struct resp *items, size_t count)
{
    bool is_ours = greeting->was_ours;
    for (size_t i = 0; i + 2 < count && !is_ours; i += 3)
        is_ours = opens(greeting, &items[i]);
    if (is_ours)
        ask(greeting, "put", "");
    else
        enter(greeting, FLEET_FOREIGN);
}

// is_answer tells whether it is one of the script's.
static bool is_answer(const struct resp *answer, int64_t *out_fresh)
{
    if (answer == NULL || answer->kind != RESP_ARRAY || answer->count < LEFT_HEAD ||
        answer->count > SAMPLES_MAX || answer->items[0].kind != RESP_STRING ||
        !resp_read_integer(&answer->items[1], out_fresh))
        return false;
    for (size_t i = LEFT_HEAD; i < answer->count; i++) {
        if (answer->items[i].kind != RESP_STRING)
            return false;
    }
    return true;
}

static void on_answer(void *owner, const struct resp *answer)
{
    struct fleet_greeting *greeting = owner;
    int64_t fresh = 0;
    greeting->is_asking = false;
    if (!is_answer(answer, &fresh)) {
        greeting->beats = ASK_EVERY; // again with the next beat
        return;
    }
    const struct slice what = answer->items[0].text;
    if (slice_equal(what, SLICE_LITERAL("there")) && answer->count == LEFT_HEAD + 1)
        meet_greeting(greeting, answer->items[LEFT_HEAD].text, fresh != 0);
    else if (slice_equal(what, SLICE_LITERAL("left")))
        meet_left(greeting, &answer->items[LEFT_HEAD], answer->count - LEFT_HEAD);
    else if (slice_equal(what, SLICE_LITERAL("made")))
        believe(greeting, fresh != 0);
}

static void ask(struct fleet_greeting *greeting, const char *how, const char *swapped)
{
    static const char *const names[] = {"key", "blocks", "members", "tickets", "fresh"};
    const struct fleet_store *store = greeting->store;
    char key_data[5][FLEET_KEY_CAP];
    struct slice keys[5];
    size_t len = 0;
    uint8_t *sealed =
        fleet_store_seal(store, FLEET_PURPOSE_GREETING, "", slice_of_string(greeting_text), &len);
    _Static_assert((int)MOST == 8192, "as it is said to the script");
    _Static_assert((int)FLEET_FRESH_MS == 3000, "as it stands in the script");
    for (size_t i = 0; i < 5; i++)
        keys[i] = fleet_store_key(store, names[i], "", key_data[i]);
    const struct slice arguments[] = {slice_of(sealed, len), slice_of_string(how),
                                      SLICE_LITERAL("8192"), slice_of_string(swapped)};
    const struct store_script_call call = {.script = &greeting->script,
                                           .keys = keys,
                                           .key_count = 5,
                                           .arguments = arguments,
                                           .argument_count = 4};
    greeting->is_asking = sealed != NULL && fleet_store_script(store, &call, on_answer, greeting);
    greeting->beats = greeting->is_asking ? 0 : ASK_EVERY;
    free(sealed);
}

void fleet_greeting_ask(struct fleet_greeting *greeting)
{
    if (!greeting->is_asking)
        ask(greeting, "look", "");
}

void fleet_greeting_on_lost(struct fleet_greeting *greeting)
{
    if (greeting->store->link != NULL)
        store_link_forget(greeting->store->link, greeting);
    greeting->is_asking = false;
    enter(greeting, FLEET_UNASKED);
}

void fleet_greeting_on_beat(struct fleet_greeting *greeting, bool was_known)
{
    const unsigned every = greeting->trust == FLEET_OURS ? ASK_EVERY : ASK_AGAIN;
    if (!was_known || greeting->trust == FLEET_FRESH || ++greeting->beats >= every)
        fleet_greeting_ask(greeting);
}

void fleet_greeting_on_key(struct fleet_greeting *greeting)
{
    greeting->resealed_ms = -FLEET_RESEAL_EVERY_MS;
}

void fleet_greeting_forget(struct fleet_greeting *greeting)
{
    fleet_greeting_on_lost(greeting); // what is under way is about the former
    greeting->was_ours = false;
    greeting->was_foreign = false;
}

enum fleet_trust fleet_greeting_trust(const struct fleet_greeting *greeting)
{
    return greeting->trust;
}

const char *fleet_greeting_problem(const struct fleet_greeting *greeting)
{
    return greeting->problem[0] == '\0' ? NULL : greeting->problem;
}
