// arrival: a connection that a balancer passes on, until its PROXY header has said whose it is.
//
// Only addresses that the listener names may send a header, and they must: of anybody else nothing is read here. Not a byte
// after the header is read, so that TLS finds all of its own. What the header says takes the place of the socket's
// address; nothing else of it is believed.
#pragma once

#include "proxy/session/session_parts.h"

enum { ARRIVALS_MAX = 1024 }; // of a worker; a further one ends that which has waited longest

// arrival_create makes the memory for a header; NULL without memory. arrival_destroy frees it; NULL is allowed.
struct arrival *arrival_create(void) MUST_USE;
void arrival_destroy(struct arrival *arrival);

// arrival_step reads on. SESSION_STEP_SHAKE: the header is there, and the client has a place among the handshakes of its
// source.
enum session_step arrival_step(struct session *session);

// arrival_ends_ms gives when the header must be there.
int64_t arrival_ends_ms(const struct session *session);

// arrival_leave_for_handshake makes the session, which has entered HANDSHAKE, one that the client's place counts for, and
// frees the arrival.
void arrival_leave_for_handshake(struct session *session);

// arrival_refuse records why the connection is ended before its header is there.
void arrival_refuse(struct session *session, enum reason reason, const char *detail);
