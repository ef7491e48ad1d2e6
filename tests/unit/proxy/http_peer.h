// http_peer: an HTTP server of a few lines on the loop of a test, on loopback, that answers with the bytes that it is told,
// good or bad.
#pragma once

#include <ev.h>

#include "proxy/net/tcp_stream.h"
#include "proxy/tls/tls_server.h"

enum { HTTP_PEER_CONNS = 8, HTTP_PEER_ANSWERS = 4, HTTP_PEER_REQUEST_CAP = 8192 };

// http_peer_answer is what one request gets. The last one of a server is for all that follow.
struct http_peer_answer {
    struct slice bytes; // borrowed
    size_t repeats;     // `bytes` are sent so many times more
    bool is_slow;       // byte by byte, each in a pass of the loop of its own
    bool ends;          // the connection ends after it
    bool resets;        // likewise, with a reset
    bool is_eager;      // sent when the connection is there, before any request
};

struct http_peer_conn {
    struct http_peer *peer;
    struct tcp_stream tcp;
    struct tls_stream *tls;
    bool is_shaken; // TLS is done
    const struct http_peer_answer *answer;
    size_t sent; // bytes of all repetitions
    char request[HTTP_PEER_REQUEST_CAP];
    size_t request_len;
    ev_timer more;
};

struct http_peer {
    struct ev_loop *loop;
    struct tls_context *tls; // ref; NULL: plain; set before the first connection
    struct buffer_pool pool;
    ev_io io;
    uint16_t port;
    struct http_peer_answer answers[HTTP_PEER_ANSWERS];
    size_t answer_count;
    size_t accept_count;
    size_t request_count;
    char request[HTTP_PEER_REQUEST_CAP]; // the last one
    struct http_peer_conn conns[HTTP_PEER_CONNS];
};

// http_peer_start listens on 127.0.0.1.
void http_peer_start(struct http_peer *peer, struct ev_loop *loop);

// http_peer_say adds an answer that is sent as it is.
struct http_peer_answer *http_peer_say(struct http_peer *peer, struct slice bytes);

// http_peer_hang_up closes all connections.
void http_peer_hang_up(struct http_peer *peer);

void http_peer_stop(struct http_peer *peer);
