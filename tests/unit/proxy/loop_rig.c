// Plain system calls, asserted on.
#include "tests/unit/proxy/loop_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "proxy/net/sockaddr.h"

enum { PATIENCE_S = 20 };

struct ip_addr loop_rig_ip(const char *text)
{
    struct ip_addr addr;
    assert_int_equal(ip_addr_parse(slice_of_string(text), &addr), ERR_OK);
    return addr;
}

static void on_impatience(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)events;
    *(bool *)timer->data = true;
    ev_break(loop, EVBREAK_ALL);
}

void loop_rig_run(struct ev_loop *loop, const bool *is_done)
{
    bool is_late = false;
    ev_timer guard;
    ev_now_update(loop);
    ev_timer_init(&guard, on_impatience, PATIENCE_S, 0.);
    guard.data = &is_late;
    ev_timer_start(loop, &guard);
    while (!*is_done && !is_late)
        (void)ev_run(loop, EVRUN_ONCE);
    ev_timer_stop(loop, &guard);
    assert_false(is_late);
}

int loop_rig_listen(const struct ip_addr *addr, uint16_t *port, int backlog)
{
    struct socket_address name;
    struct ip_addr bound;
    socket_address_make(addr, *port, &name);
    const int fd = socket(name.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&name.storage, name.len), 0);
    assert_int_equal(listen(fd, backlog), 0);
    assert_true(socket_name(fd, SOCKET_LOCAL, &bound, port));
    return fd;
}

int loop_rig_connect(const struct ip_addr *addr, uint16_t port)
{
    struct socket_address name;
    socket_address_make(addr, port, &name);
    const int fd = socket(name.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_true(connect(fd, (const struct sockaddr *)&name.storage, name.len) == 0 ||
                errno == EINPROGRESS);
    return fd;
}

void loop_rig_pair(int out_fds[2])
{
    const struct ip_addr addr = loop_rig_ip("127.0.0.1");
    uint16_t port = 0;
    const int listening = loop_rig_listen(&addr, &port, 1);
    out_fds[0] = loop_rig_connect(&addr, port);
    out_fds[1] = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    assert_true(out_fds[1] >= 0);
    struct pollfd writable = {.fd = out_fds[0], .events = POLLOUT};
    assert_int_equal(poll(&writable, 1, PATIENCE_S * 1000), 1);
    assert_int_equal(close(listening), 0);
}
