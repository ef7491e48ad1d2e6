// A proxy does here what proxy/service/fleet_blocking.c and blocking.c do, by the same pure functions: a comparison page by page when the
// store's revision is another one, then what the store should get, written only where the store is as it was seen. The store has
// words in the place of sealed ones: nobody forges here. In a flood comparisons pause, are given up and begun again, and meanwhile what was
// written last is read as it is by name there.
//
// Each word has a number, which travels in its uid, and a history: the words on the same block that were known where it was given. A block
// may be over only where an end has it in its history.
#include "tests/fleet/blocks_simulation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/fleet/fleet_blocks.h"
#include "tests/fleet/event_queue.h"
#include "tests/unit/proxy/random.h"

enum {
    BEAT_MS = 500,
    SILENCE_MS = 1000,
    PAUSE_FIRST_MS = 100,
    PAUSE_LAST_MS = 2000,
    COMPARE_EVERY_MS = 30000,
    PAGE = 5,  // entries, about
    BATCH = 6, // words
    TEXTS = 9,
    WORDS_MAX = 512,
    SETTLED_MS = 4000,
    FAULT_MS = 12000,
    FAULT_MAX_MS = 20000,
    PACE_MS = 350,                // between two words, about
    REST_MS = 500,                // after a comparison that was given up
    GIVEN_MS = 6000,              // in a flood, a word has come to the store by then
    MEASURED = 16,                // words that are measured one by one
    SKEW_MOST_S = 40 * 24 * 3600, // more than ends are kept
    MERGED_MS =
        3000, // by then all know the same: a pause, a connection, a beat, and two comparisons
};

static const int64_t start_s = 1800000000;

enum kind { BEAT, CONNECT, AT_STORE, AT_PROXY, SILENT, WORD, FAULT, HEAL, RESTART };

enum ask { ASK_BEAT, ASK_PAGE, ASK_PUT, ASK_LOOK };

// stored is an entry of the store.
struct stored {
    char text[16];
    struct fleet_word word;
    uint64_t seal;
};

struct words_store {
    struct stored entries[TEXTS];
    size_t count;
    int64_t revision;
};

// message is a question, and later its answer.
struct message {
    enum ask ask;
    uint32_t proxy;
    uint64_t connection;
    uint64_t number;
    size_t cursor;
    size_t count;
    struct stored items[TEXTS];
    uint64_t seen[BATCH]; // seals that are to stand there; 0: nothing
    bool is_written[BATCH];
    int64_t revision;
};

struct history {
    uint64_t bits[WORDS_MAX / 64];
};

// given is what the run knows of a word.
struct given {
    enum fleet_op op;
    uint32_t text;
    int64_t at_ms;
    struct history history;
};

enum work { IDLE, COMPARES, GIVES };

struct member {
    bool is_up, is_cut, is_connected, is_beating;
    uint64_t connection; // the number of the one in use
    uint64_t question;   // the last one of this work; an answer to another one is not awaited
    int64_t pause_ms;
    int64_t skew_s;
    struct fleet_blocks *words; // owned
    struct stored *kept;        // owned; its file
    size_t kept_count;
    enum work work;
    bool must_compare, has_compared, must_adopt, is_news;
    bool is_known;             // its file says that all was compared once
    bool is_paused, may_go_on; // a comparison, and there was a beat since
    bool has_retried;          // since the last beat, after a conflict
    bool is_waiting;           // for the next beat, after another one in a pause
    size_t cursor;
    int64_t looked; // revision
    int64_t revision, beat_revision, compared_ms, again_ms, connected_ms;
    bool is_blocked[TEXTS]; // in force
    uint32_t word[TEXTS];   // the word that it goes by; 0: none
    struct history known[TEXTS];
    int64_t to_store_ms, to_proxy_ms; // nothing overtakes
};

struct blocks_simulation {
    struct blocks_options options;
    struct blocks_report report;
    struct random random;
    struct event_queue queue;
    int64_t now_ms, fault_ms, heals_ms;
    int64_t moved_ms; // the healing, or what was last after it: a word, or the start of a process
    bool is_down, has_replica;
    int64_t delay_ms;
    uint64_t number, seal;
    struct words_store store, replica;
    struct member *members;
    struct given words[WORDS_MAX];
    uint32_t word_count; // number 0 is none
    uint32_t measured;   // the word that is measured; 0: none
    int64_t measured_ms;
    int64_t times_ms[MEASURED];
    uint32_t time_count;
};

const char *blocks_fault_name(enum blocks_fault fault)
{
    static const char *const names[] = {
#define X(symbol, name) name,
        BLOCKS_FAULT_TABLE(X)
#undef X
    };
    return names[fault];
}

static void fail(struct blocks_simulation *run, const char *sentence, uint32_t proxy, uint32_t text)
{
    if (run->report.has_failed)
        return;
    run->report.has_failed = true;
    (void)snprintf(run->report.sentence, sizeof run->report.sentence,
                   "at %lld ms: %s (proxy %u, block %u)", (long long)run->now_ms, sentence, proxy,
                   text);
}

static int64_t below(struct blocks_simulation *run, int64_t bound)
{
    return bound <= 0 ? 0 : (int64_t)random_below(&run->random, (size_t)bound);
}

static void later(struct blocks_simulation *run, int64_t wait_ms, enum kind kind, uint32_t proxy,
                  uint64_t number)
{
    event_queue_add(&run->queue, (struct queued_event){.at_ms = run->now_ms + wait_ms,
                                                       .kind = (int)kind,
                                                       .proxy = proxy,
                                                       .number = number});
}

static int64_t clock_of(const struct blocks_simulation *run, const struct member *member)
{
    return start_s + run->now_ms / 1000 + member->skew_s;
}

static uint32_t text_number(const char *text)
{
    return (uint32_t)(strchr(text, ':')[1] - 'a');
}

// ---- histories ----------------------------------------------------------------------------------

static void add_history(struct history *to, const struct history *more)
{
    for (size_t i = 0; i < WORDS_MAX / 64; i++)
        to->bits[i] |= more->bits[i];
}

static bool has_word(const struct history *history, uint32_t number)
{
    return (history->bits[number / 64] >> (number % 64) & 1) != 0;
}

// absorb notes that one block has taken the place of another of the same name: who ends it ends both.
static void absorb(struct blocks_simulation *run, uint32_t old, uint32_t new)
{
    if (old != 0 && old != new && run->words[old].op == FLEET_BLOCK &&
        run->words[new].op == FLEET_BLOCK)
        add_history(&run->words[new].history, &run->words[old].history);
}

// may_end tells whether an end may end a block: where it was given the block was known. A store that has lost something has lost, too, what
// came after what: an end that is given when it is back ends also earlier blocks of which its author has not heard.
static bool may_end(const struct blocks_simulation *run, const struct given *end, uint32_t block)
{
    const bool has_lost =
        run->options.fault == BLOCKS_EMPTIED || run->options.fault == BLOCKS_FAIL_OVER;
    const bool is_of_before =
        has_lost && run->words[block].at_ms < run->fault_ms && end->at_ms >= run->heals_ms;
    return end->op == FLEET_UNBLOCK && end->text == run->words[block].text &&
           (has_word(&end->history, block) || is_of_before);
}

static bool is_ended(const struct blocks_simulation *run, uint32_t block)
{
    for (uint32_t i = block + 1; i <= run->word_count; i++) {
        if (may_end(run, &run->words[i], block))
            return true;
    }
    return false;
}

// look sees what a proxy goes by now, and whether a block is gone that nobody has ended.
static void look(struct blocks_simulation *run, uint32_t index)
{
    struct member *member = &run->members[index];
    for (size_t i = 0; i < fleet_blocks_count(member->words); i++) {
        const struct fleet_word *word = fleet_blocks_at(member->words, i);
        const uint32_t number = word->block.uid;
        const uint32_t text = text_number(word->block.text);
        const uint32_t old = member->word[text];
        if (old == number)
            continue;
        absorb(run, old, number);
        if (old != 0 && run->words[old].op == FLEET_BLOCK && word->op == FLEET_UNBLOCK &&
            !is_ended(run, old))
            fail(run, "a block was ended by who did not know of it", index, text);
        add_history(&member->known[text], &run->words[number].history);
        member->word[text] = number;
    }
}

// ---- what a proxy goes by -----------------------------------------------------------------------

static void keep(struct member *member)
{
    member->kept_count = fleet_blocks_count(member->words);
    for (size_t i = 0; i < member->kept_count; i++) {
        struct stored *kept = &member->kept[i];
        kept->word = *fleet_blocks_at(member->words, i);
        (void)snprintf(kept->text, sizeof kept->text, "%s", kept->word.block.text);
    }
}

static void read_kept(struct member *member)
{
    for (size_t i = 0; i < member->kept_count; i++) {
        struct fleet_word word = member->kept[i].word;
        struct errinfo info;
        char text[BLOCK_TEXT_CAP];
        struct block block;
        ASSERT(block_parse(slice_of_string(member->kept[i].text), text, &block, &info) == ERR_OK);
        block.uid = word.block.uid;
        block.since_s = word.block.since_s;
        word.block = block;
        ASSERT(fleet_blocks_put(member->words, &word) == ERR_OK);
    }
}

// note_held sees whether the word that is measured holds everywhere.
static void note_held(struct blocks_simulation *run)
{
    if (run->measured == 0)
        return;
    const struct given *word = &run->words[run->measured];
    for (uint32_t i = 0; i < run->options.proxies; i++) {
        if (run->members[i].is_blocked[word->text] != (word->op == FLEET_BLOCK))
            return;
    }
    run->times_ms[run->time_count++] = run->now_ms - run->measured_ms;
    run->measured = 0;
}

// may_act tells whether a proxy takes and gives before a comparison has come to its end.
static bool may_act(const struct member *member)
{
    return member->has_compared || member->is_known;
}

static void adopt(struct blocks_simulation *run, uint32_t index)
{
    struct member *member = &run->members[index];
    look(run, index);
    if (!member->must_adopt || !may_act(member))
        return;
    member->must_adopt = false;
    member->is_known = true;
    memset(member->is_blocked, 0, sizeof member->is_blocked);
    for (size_t i = 0; i < fleet_blocks_count(member->words); i++) {
        const struct fleet_word *word = fleet_blocks_at(member->words, i);
        member->is_blocked[text_number(word->block.text)] = word->op == FLEET_BLOCK;
    }
    keep(member);
    note_held(run);
}

// ---- asking -------------------------------------------------------------------------------------

static bool is_reachable(const struct blocks_simulation *run, const struct member *member)
{
    return !run->is_down && !member->is_cut;
}

// post sends a message on. What was sent before arrives before it.
static void post(struct blocks_simulation *run, struct message *message, enum kind kind)
{
    struct member *member = &run->members[message->proxy];
    int64_t *last_ms = kind == AT_STORE ? &member->to_store_ms : &member->to_proxy_ms;
    const int64_t arrives_ms = run->now_ms + 1 + below(run, run->delay_ms);
    if (arrives_ms > *last_ms)
        *last_ms = arrives_ms;
    event_queue_add(&run->queue, (struct queued_event){.at_ms = *last_ms,
                                                       .kind = (int)kind,
                                                       .proxy = message->proxy,
                                                       .data = message});
}

static struct message *ask(struct blocks_simulation *run, uint32_t index, enum ask what)
{
    struct member *member = &run->members[index];
    struct message *message = calloc(1, sizeof *message);
    ASSERT(message != NULL);
    message->ask = what;
    message->proxy = index;
    message->connection = member->connection;
    message->number = ++run->number;
    if (what == ASK_PAGE || what == ASK_PUT)
        member->question = message->number;
    run->report.questions += what != ASK_BEAT;
    return message;
}

static void ask_page(struct blocks_simulation *run, uint32_t index, size_t cursor)
{
    struct message *message = ask(run, index, ASK_PAGE);
    message->cursor = cursor;
    post(run, message, AT_STORE);
}

static uint64_t read_seal(const uint8_t *bytes)
{
    uint64_t seal = 0;
    memcpy(&seal, bytes, sizeof seal);
    return seal;
}

// give sends the next words that the store should get. False: there are none.
static bool give(struct blocks_simulation *run, uint32_t index)
{
    struct fleet_due due;
    size_t cursor = 0;
    struct message *message = NULL;
    while (fleet_blocks_due(run->members[index].words, &cursor, &due)) {
        if (message == NULL)
            message = ask(run, index, ASK_PUT);
        struct stored *item = &message->items[message->count];
        item->word = *due.word;
        (void)snprintf(item->text, sizeof item->text, "%s", due.word->block.text);
        message->seen[message->count] = due.has_seal ? read_seal(due.seal) : 0;
        if (++message->count == BATCH)
            break;
    }
    if (message != NULL)
        post(run, message, AT_STORE);
    return message != NULL;
}

static void advance(struct blocks_simulation *run, uint32_t index)
{
    struct member *member = &run->members[index];
    if (member->work != IDLE || !member->is_connected)
        return;
    if (member->is_paused && member->is_waiting)
        return;
    if (member->is_paused) {
        member->work = may_act(member) && give(run, index) ? GIVES
                       : member->may_go_on                 ? COMPARES
                                                           : IDLE;
        if (member->work == COMPARES) {
            member->is_paused = false;
            ask_page(run, index, member->cursor);
        }
        return;
    }
    if (member->must_compare && run->now_ms >= member->again_ms) {
        member->must_compare = false;
        member->work = COMPARES;
        member->revision = member->beat_revision;
        fleet_blocks_begin(member->words);
        ask_page(run, index, 0);
        return;
    }
    if (may_act(member) && give(run, index)) {
        member->work = GIVES;
        return;
    }
    if (member->is_news)
        keep(member);
    member->is_news = false;
}

// ---- the store ----------------------------------------------------------------------------------

static struct stored *find(struct words_store *store, const char *text)
{
    for (size_t i = 0; i < store->count; i++) {
        if (strcmp(store->entries[i].text, text) == 0)
            return &store->entries[i];
    }
    return NULL;
}

static void store_puts(struct blocks_simulation *run, struct message *message)
{
    bool has_changed = false;
    for (size_t i = 0; i < message->count; i++) {
        const struct stored *item = &message->items[i];
        struct stored *is = find(&run->store, item->text);
        if ((is == NULL ? 0 : is->seal) != message->seen[i])
            continue;
        if (is == NULL)
            is = &run->store.entries[run->store.count++];
        else
            absorb(run, is->word.block.uid, item->word.block.uid);
        *is = *item;
        is->seal = ++run->seal;
        message->is_written[i] = true;
        has_changed = true;
    }
    run->store.revision += has_changed;
}

// is_flooded tells whether the store has so many entries that a comparison does not come to its end.
static bool is_flooded(const struct blocks_simulation *run)
{
    return run->options.fault == BLOCKS_FLOOD && run->now_ms >= run->fault_ms &&
           run->now_ms < run->heals_ms;
}

// store_pages gives a page. What stood there all the time is on one page at least, and may be on two.
static void store_pages(struct blocks_simulation *run, struct message *message)
{
    size_t at = message->cursor;
    if (at > 0 && at <= run->store.count && below(run, 4) == 0)
        at--;
    const size_t most = 1 + (size_t)below(run, PAGE);
    while (at < run->store.count && message->count < most)
        message->items[message->count++] = run->store.entries[at++];
    message->cursor = at >= run->store.count && !is_flooded(run) ? 0 : at;
}

static void at_store(struct blocks_simulation *run, struct message *message)
{
    const struct member *member = &run->members[message->proxy];
    if (!is_reachable(run, member)) {
        // It is lost, or comes when the way is there again.
        if (below(run, 2) == 0 && message->ask == ASK_PUT)
            event_queue_add(&run->queue,
                            (struct queued_event){.at_ms = run->now_ms + 200 + below(run, 4000),
                                                  .kind = AT_STORE,
                                                  .proxy = message->proxy,
                                                  .data = message});
        else
            free(message);
        return;
    }
    switch (message->ask) {
    case ASK_BEAT:
        break;
    case ASK_PAGE:
        store_pages(run, message);
        break;
    case ASK_PUT:
        store_puts(run, message);
        break;
    case ASK_LOOK: // what was written last, and by name what ours did not come to stand over: all, of so few
        for (size_t i = 0; i < run->store.count; i++)
            message->items[message->count++] = run->store.entries[i];
        break;
    }
    message->revision = run->store.revision;
    post(run, message, AT_PROXY);
}

// ---- answers ------------------------------------------------------------------------------------

static void meet(struct blocks_simulation *run, uint32_t index, const struct stored *item)
{
    struct member *member = &run->members[index];
    char name[FLEET_NAME_CAP];
    uint8_t seal[FLEET_SEAL_LEN] = {0};
    struct fleet_word word = item->word;
    struct errinfo info;
    char text[BLOCK_TEXT_CAP];
    struct block block;
    ASSERT(block_parse(slice_of_string(item->text), text, &block, &info) == ERR_OK);
    block.uid = word.block.uid;
    block.since_s = word.block.since_s;
    word.block = block;
    word.is_shared = false;
    memcpy(seal, &item->seal, sizeof item->seal);
    fleet_blocks_name(item->text, name);
    add_history(&member->known[text_number(text)], &run->words[block.uid].history);
    if (fleet_blocks_meet(member->words, slice_of_string(name), &word, seal,
                          clock_of(run, member)) == FLEET_TAKEN)
        member->must_adopt = true;
}

// rest_of pauses a comparison of many pages, or gives it up.
static void rest_of(struct blocks_simulation *run, uint32_t index, size_t cursor)
{
    struct member *member = &run->members[index];
    member->work = IDLE;
    member->is_paused = below(run, 3) != 0;
    member->may_go_on = false;
    member->cursor = cursor;
    if (!member->is_paused) {
        member->must_compare = true;
        member->again_ms = run->now_ms + REST_MS;
    }
    advance(run, index);
}

// check_given fails where a proxy that reaches the store all the time does not bring a word there.
static void check_given(struct blocks_simulation *run, uint32_t index)
{
    const struct member *member = &run->members[index];
    if (!is_flooded(run) || !may_act(member) || run->now_ms - member->connected_ms < GIVEN_MS)
        return;
    for (size_t i = 0; i < fleet_blocks_count(member->words); i++) {
        const struct fleet_word *own = fleet_blocks_at(member->words, i);
        const struct given *word = &run->words[own->block.uid];
        if (!own->is_shared && run->now_ms - word->at_ms > GIVEN_MS &&
            run->now_ms - run->fault_ms > GIVEN_MS)
            fail(run, "a word does not come to a store that is flooded", index, word->text);
    }
}

static void take_page(struct blocks_simulation *run, const struct message *message)
{
    struct member *member = &run->members[message->proxy];
    for (size_t i = 0; i < message->count; i++)
        meet(run, message->proxy, &message->items[i]);
    look(run, message->proxy);
    if (message->cursor != 0 && message->cursor >= run->store.count && is_flooded(run)) {
        rest_of(run, message->proxy, message->cursor);
        return;
    }
    if (message->cursor != 0) {
        ask_page(run, message->proxy, message->cursor);
        return;
    }
    (void)fleet_blocks_end(member->words, clock_of(run, member));
    (void)fleet_blocks_expire(member->words, clock_of(run, member));
    member->must_adopt |= !member->has_compared;
    member->has_compared = true;
    member->compared_ms = run->now_ms;
    member->work = IDLE;
    adopt(run, message->proxy);
    advance(run, message->proxy);
}

static void take_put(struct blocks_simulation *run, const struct message *message)
{
    struct member *member = &run->members[message->proxy];
    bool is_conflict = false;
    member->work = IDLE;
    for (size_t i = 0; i < message->count; i++) {
        const struct stored *item = &message->items[i];
        if (!message->is_written[i])
            is_conflict = true;
        else if (fleet_blocks_note_shared(member->words, item->text, item->word.version))
            member->is_news = true;
    }
    if (is_conflict) {
        member->must_compare = true;
        if (member->is_paused)
            post(run, ask(run, message->proxy, ASK_LOOK), AT_STORE);
        member->is_waiting = member->has_retried;
        member->has_retried = true;
    }
    advance(run, message->proxy);
}

static void take_look(struct blocks_simulation *run, const struct message *message)
{
    for (size_t i = 0; i < message->count; i++)
        meet(run, message->proxy, &message->items[i]);
    adopt(run, message->proxy);
    advance(run, message->proxy);
}

static void take_beat(struct blocks_simulation *run, const struct message *message)
{
    struct member *member = &run->members[message->proxy];
    member->has_retried = false;
    member->is_waiting = false;
    member->is_beating = false;
    member->beat_revision = message->revision;
    if (message->revision != member->revision ||
        run->now_ms - member->compared_ms >= COMPARE_EVERY_MS)
        member->must_compare = true;
    member->may_go_on = true;
    adopt(run, message->proxy);
    advance(run, message->proxy);
    if (may_act(member) && is_flooded(run) && message->revision != member->looked) {
        member->looked = message->revision;
        post(run, ask(run, message->proxy, ASK_LOOK), AT_STORE);
    }
    check_given(run, message->proxy);
}

static void at_proxy(struct blocks_simulation *run, struct message *message)
{
    const struct member *member = &run->members[message->proxy];
    const bool is_awaited = member->is_up && member->is_connected &&
                            message->connection == member->connection &&
                            is_reachable(run, member) &&
                            (message->ask == ASK_BEAT || message->ask == ASK_LOOK ||
                             message->number == member->question);
    if (is_awaited && message->ask == ASK_BEAT)
        take_beat(run, message);
    else if (is_awaited && message->ask == ASK_LOOK)
        take_look(run, message);
    else if (is_awaited && message->ask == ASK_PAGE)
        take_page(run, message);
    else if (is_awaited)
        take_put(run, message);
    free(message);
}

// ---- connections --------------------------------------------------------------------------------

static void connect_member(struct blocks_simulation *run, uint32_t index, uint64_t connection)
{
    struct member *member = &run->members[index];
    if (!member->is_up || member->is_connected || member->connection != connection)
        return;
    if (!is_reachable(run, member)) {
        later(run, member->pause_ms, CONNECT, index, connection);
        member->pause_ms =
            member->pause_ms * 2 > PAUSE_LAST_MS ? PAUSE_LAST_MS : member->pause_ms * 2;
        return;
    }
    member->is_connected = true;
    member->is_beating = false;
    member->pause_ms = PAUSE_FIRST_MS;
    member->to_store_ms = 0;
    member->to_proxy_ms = 0;
    member->connected_ms = run->now_ms;
    member->again_ms = 0;
    member->is_paused = false;
    member->work = IDLE;
    member->must_compare = true;
    advance(run, index);
}

static void lose(struct blocks_simulation *run, uint32_t index)
{
    struct member *member = &run->members[index];
    member->is_connected = false;
    member->connection++;
    member->work = IDLE;
    member->must_compare = true;
    member->beat_revision = -1;
    later(run, member->pause_ms, CONNECT, index, member->connection);
}

// beat says that a proxy is there, and sees whether what it said last was answered.
static void beat(struct blocks_simulation *run, uint32_t index)
{
    struct member *member = &run->members[index];
    later(run, BEAT_MS, BEAT, index, 0);
    if (!member->is_up || !member->is_connected || member->is_beating)
        return;
    member->is_beating = true;
    post(run, ask(run, index, ASK_BEAT), AT_STORE);
    later(run, SILENCE_MS + 2 * run->delay_ms, SILENT, index, member->connection);
}

static void silent(struct blocks_simulation *run, uint32_t index, uint64_t connection)
{
    struct member *member = &run->members[index];
    if (!member->is_up || !member->is_connected || member->connection != connection)
        return;
    if (member->is_beating && !is_reachable(run, member))
        lose(run, index);
}

// ---- words --------------------------------------------------------------------------------------

// say has a proxy give a word, as `sallyport block` and `unblock` do.
static void say(struct blocks_simulation *run, uint32_t index, uint32_t text, enum fleet_op op)
{
    struct member *member = &run->members[index];
    char name[] = "client:a", parsed[BLOCK_TEXT_CAP];
    struct fleet_word word = {.op = op};
    struct errinfo info;
    if (!member->is_up || (op == FLEET_UNBLOCK && !member->is_blocked[text]))
        return;
    const uint32_t number = ++run->word_count;
    ASSERT(number < WORDS_MAX);
    run->report.confirmed += op == FLEET_BLOCK && member->is_blocked[text];
    run->report.blocks += op == FLEET_BLOCK && !member->is_blocked[text];
    run->report.ends += op == FLEET_UNBLOCK;
    run->words[number] = (struct given){
        .op = op, .text = text, .at_ms = run->now_ms, .history = member->known[text]};
    run->words[number].history.bits[number / 64] |= (uint64_t)1 << (number % 64);
    name[sizeof name - 2] = (char)('a' + (int)text);
    ASSERT(block_parse(slice_of_string(name), parsed, &word.block, &info) == ERR_OK);
    word.block.uid = number;
    word.block.since_s = clock_of(run, member);
    word.version = fleet_blocks_next(member->words, word.block.since_s);
    (void)snprintf(word.by, sizeof word.by, "%016x", index);
    ASSERT(fleet_blocks_put(member->words, &word) == ERR_OK);
    member->known[text] = run->words[number].history;
    member->word[text] = number;
    member->is_blocked[text] = op == FLEET_BLOCK;
    keep(member);
    advance(run, index);
}

static void measure(struct blocks_simulation *run, uint32_t index, uint32_t text)
{
    if (run->measured != 0) {
        fail(run, "a word does not hold everywhere after four seconds", index, text);
        return;
    }
    const bool is_blocked = run->members[index].is_blocked[text];
    run->measured_ms = run->now_ms;
    say(run, index, text, is_blocked ? FLEET_UNBLOCK : FLEET_BLOCK);
    run->measured = run->word_count;
    if (run->time_count + 1 < MEASURED)
        later(run, 4000 + below(run, 500), WORD, 0, 0);
}

static void give_word(struct blocks_simulation *run)
{
    const uint32_t index = (uint32_t)below(run, run->options.proxies);
    const uint32_t text = (uint32_t)below(run, TEXTS);
    if (run->options.fault == BLOCKS_NO_FAULT) {
        measure(run, index, text);
        return;
    }
    say(run, index, text, below(run, 2) == 0 ? FLEET_UNBLOCK : FLEET_BLOCK);
    if (run->now_ms < run->heals_ms)
        later(run, 1 + below(run, 2 * PACE_MS), WORD, 0, 0);
}

// ---- faults -------------------------------------------------------------------------------------

static void crash(struct blocks_simulation *run, uint32_t index)
{
    struct member *member = &run->members[index];
    member->is_up = false;
    member->is_connected = false;
    member->connection++;
    fleet_blocks_destroy(member->words);
    member->words = NULL;
    later(run, 500 + below(run, 6000), RESTART, index, 0);
}

// restart begins a process with what the one before it has kept.
static void restart(struct blocks_simulation *run, uint32_t index)
{
    struct member *member = &run->members[index];
    member->words = fleet_blocks_create();
    ASSERT(member->words != NULL);
    memset(member->word, 0, sizeof member->word); // what it had not kept it does not know
    memset(member->known, 0, sizeof member->known);
    read_kept(member);
    look(run, index);
    member->is_up = true;
    member->has_compared = false;
    member->must_adopt = true;
    member->is_news = false;
    member->pause_ms = PAUSE_FIRST_MS;
    for (size_t i = 0; i < fleet_blocks_count(member->words); i++) {
        const struct fleet_word *word = fleet_blocks_at(member->words, i);
        member->is_blocked[text_number(word->block.text)] = word->op == FLEET_BLOCK;
    }
    later(run, 1 + below(run, 20), CONNECT, index, member->connection);
}

static void begin_fault(struct blocks_simulation *run)
{
    const enum blocks_fault fault = run->options.fault;
    const int64_t part = 1 + below(run, 4);
    run->is_down =
        fault == BLOCKS_STORE_DOWN || fault == BLOCKS_FAIL_OVER || fault == BLOCKS_EMPTIED;
    if (fault == BLOCKS_SLOW)
        run->delay_ms = 450;
    for (uint32_t i = 0; i < run->options.proxies; i++) {
        struct member *member = &run->members[i];
        if (below(run, 5) >= part)
            continue;
        member->is_cut = fault == BLOCKS_PARTITION;
        if (fault == BLOCKS_CRASH || (fault == BLOCKS_FLOOD && below(run, 2) == 0))
            crash(run, i);
        else if (fault == BLOCKS_FLOOD && member->is_connected)
            lose(run, i); // its words of the next moments are said to nobody
        if (fault == BLOCKS_CLOCK)
            member->skew_s = below(run, 2 * SKEW_MOST_S) - SKEW_MOST_S;
    }
}

static void heal(struct blocks_simulation *run)
{
    run->is_down = false;
    run->delay_ms = 3;
    for (uint32_t i = 0; i < run->options.proxies; i++)
        run->members[i].is_cut = false;
    if (run->options.fault == BLOCKS_FAIL_OVER)
        run->store = run->replica;
    if (run->options.fault == BLOCKS_EMPTIED)
        run->store = (struct words_store){0};
}

// ---- a run --------------------------------------------------------------------------------------

static void on_event(struct blocks_simulation *run, const struct queued_event *event)
{
    switch ((enum kind)event->kind) {
    case BEAT:
        beat(run, event->proxy);
        break;
    case CONNECT:
        connect_member(run, event->proxy, event->number);
        break;
    case AT_STORE:
        at_store(run, event->data);
        break;
    case AT_PROXY:
        at_proxy(run, event->data);
        break;
    case SILENT:
        silent(run, event->proxy, event->number);
        break;
    case WORD:
        give_word(run);
        break;
    case FAULT:
        begin_fault(run);
        break;
    case HEAL:
        heal(run);
        break;
    case RESTART:
        restart(run, event->proxy);
        break;
    }
}

static void set_up(struct blocks_simulation *run)
{
    const bool has_fault = run->options.fault != BLOCKS_NO_FAULT;
    run->random.state = run->options.seed * 2 + 1;
    run->delay_ms = 3;
    run->now_ms = 1000000;
    run->report.median_ms = -1;
    run->report.longest_ms = -1;
    run->report.merged_ms = -1;
    run->members = calloc(run->options.proxies, sizeof *run->members);
    ASSERT(run->members != NULL);
    for (uint32_t i = 0; i < run->options.proxies; i++) {
        run->members[i].kept = calloc(TEXTS, sizeof *run->members[i].kept);
        ASSERT(run->members[i].kept != NULL);
        restart(run, i);
        later(run, below(run, BEAT_MS), BEAT, i, 0);
    }
    run->fault_ms = run->now_ms + FAULT_MS;
    run->heals_ms = run->fault_ms + 1500 + below(run, FAULT_MAX_MS - 1500);
    later(run, SETTLED_MS, WORD, 0, 0);
    if (!has_fault) {
        run->heals_ms = run->now_ms + SETTLED_MS + MEASURED * 4500;
        run->moved_ms = run->heals_ms;
        return;
    }
    later(run, FAULT_MS, FAULT, 0, 0);
    later(run, run->heals_ms - run->now_ms, HEAL, 0, 0);
}

// is_forgotten tells whether a word of the store is an end that is too old for a proxy to keep: where clocks are far apart, not for all.
static bool is_forgotten(const struct blocks_simulation *run, const struct member *member,
                         const struct fleet_word *word)
{
    return word->op == FLEET_UNBLOCK &&
           fleet_blocks_is_older(member->words, word, FLEET_END_KEPT_S, clock_of(run, member));
}

// agrees tells whether a proxy knows what the store has, and the store has all.
static bool agrees(const struct blocks_simulation *run, const struct member *member)
{
    size_t known = 0;
    if (!member->is_up || member->must_adopt)
        return false;
    for (size_t i = 0; i < run->store.count; i++) {
        const struct stored *is = &run->store.entries[i];
        const struct fleet_word *word = fleet_blocks_find(member->words, is->text);
        if (word == NULL && is_forgotten(run, member, &is->word)) {
            if (member->is_blocked[text_number(is->text)])
                return false;
            continue;
        }
        known++;
        if (word == NULL || word->version != is->word.version || word->op != is->word.op ||
            word->block.uid != is->word.block.uid)
            return false;
        if (member->is_blocked[text_number(is->text)] != (is->word.op == FLEET_BLOCK))
            return false;
    }
    return fleet_blocks_count(member->words) == known;
}

static bool all_agree(const struct blocks_simulation *run)
{
    for (uint32_t i = 0; i < run->options.proxies; i++) {
        if (!agrees(run, &run->members[i]))
            return false;
    }
    return true;
}

// note_merged sees whether all know the same, since nothing has happened any more that changes it.
static void note_merged(struct blocks_simulation *run, int kind)
{
    if (run->now_ms < run->heals_ms)
        return;
    if (kind == HEAL || kind == WORD || kind == RESTART) {
        run->moved_ms = run->now_ms;
        run->report.merged_ms = -1;
    } else if (kind == AT_PROXY && run->report.merged_ms < 0 && all_agree(run)) {
        run->report.merged_ms = run->now_ms - run->moved_ms;
    }
}

// check_end looks for blocks that are over although nobody has ended them who knew of them.
static void check_end(struct blocks_simulation *run)
{
    const struct member *first = &run->members[0];
    if (!all_agree(run))
        fail(run, "not all know the same in the end", 0, 0);
    for (uint32_t number = 1; number <= run->word_count; number++) {
        const struct given *word = &run->words[number];
        if (word->op == FLEET_BLOCK && !first->is_blocked[word->text] && !is_ended(run, number))
            fail(run, "a block is lost", 0, word->text);
    }
}

static int compare_times(const void *a, const void *b)
{
    const int64_t left = *(const int64_t *)a;
    const int64_t right = *(const int64_t *)b;
    return left < right ? -1 : left > right;
}

static void sum_up(struct blocks_simulation *run)
{
    if (run->time_count > 0) {
        qsort(run->times_ms, run->time_count, sizeof *run->times_ms, compare_times);
        run->report.median_ms = run->times_ms[run->time_count / 2];
        run->report.longest_ms = run->times_ms[run->time_count - 1];
    }
    if (run->report.longest_ms > 2000)
        fail(run, "a word did not hold everywhere within two seconds", 0, 0);
    if (run->report.merged_ms < 0 || run->report.merged_ms > MERGED_MS)
        fail(run, "not all knew the same in time", 0, 0);
}

static void tear_down(struct blocks_simulation *run)
{
    while (run->queue.count > 0)
        free(event_queue_next(&run->queue).data);
    event_queue_deinit(&run->queue);
    for (uint32_t i = 0; i < run->options.proxies; i++) {
        fleet_blocks_destroy(run->members[i].words);
        free(run->members[i].kept);
    }
    free(run->members);
}

struct blocks_report blocks_simulation_run(const struct blocks_options *options)
{
    struct blocks_simulation *run = calloc(1, sizeof *run);
    ASSERT(run != NULL);
    run->options = *options;
    set_up(run);
    const int64_t replica_ms = run->fault_ms - 100 - below(run, 900);
    const int64_t ends_ms = run->heals_ms + MERGED_MS + FAULT_MAX_MS;
    while (!run->report.has_failed && run->queue.heap[0].at_ms <= ends_ms) {
        const struct queued_event event = event_queue_next(&run->queue);
        if (event.at_ms >= replica_ms && !run->has_replica) {
            run->replica = run->store;
            run->has_replica = true;
        }
        run->now_ms = event.at_ms;
        on_event(run, &event);
        note_merged(run, event.kind);
    }
    if (!run->report.has_failed)
        check_end(run);
    if (!run->report.has_failed)
        sum_up(run);
    const struct blocks_report report = run->report;
    tear_down(run);
    free(run);
    return report;
}
