// upgrade: has the keeper start the program once more beside this process, hands over what it needs, and retires when it serves.
//
// On main's loop. As long as the new process does not say that it serves, this one serves, and says why if that never comes:
// a program that cannot be started, crashes or hangs, or a configuration that it does not take.
#pragma once

#include <ev.h>

#include "proxy/handover/handover_link.h"

struct service;
struct text;

enum {
    UPGRADE_PATIENCE_MS = 60 * 1000, // where nobody says otherwise
    UPGRADE_PATIENCE_MAX_MS = 60 * 60 * 1000,
};

// upgrade_outcome is what became of the upgrades so far.
struct upgrade_outcome {
    uint64_t begun;
    uint64_t done; // the number of the last one that is over
    bool is_last_good;
    char message[600]; // about it
};

// What an upgrade asks of the rest of the process.
struct upgrade_events {
    // pause lets nobody begin a command at the control socket any more, or again.
    void (*pause)(struct service *service, bool is_paused);
    // leave leaves what the fleet shares, and the file of state, to the next process, or takes them back.
    void (*leave)(struct service *service, bool is_left);
    // is_quiet tells whether no command is under way that must have ended first.
    bool (*is_quiet)(const struct service *service);
    // control_fd gives the control socket; -1: there is none.
    int (*control_fd)(const struct service *service);
    // admin_fd gives the socket at which metrics are asked for; -1: there is none.
    int (*admin_fd)(const struct service *service);
    // write_secrets writes the ticket secrets that a fleet shares, as ticket_set_format does; nothing where there are none.
    void (*write_secrets)(const struct service *service, struct text *out);
    // retire leaves everything new to the process at the other end of `link`, which it takes over. `is_led`: that one will ask
    // whether what it has in force is in force here.
    void (*retire)(struct service *service, struct handover_link *link, bool is_led);
};

struct upgrade;

// upgrade_on_started, upgrade_on_not_started and upgrade_on_ended take what the keeper tells of the new process.
void upgrade_on_started(struct upgrade *upgrade, int64_t pid);
void upgrade_on_not_started(struct upgrade *upgrade, const char *why);
void upgrade_on_ended(struct upgrade *upgrade, int64_t pid, int status);

// upgrade_create prepares one. NULL without memory.
struct upgrade *upgrade_create(struct service *service,
                               const struct upgrade_events *events) MUST_USE;

// upgrade_destroy ends the new process, if it does not serve yet, and frees. NULL is allowed.
void upgrade_destroy(struct upgrade *upgrade);

// upgrade_outcome_of gives what became of them.
const struct upgrade_outcome *upgrade_outcome_of(const struct upgrade *upgrade);

// upgrade_is_under_way tells whether there is a new process that does not serve yet. NULL is allowed.
bool upgrade_is_under_way(const struct upgrade *upgrade);

// upgrade_refusal tells why there can be no upgrade now; static memory. NULL: it is allowed.
const char *upgrade_refusal(const struct service *service);

// upgrade_request begins one, which upgrade_refusal has allowed. `patience_ms` is how long the new process may take. Gives
// the number that `done` will have reached when it is over: maybe at once.
uint64_t upgrade_request(struct service *service, int64_t patience_ms);

// upgrade_note_signal keeps a signal that has come, if an upgrade is under way: it was meant for the process that serves. The
// new one, which may have begun too early to go by it, gets it too when it serves. If that never comes, this process gets
// SIGHUP once more, for a reload was refused meanwhile.
void upgrade_note_signal(struct upgrade *upgrade, int number);

// upgrade_concede takes a new process that was told to serve for one that does, though it has not said so: nothing tells any
// more whether it does. NULL is allowed.
void upgrade_concede(struct upgrade *upgrade);

// upgrade_abandon ends one that is not committed yet: this process is to end. NULL is allowed.
void upgrade_abandon(struct upgrade *upgrade);
