// As many lines a message as fit.
#include "proxy/service/counts_message.h"

#include "proxy/handover/handover_counts.h"

enum { PIECE_CAP = 8192 };

struct sender {
    struct handover_link *link; // borrowed
    struct text text;
    bool is_failed;
};

static void send_piece(void *arg, struct slice bytes)
{
    struct sender *sender = arg;
    const struct handover_message message = {.kind = HANDOVER_COUNTS, .bytes = bytes};
    if (bytes.len > 0 && !handover_link_send(sender->link, &message, NULL, 0))
        sender->is_failed = true;
}

// add begins another message where the line does not fit: each message is whole lines.
static void add(struct sender *sender, const struct handover_count *count)
{
    if (sender->text.len > PIECE_CAP - HANDOVER_ACCOUNT_MAX - 64)
        text_flush(&sender->text);
    handover_counts_add(&sender->text, count);
}

static void tell(void *arg, const char *name, uint32_t tunnels)
{
    const struct handover_count count = {
        .kind = HANDOVER_COUNT_TUNNELS, .number = tunnels, .name = slice_of_string(name)};
    add(arg, &count);
}

bool counts_message_send(struct handover_link *link, struct ledger *ledger, bool is_full)
{
    char piece[PIECE_CAP];
    struct sender sender = {.link = link};
    const struct ledger_totals totals = ledger_read(ledger);
    const struct handover_count sessions = {.kind = HANDOVER_COUNT_SESSIONS,
                                            .number = totals.sessions};
    const struct handover_count memory = {.kind = HANDOVER_COUNT_MEMORY, .number = totals.memory};
    text_init_sink(&sender.text, piece, sizeof piece, send_piece, &sender);
    add(&sender, &sessions);
    add(&sender, &memory);
    ledger_report(ledger, is_full, tell, &sender);
    text_flush(&sender.text);
    return !sender.text.is_cut && !sender.is_failed;
}
