// outlet_link: a connection to a receiver of records: a Unix socket, TCP, or TLS over TCP. Its thread waits for the receiver,
// but for a bounded time, and no longer than its owner wants it to.
//
// Knows no queue and no record: bytes go out.
#pragma once

#include <stdatomic.h>

#include "proxy/outlet/outlet_settings.h"

struct outlet_link {
    struct stream socket; // first; below TLS, or what is written to. Private, as all that follows
    uint32_t magic;
    int fd;                                // owned; -1: no connection
    int wake_fd;                           // borrowed; eventfd
    bool is_datagram;                      // of what is connected
    int error;                             // errno of what went wrong on the socket last
    int64_t moved_ms;                      // monotonic; when the kernel took something last
    uint64_t written;                      // bytes that the kernel has taken in this connection
    bool is_tcp;                           // whose receiver acknowledges bytes
    bool has_finished;                     // our FIN is under way
    size_t said_len;                       // bytes that the receiver has sent
    const atomic_int_fast64_t *stop_at_ms; // borrowed; monotonic: no wait is longer
    const atomic_bool *is_outdated;        // borrowed: connecting is given up
    struct buffer_pool pool;               // of TLS
    struct tls_stream *tls;                // owned; NULL: in the clear
    const struct server_trust *judge;      // borrowed while connecting
    struct errinfo why;                    // what `judge` said
};

// outlet_link_init makes one without a connection. All pointers are borrowed and must outlive it.
void outlet_link_init(struct outlet_link *link, int wake_fd, const atomic_int_fast64_t *stop_at_ms,
                      const atomic_bool *is_outdated);

// outlet_link_deinit frees what it holds, after outlet_link_close.
void outlet_link_deinit(struct outlet_link *link);

bool outlet_link_is_open(const struct outlet_link *link);

// outlet_link_open connects, with the handshake: ten seconds at most. An error with a sentence in `info`.
enum err outlet_link_open(struct outlet_link *link, const struct outlet_settings *settings,
                          struct errinfo *info) MUST_USE;

// outlet_link_send sends all of it: ERR_OK once the kernel has it. ERR_LIMIT: a datagram that is too large for the receiver;
// the connection is good. Otherwise an error with a sentence; ERR_TIMEOUT where nothing was taken for ten seconds.
enum err outlet_link_send(struct outlet_link *link, struct slice bytes,
                          struct errinfo *info) MUST_USE;

// outlet_link_is_stream tells whether it is no datagram socket, so that several messages can be sent at once.
bool outlet_link_is_stream(const struct outlet_link *link);

// outlet_link_written gives how many bytes of the connection the kernel has taken, outlet_link_arrived how many of them the
// receiver's kernel has acknowledged; where nobody says so, all. Right until outlet_link_close, also once the connection broke.
uint64_t outlet_link_written(const struct outlet_link *link);
uint64_t outlet_link_arrived(const struct outlet_link *link);

// outlet_link_listen throws away what the receiver has said. An error with a sentence where it is gone, or says too much.
enum err outlet_link_listen(struct outlet_link *link, struct errinfo *info) MUST_USE;

// outlet_link_wait waits for `events` (of poll; 0: none) at most until `until_ms` (monotonic), or until it is woken.
void outlet_link_wait(struct outlet_link *link, short events, int64_t until_ms);

// outlet_link_finish tells the receiver that nothing more comes, and gives it a second to read what is under way.
void outlet_link_finish(struct outlet_link *link);

// outlet_link_close ends the connection, if there is one.
void outlet_link_close(struct outlet_link *link);
