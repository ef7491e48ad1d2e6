// store_peer: a store of a few lines on the loop of a test, on loopback, that answers each command with the bytes that the
// test gives, good or bad.
#pragma once

#include <ev.h>

#include "proxy/net/tcp_stream.h"
#include "proxy/store/resp.h"

enum { STORE_PEER_CONNS = 8, STORE_PEER_WORDS_CAP = 4096 };

// store_peer_answer gives the bytes for a command, as static memory; NULL: the peer says nothing.
typedef const char *store_peer_answer(void *arg, const struct resp *command);

struct store_peer_conn {
    struct store_peer *peer;
    struct tcp_stream tcp;
    struct resp_reader *reader;
};

struct store_peer {
    struct ev_loop *loop;
    ev_io io;
    uint16_t port;
    store_peer_answer *answer;
    void *arg; // borrowed
    size_t accept_count;
    bool has_ended;                   // the other side has ended a connection
    bool is_reset;                    // the other side has reset a connection
    char words[STORE_PEER_WORDS_CAP]; // all that was asked; words by blanks, commands by `;`
    struct store_peer_conn conns[STORE_PEER_CONNS];
};

// store_peer_start listens on 127.0.0.1.
void store_peer_start(struct store_peer *peer, struct ev_loop *loop, store_peer_answer *answer,
                      void *arg);

// store_peer_say sends bytes, unasked, on all connections.
void store_peer_say(struct store_peer *peer, const char *bytes);

// store_peer_hang_up ends all connections.
void store_peer_hang_up(struct store_peer *peer);

// store_peer_stop ends them, and listens no more. May be repeated.
void store_peer_stop(struct store_peer *peer);

// store_peer_word tells whether the first word of a command is `word`.
bool store_peer_word(const struct resp *command, const char *word);
