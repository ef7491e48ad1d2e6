// inheritance: what a process that was started to take another one's place gets from it, before it serves anybody.
//
// The messages are those of proxy/handover/handover_message.h. Everything here waits: there is no loop yet. Whatever is wrong
// ends this process, and the other one goes on.
#pragma once

#include "proxy/admin/block_state.h"
#include "proxy/fleet/ticket_set.h"
#include "proxy/handover/handover_link.h"
#include "proxy/keeper/keeper.h"
#include "proxy/ocsp/ocsp_book.h"
#include "proxy/service/monitor_place.h"
#include "proxy/tls/ticket_keys.h"

enum {
    PREDECESSORS_MAX = 4, // processes that still have tunnels, beside the one that serves
    INHERITED_LISTENERS_MAX = 64,
};

// ancestor is a process that has tunnels, and the link over which it obeys.
struct ancestor {
    int64_t pid;
    int fd; // owned; -1: taken
};

// Zeroed is none, but for the descriptors: see inheritance_find.
struct inheritance {
    int fd; // owned; the link to the process before; -1: there is none
    int64_t pid;
    struct given_sockets *given; // owned
    size_t given_count;
    int control_fd; // owned; -1: none, or taken
    struct given_place admin;
    char *control; // owned; path of the control socket; "": there is none
    char *state;   // owned; path of the file of blocks
    char *blocks;  // owned; text of the state, as it comes
    size_t blocks_len;
    bool is_state_kept; // the file says the same
    bool has_to_ask;    // before this process serves
    // The ticket secrets of the fleet, as text; wiped by who takes them.
    char secrets[TICKET_SET_TEXT_MAX];
    size_t secrets_len;
    bool is_ocsp_strange; // notes of OCSP came in a format of another version
    char *counts;         // owned; what the process before has, as lines; see handover_counts.h
    size_t counts_len;
    struct ancestor ancestors[PREDECESSORS_MAX];
    size_t ancestor_count;
};

// inheritance_find finds the link in the environment, and removes it there. ERR_INPUT with a sentence if what is there is no
// link. `out->fd` is -1 where nobody hands over. Called by main, before there are threads.
enum err inheritance_find(struct inheritance *out, struct errinfo *info) MUST_USE;

// inheritance_receive takes what is needed to prepare: sockets, and where things are. ERR_INPUT or ERR_MEMORY.
enum err inheritance_receive(struct inheritance *inheritance, struct errinfo *info) MUST_USE;

// inheritance_await says that all is prepared, and takes what may have changed meanwhile: ticket keys go to `tickets`, what
// OCSP has said to `book`, and `*out` gets what is known of blocks; its words are NULL where that is nothing. ERR_INPUT or ERR_MEMORY.
enum err inheritance_await(struct inheritance *inheritance, struct ticket_keys *tickets,
                           struct ocsp_book *book, struct block_state *out,
                           struct errinfo *info) MUST_USE;

// inheritance_take_turn asks whether this process shall serve, and waits for the answer. Where the other one has died, it shall.
// ERR_INPUT with a sentence.
enum err inheritance_take_turn(const struct inheritance *inheritance,
                               struct errinfo *info) MUST_USE;

// inheritance_refuse tells the other process why this one cannot take its place. Does nothing where there is no link.
void inheritance_refuse(const struct inheritance *inheritance, const char *why);

// inheritance_deinit closes what was not taken, and frees.
void inheritance_deinit(struct inheritance *inheritance);
