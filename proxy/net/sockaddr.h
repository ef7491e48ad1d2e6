// sockaddr: converts our addresses to and from the kernel's, and asks and sets properties of sockets.
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

// socket_address_read reads address and port from the kernel's form. False if the family is neither IPv4 nor IPv6.
bool socket_address_read(const struct sockaddr *in, struct ip_addr *out_addr, uint16_t *out_port);

enum socket_end { SOCKET_LOCAL, SOCKET_PEER };

// socket_name gives the address of one of a socket's ends. False if it has none.
bool socket_name(int fd, enum socket_end end, struct ip_addr *out_addr, uint16_t *out_port);

// socket_set turns on an option of a socket. False with errno set if it cannot.
bool socket_set(int fd, int level, int option);

// address_is_local tells whether the address belongs to this machine, in its network namespace, now; true if that cannot
// be found out. Costs three system calls: use it only for the rare request to a port on which the proxy itself listens.
bool address_is_local(const struct ip_addr *addr);
