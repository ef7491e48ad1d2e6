// sessions: all sessions of one worker: begun, drained, ended, judged again after a reload, freed.
#pragma once

#include "proxy/session/context.h"

// sessions_start prepares the lists and watchers of the context, whose public fields are set. When there have been many
// sessions, and none is left, the loop is told to end (ev_break), so that the worker can begin again.
void sessions_start(struct session_context *context);

// sessions_stop writes what is counted and frees what is left. No session may be alive. It may be
// started again, on another loop.
void sessions_stop(struct session_context *context);

// sessions_begin_retire ends the connections that wait for a further request, in an orderly way. Those that are new may
// still ask, once; what is under way goes on.
void sessions_begin_retire(struct session_context *context);

// sessions_begin_drain ends idle sessions in an orderly way and refuses new requests; what is under way goes on.
void sessions_begin_drain(struct session_context *context);

// sessions_end_all ends all sessions at once; their exchanges are recorded with `reason`.
void sessions_end_all(struct session_context *context, enum reason reason);

// sessions_adopt makes `snapshot` today's: from now on every session compares at each step towards a
// tunnel, and those that have one are judged again, a few each pass of the loop.
void sessions_adopt(struct session_context *context, struct snapshot *snapshot);

// sessions_take_resolver has everything that asks names go by the context's resolver, which is another one now.
void sessions_take_resolver(struct session_context *context);

// sessions_judge_again has all live tunnels judged again under today's snapshot, a few each pass of the loop, and
// what was remembered of certificates forgotten.
void sessions_judge_again(struct session_context *context);

// sessions_note_clock does so when the wall clock was set, forward or back: what is allowed only at times may be outside them.
void sessions_note_clock(struct session_context *context);

// sessions_note_answers has handshakes that wait for OCSP look again, for an answer has come.
void sessions_note_answers(struct session_context *context);

// sessions_note_leases has requests that wait for the fleet's limits look again, for main has an answer.
void sessions_note_leases(struct session_context *context);

// sessions_reap frees the dead sessions. Called from the loop when nothing else of them is running.
void sessions_reap(struct session_context *context);
