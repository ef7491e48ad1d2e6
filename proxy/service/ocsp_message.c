// A note of the book is the bytes of a message.
#include "proxy/service/ocsp_message.h"

#include <inttypes.h>

#include "proxy/log/log.h"
#include "proxy/ocsp/ocsp_note.h"

_Static_assert((int)OCSP_NOTE_MAX <= (int)HANDOVER_BYTES_MAX, "a note fits into a message");

static bool send_note(void *arg, const struct ocsp_note *note)
{
    struct handover_link *link = arg;
    uint8_t bytes[OCSP_NOTE_MAX];
    const size_t len = ocsp_note_format(note, bytes);
    if (len == 0) {
        log_warning(LOG_UPGRADE,
                    "what OCSP has said about a certificate is not handed over: its issuer's name "
                    "and key are longer than %d bytes; block it, if it must stay out",
                    (int)OCSP_NOTE_MAX);
        return true;
    }
    const struct handover_message message = {
        .kind = HANDOVER_OCSP, .number = OCSP_NOTE_FORMAT, .bytes = slice_of(bytes, len)};
    return handover_link_send(link, &message, NULL, 0);
}

bool ocsp_message_send(struct handover_link *link, struct ocsp_book *book)
{
    return ocsp_book_tell(book, send_note, link);
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
