// client: one connection of the load generator: TCP, TLS with a client certificate, CONNECT, and then a tunnel. Or
// without TLS, for a sidecar; or plain TCP straight to the origin, to know what the proxy adds; or, over HTTP/2, a stream
// of a connection (link.h).
//
// Its handler is called from the loop. The server's certificate is not looked at: that costs the
// generator time and says nothing about the proxy.
#pragma once

#include <ev.h>
#include <netinet/in.h>
#include <openssl/ssl.h>

#include "auth/base/err.h"
#include "auth/base/slice.h"

struct client;
struct link_stream;
struct links;

struct client_handler {
    // on_answer: the head (and a refusal's body) has been read. `client->status` says which.
    void (*on_answer)(struct client *client);
    // on_ready: bytes may be read or written, as client_want has asked.
    void (*on_ready)(struct client *client);
    // on_end: it is over, and closed; `why` is NULL for an orderly end. Static memory.
    void (*on_end)(struct client *client, const char *why);
};

enum client_state {
    CLIENT_IDLE, // not connected
    CLIENT_CONNECTING,
    CLIENT_HANDSHAKE,
    CLIENT_HALF_OPEN, // has had the server's answer to its hello, and says nothing more
    CLIENT_ANSWER,    // waits for the answer to CONNECT
    CLIENT_OPEN,
};

enum { HELLO_CAP = 2048 };

// client_setup is what all clients of a process share.
struct client_setup {
    struct ev_loop *loop;     // borrowed
    struct sockaddr_in proxy; // or the origin, with is_direct
    SSL_CTX *ssl_ctx;         // owned by main; NULL: no TLS
    bool is_direct;           // no TLS and no CONNECT
    struct links *links;      // borrowed; HTTP/2; NULL: HTTP/1.1
    uint8_t hello[HELLO_CAP]; // what goes into each tunnel first; the origin drops it
    size_t hello_len;         // 0: nothing
};

struct client {
    ev_io io;
    const struct client_setup *setup;     // borrowed
    const struct client_handler *handler; // static memory
    void *owner;                          // of the handler
    enum client_state state;
    SSL *ssl;             // owned
    SSL_SESSION *session; // owned; of the last connection, for the next one
    const char *target;   // borrowed: host:port
    int status;           // of the last answer
    bool is_kept;         // the answer leaves the connection open
    bool is_resumed;
    bool wants_resumption;      // offer the session, keep the new one
    bool stays_half_open;       // say hello and nothing more: CLIENT_HALF_OPEN
    bool is_link;               // is a connection of HTTP/2: no CONNECT
    struct link_stream *stream; // borrowed; over HTTP/2
    size_t early_len;           // bytes of the tunnel that came with the answer
    size_t head_len;
    size_t body_left; // bytes of a refusal still to come
    uint64_t begun_ns;
    uint64_t count;   // for the owner
    uint64_t sent_ns; // likewise
    char head[2048];
};

// client_credentials makes the SSL_CTX for a certificate chain and key in PEM files; NULL after a word on
// stderr.
SSL_CTX *client_credentials(const char *chain_path, const char *key_path);

// client_make_hello puts the ClientHello of a browser's library into the setup, and a small record after it.
bool client_make_hello(struct client_setup *setup) MUST_USE;

// now_ns gives the monotonic clock.
uint64_t now_ns(void);

// client_start connects. Ends are told to on_end, those of the start too, but never from within.
// False: no descriptor or memory.
bool client_start(struct client *client, const char *target) MUST_USE;

// client_ask sends another CONNECT on a connection that was refused and kept.
void client_ask(struct client *client, const char *target);

// client_read and client_write: ERR_OK with `*out_len` > 0, ERR_AGAIN, ERR_EOF, or an error.
enum err client_read(struct client *client, void *out, size_t cap, size_t *out_len) MUST_USE;
enum err client_write(struct client *client, struct slice bytes, size_t *out_len) MUST_USE;

// client_want sets what on_ready is called for.
void client_want(struct client *client, bool read, bool write);

// client_close ends the connection with close_notify, or with a reset, without waiting for anything. No
// callback. May be repeated.
void client_close(struct client *client, bool is_reset);

// client_forget_session drops what would resume.
void client_forget_session(struct client *client);
