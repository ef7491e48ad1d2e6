// ocsp_message: whom OCSP responders do not call good, sent from one process to another: a message for each of them, of which
// the number is OCSP_NOTE_FORMAT. On main.
#pragma once

#include "proxy/handover/handover_link.h"
#include "proxy/ocsp/ocsp_book.h"

// ocsp_message_send sends them all, revoked ones first. False: no memory.
bool ocsp_message_send(struct handover_link *link, struct ocsp_book *book) MUST_USE;

// ocsp_message_take notes in the book what a message says. `*is_strange` becomes true, and the log says so once, where it is
// in a format of another version: it is ignored. ERR_INPUT or ERR_MEMORY.
enum err ocsp_message_take(struct ocsp_book *book, const struct handover_message *message,
                           bool *is_strange, struct errinfo *info) MUST_USE;
