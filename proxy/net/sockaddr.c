// Conversions between ip_addr and the kernel's addresses.
#include "proxy/net/sockaddr.h"

#include <netinet/in.h>
#include <unistd.h>

void socket_address_make(const struct ip_addr *addr, uint16_t port, struct socket_address *out)
{
    *out = (struct socket_address){0};
    if (addr->family == IP_V4) {
        struct sockaddr_in *v4 = (struct sockaddr_in *)&out->storage;
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        (void)bytes_copy(&v4->sin_addr, sizeof v4->sin_addr, slice_of(addr->bytes, 4));
        out->len = sizeof *v4;
        return;
    }
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&out->storage;
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    (void)bytes_copy(&v6->sin6_addr, sizeof v6->sin6_addr, slice_of(addr->bytes, 16));
    out->len = sizeof *v6;
}

bool socket_address_read(const struct sockaddr *in, struct ip_addr *out_addr, uint16_t *out_port)
{
    *out_addr = (struct ip_addr){0};
    *out_port = 0;
    if (in->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)in;
        out_addr->family = IP_V4;
        *out_port = ntohs(v4->sin_port);
        return bytes_copy(out_addr->bytes, 16, slice_of(&v4->sin_addr, 4));
    }
    if (in->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)in;
        out_addr->family = IP_V6;
        *out_port = ntohs(v6->sin6_port);
        return bytes_copy(out_addr->bytes, 16, slice_of(&v6->sin6_addr, 16));
    }
    return false;
}

bool socket_name(int fd, enum socket_end end, struct ip_addr *out_addr, uint16_t *out_port)
{
    struct socket_address name = {.len = sizeof name.storage};
    struct sockaddr *at = (struct sockaddr *)&name.storage;
    const int error =
        end == SOCKET_PEER ? getpeername(fd, at, &name.len) : getsockname(fd, at, &name.len);
    return error == 0 && socket_address_read(at, out_addr, out_port);
}

bool socket_set(int fd, int level, int option)
{
    const int on = 1;
    return setsockopt(fd, level, option, &on, sizeof on) == 0;
}

bool address_is_local(const struct ip_addr *addr)
{
    struct socket_address name;
    socket_address_make(addr, 0, &name);
    const int fd = socket(name.storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return true; // cannot tell: the safe answer
    const bool is_local = bind(fd, (const struct sockaddr *)&name.storage, name.len) == 0;
    (void)close(fd);
    return is_local;
}
