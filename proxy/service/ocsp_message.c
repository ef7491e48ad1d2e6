// A note of the book is the bytes of a message.
#include "proxy/service/ocsp_message.h"

#include <inttypes.h>

#include "proxy/log/log.h"
#include "proxy/ocsp/ocsp_note.h"

_Static_assert((int)OCSP_NOTE_MAX <= (int)HANDOVER_BYTES_MAX, "a note fits into a message");

_Static_assert((int64_t)OCSP_BOOK_MAX_KEPT *OCSP_MESSAGE_SMALL_MAX <= OCSP_MESSAGE_BYTES_MAX,
               "there is room for all small notes");

struct sender {
    struct handover_link *link; // borrowed
    bool is_for_small;          // this time; else for the others
    size_t bytes_left;
    size_t count_left;
    size_t lost;         // that had no room
    size_t lost_revoked; // of them
};

static bool send_note(void *arg, const struct ocsp_note *note)
{
    struct sender *sender = arg;
    uint8_t bytes[OCSP_NOTE_MAX];
    const size_t len = ocsp_note_format(note, bytes);
    const bool is_small = len > 0 && len <= OCSP_MESSAGE_SMALL_MAX;
    if (is_small != sender->is_for_small)
        return true;
    if (len == 0 || len > sender->bytes_left || sender->count_left == 0) {
        sender->lost++;
        sender->lost_revoked += note->status == OCSP_REVOKED;
        return true;
    }
    sender->bytes_left -= len;
    sender->count_left--;
    const struct handover_message message = {
        .kind = HANDOVER_OCSP, .number = OCSP_NOTE_FORMAT, .bytes = slice_of(bytes, len)};
    return handover_link_send(sender->link, &message, NULL, 0);
}

bool ocsp_message_send(struct handover_link *link, struct ocsp_book *book)
{
    static const enum ocsp_status order[] = {OCSP_REVOKED, OCSP_UNKNOWN};
    struct sender sender = {
        .link = link, .bytes_left = OCSP_MESSAGE_BYTES_MAX, .count_left = OCSP_BOOK_MAX_KEPT};
    bool is_sent = true;
    for (size_t i = 0; i < 2 * sizeof order / sizeof *order && is_sent; i++) {
        sender.is_for_small = i % 2 == 0;
        is_sent = ocsp_book_tell(book, order[i / 2], send_note, &sender);
    }
    if (is_sent && sender.lost > 0)
        log_warning(LOG_UPGRADE,
                    "%zu certificates that OCSP responders have called revoked, and %zu that they "
                    "do not know, are not handed over: there is room for %d, and for %d MiB; "
                    "responders are asked about them again, and one that must stay out whatever "
                    "they say belongs into `denied`",
                    sender.lost_revoked, sender.lost - sender.lost_revoked, OCSP_BOOK_MAX_KEPT,
                    OCSP_MESSAGE_BYTES_MAX >> 20);
    return is_sent;
}

enum err ocsp_message_take(struct ocsp_book *book, const struct handover_message *message,
                           bool *is_strange, struct errinfo *info)
{
    struct ocsp_note note;
    if (message->number != OCSP_NOTE_FORMAT) {
        if (!*is_strange)
            log_warning(LOG_UPGRADE,
                        "the running process hands over what OCSP has said in format %" PRIu64
                        ", and this version knows format %d: responders are asked again, and "
                        "`ocsp.mode` decides about whom they do not answer",
                        message->number, (int)OCSP_NOTE_FORMAT);
        *is_strange = true;
        return ERR_OK;
    }
    if (ocsp_note_parse(message->bytes, &note) != ERR_OK)
        return errinfo_set(info, ERR_INPUT,
                           "the running process hands over a malformed note of OCSP");
    if (!ocsp_book_hear(book, &note))
        return errinfo_set(info, ERR_MEMORY, "no memory for what OCSP has said");
    return ERR_OK;
}
