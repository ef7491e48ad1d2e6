// What the boards say of parents that are checked no more.
#include <ev.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "proxy/config/parent_config.h"
#include "proxy/net/dns_channel.h"
#include "proxy/service/parent_checks.h"
#include "proxy/uplink/proxy_board.h"

enum { PATIENCE_S = 30 };

// closed_port gives a port of loopback at which nobody listens.
static uint16_t closed_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof address;
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    assert_int_equal(close(fd), 0);
    return ntohs(address.sin_port);
}

static void on_patience(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)timer;
    (void)events;
    ev_break(loop, EVBREAK_ONE);
}

// run_until_down runs the loop until this proxy is down.
static void run_until_down(struct ev_loop *loop, const struct proxy_board *board,
                           const struct target *proxy)
{
    ev_timer patience;
    ev_timer_init(&patience, on_patience, PATIENCE_S, 0.);
    ev_timer_start(loop, &patience);
    while (!proxy_board_is_down(board, proxy) && ev_is_active(&patience))
        (void)ev_run(loop, EVRUN_ONCE);
    ev_timer_stop(loop, &patience);
    assert_true(proxy_board_is_down(board, proxy));
}

static void who_checks_no_more_says_of_nobody_that_it_is_down(void **state)
{
    (void)state;
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
    const struct ip_addr here = {.family = IP_V4, .bytes = {127, 0, 0, 1}};
    const struct target proxy = {.kind = TARGET_ADDRESS, .address = here, .port = closed_port()};
    struct proxy_board *board = proxy_board_create();
    const struct parent_config parent = {.name = "paris",
                                         .proxies = &proxy,
                                         .proxy_count = 1,
                                         .is_clear = true,
                                         .health = {.every_ms = 100, .fall = 1, .rise = 1},
                                         .board = board};
    struct snapshot snapshot = {
        .resolver = {.servers = {{.address = here, .port = proxy.port}},
                     .server_count = 1,
                     .timeout_ms = 1000,
                     .tries = 1},
    };
    struct parent_config parents[] = {parent};
    snapshot.parents = parents;
    snapshot.parent_count = 1;
    struct parent_checks *checks = parent_checks_create(loop);
    assert_non_null(checks);
    parent_checks_adopt(checks, &snapshot);
    run_until_down(loop, board, &proxy);
    parent_checks_leave(checks);
    assert_false(proxy_board_is_down(board, &proxy));
    parent_checks_destroy(checks);
    proxy_board_unref(board);
    ev_loop_destroy(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_checks_no_more_says_of_nobody_that_it_is_down),
    };
    if (dns_channel_global_init() != ERR_OK)
        return 1;
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    dns_channel_global_deinit();
    return failed;
}
