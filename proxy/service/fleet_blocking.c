// One thing at a time: a comparison goes through the store's hash page by page; then what the store should get goes there in
// batches, each by a script that writes only what is still as we have seen it. Besides, what was written last is looked at by name,
// and brought into force. Where somebody floods the hash a comparison pauses between beats, removes what does not open as
// it meets it, and comes to an end, or is given up and begun again later; what is said here goes to the store meanwhile.
#include "proxy/service/fleet_blocking.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "auth/base/json.h"
#include "proxy/clock/clock.h"
#include "proxy/fleet/fleet_findings.h"
#include "proxy/fleet/fleet_page.h"
#include "proxy/fleet/fleet_scripts.h"
#include "proxy/fleet/fleet_word.h"
#include "proxy/log/log.h"
#include "proxy/service/fleet_taken.h"

enum {
    PAGES_FREE = 500,      // of a comparison, without a pause: more than all blocks and ends take
    PAGES_A_BEAT = 200,    // after that
    PAGES_MAX = 8192,      // of one comparison
    AGAIN_AFTER_MS = 5000, // after one that was too long
    CURSOR_CAP = 24,
    ENTRY_BYTES_MAX = FLEET_NAME_CAP + FLEET_WORD_MAX + FLEET_SEAL_OVERHEAD,
    BATCH_MAX = 24, // words that are given at once
    LOOK_WORDS = BATCH_MAX + 2,
    BATCH_BYTES_MAX = 256 * 1024,
    LOOK_BYTES_MAX = 256 * 1024, // of entries that are asked for by name
    COMPARE_EVERY_MS = 30000,
    COMPARE_DEAF_MS = 1500, // where beats do not say what has changed
    ALARM_EVERY_MS = 3600 * 1000,
    LITTER_MAX = 200, // entries that are removed at once
    LITTER_NAME_MAX = 128,
    LITTER_AFTER_S = 24 * 3600,
};

// KEYS: the hash of blocks, the counter of its changes, the names that were written last with that counter. ARGV: three for each word: its name, the SHA-1 of what is to stand
// there now ("" for nothing), what is to stand there ("" for nothing). It answers with 1 for each that was written, 0 for each that was not.
static const char put_text[] = FLEET_SCRIPT_ASK
    "counter(KEYS[2])\n"
    "local written, out = 0, {}\n"
    "for i = 1, #ARGV, 3 do\n"
    "  local is = ask('HGET', KEYS[1], ARGV[i])\n"
    "  local digest = is and redis.sha1hex(is) or ''\n"
    "  if digest == ARGV[i + 1] then\n"
    "    if ARGV[i + 2] == '' then\n"
    "      redis.call('HDEL', KEYS[1], ARGV[i])\n"
    "    else\n"
    "      redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 2])\n"
    "    end\n"
    "    written = written + 1\n"
    "    out[#out + 1] = 1\n"
    "  else\n"
    "    out[#out + 1] = 0\n"
    "  end\n"
    "end\n"
    "if written > 0 then\n"
    "  local rev = redis.call('INCR', KEYS[2])\n"
    "  for i = 1, #ARGV, 3 do\n"
    "    if out[(i + 2) / 3] == 1 then ask('ZADD', KEYS[3], rev, ARGV[i]) end\n"
    "  end\n"
    "  ask('ZREMRANGEBYSCORE', KEYS[3], '-inf', string.format('%.0f', rev - 300))\n"
    "end\n"
    "return out\n";

// KEYS: the hash of blocks. ARGV: two for each entry that is to go: its name, the SHA-1 of what stands there. It answers with
// how many have gone. The counter of changes stays: nobody has to hear of it.
static const char sweep_text[] =
    FLEET_SCRIPT_ASK "local gone = 0\n"
                     "for i = 1, #ARGV, 2 do\n"
                     "  local is = ask('HGET', KEYS[1], ARGV[i])\n"
                     "  if is and redis.sha1hex(is) == ARGV[i + 1] then\n"
                     "    redis.call('HDEL', KEYS[1], ARGV[i])\n"
                     "    gone = gone + 1\n"
                     "  end\n"
                     "end\n"
                     "return gone\n";

// KEYS: as for `put`. ARGV: the most bytes of one, the most of all, names that are asked for besides. It answers as a page of the hash
// does, with what was written last: 100 entries at most, and those of the names. What is no entry is taken from the names.
static const char look_text[] =
    FLEET_SCRIPT_ASK "local rev, bytes, out = counter(KEYS[2]), 0, {}\n"
                     "local function add(name)\n"
                     "  local is = #name == 64 and ask('HGET', KEYS[1], name)\n"
                     "  if not is or #is > tonumber(ARGV[1]) then\n"
                     "    ask('ZREM', KEYS[3], name)\n"
                     "  elseif bytes + #is <= tonumber(ARGV[2]) then\n"
                     "    bytes = bytes + #is\n"
                     "    out[#out + 1] = name\n"
                     "    out[#out + 1] = is\n"
                     "  end\n"
                     "end\n"
                     "for i = 3, #ARGV do add(ARGV[i]) end\n"
                     "ask('ZREMRANGEBYSCORE', KEYS[3], '(' .. string.format('%.0f', rev), '+inf')\n"
                     "for _, name in ipairs(ask('ZREVRANGE', KEYS[3], 0, 99)) do add(name) end\n"
                     "table.insert(out, 1, mended)\n"
                     "table.insert(out, 1, '0')\n"
                     "return out\n";

enum work { WORK_NONE, WORK_COMPARES, WORK_GIVES };

// given is a word that is on its way to the store.
struct given {
    char text[BLOCK_TEXT_CAP];
    uint64_t version;
};

// litter is an entry of the store that says nothing to anybody: an end that nobody keeps any more, or what does not open.
struct litter {
    char name[LITTER_NAME_MAX];
    size_t name_len;
    char digest[FLEET_DIGEST_CAP];
};

// walk is how far a comparison has come.
struct walk {
    bool is_paused; // until the next beat
    char cursor[CURSOR_CAP];
    size_t pages;
    size_t pages_left; // until the next pause
    int64_t again_ms;  // monotonic; no other one begins before
};

// looking is what is asked by name.
struct looking {
    struct fleet_blocking *blocking; // borrowed; whose part it is
    struct store_script script;
    bool is_asked;
    bool must_ask;
    int64_t revision; // of the store's blocks, at the last look
};

// It has so many fields because it is all that is known of the store's blocks; divide it when there is a second reader.
struct fleet_blocking {
    struct fleet_store *store;       // borrowed
    struct fleet_presence *presence; // borrowed
    struct store_script put;
    struct store_script sweep;
    enum work work;
    bool must_compare;
    bool has_compared;
    bool
        must_adopt; // words were taken, or all were compared for the first time, and that is not in force yet
    struct fleet_blocking_news compared; // what the store said of its blocks at the last comparison
    struct fleet_blocking_news news;     // as it said last
    int64_t compared_ms;                 // monotonic; when the last one ended
    int64_t compared_s;                  // Unix seconds; 0: never
    struct walk walk;
    struct looking looking;
    struct fleet_taken taken;
    struct fleet_findings findings;
    char alarm[FLEET_ALARM_CAP];   // of the last comparison; "": none
    char said[FLEET_ALARM_CAP];    // the one that was logged last
    char refusal[FLEET_ALARM_CAP]; // why the store has not taken the last words; "": it has
    char doubt[FLEET_ALARM_CAP]; // why a first comparison does not say who is blocked; "": it does
    int64_t said_ms;
    struct fleet_pace alarm_pace;
    int64_t quiet_until_ms; // monotonic; until when nothing is said of errors
    int64_t doubt_quiet_ms; // likewise, of doubts
    struct given *given;    // owned; BATCH_MAX
    size_t given_count;
    bool is_news;          // something is shared now, which the file of state should say
    bool is_conflict;      // somebody else has written meanwhile
    bool is_waiting;       // for the next beat, for there was another conflict
    bool has_retried;      // since the last beat: a conflict was compared at once
    struct litter *litter; // owned; LITTER_MAX
    size_t litter_count;   // of this comparison
    size_t older_now;      // likewise; entries that a secret of ours seals that is not the first
    size_t older;          // of the last comparison
    bool may_reseal;       // those are given once more, sealed by the first one
    int64_t resealed_ms;   // monotonic; when that was done last
    int64_t swept_ms;      // monotonic; when some was removed last
    uint64_t removed;      // entries, ever
};

static void advance(struct fleet_blocking *blocking);

struct fleet_blocking *fleet_blocking_create(struct fleet_store *store,
                                             struct fleet_presence *presence)
{
    struct fleet_blocking *blocking = calloc(1, sizeof *blocking);
    if (blocking == NULL)
        return NULL;
    blocking->given = calloc(BATCH_MAX, sizeof *blocking->given);
    blocking->litter = calloc(LITTER_MAX, sizeof *blocking->litter);
    if (blocking->given == NULL || blocking->litter == NULL) {
        free(blocking->given);
        free(blocking->litter);
        free(blocking);
        return NULL;
    }
    blocking->store = store;
    blocking->presence = presence;
    blocking->taken.store = store;
    blocking->resealed_ms = -FLEET_RESEAL_EVERY_MS;
    fleet_script_init(put_text, &blocking->put);
    fleet_script_init(sweep_text, &blocking->sweep);
    blocking->looking.blocking = blocking;
    fleet_script_init(look_text, &blocking->looking.script);
    return blocking;
}

// forget_calls has no answer come any more.
static void forget_calls(struct fleet_blocking *blocking)
{
    store_link_forget(blocking->store->link, blocking);
    store_link_forget(blocking->store->link, &blocking->looking);
    blocking->looking.is_asked = false;
}

void fleet_blocking_destroy(struct fleet_blocking *blocking)
{
    if (blocking == NULL)
        return;
    if (blocking->store->link != NULL)
        forget_calls(blocking);
    free(blocking->given);
    free(blocking->litter);
    free(blocking);
}

static struct fleet_blocks *words_of(const struct fleet_blocking *blocking)
{
    return blocking->store->service->kept.words;
}

// may_act tells whether what the store says of blocks holds here, and ours goes there, before a comparison has come to its end: it is
// known who is blocked, by an earlier one.
static bool may_act(const struct fleet_blocking *blocking)
{
    return blocking->has_compared || fleet_store_is_kept(blocking->store);
}

// may_give tells whether ours goes to the store.
static bool may_give(const struct fleet_blocking *blocking)
{
    return may_act(blocking) && !blocking->store->is_alone;
}

// -- what a comparison has found

// say_alarm logs what is wrong with the store when that is something else, or once an hour; a few times a minute at most.
static void say_alarm(struct fleet_blocking *blocking)
{
    fleet_findings_alarm(&blocking->findings, blocking->alarm);
    const int64_t now_ms = monotonic_ms();
    const bool is_new = strcmp(blocking->said, blocking->alarm) != 0;
    if (blocking->alarm[0] == '\0' || (!is_new && now_ms - blocking->said_ms < ALARM_EVERY_MS) ||
        !fleet_may_say_some(&blocking->alarm_pace))
        return;
    (void)string_copy(blocking->said, sizeof blocking->said, slice_of_string(blocking->alarm));
    blocking->said_ms = now_ms;
    log_error(LOG_FLEET_ALARM, "fleet: %s", blocking->alarm);
}

// is_blocked tells whether what a word is about is blocked by what is known.
static bool is_blocked(const struct fleet_blocking *blocking, const struct fleet_word *word)
{
    const struct fleet_word *known = fleet_blocks_find(words_of(blocking), word->block.text);
    return known != NULL && known->op == FLEET_BLOCK;
}

// note_litter remembers an entry that can go.
static void note_litter(struct fleet_blocking *blocking, struct slice name, const uint8_t *seal)
{
    struct litter *litter = &blocking->litter[blocking->litter_count];
    if (blocking->litter_count == LITTER_MAX ||
        !bytes_copy((uint8_t *)litter->name, LITTER_NAME_MAX, name))
        return;
    litter->name_len = name.len;
    (void)fleet_digest_text(seal, litter->digest);
    blocking->litter_count++;
}

// is_known_name tells whether there is a word under this name, which is written over the entry.
static bool is_known_name(const struct fleet_blocking *blocking, struct slice name)
{
    char key[FLEET_NAME_CAP];
    return string_copy(key, sizeof key, name) && fleet_blocks_has_name(words_of(blocking), key);
}

// is_litter tells whether an entry can go: it does not open and nothing is known of it, or it is an end that is older by a day than
// anybody keeps one, whose clock is a little slow.
static bool is_litter(const struct fleet_blocking *blocking, enum fleet_finding finding,
                      const struct fleet_word *word, int64_t now_s)
{
    if (blocking->store->is_alone)
        return false;
    if (finding == FLEET_OLD)
        return fleet_blocks_is_older(words_of(blocking), word, FLEET_END_KEPT_S + LITTER_AFTER_S,
                                     now_s);
    return finding == FLEET_FORGED && word == NULL && fleet_store_is_kept(blocking->store);
}

// meet compares one entry.
static enum fleet_finding meet(struct fleet_blocking *blocking, struct slice name,
                               struct slice sealed)
{
    char key[FLEET_NAME_CAP];
    char text[BLOCK_TEXT_CAP];
    uint8_t seal[FLEET_SEAL_LEN];
    struct fleet_word word;
    struct errinfo info;
    size_t len = 0;
    bool is_good = string_copy(key, sizeof key, name);
    bool is_older = false;
    uint8_t *plain = is_good ? fleet_store_open_by(blocking->store, FLEET_PURPOSE_BLOCK, key,
                                                   sealed, &len, &is_older)
                             : NULL;
    is_good = plain != NULL && fleet_word_parse(slice_of(plain, len), text, &word, &info) == ERR_OK;
    fleet_store_digest(sealed, seal);
    const int64_t now_s = (int64_t)time(NULL);
    const struct fleet_word *read = is_good ? &word : NULL;
    const bool was_blocked = is_good && is_blocked(blocking, &word);
    const enum fleet_finding finding =
        fleet_blocks_meet(words_of(blocking), name, read, seal, now_s);
    if (is_litter(blocking, finding, read, now_s) && !is_known_name(blocking, name))
        note_litter(blocking, name, seal);
    if (finding == FLEET_TAKEN) {
        blocking->must_adopt = true;
        if (was_blocked != (word.op == FLEET_BLOCK))
            fleet_taken_note(&blocking->taken, &word);
    }
    blocking->older_now += is_older;
    if (is_older && blocking->may_reseal)
        fleet_blocks_reseal(words_of(blocking), key);
    free(plain);
    return finding;
}

// adopt brings into force what was taken. Where nothing is known nothing is before the first comparison is complete: it says that who
// is blocked is known. Without memory it is tried again with the next beat.
static void adopt(struct fleet_blocking *blocking)
{
    const struct fleet_store *store = blocking->store;
    if (blocking->must_adopt && may_act(blocking))
        blocking->must_adopt = !store->events.adopt_blocks(store->service);
}

// add_unopened says which entries say nothing to one who has never known.
static void add_unopened(const struct fleet_blocking *blocking, struct text *out)
{
    text_append_format(out, "%" PRIu64 " of the store's entries on blocks do not open",
                       blocking->findings.found[FLEET_FORGED]);
    fleet_findings_name_forged(&blocking->findings, out);
    text_append_format(out,
                       ", and nothing is known here: it is not known who is blocked; let a proxy "
                       "that knows write them again, or delete them there: HDEL %sblocks NAME",
                       blocking->store->prefix);
}

// find_doubt tells why what was compared does not say who is blocked: not all of it was taken. Or, to one who has never known: out of what is no word of ours
// somebody has made one that was, and another proxy that serves knows more than the store.
static bool find_doubt(struct fleet_blocking *blocking)
{
    const size_t blocks = fleet_blocks_block_count(words_of(blocking));
    const struct members *members = fleet_presence_members(blocking->presence);
    struct text text;
    text_init(&text, blocking->doubt, sizeof blocking->doubt);
    if (blocking->findings.found[FLEET_NO_MEMORY] != 0)
        text_append_format(&text, "there is no memory for %" PRIu64 " of the store's blocks",
                           blocking->findings.found[FLEET_NO_MEMORY]);
    if (text.len != 0 || fleet_store_is_kept(blocking->store))
        return text.len != 0;
    if (blocking->findings.found[FLEET_FORGED] != 0)
        add_unopened(blocking, &text);
    else if (!fleet_presence_has_read(blocking->presence))
        text_append_string(&text, "it was not read yet how many blocks the other proxies know");
    for (size_t i = 0; i < members_count(members) && text.len == 0; i++) {
        const struct member *member = members_at(members, i);
        if ((member->state == MEMBER_SERVES || member->state == MEMBER_LAME_DUCK) &&
            member->blocks > blocks && strcmp(member->instance, blocking->store->instance) != 0)
            text_append_format(&text,
                               "instance %s says that there are %" PRIu64
                               " blocks, and the store has %zu: it is not known who is blocked",
                               member->instance, (uint64_t)member->blocks, blocks);
    }
    return text.len != 0;
}

// rest has the next comparison wait where this one was long.
static void rest(struct fleet_blocking *blocking)
{
    if (blocking->walk.pages > PAGES_FREE)
        blocking->walk.again_ms = monotonic_ms() + AGAIN_AFTER_MS;
}

// doubt compares again with the next beat, and asks the others again.
static void doubt(struct fleet_blocking *blocking)
{
    blocking->must_compare = true;
    rest(blocking);
    (void)fleet_presence_ask(blocking->presence);
    if (fleet_may_say(&blocking->doubt_quiet_ms))
        log_warning(LOG_FLEET_ALARM, "fleet: %s", blocking->doubt);
}

static void on_swept(void *owner, const struct resp *answer)
{
    struct fleet_blocking *blocking = owner;
    int64_t gone = 0;
    if (answer != NULL && resp_read_integer(answer, &gone) && gone > 0 && gone <= LITTER_MAX)
        blocking->removed += (uint64_t)gone;
}

// is_flooded tells whether there is so much litter that it goes at once.
static bool is_flooded(const struct fleet_blocking *blocking)
{
    return blocking->findings.found[FLEET_FORGED] > LITTER_MAX;
}

// sweep removes entries that say nothing to anybody, if they are still as they were; a few of them not too often.
static void sweep(struct fleet_blocking *blocking)
{
    char key[FLEET_KEY_CAP];
    struct slice words[2 * LITTER_MAX];
    const struct slice name = fleet_store_key(blocking->store, "blocks", "", key);
    const int64_t now_ms = monotonic_ms();
    if (blocking->litter_count == 0 || (!is_flooded(blocking) && blocking->swept_ms != 0 &&
                                        now_ms - blocking->swept_ms < COMPARE_EVERY_MS))
        return;
    for (size_t i = 0; i < blocking->litter_count; i++) {
        words[2 * i] = slice_of(blocking->litter[i].name, blocking->litter[i].name_len);
        words[2 * i + 1] = slice_of_string(blocking->litter[i].digest);
    }
    const struct store_script_call call = {.script = &blocking->sweep,
                                           .keys = &name,
                                           .key_count = 1,
                                           .arguments = words,
                                           .argument_count = 2 * blocking->litter_count};
    if (fleet_store_script(blocking->store, &call, on_swept, blocking) && !is_flooded(blocking))
        blocking->swept_ms = now_ms;
    blocking->litter_count = 0;
}

// end_compare ends a comparison that has come to its end.
static void end_compare(struct fleet_blocking *blocking)
{
    const int64_t now_s = (int64_t)time(NULL);
    const bool is_first = !blocking->has_compared;
    blocking->findings.found[FLEET_VANISHED] = fleet_blocks_end(words_of(blocking), now_s);
    const size_t expired = fleet_blocks_expire(words_of(blocking), now_s);
    blocking->work = WORK_NONE;
    blocking->walk.is_paused = false;
    blocking->compared_ms = monotonic_ms();
    blocking->older = blocking->older_now;
    if (blocking->older != 0 && blocking->may_reseal)
        blocking->resealed_ms = blocking->compared_ms;
    fleet_findings_end(&blocking->findings);
    say_alarm(blocking);
    if (is_first && find_doubt(blocking)) {
        doubt(blocking);
        return;
    }
    blocking->has_compared = true;
    blocking->compared_s = now_s;
    if (blocking->findings.found[FLEET_NO_MEMORY] != 0) {
        blocking->must_compare = true;
        blocking->is_waiting = true; // for the next beat
    }
    if (expired != 0 || is_first)
        blocking->must_adopt = true;
    rest(blocking);
    sweep(blocking);
    adopt(blocking);
    fleet_taken_settle(&blocking->taken, is_first);
    advance(blocking);
}

// say_refused says what the store answers in the place of doing it; in `out` and in the log.
static void say_refused(struct fleet_blocking *blocking, const char *what,
                        const struct resp *answer, char out[FLEET_ALARM_CAP])
{
    struct text text;
    text_init(&text, out, FLEET_ALARM_CAP);
    text_append_format(&text, "the store's blocks cannot be %s: ", what);
    if (answer->kind == RESP_ERROR)
        text_append_printable(&text, slice_first(answer->text, 200));
    else
        text_append_string(&text,
                           "its answer makes no sense: find out who else writes to the store");
    if (fleet_may_say(&blocking->quiet_until_ms))
        log_warning(LOG_FLEET_ALARM, "fleet: %s", out);
}

// break_off ends a comparison that has not come to its end: it begins again with the next beat, or after a rest.
static void break_off(struct fleet_blocking *blocking)
{
    blocking->work = WORK_NONE;
    blocking->walk.is_paused = false;
    blocking->must_compare = true;
    rest(blocking);
}

// give_up ends one that makes no sense.
static void give_up(struct fleet_blocking *blocking, const struct resp *answer)
{
    blocking->walk.pages = PAGES_MAX; // it rests
    break_off(blocking);
    say_refused(blocking, "compared", answer, blocking->alarm);
}

// say_long says that a comparison does not come to an end, or not soon.
static void say_long(struct fleet_blocking *blocking, bool is_over)
{
    struct text text;
    text_init(&text, blocking->alarm, sizeof blocking->alarm);
    text_append_format(&text,
                       "the store's blocks %s: %zu pages with %" PRIu64
                       " forged entries so far, which are removed%s: find out who else writes to "
                       "the store",
                       is_over ? "do not come to an end" : "take long to compare",
                       blocking->walk.pages, blocking->findings.found[FLEET_FORGED],
                       fleet_store_is_kept(blocking->store)
                           ? ""
                           : " by proxies that know who is blocked; this one does not");
    if (fleet_may_say(&blocking->quiet_until_ms))
        log_error(LOG_FLEET_ALARM, "fleet: %s", blocking->alarm);
}

static void on_page(void *owner, const struct resp *answer);

static bool ask_page(struct fleet_blocking *blocking, struct slice cursor)
{
    char key[FLEET_KEY_CAP];
    return fleet_store_page(blocking->store, fleet_store_key(blocking->store, "blocks", "", key),
                            cursor, ENTRY_BYTES_MAX, on_page, blocking);
}

// walk_on asks for the next page.
static void walk_on(struct fleet_blocking *blocking)
{
    blocking->walk.is_paused = false;
    blocking->walk.pages_left--;
    blocking->work = WORK_COMPARES;
    if (!ask_page(blocking, slice_of_string(blocking->walk.cursor)))
        break_off(blocking);
}

// end_page goes on after a page: with the next one, at once or after the next beat, or not at all.
static void end_page(struct fleet_blocking *blocking, struct slice cursor)
{
    struct walk *walk = &blocking->walk;
    if (++walk->pages >= PAGES_MAX || !string_copy(walk->cursor, sizeof walk->cursor, cursor)) {
        fleet_findings_end(&blocking->findings);
        say_long(blocking, true);
        break_off(blocking);
        return;
    }
    if (walk->pages_left == 0)
        say_long(blocking, false);
    walk->is_paused = true;
    blocking->work = WORK_NONE;
    advance(blocking); // which goes on, if it may
}

static void on_page(void *owner, const struct resp *answer)
{
    struct fleet_blocking *blocking = owner;
    struct fleet_page page;
    if (blocking->work != WORK_COMPARES)
        return;
    if (answer == NULL) {
        break_off(blocking);
        return;
    }
    if (fleet_page_parse(answer, &page) != ERR_OK) {
        give_up(blocking, answer);
        return;
    }
    blocking->findings.found[FLEET_FORGED] += page.mended;
    blocking->removed += page.mended;
    for (size_t i = 0; i < page.pair_count; i++) {
        const struct slice name = page.pairs[2 * i].text;
        fleet_findings_note(&blocking->findings, meet(blocking, name, page.pairs[2 * i + 1].text),
                            name);
    }
    if (is_flooded(blocking))
        sweep(blocking);
    if (page.is_last)
        end_compare(blocking);
    else
        end_page(blocking, page.cursor);
}

static void begin_compare(struct fleet_blocking *blocking)
{
    blocking->must_compare = false;
    blocking->compared = blocking->news;
    blocking->walk.pages = 0;
    blocking->walk.pages_left = PAGES_FREE;
    (void)string_copy(blocking->walk.cursor, sizeof blocking->walk.cursor, SLICE_LITERAL("0"));
    blocking->litter_count = 0;
    blocking->older_now = 0;
    blocking->may_reseal = monotonic_ms() - blocking->resealed_ms >= FLEET_RESEAL_EVERY_MS;
    fleet_findings_begin(&blocking->findings);
    fleet_blocks_begin(words_of(blocking));
    walk_on(blocking);
}

// -- looking

// name_keys names the keys of `put` and `look`.
static void name_keys(const struct fleet_blocking *blocking, char data[3][FLEET_KEY_CAP],
                      struct slice out[3])
{
    out[0] = fleet_store_key(blocking->store, "blocks", "", data[0]);
    out[1] = fleet_store_key(blocking->store, "rev", "", data[1]);
    out[2] = fleet_store_key(blocking->store, "news", "", data[2]);
}

static void on_look(void *owner, const struct resp *answer)
{
    struct looking *looking = owner;
    struct fleet_blocking *blocking = looking->blocking;
    struct fleet_page page;
    looking->is_asked = false;
    if (answer == NULL || fleet_page_parse(answer, &page) != ERR_OK) {
        looking->must_ask = true; // with the next beat
        return;
    }
    for (size_t i = 0; i < page.pair_count; i++) {
        const enum fleet_finding finding =
            meet(blocking, page.pairs[2 * i].text, page.pairs[2 * i + 1].text);
        blocking->findings.totals[FLEET_TAKEN] += finding == FLEET_TAKEN;
    }
    adopt(blocking);
    advance(blocking);
}

// look asks for what was written last, and for what ours did not come to stand over. Where nothing is known a comparison comes first.
static void look(struct fleet_blocking *blocking)
{
    struct looking *looking = &blocking->looking;
    char keys[3][FLEET_KEY_CAP];
    char names[BATCH_MAX][FLEET_NAME_CAP];
    char most[2][FLEET_NUMBER_CAP];
    struct slice slices[3];
    struct slice words[LOOK_WORDS] = {fleet_number_text(ENTRY_BYTES_MAX, most[0]),
                                      fleet_number_text(LOOK_BYTES_MAX, most[1])};
    struct fleet_due due;
    size_t count = 2;
    size_t cursor = 0;
    if (!looking->must_ask || looking->is_asked || !may_act(blocking) || !blocking->store->is_ready)
        return;
    while (blocking->is_conflict && count < LOOK_WORDS &&
           fleet_blocks_due(words_of(blocking), &cursor, &due)) {
        (void)string_copy(names[count - 2], FLEET_NAME_CAP, slice_of_string(due.name));
        words[count] = slice_of_string(names[count - 2]);
        count++;
    }
    name_keys(blocking, keys, slices);
    const struct store_script_call call = {.script = &looking->script,
                                           .keys = slices,
                                           .key_count = 3,
                                           .arguments = words,
                                           .argument_count = count};
    looking->is_asked = fleet_store_script(blocking->store, &call, on_look, looking);
    looking->must_ask = !looking->is_asked;
    looking->revision = blocking->news.revision;
}

// -- giving

static void on_given(void *owner, const struct resp *answer)
{
    struct fleet_blocking *blocking = owner;
    if (blocking->work != WORK_GIVES)
        return;
    blocking->work = WORK_NONE;
    if (answer == NULL || answer->kind != RESP_ARRAY || answer->count != blocking->given_count) {
        blocking->must_compare = true;
        if (answer != NULL)
            say_refused(blocking, "written", answer, blocking->refusal);
        return;
    }
    blocking->refusal[0] = '\0';
    for (size_t i = 0; i < answer->count; i++) {
        const bool is_written =
            answer->items[i].kind == RESP_INTEGER && answer->items[i].integer == 1;
        if (!is_written)
            blocking->is_conflict = true;
        else if (fleet_blocks_note_shared(words_of(blocking), blocking->given[i].text,
                                          blocking->given[i].version))
            blocking->is_news = true;
    }
    if (blocking->is_conflict) {
        blocking->must_compare = true;
        blocking->looking.must_ask = true;
        look(blocking);
    }
    blocking->is_waiting = blocking->is_conflict && blocking->has_retried;
    blocking->has_retried = blocking->has_retried || blocking->is_conflict;
    blocking->compared.revision = -1; // what was compared is not what is there now
    advance(blocking);
}

// batch collects the words of one call.
struct batch {
    struct slice words[3 * BATCH_MAX];
    char names[BATCH_MAX][FLEET_NAME_CAP];
    char digests[BATCH_MAX][FLEET_DIGEST_CAP];
    uint8_t *sealed[BATCH_MAX]; // owned
    size_t count;
    size_t bytes;
};

// add adds a word. False: no memory.
static bool add(const struct fleet_blocking *blocking, const struct fleet_due *due,
                struct batch *batch)
{
    char plain_data[FLEET_WORD_MAX];
    struct text plain;
    size_t len = 0;
    const size_t i = batch->count;
    text_init(&plain, plain_data, sizeof plain_data);
    fleet_word_format(due->word, &plain);
    batch->sealed[i] =
        fleet_store_seal(blocking->store, FLEET_PURPOSE_BLOCK, due->name, text_slice(&plain), &len);
    if (plain.is_cut || batch->sealed[i] == NULL)
        return false;
    (void)string_copy(batch->names[i], FLEET_NAME_CAP, slice_of_string(due->name));
    batch->words[3 * i] = slice_of_string(batch->names[i]);
    batch->words[3 * i + 1] =
        due->has_seal ? fleet_digest_text(due->seal, batch->digests[i]) : SLICE_LITERAL("");
    batch->words[3 * i + 2] = slice_of(batch->sealed[i], len);
    (void)string_copy(blocking->given[i].text, BLOCK_TEXT_CAP,
                      slice_of_string(due->word->block.text));
    blocking->given[i].version = due->word->version;
    batch->count++;
    batch->bytes += len;
    return true;
}

// give sends the next words that the store should get. False: there are none.
static bool give(struct fleet_blocking *blocking)
{
    char keys[3][FLEET_KEY_CAP];
    struct slice names[3];
    struct batch *batch = calloc(1, sizeof *batch);
    struct fleet_due due;
    size_t cursor = 0;
    while (batch != NULL && batch->count < BATCH_MAX && batch->bytes < BATCH_BYTES_MAX &&
           fleet_blocks_due(words_of(blocking), &cursor, &due)) {
        if (!add(blocking, &due, batch))
            break;
    }
    const size_t count = batch == NULL ? 0 : batch->count;
    if (count > 0) {
        name_keys(blocking, keys, names);
        const struct store_script_call call = {.script = &blocking->put,
                                               .keys = names,
                                               .key_count = 3,
                                               .arguments = batch->words,
                                               .argument_count = 3 * count};
        if (fleet_store_script(blocking->store, &call, on_given, blocking)) {
            blocking->work = WORK_GIVES;
            blocking->given_count = count;
        }
    }
    for (size_t i = 0; batch != NULL && i < BATCH_MAX; i++)
        free(batch->sealed[i]);
    free(batch);
    return count > 0;
}

// advance begins what is to be done next. What is said here does not wait for a comparison that takes long.
static void advance(struct fleet_blocking *blocking)
{
    struct walk *walk = &blocking->walk;
    if (blocking->work != WORK_NONE || !blocking->store->is_ready || blocking->is_waiting)
        return;
    const bool rests = !walk->is_paused && monotonic_ms() < walk->again_ms;
    if (walk->is_paused || (blocking->must_compare && rests)) {
        const bool is_long = walk->pages_left == 0 || is_flooded(blocking);
        if (may_give(blocking) && (rests || is_long) && give(blocking))
            return;
        if (walk->is_paused && walk->pages_left > 0)
            walk_on(blocking);
        return;
    }
    if (blocking->must_compare) {
        blocking->is_conflict = false;
        begin_compare(blocking);
        return;
    }
    if (may_give(blocking) && give(blocking))
        return;
    if (blocking->is_news) {
        blocking->is_news = false;
        (void)blocking->store->events.keep_state(blocking->store->service);
    }
}

void fleet_blocking_on_ready(struct fleet_blocking *blocking)
{
    blocking->work = WORK_NONE;
    blocking->walk.is_paused = false;
    blocking->must_compare = true;
    blocking->is_waiting = false;
    blocking->refusal[0] = '\0';
    advance(blocking);
}

void fleet_blocking_on_lost(struct fleet_blocking *blocking)
{
    if (blocking->store->link != NULL)
        forget_calls(blocking);
    fleet_taken_settle(&blocking->taken, true);
    blocking->work = WORK_NONE;
    blocking->walk = (struct walk){0};
    blocking->looking.must_ask = true;
    blocking->must_compare = true;
    blocking->news.revision = -1; // another store may come to the same number by other words
}

void fleet_blocking_forget(struct fleet_blocking *blocking)
{
    blocking->has_compared = false;
    blocking->compared_s = 0;
    blocking->alarm[0] = '\0';
    blocking->doubt[0] = '\0';
}

void fleet_blocking_on_key(struct fleet_blocking *blocking)
{
    blocking->resealed_ms = -FLEET_RESEAL_EVERY_MS;
    blocking->must_compare = true; // with the next beat
}

// tick compares where the last comparison is `every_ms` ago, and goes on with what is to be done.
static void tick(struct fleet_blocking *blocking, int64_t every_ms)
{
    if (monotonic_ms() - blocking->compared_ms >= every_ms)
        blocking->must_compare = true;
    blocking->has_retried = false;
    blocking->is_waiting = false;
    if (blocking->walk.is_paused)
        blocking->walk.pages_left = PAGES_A_BEAT;
    adopt(blocking);
    fleet_taken_settle(&blocking->taken, false);
    advance(blocking);
    look(
        blocking); // after what is given now: it would show what was there before, over which ours would have to come once more
}

void fleet_blocking_on_beat(struct fleet_blocking *blocking, struct fleet_blocking_news news)
{
    blocking->news = news;
    if (news.is_lost || news.revision != blocking->compared.revision ||
        news.count != blocking->compared.count)
        blocking->must_compare = true;
    if (news.revision != blocking->looking.revision)
        blocking->looking.must_ask = true;
    tick(blocking, COMPARE_EVERY_MS);
}

void fleet_blocking_on_deaf(struct fleet_blocking *blocking)
{
    blocking->looking.must_ask = true;
    tick(blocking, COMPARE_DEAF_MS);
}

void fleet_blocking_push(struct fleet_blocking *blocking)
{
    advance(blocking);
}

const char *fleet_blocking_obstacle(const struct fleet_blocking *blocking)
{
    if (blocking->refusal[0] != '\0')
        return blocking->refusal;
    if (blocking->doubt[0] != '\0')
        return blocking->doubt;
    return may_act(blocking) ? "the store has not answered in time"
                             : "the store's blocks were not compared yet";
}

bool fleet_blocking_has_compared(const struct fleet_blocking *blocking)
{
    return blocking->has_compared && !blocking->must_adopt;
}

const char *fleet_blocking_alarm(const struct fleet_blocking *blocking)
{
    return blocking->alarm[0] == '\0' ? NULL : blocking->alarm;
}

static size_t count_due(const struct fleet_blocking *blocking)
{
    struct fleet_due due;
    size_t cursor = 0;
    size_t count = 0;
    while (fleet_blocks_due(words_of(blocking), &cursor, &due))
        count++;
    return count;
}

void fleet_blocking_status(const struct fleet_blocking *blocking, struct text *out)
{
    if (blocking->compared_s == 0)
        json_add_null(out, "compared");
    else
        json_add_time(out, "compared", blocking->compared_s);
    json_add_count(out, "waiting", count_due(blocking));
    json_add_count(out, "other_secret", blocking->older);
    json_add_count(out, "forged", blocking->findings.totals[FLEET_FORGED]);
    json_add_count(out, "removed", blocking->removed);
    json_add_count(out, "vanished", blocking->findings.totals[FLEET_VANISHED]);
    json_add_count(out, "rolled_back", blocking->findings.totals[FLEET_ROLLED_BACK]);
    json_add_string(out, "problem",
                    blocking->doubt[0] == '\0' ? fleet_blocking_alarm(blocking) : blocking->doubt);
}

void fleet_blocking_metrics(const struct fleet_blocking *blocking, struct exposition *out)
{
    static const enum fleet_finding shown[] = {FLEET_TAKEN, FLEET_FORGED, FLEET_VANISHED,
                                               FLEET_ROLLED_BACK, FLEET_NO_ROOM};
    static const struct family findings = {
        .name = "sallyport_fleet_blocks_found",
        .kind = FAMILY_COUNTER,
        .help = "Words on blocks in the store: taken from others, and what was wrong with them."};
    static const struct family removed = {
        .name = "sallyport_fleet_blocks_removed",
        .kind = FAMILY_COUNTER,
        .help = "Entries on blocks that do not open and were removed from the store, and ends that "
                "nobody keeps any more."};
    static const struct family waiting = {
        .name = "sallyport_fleet_blocks_waiting",
        .kind = FAMILY_GAUGE,
        .help = "Changes of blocks that the store does not have yet."};
    exposition_add_family(out, &findings);
    for (size_t i = 0; blocking != NULL && i < sizeof shown / sizeof *shown; i++) {
        const struct label label = {"finding", fleet_finding_name(shown[i])};
        exposition_add_count(out, &label, 1, blocking->findings.totals[shown[i]]);
    }
    exposition_add_single(out, &removed, blocking != NULL,
                          blocking == NULL ? 0 : blocking->removed);
    exposition_add_single(out, &waiting, blocking != NULL,
                          blocking == NULL ? 0 : count_due(blocking));
}
