// The text of the state file, as large a piece at a time as the text gives.
#include "proxy/service/blocks_message.h"

struct sender {
    struct handover_link *link; // borrowed
    bool is_begun;
    bool is_failed;
};

static void send_piece(void *arg, struct slice bytes)
{
    struct sender *sender = arg;
    const struct handover_message message = {
        .kind = HANDOVER_BLOCKS, .number = sender->is_begun ? 0 : 1, .bytes = bytes};
    sender->is_begun = true;
    if (!handover_link_send(sender->link, &message, NULL, 0))
        sender->is_failed = true;
}

bool blocks_message_send(struct handover_link *link, const struct blocklist *blocks)
{
    struct sender sender = {.link = link};
    return block_state_format_list(blocks, send_piece, &sender) && !sender.is_failed;
}

bool blocks_message_send_state(struct handover_link *link, const struct block_state *state)
{
    struct sender sender = {.link = link};
    return block_state_format(state, send_piece, &sender) && !sender.is_failed;
}
