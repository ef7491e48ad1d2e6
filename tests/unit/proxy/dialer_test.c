// Dialling on loopback: in order, one after the other, nothing but what was given.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "proxy/net/dialer.h"
#include "proxy/net/sockaddr.h"
#include "tests/unit/proxy/loop_rig.h"

enum { FILLERS = 8, PATIENT_MS = 15000, IMPATIENT_MS = 60 };

struct bench {
    struct ev_loop *loop;
    struct dialer *dialer;
    bool destroys_in_callback;
    bool is_done;
    size_t calls;
    enum dial_result result;
    int fd;
    uint32_t attempts;
};

static int set_up(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);
    assert_non_null(bench);
    bench->loop = ev_loop_new(EVFLAG_AUTO);
    assert_non_null(bench->loop);
    bench->fd = -1;
    *state = bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;
    dialer_destroy(bench->dialer);
    if (bench->fd >= 0)
        assert_int_equal(close(bench->fd), 0);
    ev_loop_destroy(bench->loop);
    free(bench);
    return 0;
}

static void on_done(void *arg, enum dial_result result, int fd)
{
    struct bench *bench = arg;
    bench->calls++;
    bench->result = result;
    bench->fd = fd;
    bench->is_done = true;
    bench->attempts = dialer_attempts(bench->dialer);
    if (bench->destroys_in_callback) {
        dialer_destroy(bench->dialer);
        bench->dialer = NULL;
    }
}

static void start(struct bench *bench, const struct ip_addr *addresses, size_t count, uint16_t port,
                  int64_t attempt_ms)
{
    const struct dialer_events events = {.on_done = on_done, .arg = bench};
    ev_now_update(bench->loop);
    bench->dialer = dialer_start(bench->loop, addresses, count, port, attempt_ms, &events);
    assert_non_null(bench->dialer);
    assert_int_equal(bench->calls, 0); // never from within
}

// loopback gives 127.0.0.`last`: all of them are this machine.
static struct ip_addr loopback(uint8_t last)
{
    return (struct ip_addr){.family = IP_V4, .bytes = {127, 0, 0, last}};
}

// free_port gives a port on which nobody listens.
static uint16_t free_port(void)
{
    const struct ip_addr addr = loopback(1);
    uint16_t port = 0;
    assert_int_equal(close(loop_rig_listen(&addr, &port, 1)), 0);
    return port;
}

static void assert_connected_to(const struct bench *bench, const struct ip_addr *addr,
                                uint16_t port)
{
    struct ip_addr peer;
    uint16_t peer_port = 0;
    assert_int_equal(bench->result, DIAL_CONNECTED);
    assert_true(socket_peer_name(bench->fd, &peer, &peer_port));
    assert_true(ip_addr_equal(&peer, addr));
    assert_int_equal(peer_port, port);
}

static void reaches_the_address_that_it_is_given(void **state)
{
    struct bench *bench = *state;
    const struct ip_addr addr = loopback(1);
    uint16_t port = 0;
    const int listening = loop_rig_listen(&addr, &port, 8);
    start(bench, &addr, 1, port, PATIENT_MS);
    assert_int_equal(dialer_attempts(bench->dialer), 0);
    loop_rig_run(bench->loop, &bench->is_done);
    assert_connected_to(bench, &addr, port);
    assert_int_equal(bench->attempts, 1);
    assert_int_equal(bench->calls, 1);
    (void)close(listening);
}

static void goes_on_to_the_next_address_and_no_further_than_needed(void **state)
{
    struct bench *bench = *state;
    const struct ip_addr addresses[] = {loopback(2), loopback(3), loopback(1), loopback(4)};
    uint16_t port = 0;
    const int listening = loop_rig_listen(&addresses[2], &port, 8);
    start(bench, addresses, 4, port, PATIENT_MS);
    loop_rig_run(bench->loop, &bench->is_done);
    assert_connected_to(bench, &addresses[2], port);
    assert_int_equal(bench->attempts, 3);
    (void)close(listening);
}

static void says_refused_when_all_have_refused(void **state)
{
    struct bench *bench = *state;
    const struct ip_addr addresses[] = {loopback(1), loopback(2), loopback(3)};
    start(bench, addresses, 3, free_port(), PATIENT_MS);
    loop_rig_run(bench->loop, &bench->is_done);
    assert_int_equal(bench->result, DIAL_REFUSED);
    assert_int_equal(bench->fd, -1);
    assert_int_equal(bench->attempts, 3);
    assert_int_equal(bench->calls, 1);
}

static void nothing_to_dial_is_refused(void **state)
{
    struct bench *bench = *state;
    start(bench, NULL, 0, 1, PATIENT_MS);
    loop_rig_run(bench->loop, &bench->is_done);
    assert_int_equal(bench->result, DIAL_REFUSED);
    assert_int_equal(bench->attempts, 0);
}

static void more_than_32_addresses_are_cut(void **state)
{
    struct bench *bench = *state;
    struct ip_addr addresses[DIALER_MAX_ADDRESSES + 8];
    for (size_t i = 0; i < DIALER_MAX_ADDRESSES + 8; i++)
        addresses[i] = loopback((uint8_t)(i + 1));
    start(bench, addresses, DIALER_MAX_ADDRESSES + 8, free_port(), PATIENT_MS);
    loop_rig_run(bench->loop, &bench->is_done);
    assert_int_equal(bench->attempts, DIALER_MAX_ADDRESSES);
}

// A listener whose queue is full answers no SYN: a target that is silent.
struct silence {
    int listening;
    int fillers[FILLERS];
};

static void silence_begin(struct silence *silence, const struct ip_addr *addr, uint16_t *port)
{
    silence->listening = loop_rig_listen(addr, port, 0);
    for (size_t i = 0; i < FILLERS; i++)
        silence->fillers[i] = loop_rig_connect(addr, *port);
}

static void silence_end(const struct silence *silence)
{
    for (size_t i = 0; i < FILLERS; i++)
        (void)close(silence->fillers[i]);
    (void)close(silence->listening);
}

static void gives_up_on_a_target_that_does_not_answer(void **state)
{
    struct bench *bench = *state;
    const struct ip_addr addr = loopback(1);
    struct silence silence;
    uint16_t port = 0;
    silence_begin(&silence, &addr, &port);
    start(bench, &addr, 1, port, IMPATIENT_MS);
    loop_rig_run(bench->loop, &bench->is_done);
    assert_int_equal(bench->result, DIAL_TIMED_OUT);
    assert_int_equal(bench->fd, -1);
    assert_int_equal(bench->attempts, 1);
    silence_end(&silence);
}

static void a_silent_address_is_followed_by_the_next(void **state)
{
    struct bench *bench = *state;
    const struct ip_addr addresses[] = {loopback(1), loopback(2)};
    struct silence silence;
    uint16_t port = 0;
    silence_begin(&silence, &addresses[0], &port);
    const int listening = loop_rig_listen(&addresses[1], &port, 8);
    start(bench, addresses, 2, port, IMPATIENT_MS);
    loop_rig_run(bench->loop, &bench->is_done);
    assert_connected_to(bench, &addresses[1], port);
    assert_int_equal(bench->attempts, 2);
    (void)close(listening);
    silence_end(&silence);
}

static void on_tick(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    *(bool *)timer->data = true;
}

static void a_destroyed_dialer_calls_nobody(void **state)
{
    struct bench *bench = *state;
    const struct ip_addr addr = loopback(1);
    uint16_t port = 0;
    const int listening = loop_rig_listen(&addr, &port, 8);
    start(bench, &addr, 1, port, IMPATIENT_MS);
    (void)ev_run(bench->loop, EVRUN_ONCE); // the connect is under way, or done and not yet told
    const size_t calls = bench->calls;
    dialer_destroy(bench->dialer);
    bench->dialer = NULL;
    bool is_over = false;
    ev_timer tick;
    ev_timer_init(&tick, on_tick, 0.1, 0.);
    tick.data = &is_over;
    ev_timer_start(bench->loop, &tick);
    loop_rig_run(bench->loop, &is_over);
    assert_int_equal(bench->calls, calls);
    (void)close(listening);
}

static void a_dialer_can_be_destroyed_by_whom_it_calls(void **state)
{
    struct bench *bench = *state;
    const struct ip_addr addresses[] = {loopback(1), loopback(2)};
    bench->destroys_in_callback = true;
    start(bench, addresses, 2, free_port(), PATIENT_MS);
    loop_rig_run(bench->loop, &bench->is_done);
    assert_int_equal(bench->result, DIAL_REFUSED);
    dialer_destroy(NULL);
}

int main(void)
{
#define WITH_BENCH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        WITH_BENCH(reaches_the_address_that_it_is_given),
        WITH_BENCH(goes_on_to_the_next_address_and_no_further_than_needed),
        WITH_BENCH(says_refused_when_all_have_refused),
        WITH_BENCH(nothing_to_dial_is_refused),
        WITH_BENCH(more_than_32_addresses_are_cut),
        WITH_BENCH(gives_up_on_a_target_that_does_not_answer),
        WITH_BENCH(a_silent_address_is_followed_by_the_next),
        WITH_BENCH(a_destroyed_dialer_calls_nobody),
        WITH_BENCH(a_dialer_can_be_destroyed_by_whom_it_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
