// loop_rig: a libev loop and sockets on loopback for tests; every wait ends by an event or fails the
// test after a while.
#pragma once

#include <ev.h>
#include <stdbool.h>

#include "auth/ipaddr.h"

// loop_rig_ip reads an address; the test fails when it is none.
struct ip_addr loop_rig_ip(const char *text);

// loop_rig_run runs the loop until `*is_done`; the test fails after 20 seconds.
void loop_rig_run(struct ev_loop *loop, const bool *is_done);

// loop_rig_listen gives a plain listening socket, and its port (0: any).
int loop_rig_listen(const struct ip_addr *addr, uint16_t *port, int backlog);

// loop_rig_connect begins a non-blocking connect and returns the socket.
int loop_rig_connect(const struct ip_addr *addr, uint16_t port);

// loop_rig_pair gives two connected, non-blocking TCP sockets.
void loop_rig_pair(int out_fds[2]);
