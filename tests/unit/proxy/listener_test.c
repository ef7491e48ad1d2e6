// Listening sockets and the kernel's addresses, on loopback.
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "proxy/net/listener.h"
#include "proxy/net/sockaddr.h"
#include "tests/unit/proxy/loop_rig.h"

enum { SHARERS = 4, CLIENTS = 64 };

static void addresses_go_to_the_kernel_and_back(void **state)
{
    (void)state;
    static const char *const texts[] = {"127.0.0.1", "0.0.0.0",        "255.255.255.255",
                                        "::1",       "2001:db8::ff:1", "::ffff:1.2.3.4"};
    static const uint16_t ports[] = {0, 1, 443, 65535};
    for (size_t i = 0; i < 6 * 4; i++) {
        const struct ip_addr addr = loop_rig_ip(texts[i / 4]);
        struct socket_address name;
        struct ip_addr back;
        uint16_t port = 7;
        socket_address_make(&addr, ports[i % 4], &name);
        assert_true(socket_address_read((const struct sockaddr *)&name.storage, &back, &port));
        assert_true(ip_addr_equal(&addr, &back));
        assert_int_equal(port, ports[i % 4]);
    }
}

static void other_families_have_no_address(void **state)
{
    (void)state;
    const struct sockaddr local = {.sa_family = AF_UNIX};
    struct ip_addr addr;
    uint16_t port = 7;
    assert_false(socket_address_read(&local, &addr, &port));
    assert_int_equal(addr.family, IP_NONE);
    assert_int_equal(port, 0);
    assert_false(socket_name(-1, SOCKET_LOCAL, &addr, &port));
    assert_false(socket_name(-1, SOCKET_PEER, &addr, &port));
}

static void this_machine_knows_its_own_addresses(void **state)
{
    (void)state;
    const struct ip_addr mine = loop_rig_ip("127.0.0.1");
    const struct ip_addr nobodys = loop_rig_ip("192.0.2.1");
    assert_true(address_is_local(&mine));
    assert_false(address_is_local(&nobodys));
}

static void close_all(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_int_equal(close(fds[i]), 0);
}

static void more_sockets_join_those_that_are_there(void **state)
{
    (void)state;
    const struct ip_addr addr = loop_rig_ip("127.0.0.1");
    int fds[1 + SHARERS];
    uint16_t port = 0;
    struct errinfo info = {.text = ""};
    assert_int_equal(listener_bind(&addr, 0, 1, fds, &port, &info), ERR_OK);
    assert_int_equal(listener_join(&addr, port, SHARERS, fds + 1, &info), ERR_OK);
    for (size_t i = 1; i <= SHARERS; i++) {
        struct ip_addr bound;
        uint16_t bound_port = 0;
        assert_true(socket_name(fds[i], SOCKET_LOCAL, &bound, &bound_port));
        assert_int_equal(bound_port, port);
    }
    close_all(fds, 1 + SHARERS);
}

static void a_second_instance_finds_the_address_taken(void **state)
{
    (void)state;
    const struct ip_addr addr = loop_rig_ip("127.0.0.1");
    for (size_t count = 1; count <= SHARERS; count += SHARERS - 1) {
        int fds[SHARERS];
        int others[SHARERS];
        uint16_t port = 0;
        uint16_t again = 0;
        struct errinfo info = {.text = ""};
        assert_int_equal(listener_bind(&addr, 0, count, fds, &port, &info), ERR_OK);
        assert_true(port != 0);
        assert_int_equal(listener_bind(&addr, port, count, others, &again, &info), ERR_DENIED);
        assert_non_null(strstr(info.text, "127.0.0.1:"));
        assert_non_null(strstr(info.text, "another"));
        close_all(fds, count);
        assert_int_equal(listener_bind(&addr, port, count, others, &again, &info), ERR_OK);
        assert_int_equal(again, port);
        close_all(others, count);
    }
}

static void an_address_of_nobody_cannot_be_bound(void **state)
{
    (void)state;
    const struct ip_addr addr = loop_rig_ip("192.0.2.1");
    int fd = -1;
    uint16_t port = 0;
    struct errinfo info = {.text = ""};
    assert_int_equal(listener_bind(&addr, 8443, 1, &fd, &port, &info), ERR_SYSTEM);
    assert_non_null(strstr(info.text, "192.0.2.1:8443"));
    assert_non_null(strstr(info.text, "no such address"));
}

struct gate {
    size_t accepted; // by this one
    size_t *total;   // by all
    bool *is_done;
    size_t expected;
    struct ip_addr peer;
    uint16_t peer_port;
    int fd; // the last one
};

static void on_accept(void *arg, int fd, const struct ip_addr *peer, uint16_t peer_port)
{
    struct gate *gate = arg;
    gate->accepted++;
    gate->peer = *peer;
    gate->peer_port = peer_port;
    if (gate->fd >= 0)
        (void)close(gate->fd);
    gate->fd = fd;
    *gate->is_done = ++*gate->total >= gate->expected;
}

static void on_exhausted(void *arg, int error)
{
    (void)arg;
    fail_msg("exhausted: %d", error);
}

static void several_sockets_share_the_connections(void **state)
{
    (void)state;
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
    const struct ip_addr addr = loop_rig_ip("127.0.0.1");
    int fds[SHARERS];
    int clients[CLIENTS];
    uint16_t port = 0;
    struct errinfo info;
    struct listener *listeners[SHARERS];
    struct gate gates[SHARERS];
    size_t total = 0;
    bool is_done = false;
    assert_int_equal(listener_bind(&addr, 0, SHARERS, fds, &port, &info), ERR_OK);
    for (size_t i = 0; i < SHARERS; i++) {
        gates[i] =
            (struct gate){.total = &total, .is_done = &is_done, .expected = CLIENTS, .fd = -1};
        const struct listener_events events = {
            .on_accept = on_accept, .on_exhausted = on_exhausted, .arg = &gates[i]};
        listeners[i] = listener_start(loop, fds[i], &events);
        assert_non_null(listeners[i]);
    }
    for (size_t i = 0; i < CLIENTS; i++)
        clients[i] = loop_rig_connect(&addr, port);
    loop_rig_run(loop, &is_done);
    assert_int_equal(total, CLIENTS);
    for (size_t i = 0; i < SHARERS; i++) {
        assert_true(gates[i].accepted > 0); // by chance none: once in 25 million runs
        assert_true(ip_addr_equal(&gates[i].peer, &addr));
        assert_int_equal(close(gates[i].fd), 0);
        listener_stop(listeners[i]);
        assert_int_equal(fcntl(fds[i], F_GETFD), -1); // closed with it
    }
    close_all(clients, CLIENTS);
    listener_stop(NULL);
    ev_loop_destroy(loop);
}

static void an_accepted_socket_is_ready_for_use(void **state)
{
    (void)state;
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
    const struct ip_addr addr = loop_rig_ip("127.0.0.1");
    int fd = -1;
    uint16_t port = 0;
    struct errinfo info;
    size_t total = 0;
    bool is_done = false;
    struct gate gate = {.total = &total, .is_done = &is_done, .expected = 1, .fd = -1};
    const struct listener_events events = {
        .on_accept = on_accept, .on_exhausted = on_exhausted, .arg = &gate};
    assert_int_equal(listener_bind(&addr, 0, 1, &fd, &port, &info), ERR_OK);
    struct listener *listener = listener_start(loop, fd, &events);
    const int client = loop_rig_connect(&addr, port);
    loop_rig_run(loop, &is_done);
    struct ip_addr local;
    uint16_t local_port = 0;
    assert_true(socket_name(client, SOCKET_LOCAL, &local, &local_port));
    assert_int_equal(gate.peer_port, local_port);
    assert_true((fcntl(gate.fd, F_GETFL) & O_NONBLOCK) != 0);
    assert_true((fcntl(gate.fd, F_GETFD) & FD_CLOEXEC) != 0);
    int is_on = 0;
    socklen_t len = sizeof is_on;
    assert_int_equal(getsockopt(gate.fd, IPPROTO_TCP, TCP_NODELAY, &is_on, &len), 0);
    assert_true(is_on);
    is_on = 0;
    assert_int_equal(getsockopt(gate.fd, SOL_SOCKET, SO_KEEPALIVE, &is_on, &len), 0);
    assert_true(is_on);
    (void)close(gate.fd);
    (void)close(client);
    listener_stop(listener);
    ev_loop_destroy(loop);
}

static void who_comes_while_it_is_held_waits_and_is_accepted_afterwards(void **state)
{
    (void)state;
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
    const struct ip_addr addr = loop_rig_ip("127.0.0.1");
    int fd = -1;
    uint16_t port = 0;
    struct errinfo info;
    size_t total = 0;
    bool is_done = false;
    struct gate gate = {.total = &total, .is_done = &is_done, .expected = 1, .fd = -1};
    const struct listener_events events = {
        .on_accept = on_accept, .on_exhausted = on_exhausted, .arg = &gate};
    assert_int_equal(listener_bind(&addr, 0, 1, &fd, &port, &info), ERR_OK);
    struct listener *listener = listener_start(loop, fd, &events);
    listener_hold(listener);
    const int client = loop_rig_connect(&addr, port);
    (void)ev_run(loop, EVRUN_NOWAIT);
    assert_int_equal(total, 0);
    listener_release(listener);
    loop_rig_run(loop, &is_done);
    assert_int_equal(total, 1);
    (void)close(gate.fd);
    (void)close(client);
    listener_stop(listener);
    ev_loop_destroy(loop);
}

static void an_ipv4_client_of_a_dual_socket_is_an_ipv4_client(void **state)
{
    (void)state;
    const struct ip_addr any = loop_rig_ip("::");
    const struct ip_addr addr = loop_rig_ip("127.0.0.1");
    int fd = -1;
    uint16_t port = 0;
    struct errinfo info;
    if (listener_bind(&any, 0, 1, &fd, &port, &info) != ERR_OK)
        skip(); // a machine without IPv6
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
    size_t total = 0;
    bool is_done = false;
    struct gate gate = {.total = &total, .is_done = &is_done, .expected = 1, .fd = -1};
    const struct listener_events events = {
        .on_accept = on_accept, .on_exhausted = on_exhausted, .arg = &gate};
    struct listener *listener = listener_start(loop, fd, &events);
    const int client = loop_rig_connect(&addr, port);
    loop_rig_run(loop, &is_done);
    assert_true(ip_addr_equal(&gate.peer, &addr));
    (void)close(gate.fd);
    (void)close(client);
    listener_stop(listener);
    ev_loop_destroy(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_go_to_the_kernel_and_back),
        cmocka_unit_test(other_families_have_no_address),
        cmocka_unit_test(this_machine_knows_its_own_addresses),
        cmocka_unit_test(a_second_instance_finds_the_address_taken),
        cmocka_unit_test(more_sockets_join_those_that_are_there),
        cmocka_unit_test(an_address_of_nobody_cannot_be_bound),
        cmocka_unit_test(several_sockets_share_the_connections),
        cmocka_unit_test(an_accepted_socket_is_ready_for_use),
        cmocka_unit_test(who_comes_while_it_is_held_waits_and_is_accepted_afterwards),
        cmocka_unit_test(an_ipv4_client_of_a_dual_socket_is_an_ipv4_client),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
