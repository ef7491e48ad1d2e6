// A process that nobody leads any more drains: no block would reach it, or only those of other proxies, by their store.
#include "proxy/service/retirement.h"

#include <inttypes.h>
#include <stdlib.h>

#include "proxy/admin/block_state.h"
#include "proxy/log/log.h"
#include "proxy/service/catching_up.h"
#include "proxy/service/counts_message.h"
#include "proxy/service/fleet.h"
#include "proxy/service/orders.h"
#include "proxy/service/reload.h"
#include "proxy/service/scan_text.h"

struct retirement {
    struct service *service;    // borrowed
    struct handover_link *link; // owned; to the process that serves; NULL: it has ended
    char *blocks;               // owned; text of a list, as it comes
    size_t blocks_len;
    uint64_t number;       // of the list that came last
    uint64_t generation;   // of the snapshot that has it; 0: it is answered
    ev_prepare turn;       // before the loop waits
    struct wakeup changed; // a tunnel or a connection has ended
    bool must_tell_all;    // the process that serves wants to know all counts
    uint64_t asked;        // number of the question that comes next; 0: none
    char question[SCAN_QUESTION_CAP];
    uint64_t answering;             // number of the question that the workers are asked; 0: none
    struct catching_up catching_up; // with what the process that serves has in force
    bool has_caught_up;             // or could not, when it was asked first
    const char *why;                // it could not; borrowed from catching_up; or NULL
    uint64_t left;                  // generation with which every worker has stopped accepting
    ev_timer patience;              // with all that
};

enum { BLOCKS_MAX_BYTES = 64 * 1024 * 1024, ANSWER_PIECE_CAP = 8192 };
static const ev_tstamp settle_patience_s = 10.;

// take_blocks brings the list that has come into force. False: it cannot be read, or there is no memory.
static bool take_blocks(struct retirement *retirement, uint64_t number)
{
    struct service *service = retirement->service;
    struct blocklist *blocks = NULL;
    struct block_state state;
    struct errinfo info = {.text = "no memory for the list of blocks"};
    const struct slice text = slice_of(retirement->blocks, retirement->blocks_len);
    enum err error = block_state_parse(text, "the list of the new process", &state, &info);
    if (error == ERR_OK)
        error = fleet_blocks_list(state.words, &blocks);
    if (error != ERR_OK) {
        block_state_deinit(&state);
        log_error(LOG_UPGRADE, "%s", info.text);
        return false;
    }
    fleet_blocks_destroy(service->kept.words); // it goes by these words from now on
    service->kept.words = state.words;
    blocklist_unref(service->blocks);
    service->blocks = blocks;
    retirement->number = number;
    retirement->generation = reload_revise(service);
    return true;
}

static bool add_blocks(struct retirement *retirement, const struct handover_message *message)
{
    const size_t before = message->number == 1 ? 0 : retirement->blocks_len;
    const size_t len = before + message->bytes.len;
    char *blocks = len > BLOCKS_MAX_BYTES ? NULL : realloc(retirement->blocks, len + 1);
    if (blocks == NULL)
        return false;
    (void)bytes_copy(blocks + before, message->bytes.len, message->bytes);
    retirement->blocks = blocks;
    retirement->blocks_len = len;
    return true;
}

// lose lets the link go, and drains: who does not know who is blocked does not go on. With a store it hears meanwhile who is blocked.
static void lose(struct retirement *retirement, const char *why)
{
    struct service *service = retirement->service;
    log_warning(LOG_UPGRADE, "%s: this old process drains", why);
    handover_link_destroy(retirement->link);
    retirement->link = NULL;
    service_begin_drain(service);
    fleet_go_alone(service->fleet);
}

// ---- counts -------------------------------------------------------------------------------------

// on_change runs on a worker's thread.
static void on_change(void *arg)
{
    const struct retirement *retirement = arg;
    wakeup_send(&retirement->changed);
}

static void tell_counts(struct retirement *retirement)
{
    const bool is_full = retirement->must_tell_all;
    retirement->must_tell_all = false;
    if (retirement->link != NULL &&
        !counts_message_send(retirement->link, retirement->service->shared.ledger, is_full))
        retirement->must_tell_all = true; // with the next change
}

static void on_changed(void *arg, uint32_t rung)
{
    (void)rung;
    tell_counts(arg);
}

// ---- questions ----------------------------------------------------------------------------------

static void put_question(struct retirement *retirement);

static void ask(void *arg, struct scan *out)
{
    const struct retirement *retirement = arg;
    (void)!scan_question_parse(slice_of_string(retirement->question), out); // it was tried before
}

static void send_answer(void *arg, struct slice bytes)
{
    const struct retirement *retirement = arg;
    const struct handover_message message = {
        .kind = HANDOVER_ANSWER, .number = retirement->answering, .bytes = bytes};
    if (retirement->link != NULL && bytes.len > 0)
        (void)!handover_link_send(retirement->link, &message, NULL, 0);
}

static void tell(void *arg, struct scan *sum)
{
    struct retirement *retirement = arg;
    char piece[ANSWER_PIECE_CAP];
    struct text text;
    text_init_sink(&text, piece, sizeof piece, send_answer, retirement);
    scan_answer_format(sum, &text);
    text_flush(&text);
    if (retirement->link != NULL)
        (void)handover_link_say(retirement->link, HANDOVER_ANSWERED, retirement->answering);
    retirement->answering = 0;
    put_question(retirement);
}

// put_question asks the workers what was asked last. A question that nobody waits for any more is passed over.
static void put_question(struct retirement *retirement)
{
    if (retirement->asked == 0 || retirement->answering != 0)
        return;
    retirement->answering = retirement->asked;
    retirement->asked = 0;
    survey_ask(&retirement->service->survey,
               &(struct survey_question){.ask = ask, .tell = tell, .arg = retirement});
}

// take_question keeps a question for the workers. One that this version does not understand has an empty answer.
static void take_question(struct retirement *retirement, const struct handover_message *message)
{
    struct scan scan = {0};
    if (catching_up_begin(&retirement->catching_up, message->number, message->text))
        return;
    if (message->text.len >= sizeof retirement->question ||
        scan_question_parse(message->text, &scan) != ERR_OK) {
        (void)handover_link_say(retirement->link, HANDOVER_ANSWERED, message->number);
        return;
    }
    if (retirement->answering != 0)
        return; // nobody waits for the former answer, and this one comes too late
    (void)string_copy(retirement->question, sizeof retirement->question, message->text);
    retirement->asked = message->number;
    put_question(retirement);
}

// hear_blocks takes a piece of a list, or brings the whole one into force.
static void hear_blocks(struct retirement *retirement, const struct handover_message *message)
{
    if (message->kind == HANDOVER_BLOCKS && !add_blocks(retirement, message))
        lose(retirement, "no memory for the list of blocks");
    else if (message->kind == HANDOVER_OBEY && !take_blocks(retirement, message->number))
        lose(retirement, "it is not known who is blocked");
}

// hear_reload reads the configuration again; where the process that serves asks for what it has in force, only what takes trust
// away: what that one has refused, or not judged yet, comes into force nowhere.
static void hear_reload(struct service *service)
{
    if (service->lead.is_led || service->stopping_at_s != 0)
        reload_take(service);
    else if (reload_refusal(service) == NULL)
        (void)reload_request(service, LOADER_ALL);
}

static void on_message(void *arg, const struct handover_message *message, int *fds, size_t fd_count)
{
    (void)fds;
    (void)fd_count;
    struct retirement *retirement = arg;
    struct service *service = retirement->service;
    switch (message->kind) {
    case HANDOVER_SERVING: // it is late to say so
        break;
    case HANDOVER_BLOCKS:
    case HANDOVER_OBEY:
        hear_blocks(retirement, message);
        break;
    case HANDOVER_FOLLOW:
        service->lead.is_led = false; // until it asks
        retirement->must_tell_all = true;
        tell_counts(retirement);
        break;
    case HANDOVER_ASK:
        take_question(retirement, message);
        break;
    case HANDOVER_REOPEN:
        service_reopen_audit(service);
        break;
    case HANDOVER_RELOAD:
        hear_reload(service);
        break;
    case HANDOVER_DRAIN:
        service_begin_drain(service);
        break;
    case HANDOVER_STOP:
        service_stop_now(service);
        break;
    case HANDOVER_HELLO:
    case HANDOVER_LISTENER:
    case HANDOVER_CONTROL:
    case HANDOVER_ADMIN:
    case HANDOVER_ADMIN_FILE:
    case HANDOVER_BEGIN:
    case HANDOVER_PREPARED:
    case HANDOVER_FAILED:
    case HANDOVER_TICKETS:
    case HANDOVER_PREDECESSOR:
    case HANDOVER_COMMIT:
    case HANDOVER_OBEYED:
    case HANDOVER_COUNTS:
    case HANDOVER_ANSWER:
    case HANDOVER_ANSWERED:
    case HANDOVER_ENDED:
    case HANDOVER_OCSP:
    case HANDOVER_SECRETS:
    case HANDOVER_READY:
    case HANDOVER_YOURS:
    case HANDOVER_KIND_COUNT:
        lose(retirement, "the new process says what does not fit");
        break;
    }
}

static void on_end(void *arg, const char *why)
{
    lose(arg, why == NULL ? "the process that serves has ended" : why);
}

// tell_in_force answers when this process goes by what is in force, or cannot.
static void tell_in_force(struct retirement *retirement)
{
    char data[ANSWER_PIECE_CAP];
    struct text text;
    const char *why = NULL;
    const uint64_t number = retirement->catching_up.number;
    if (number == 0 || !catching_up_step(&retirement->catching_up, &why))
        return;
    retirement->has_caught_up = true;
    retirement->why = why;
    if (retirement->link == NULL)
        return;
    text_init(&text, data, sizeof data);
    in_force_answer_format(why, &text);
    const struct handover_message answer = {
        .kind = HANDOVER_ANSWER, .number = number, .bytes = text_slice(&text)};
    // Without the answer this would be one of an older version, which does not know the question.
    if (handover_link_send(retirement->link, &answer, NULL, 0))
        (void)handover_link_say(retirement->link, HANDOVER_ANSWERED, number);
}

// tell_obeyed answers when every worker goes by the list that came last.
static void tell_obeyed(struct retirement *retirement)
{
    if (retirement->generation == 0 ||
        retirement->service->rollout.adopted_generation < retirement->generation)
        return;
    retirement->generation = 0;
    if (retirement->link != NULL)
        (void)handover_link_say(retirement->link, HANDOVER_OBEYED, retirement->number);
}

static void on_turn(struct ev_loop *loop, ev_prepare *turn, int events)
{
    (void)loop;
    (void)events;
    tell_obeyed(turn->data);
    tell_in_force(turn->data);
}

// on_patience_over wakes the loop, for those who ask whether all is settled.
static void on_patience_over(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)timer;
    (void)events;
}

void retirement_be_led(struct service *service)
{
    struct reload_lead *lead = &service->lead;
    lead->is_led = true;
    (void)string_copy(lead->wanted, sizeof lead->wanted, slice_of_string(service->snapshot->id));
}

bool retirement_is_settled(const struct retirement *retirement, const char **out_why)
{
    const struct rollout *rollout = &retirement->service->rollout;
    *out_why = retirement->why;
    return !ev_is_active(&retirement->patience) ||
           (retirement->has_caught_up && rollout->adopted_generation >= retirement->left);
}

// begin_turns begins what is done before the loop waits, ahead of those who ask what has come of it.
static void begin_turns(struct retirement *retirement, struct ev_loop *loop)
{
    ev_prepare_init(&retirement->turn, on_turn);
    ev_set_priority(&retirement->turn, EV_MAXPRI);
    retirement->turn.data = retirement;
    ev_prepare_start(loop, &retirement->turn);
    ev_timer_init(&retirement->patience, on_patience_over, settle_patience_s, 0.);
    ev_timer_start(loop, &retirement->patience);
}

struct retirement *retirement_create(struct service *service, struct handover_link *link)
{
    struct retirement *retirement = calloc(1, sizeof *retirement);
    const struct handover_events events = {
        .on_message = on_message, .on_end = on_end, .arg = retirement};
    if (retirement == NULL ||
        !wakeup_start(&retirement->changed, service->loop, on_changed, retirement)) {
        handover_link_destroy(link);
        free(retirement);
        return NULL;
    }
    retirement->service = service;
    retirement->link = link;
    handover_link_set_events(link, &events);
    catching_up_init(&retirement->catching_up, service);
    begin_turns(retirement, service->loop);
    ledger_watch(service->shared.ledger, on_change, retirement);
    retirement->left = reload_revise(service); // what they adopt now they adopt without listeners
    if (handover_link_has_ended(link))         // before it said that it serves
        on_end(retirement, NULL);
    return retirement;
}

void retirement_tell_end(const struct retirement *retirement, uint64_t cut_count)
{
    const struct handover_message ended = {.kind = HANDOVER_ENDED, .number = cut_count};
    if (retirement != NULL && retirement->link != NULL)
        (void)handover_tell(handover_link_fd(retirement->link), &ended);
}

void retirement_destroy(struct retirement *retirement)
{
    if (retirement == NULL)
        return;
    catching_up_stop(&retirement->catching_up);
    ev_prepare_stop(retirement->service->loop, &retirement->turn);
    ev_timer_stop(retirement->service->loop, &retirement->patience);
    wakeup_stop(&retirement->changed);
    handover_link_destroy(retirement->link);
    free(retirement->blocks);
    free(retirement);
}
