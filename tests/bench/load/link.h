// link: an HTTP/2 connection of the load generator. Clients of a setup with `links` are streams on them, and do not
// know it: client.c hands over to here.
//
// A link carries so many streams at a time as the setup says; where all are full another one is made. What a stream sends is borrowed until it is out: all of it is static memory.
#pragma once

#include "tests/bench/load/client.h"

struct link;

// links are the connections of a process.
struct links {
    struct link *first; // owned
    size_t streams;     // the most on each at a time
    uint32_t window;    // bytes; of a stream
};

// links_close closes all connections, and with them what is left on them. No callback.
void links_close(struct links *links);

// link_start opens a stream with a CONNECT for the client. False without memory or descriptor.
bool link_start(struct client *client, const char *target) MUST_USE;

// link_read, link_write, link_want and link_close are client_read, client_write, client_want and client_close.
enum err link_read(struct client *client, void *out, size_t cap, size_t *out_len) MUST_USE;
enum err link_write(struct client *client, struct slice bytes, size_t *out_len) MUST_USE;
void link_want(struct client *client, bool read, bool write);
void link_close(struct client *client, bool is_reset);
