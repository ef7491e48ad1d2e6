// A link each. Who does not answer in time is ended by the kernel: it would go on with tunnels of those who are blocked.
#include "proxy/service/predecessors.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "proxy/clock/clock.h"
#include "proxy/log/log.h"
#include "proxy/handover/handover_counts.h"
#include "proxy/service/blocks_message.h"
#include "proxy/service/scan_text.h"

enum {
    OBEY_PATIENCE_MS = 30 * 1000,
    ANSWER_PATIENCE_MS = 5 * 1000,
    COMPARE_PATIENCE_MS = 60 * 1000,
};
static const ev_tstamp look_every_s = 1.;

// What is known of the configuration that one has in force.
enum accord {
    ACCORD_OPEN,     // it has said that it is the same; or it was not asked yet
    ACCORD_ASKED,    // it owes an answer
    ACCORD_OUTDATED, // likewise, and something newer is in force since: it is asked again
    ACCORD_SILENT,   // it is of a version that does not know the question, and reads by itself
    ACCORD_DRAINS,   // it has something else in force, and was told to drain
};

struct predecessor {
    struct predecessors *all;   // borrowed
    struct handover_link *link; // owned
    int64_t pid;
    uint64_t sent;     // number of the list of blocks that it got last
    uint64_t obeyed;   // of the list that it goes by
    int64_t since_ms;  // monotonic; when it got the oldest list that it does not go by
    size_t slot;       // of its tunnels in the ledger
    uint64_t sessions; // that it has
    uint64_t memory;   // bytes that it has
    uint64_t asked;    // number of the question that it owes an answer; 0: none
    int64_t asked_ms;  // monotonic
    bool is_lost;      // its answer is not complete
    char *answer;      // owned
    size_t answer_len;
    // What it has in force:
    enum accord accord;
    uint64_t compared;             // number of the last question about it
    int64_t differs_ms;            // monotonic; since when it is not known to be the same; 0: it is
    enum in_force_verdict verdict; // what was answered to that question so far
    char why[IN_FORCE_WHY_CAP];    // it differs; "": it does not, or that is not known yet
};

// end_process ends a process for certain, or a block would wait for it for ever.
static void end_process(const struct predecessor *predecessor)
{
    const struct predecessors_events *events = &predecessor->all->events;
    events->end(events->arg, predecessor->pid);
}

// ---- what they have -----------------------------------------------------------------------------

// count_totals adds up what belongs to whole processes.
static void count_totals(const struct predecessors *all)
{
    uint64_t sessions = 0;
    uint64_t memory = 0;
    for (size_t i = 0; i < all->count; i++) {
        sessions += all->list[i]->sessions;
        memory += all->list[i]->memory;
    }
    if (all->ledger != NULL)
        ledger_set_foreign_totals(all->ledger,
                                  sessions > UINT32_MAX ? UINT32_MAX : (uint32_t)sessions, memory);
}

// take_counts reads what a process has now. False: it is malformed, or there is no memory.
static bool take_counts(struct predecessor *predecessor, struct slice counts)
{
    struct handover_count count;
    char name[HANDOVER_ACCOUNT_MAX + 1];
    struct ledger *ledger = predecessor->all->ledger;
    enum err error = ERR_OK;
    while ((error = handover_counts_next(&counts, &count)) == ERR_OK) {
        if (count.kind == HANDOVER_COUNT_SESSIONS)
            predecessor->sessions = count.number;
        else if (count.kind == HANDOVER_COUNT_MEMORY)
            predecessor->memory = count.number;
        else if (ledger != NULL && (!string_copy(name, sizeof name, count.name) ||
                                    !ledger_set_foreign(ledger, predecessor->slot, name,
                                                        (uint32_t)count.number, monotonic_ms())))
            return false;
    }
    count_totals(predecessor->all);
    return error == ERR_EOF;
}

// ---- what they answer ---------------------------------------------------------------------------

// drop_answer forgets what one has answered so far.
static void drop_answer(struct predecessor *predecessor)
{
    free(predecessor->answer);
    predecessor->answer = NULL;
    predecessor->answer_len = 0;
    predecessor->is_lost = false;
}

// drop_answers forgets the whole answers.
static void drop_answers(struct predecessors *predecessors)
{
    free(predecessors->answers);
    predecessors->answers = NULL;
    predecessors->answers_len = 0;
    predecessors->is_partial = false;
}

// append adds bytes to a text. False: there is no memory, or it is too long.
static bool append(char **text, size_t *len, size_t max, struct slice bytes)
{
    char *longer = *len + bytes.len > max ? NULL : realloc(*text, *len + bytes.len + 1);
    if (longer == NULL)
        return false;
    (void)bytes_copy(longer + *len, bytes.len, bytes);
    *text = longer;
    *len += bytes.len;
    return true;
}

// note_answer ends the waiting for an answer, if there is any. A whole one is kept apart: a process whose last tunnel was
// just ended may be gone before all others have answered.
static void note_answer(struct predecessor *predecessor, bool is_lost)
{
    struct predecessors *all = predecessor->all;
    const struct slice answer = slice_of(predecessor->answer, predecessor->answer_len);
    if (predecessor->asked == 0)
        return;
    predecessor->asked = 0;
    all->is_partial |= is_lost || predecessor->is_lost ||
                       !append(&all->answers, &all->answers_len,
                               (size_t)PREDECESSORS_MAX * SCAN_ANSWER_MAX, answer);
    drop_answer(predecessor);
    all->events.on_answer(all->events.arg);
}

size_t predecessors_ask(struct predecessors *predecessors, const struct scan *question)
{
    char data[SCAN_QUESTION_CAP];
    struct text text;
    size_t count = 0;
    text_init(&text, data, sizeof data);
    scan_question_format(question, &text);
    predecessors->question++;
    drop_answers(predecessors);
    const struct handover_message message = {
        .kind = HANDOVER_ASK, .number = predecessors->question, .text = text_slice(&text)};
    for (size_t i = 0; i < predecessors->count; i++) {
        struct predecessor *predecessor = predecessors->list[i];
        drop_answer(predecessor);
        if (!handover_link_send(predecessor->link, &message, NULL, 0)) {
            predecessors->is_partial = true;
            continue;
        }
        predecessor->asked = predecessors->question;
        predecessor->asked_ms = monotonic_ms();
        count++;
    }
    if (count > 0 && !ev_is_active(&predecessors->late))
        ev_timer_again(predecessors->loop, &predecessors->late);
    return count;
}

void predecessors_collect(struct predecessors *predecessors, struct scan *sum)
{
    const struct slice text = slice_of(predecessors->answers, predecessors->answers_len);
    if (scan_answer_parse(text, sum) != ERR_OK || predecessors->is_partial)
        sum->is_partial = true;
    drop_answers(predecessors);
}

// ---- what they have in force --------------------------------------------------------------------

static bool owes_verdict(const struct predecessor *predecessor)
{
    return predecessor->accord == ACCORD_ASKED || predecessor->accord == ACCORD_OUTDATED;
}

// say_reload has one read its files again; where it is asked what it has in force, or drains, only what takes trust away counts.
static void say_reload(const struct predecessor *predecessor)
{
    if (!handover_link_say(predecessor->link, HANDOVER_RELOAD, 0))
        log_error(LOG_UPGRADE, "no memory to tell the old process %" PRId64 " to reload",
                  predecessor->pid);
}

// put_question asks one what it has in force.
static void put_question(struct predecessor *predecessor)
{
    struct predecessors *all = predecessor->all;
    const struct handover_message message = {
        .kind = HANDOVER_ASK, .number = all->question + 1, .text = slice_of_string(all->in_force)};
    all->question++;
    if (predecessor->differs_ms == 0)
        predecessor->differs_ms = monotonic_ms();
    predecessor->accord = ACCORD_ASKED;
    predecessor->verdict = IN_FORCE_UNSAID;
    // One that cannot be asked is late some time.
    predecessor->compared = all->question;
    (void)!handover_link_send(predecessor->link, &message, NULL, 0);
    if (!ev_is_active(&all->late))
        ev_timer_again(all->loop, &all->late);
}

// have_drained tells one to drain that cannot judge its tunnels.
static void have_drained(struct predecessor *predecessor)
{
    predecessor->accord = ACCORD_DRAINS;
    log_error(LOG_UPGRADE,
              "the old process %" PRId64
              " does not go by the configuration in force, and so drains: "
              "%s",
              predecessor->pid, predecessor->why);
    if (!handover_link_say(predecessor->link, HANDOVER_DRAIN, 0))
        end_process(predecessor);
    say_reload(predecessor);
}

static bool is_undecided(const struct predecessor *predecessor)
{
    return monotonic_ms() - predecessor->differs_ms <= COMPARE_PATIENCE_MS;
}

// be_silent leaves one to itself that cannot be asked.
static void be_silent(struct predecessor *predecessor)
{
    predecessor->accord = ACCORD_SILENT;
    log_warning(LOG_UPGRADE,
                "the old process %" PRId64 " is of a version that does not say whether it goes "
                "by the configuration in force: its own lines in the log tell",
                predecessor->pid);
    say_reload(predecessor); // what came into force meanwhile
}

// say_other says why one differs whose answer does not say so.
static void say_other(struct predecessor *predecessor, const char *why)
{
    (void)string_copy(predecessor->why, sizeof predecessor->why, slice_of_string(why));
}

// take_verdict goes by what one has said. It is asked again if something newer is in force here by now.
static void take_verdict(struct predecessor *predecessor)
{
    const bool is_outdated = predecessor->accord == ACCORD_OUTDATED;
    switch (predecessor->verdict) {
    case IN_FORCE_UNSAID:
        be_silent(predecessor);
        return;
    case IN_FORCE_SAME:
        predecessor->differs_ms = 0;
        predecessor->accord = ACCORD_OPEN;
        break;
    case IN_FORCE_UNKNOWN:
    case IN_FORCE_OTHER:
        if (predecessor->verdict == IN_FORCE_UNKNOWN)
            say_other(predecessor, "its answer to that is not understood");
        if (!is_outdated || !is_undecided(predecessor)) {
            have_drained(predecessor);
            return;
        }
        break;
    }
    if (is_outdated)
        put_question(predecessor);
}

// give_up takes one that does not say what it goes by for one that goes by something else.
static void give_up(struct predecessor *predecessor)
{
    say_other(predecessor, "it has not read it in 60 s");
    have_drained(predecessor);
}

static bool is_late_to_compare(const struct predecessor *predecessor)
{
    return owes_verdict(predecessor) && !is_undecided(predecessor);
}

// compare puts the question, or notes that it has to be put once more when the one before is answered.
static void compare(struct predecessor *predecessor, bool is_reload)
{
    switch (predecessor->accord) {
    case ACCORD_OPEN:
        put_question(predecessor);
        return;
    case ACCORD_ASKED:
    case ACCORD_OUTDATED:
        predecessor->accord = ACCORD_OUTDATED;
        return;
    case ACCORD_SILENT:
        return;
    case ACCORD_DRAINS:
        if (is_reload)
            say_reload(predecessor);
        return;
    }
}

void predecessors_compare(struct predecessors *predecessors, const char *config_id, bool is_reload)
{
    struct text question;
    text_init(&question, predecessors->in_force, sizeof predecessors->in_force);
    in_force_question_format(config_id, &question);
    for (size_t i = 0; i < predecessors->count; i++)
        compare(predecessors->list[i], is_reload);
}

void predecessors_reload(const struct predecessors *predecessors)
{
    for (size_t i = 0; i < predecessors->count; i++) {
        if (predecessors->list[i]->accord == ACCORD_SILENT)
            say_reload(predecessors->list[i]);
    }
}

void predecessors_take(const struct predecessors *predecessors)
{
    for (size_t i = 0; i < predecessors->count; i++) {
        if (predecessors->list[i]->accord != ACCORD_SILENT)
            say_reload(predecessors->list[i]);
    }
}

const char *predecessors_problem(const struct predecessors *predecessors, size_t index)
{
    const struct predecessor *predecessor = predecessors->list[index];
    return predecessor->accord == ACCORD_DRAINS ? predecessor->why : NULL;
}

// ---- the link -----------------------------------------------------------------------------------

static void take_obeyed(struct predecessor *predecessor, uint64_t number)
{
    if (number > predecessor->sent || number <= predecessor->obeyed)
        return;
    predecessor->obeyed = number;
    predecessor->since_ms = monotonic_ms();
}

static void note_end(struct predecessor *predecessor, uint64_t cut_count)
{
    predecessor->all->cut_count += cut_count;
    if (cut_count > 0)
        log_warning(LOG_UPGRADE,
                    "the old process %" PRId64 " had to cut %" PRIu64 " requests or tunnels",
                    predecessor->pid, cut_count);
}

static void on_message(void *arg, const struct handover_message *message, int *fds, size_t fd_count)
{
    (void)fds;
    (void)fd_count;
    struct predecessor *predecessor = arg;
    const bool is_asked = message->number == predecessor->asked && predecessor->asked != 0;
    const bool is_compared = message->number == predecessor->compared && owes_verdict(predecessor);
    if (message->kind == HANDOVER_OBEYED)
        take_obeyed(predecessor, message->number);
    else if (message->kind == HANDOVER_COUNTS && !take_counts(predecessor, message->bytes))
        log_error(LOG_UPGRADE,
                  "the old process %" PRId64
                  ": what it says of its tunnels cannot be counted: they "
                  "count against no limit",
                  predecessor->pid);
    else if (message->kind == HANDOVER_ANSWER && is_asked)
        predecessor->is_lost |= !append(&predecessor->answer, &predecessor->answer_len,
                                        SCAN_ANSWER_MAX, message->bytes);
    else if (message->kind == HANDOVER_ANSWERED && is_asked)
        note_answer(predecessor, false);
    else if (message->kind == HANDOVER_ANSWER && is_compared)
        predecessor->verdict = in_force_answer_parse(message->bytes, predecessor->why);
    else if (message->kind == HANDOVER_ANSWERED && is_compared)
        take_verdict(predecessor);
    else if (message->kind == HANDOVER_ENDED)
        note_end(predecessor, message->number);
}

static void destroy(struct predecessor *predecessor)
{
    handover_link_destroy(predecessor->link);
    free(predecessor->answer);
    free(predecessor);
}

static void remove_one(struct predecessor *predecessor)
{
    struct predecessors *all = predecessor->all;
    size_t at = 0;
    while (all->list[at] != predecessor)
        at++;
    all->list[at] = all->list[--all->count];
    all->list[all->count] = NULL;
    if (all->ledger != NULL)
        ledger_forget_foreign(all->ledger, predecessor->slot, monotonic_ms());
    count_totals(all);
    note_answer(predecessor, true);
    destroy(predecessor);
    all->events.on_less(all->events.arg);
}

static void on_end(void *arg, const char *why)
{
    struct predecessor *predecessor = arg;
    if (why == NULL) {
        log_info(LOG_UPGRADE, "the old process %" PRId64 " has ended", predecessor->pid);
    } else {
        log_error(LOG_UPGRADE, "the old process %" PRId64 ": %s: it is ended", predecessor->pid,
                  why);
        end_process(predecessor);
    }
    remove_one(predecessor);
}

// is_mute tells whether one does not answer a question.
static bool is_mute(const struct predecessor *predecessor)
{
    return predecessor->asked != 0 && monotonic_ms() - predecessor->asked_ms > ANSWER_PATIENCE_MS;
}

static bool is_late(const struct predecessor *predecessor)
{
    return predecessor->obeyed < predecessor->sent &&
           monotonic_ms() - predecessor->since_ms > OBEY_PATIENCE_MS;
}

// on_look ends those that do not answer. Their end is seen at the link.
static void on_look(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)events;
    struct predecessors *all = timer->data;
    bool is_waiting = false;
    for (size_t i = 0; i < all->count; i++) {
        struct predecessor *predecessor = all->list[i];
        if (is_mute(predecessor))
            note_answer(predecessor, true);
        if (is_late_to_compare(predecessor))
            give_up(predecessor);
        is_waiting |= predecessor->obeyed < predecessor->sent || predecessor->asked != 0 ||
                      owes_verdict(predecessor);
        if (!is_late(predecessor))
            continue;
        log_error(LOG_UPGRADE,
                  "the old process %" PRId64 " does not take the list of blocks: it is ended, and "
                  "its tunnels with it",
                  predecessor->pid);
        end_process(predecessor);
        predecessor->since_ms = monotonic_ms();
    }
    if (!is_waiting)
        ev_timer_stop(loop, timer);
}

void predecessors_init(struct predecessors *predecessors, struct ev_loop *loop,
                       const struct predecessors_events *events)
{
    // Numbers of the one before us are smaller, so that no answer to it is taken for one to us.
    *predecessors = (struct predecessors){.loop = loop,
                                          .events = *events,
                                          .newest = (uint64_t)monotonic_us(),
                                          .question = (uint64_t)monotonic_us()};
    ev_timer_init(&predecessors->late, on_look, look_every_s, look_every_s);
    predecessors->late.data = predecessors;
}

void predecessors_count_in(struct predecessors *predecessors, struct ledger *ledger)
{
    predecessors->ledger = ledger;
}

int64_t predecessors_pid(const struct predecessors *predecessors, size_t index)
{
    return predecessors->list[index]->pid;
}

// free_slot gives one of the ledger's that nobody has.
static size_t free_slot(const struct predecessors *predecessors)
{
    size_t slot = 0;
    for (size_t i = 0; i < predecessors->count;) {
        const bool is_taken = predecessors->list[i]->slot == slot;
        slot += is_taken;
        i = is_taken ? 0 : i + 1;
    }
    return slot;
}

void predecessors_add(struct predecessors *predecessors, int64_t pid, int fd, struct slice counts)
{
    struct predecessor *made = calloc(1, sizeof *made);
    const struct handover_events events = {.on_message = on_message, .on_end = on_end, .arg = made};
    if (made == NULL)
        (void)close(fd);
    else
        made->link = handover_link_create(predecessors->loop, fd, &events);
    if (made == NULL || made->link == NULL || predecessors->count == PREDECESSORS_MAX) {
        log_error(LOG_UPGRADE, "no memory to go on with the old process %" PRId64 ": it drains",
                  pid);
        if (made != NULL)
            handover_link_destroy(made->link);
        free(made);
        return;
    }
    made->all = predecessors;
    made->pid = pid;
    made->slot = free_slot(predecessors);
    predecessors->list[predecessors->count++] = made;
    (void)take_counts(made, counts);
    (void)handover_link_say(made->link, HANDOVER_FOLLOW, 0);
}

uint64_t predecessors_obey(struct predecessors *predecessors, const struct blocklist *blocks)
{
    predecessors->newest++;
    for (size_t i = 0; blocks != NULL && i < predecessors->count; i++) {
        struct predecessor *predecessor = predecessors->list[i];
        if (predecessor->obeyed == predecessor->sent)
            predecessor->since_ms = monotonic_ms();
        predecessor->sent = predecessors->newest;
        if (!blocks_message_send(predecessor->link, blocks) ||
            !handover_link_say(predecessor->link, HANDOVER_OBEY, predecessors->newest)) {
            log_error(LOG_UPGRADE,
                      "no memory to give the list of blocks to the old process %" PRId64
                      ": it is ended, and its tunnels with it",
                      predecessor->pid);
            end_process(predecessor);
        }
    }
    if (predecessors->count > 0)
        ev_timer_again(predecessors->loop, &predecessors->late);
    return predecessors->newest;
}

bool predecessors_have_obeyed(const struct predecessors *predecessors, uint64_t number)
{
    for (size_t i = 0; i < predecessors->count; i++) {
        const struct predecessor *predecessor = predecessors->list[i];
        if (predecessor->obeyed < number && predecessor->sent >= number)
            return false;
    }
    return true;
}

void predecessors_say(struct predecessors *predecessors, enum handover_kind kind)
{
    for (size_t i = 0; i < predecessors->count; i++) {
        if (!handover_link_say(predecessors->list[i]->link, kind, 0))
            log_error(LOG_UPGRADE, "no memory to tell the old process %" PRId64 " to %s",
                      predecessors->list[i]->pid, handover_kind_name(kind));
    }
}

void predecessors_pause(struct predecessors *predecessors, bool is_paused)
{
    for (size_t i = 0; i < predecessors->count; i++) {
        struct predecessor *predecessor = predecessors->list[i];
        if (is_paused) {
            handover_link_pause(predecessor->link);
            continue;
        }
        handover_link_resume(predecessor->link);
        if (predecessor->differs_ms != 0)
            predecessor->differs_ms = monotonic_ms(); // its answer may have been there
    }
    if (predecessors->count == 0)
        return;
    if (is_paused)
        ev_timer_stop(predecessors->loop, &predecessors->late);
    else
        ev_timer_again(predecessors->loop, &predecessors->late);
}

bool predecessors_pass_on(const struct predecessors *predecessors, struct handover_link *link)
{
    for (size_t i = 0; i < predecessors->count; i++) {
        const struct predecessor *predecessor = predecessors->list[i];
        const struct handover_message message = {.kind = HANDOVER_PREDECESSOR,
                                                 .number = (uint64_t)predecessor->pid};
        const int fd = handover_link_fd(predecessor->link);
        if (!handover_link_is_sent(predecessor->link) ||
            !handover_link_send(link, &message, &fd, 1))
            return false;
    }
    return true;
}

void predecessors_stop(struct predecessors *predecessors)
{
    if (predecessors->loop == NULL)
        return;
    ev_timer_stop(predecessors->loop, &predecessors->late);
    while (predecessors->count > 0) {
        struct predecessor *predecessor = predecessors->list[--predecessors->count];
        if (predecessors->ledger != NULL)
            ledger_forget_foreign(predecessors->ledger, predecessor->slot, monotonic_ms());
        note_answer(predecessor, true);
        destroy(predecessor);
    }
    count_totals(predecessors);
    drop_answers(predecessors);
}
