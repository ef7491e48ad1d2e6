// ocsp_message: whom OCSP responders do not call good, sent from one process to another: a message for each of them, of which
// the number is OCSP_NOTE_FORMAT. On main.
#pragma once

#include "proxy/handover/handover_link.h"
#include "proxy/ocsp/ocsp_book.h"

enum {
    OCSP_MESSAGE_BYTES_MAX =
        48 * 1024 * 1024, // of all notes: half of what may wait for the other process
    OCSP_MESSAGE_SMALL_MAX =
        4096, // bytes of a note; these go first, and there is room for all of them
};

// ocsp_message_send sends them, OCSP_BOOK_MAX_KEPT at most: revoked ones before unknown ones, and of either the small ones first,
// so that one CA with a huge name takes no room of others. What does not fit the log says once. False: no memory.
bool ocsp_message_send(struct handover_link *link, struct ocsp_book *book) MUST_USE;

// ocsp_message_take notes in the book what a message says. `*is_strange` becomes true, and the log says so once, where it is
// in a format of another version: it is ignored. ERR_INPUT or ERR_MEMORY.
enum err ocsp_message_take(struct ocsp_book *book, const struct handover_message *message,
                           bool *is_strange, struct errinfo *info) MUST_USE;
