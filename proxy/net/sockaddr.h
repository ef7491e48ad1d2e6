// sockaddr: our addresses to and from the kernel's, and what a socket can be asked about itself.
#pragma once

#include <sys/socket.h>

#include "auth/ipaddr.h"

// socket_address is a sockaddr large enough for both families.
struct socket_address {
    struct sockaddr_storage storage;
    socklen_t len;
};

// socket_address_make fills the kernel's form of an address and port.
void socket_address_make(const struct ip_addr *addr, uint16_t port, struct socket_address *out);

// socket_address_read takes address and port out of the kernel's form; false for other families.
bool socket_address_read(const struct sockaddr *in, struct ip_addr *out_addr, uint16_t *out_port);

// socket_local_name and socket_peer_name ask a socket for its two ends; false when it has none.
bool socket_local_name(int fd, struct ip_addr *out_addr, uint16_t *out_port);
bool socket_peer_name(int fd, struct ip_addr *out_addr, uint16_t *out_port);

// socket_set switches an option of a socket on; false with errno set when it cannot.
bool socket_set(int fd, int level, int option);

// address_is_local tells whether the address belongs to this machine in its network namespace now.
// Costs three system calls: for the rare request to a port on which the proxy itself listens.
bool address_is_local(const struct ip_addr *addr);
