// A process that nobody leads any more drains: no block would reach it.
#include "proxy/service/retirement.h"

#include <inttypes.h>
#include <stdlib.h>

#include "proxy/admin/block_state.h"
#include "proxy/log/log.h"
#include "proxy/service/orders.h"
#include "proxy/service/reload.h"

struct retirement {
    struct service *service;    // borrowed
    struct handover_link *link; // owned; to the process that serves; NULL: it has ended
    char *blocks;               // owned; text of a list, as it comes
    size_t blocks_len;
    uint64_t number;     // of the list that came last
    uint64_t generation; // of the snapshot that has it; 0: it is answered
    ev_prepare turn;     // before the loop waits
};

enum { BLOCKS_MAX_BYTES = 64 * 1024 * 1024 };

// take_blocks brings the list that has come into force. False: it cannot be read, or there is no memory.
static bool take_blocks(struct retirement *retirement, uint64_t number)
{
    struct service *service = retirement->service;
    struct blocklist *blocks = NULL;
    struct errinfo info;
    const struct slice text = slice_of(retirement->blocks, retirement->blocks_len);
    if (block_state_parse(text, "the list of the new process", &blocks, &info) != ERR_OK) {
        log_error(LOG_UPGRADE, "%s", info.text);
        return false;
    }
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

// lose lets the link go, and drains: who does not know who is blocked does not go on.
static void lose(struct retirement *retirement, const char *why)
{
    struct service *service = retirement->service;
    log_warning(LOG_UPGRADE, "%s: this old process drains", why);
    handover_link_destroy(retirement->link);
    retirement->link = NULL;
    if (service->stopping_at_s == 0)
        service_begin_drain(service);
}

static void on_message(void *arg, const struct handover_message *message, int *fds, size_t fd_count)
{
    (void)fds;
    (void)fd_count;
    struct retirement *retirement = arg;
    struct service *service = retirement->service;
    switch (message->kind) {
    case HANDOVER_BLOCKS:
        if (!add_blocks(retirement, message))
            lose(retirement, "no memory for the list of blocks");
        break;
    case HANDOVER_OBEY:
        if (!take_blocks(retirement, message->number))
            lose(retirement, "it is not known who is blocked");
        break;
    case HANDOVER_REOPEN:
        service_reopen_audit(service);
        break;
    case HANDOVER_RELOAD:
        if (reload_refusal(service) == NULL)
            (void)reload_request(service, LOADER_ALL);
        break;
    case HANDOVER_DRAIN:
        if (service->stopping_at_s == 0)
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
    case HANDOVER_SERVING:
    case HANDOVER_OBEYED:
    case HANDOVER_ENDED:
    case HANDOVER_KIND_COUNT:
        lose(retirement, "the new process says what does not fit");
        break;
    }
}

static void on_end(void *arg, const char *why)
{
    lose(arg, why == NULL ? "the process that serves has ended" : why);
}

// on_turn answers when every worker goes by the list that came last.
static void on_turn(struct ev_loop *loop, ev_prepare *turn, int events)
{
    (void)loop;
    (void)events;
    struct retirement *retirement = turn->data;
    if (retirement->generation == 0 ||
        retirement->service->rollout.adopted_generation < retirement->generation)
        return;
    retirement->generation = 0;
    if (retirement->link != NULL)
        (void)handover_link_say(retirement->link, HANDOVER_OBEYED, retirement->number);
}

struct retirement *retirement_create(struct service *service, struct handover_link *link)
{
    struct retirement *retirement = calloc(1, sizeof *retirement);
    const struct handover_events events = {
        .on_message = on_message, .on_end = on_end, .arg = retirement};
    if (retirement == NULL) {
        handover_link_destroy(link);
        return NULL;
    }
    retirement->service = service;
    retirement->link = link;
    handover_link_set_events(link, &events);
    ev_prepare_init(&retirement->turn, on_turn);
    retirement->turn.data = retirement;
    ev_prepare_start(service->loop, &retirement->turn);
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
    ev_prepare_stop(retirement->service->loop, &retirement->turn);
    handover_link_destroy(retirement->link);
    free(retirement->blocks);
    free(retirement);
}
