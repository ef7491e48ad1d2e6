// Dialling on loopback: in order, a few at a time, to and from nothing but what was given.
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
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
    bool has_places; // there are so many, otherwise any number
    size_t places_left;
    struct dialer_options options; // of the next start; what start() does not set stays
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

static bool on_take_place(void *arg)
{
    struct bench *bench = arg;
    if (bench->places_left == 0)
        return false;
    bench->places_left--;
    return true;
}

static void on_give_place(void *arg)
{
    struct bench *bench = arg;
    bench->places_left++;
}

static void start(struct bench *bench, const struct ip_addr *addresses, size_t count, uint16_t port,
                  int64_t attempt_ms)
{
    const struct dialer_events events = {.on_done = on_done,
                                         .take_place = bench->has_places ? on_take_place : NULL,
                                         .give_place = on_give_place,
                                         .arg = bench};
    ev_now_update(bench->loop);
    bench->options.addresses = addresses;
    bench->options.count = count;
    bench->options.port = port;
    bench->options.attempt_ms = attempt_ms;
    bench->dialer = dialer_start(bench->loop, &bench->options, &events);
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
    assert_true(socket_name(bench->fd, SOCKET_PEER, &peer, &peer_port));
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
    assert_int_equal(dialer_attempts(bench->dialer), 1);
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

// silence_break makes room: the next SYN is answered.
static void silence_break(struct silence *silence)
{
    int accepted = -1;
    for (size_t i = 0; i < FILLERS; i++) {
        (void)close(silence->fillers[i]);
        silence->fillers[i] = -1;
    }
    assert_int_equal(fcntl(silence->listening, F_SETFL, O_NONBLOCK), 0);
    while ((accepted = accept4(silence->listening, NULL, NULL, SOCK_NONBLOCK)) >= 0)
        (void)close(accepted);
}

static void silence_end(const struct silence *silence)
{
    for (size_t i = 0; i < FILLERS; i++) {
        if (silence->fillers[i] >= 0)
            (void)close(silence->fillers[i]);
    }
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

static size_t open_descriptors(void)
{
    size_t count = 0;
    for (int fd = 0; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static void the_next_is_dialled_while_the_first_is_still_awaited(void **state)
{
    struct bench *bench = *state;
    const struct ip_addr addresses[] = {loopback(1), loopback(2), loopback(3), loopback(4)};
    struct silence silence;
    uint16_t port = 0;
    silence_begin(&silence, &addresses[0], &port);
    const int listening = loop_rig_listen(&addresses[2], &port, 8);
    const size_t before = open_descriptors();
    start(bench, addresses, 4, port, PATIENT_MS);
    loop_rig_run(bench->loop, &bench->is_done);
    assert_connected_to(bench, &addresses[2], port); // the second has refused at once
    assert_int_equal(bench->attempts, 3);
    const struct ip_addr last = dialer_last_dialled(bench->dialer);
    assert_true(ip_addr_equal(&last, &addresses[2]));
    assert_int_equal(open_descriptors(), before + 1); // the loser is closed
    (void)close(listening);
    silence_end(&silence);
}

static void the_one_dialled_first_may_still_win(void **state)
{
    struct bench *bench = *state;
    // Two that are silent; the first one takes connections again once the second one is dialled, and
    // answers the SYN that is sent again.
    const struct ip_addr addresses[] = {loopback(1), loopback(2)};
    struct silence first;
    struct silence second;
    uint16_t port = 0;
    silence_begin(&first, &addresses[0], &port);
    silence_begin(&second, &addresses[1], &port);
    start(bench, addresses, 2, port, PATIENT_MS);
    while (dialer_attempts(bench->dialer) < 2)
        (void)ev_run(bench->loop, EVRUN_ONCE);
    silence_break(&first);
    loop_rig_run(bench->loop, &bench->is_done);
    assert_connected_to(bench, &addresses[0], port);
    const struct ip_addr last = dialer_last_dialled(bench->dialer);
    assert_true(ip_addr_equal(&last, &addresses[0]));
    assert_int_equal(bench->attempts, 2);
    silence_end(&second);
    silence_end(&first);
}

static void no_more_than_six_are_under_way(void **state)
{
    struct bench *bench = *state;
    enum { SILENT = DIALER_MAX_AT_ONCE + 1 };
    struct ip_addr addresses[SILENT];
    struct silence silences[SILENT];
    uint16_t port = 0;
    for (uint8_t i = 0; i < SILENT; i++) {
        addresses[i] = loopback((uint8_t)(i + 1));
        silence_begin(&silences[i], &addresses[i], &port);
    }
    const size_t before = open_descriptors();
    size_t most = 0;
    start(bench, addresses, SILENT, port, DIALER_MAX_AT_ONCE * DIALER_DELAY_MS + 200);
    while (!bench->is_done) {
        (void)ev_run(bench->loop, EVRUN_ONCE);
        const size_t now = open_descriptors() - before;
        most = now > most ? now : most;
    }
    assert_int_equal(most, DIALER_MAX_AT_ONCE);
    assert_int_equal(bench->result, DIAL_TIMED_OUT);
    assert_int_equal(bench->attempts, SILENT);
    for (size_t i = 0; i < SILENT; i++)
        silence_end(&silences[i]);
}

static void assert_dialled_from(const struct bench *bench, const struct ip_addr *source)
{
    struct ip_addr local;
    uint16_t port = 0;
    int is_late_port = 0;
    socklen_t len = sizeof is_late_port;
    assert_int_equal(bench->result, DIAL_CONNECTED);
    assert_true(socket_name(bench->fd, SOCKET_LOCAL, &local, &port));
    assert_true(ip_addr_equal(&local, source));
    // The port is chosen by connect(): otherwise 28,000 tunnels would be the end for all targets.
    assert_int_equal(
        getsockopt(bench->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &is_late_port, &len), 0);
    assert_int_equal(is_late_port, 1);
}

// most_with tells how many of four silent addresses are dialled at a time, where there are so many places.
static size_t most_with(struct bench *bench, size_t places)
{
    enum { SILENT = 4 };
    struct ip_addr addresses[SILENT];
    struct silence silences[SILENT];
    uint16_t port = 0;
    size_t most = 0;
    for (uint8_t i = 0; i < SILENT; i++) {
        addresses[i] = loopback((uint8_t)(i + 1));
        silence_begin(&silences[i], &addresses[i], &port);
    }
    const size_t before = open_descriptors();
    bench->calls = 0;
    bench->is_done = false;
    bench->has_places = true;
    bench->places_left = places;
    start(bench, addresses, SILENT, port, SILENT * DIALER_DELAY_MS);
    while (!bench->is_done) {
        (void)ev_run(bench->loop, EVRUN_ONCE);
        const size_t now = open_descriptors() - before;
        most = now > most ? now : most;
    }
    assert_int_equal(bench->attempts, SILENT); // one after the other, if not at the same time
    assert_int_equal(bench->places_left, places);
    dialer_destroy(bench->dialer);
    bench->dialer = NULL;
    for (size_t i = 0; i < SILENT; i++)
        silence_end(&silences[i]);
    return most;
}

static void without_a_place_one_address_is_dialled_after_the_other(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(most_with(bench, 0), 1);
    assert_int_equal(most_with(bench, 1), 2);
}

static void a_dialer_that_is_destroyed_gives_its_places_back(void **state)
{
    struct bench *bench = *state;
    const struct ip_addr addresses[] = {loopback(1), loopback(2)};
    struct silence silences[2];
    uint16_t port = 0;
    for (size_t i = 0; i < 2; i++)
        silence_begin(&silences[i], &addresses[i], &port);
    bench->has_places = true;
    bench->places_left = 1;
    start(bench, addresses, 2, port, PATIENT_MS);
    while (bench->places_left > 0)
        (void)ev_run(bench->loop, EVRUN_ONCE);
    dialer_destroy(bench->dialer);
    bench->dialer = NULL;
    assert_int_equal(bench->places_left, 1);
    for (size_t i = 0; i < 2; i++)
        silence_end(&silences[i]);
}

static void it_dials_from_its_own_address(void **state)
{
    struct bench *bench = *state;
    const char *const targets[] = {"127.0.0.1", "::1"};
    const struct ip_addr sources[] = {loopback(5), loop_rig_ip("::1")};
    bench->options.sources = sources;
    bench->options.source_count = 2;
    for (size_t i = 0; i < 2; i++) { // the other family's is skipped, whichever has its turn
        const struct ip_addr addr = loop_rig_ip(targets[i]);
        uint16_t port = 0;
        const int listening = loop_rig_listen(&addr, &port, 8);
        bench->options.source_turn = (uint32_t)(1 - i);
        bench->is_done = false;
        bench->calls = 0;
        start(bench, &addr, 1, port, PATIENT_MS);
        loop_rig_run(bench->loop, &bench->is_done);
        assert_connected_to(bench, &addr, port);
        assert_dialled_from(bench, &sources[i]);
        (void)close(bench->fd);
        bench->fd = -1;
        dialer_destroy(bench->dialer);
        bench->dialer = NULL;
        (void)close(listening);
    }
}

static void sources_take_turns_and_one_that_is_gone_is_passed_over(void **state)
{
    struct bench *bench = *state;
    const struct ip_addr addr = loopback(1);
    const struct ip_addr sources[] = {loopback(7), loopback(8), loop_rig_ip("203.0.113.9")};
    const size_t expected[] = {0, 1, 0, 0};
    bench->options.sources = sources;
    bench->options.source_count = 3;
    uint16_t port = 0;
    const int listening = loop_rig_listen(&addr, &port, 8);
    for (size_t i = 0; i < 4; i++) {
        bench->options.source_turn = (uint32_t)i;
        bench->is_done = false;
        bench->calls = 0;
        start(bench, &addr, 1, port, PATIENT_MS);
        loop_rig_run(bench->loop, &bench->is_done);
        assert_dialled_from(bench, &sources[expected[i]]);
        (void)close(bench->fd);
        bench->fd = -1;
        dialer_destroy(bench->dialer);
        bench->dialer = NULL;
    }
    (void)close(listening);
}

static void without_a_usable_source_nothing_is_dialled(void **state)
{
    struct bench *bench = *state;
    const struct ip_addr addresses[] = {loopback(1), loopback(2)};
    const struct ip_addr gone = loop_rig_ip("203.0.113.9");
    const struct ip_addr other_family = loop_rig_ip("::1");
    uint16_t port = 0;
    const int listening = loop_rig_listen(&addresses[0], &port, 8);
    for (size_t i = 0; i < 2; i++) {
        bench->options.sources = i == 0 ? &gone : &other_family;
        bench->options.source_count = 1;
        bench->is_done = false;
        bench->calls = 0;
        start(bench, addresses, 2, port, PATIENT_MS);
        loop_rig_run(bench->loop, &bench->is_done);
        assert_int_equal(bench->result, DIAL_NO_SOURCE);
        assert_int_equal(bench->fd, -1);
        assert_int_equal(bench->attempts, 0);
        const struct ip_addr last = dialer_last_dialled(bench->dialer);
        assert_int_equal(last.family, IP_NONE);
        dialer_destroy(bench->dialer);
        bench->dialer = NULL;
    }
    assert_int_equal(fcntl(listening, F_SETFL, O_NONBLOCK), 0);
    assert_true(accept4(listening, NULL, NULL, 0) < 0); // nobody has come
    (void)close(listening);
}

static void what_is_added_later_is_dialled_first(void **state)
{
    struct bench *bench = *state;
    const struct ip_addr early[] = {loopback(1), loopback(2), loopback(3)};
    const struct ip_addr late[] = {loopback(4)};
    struct silence silence;
    uint16_t port = 0;
    silence_begin(&silence, &early[0], &port);
    const int listening = loop_rig_listen(&late[0], &port, 8);
    const int waiting = loop_rig_listen(&early[1], &port, 8);
    bench->options.expects_more = true;
    start(bench, early, 3, port, PATIENT_MS);
    dialer_add(bench->dialer, late, 1, false);
    loop_rig_run(bench->loop, &bench->is_done);
    assert_connected_to(bench, &late[0], port);
    assert_int_equal(bench->attempts, 2);
    (void)close(waiting);
    (void)close(listening);
    silence_end(&silence);
}

static void a_failure_is_not_the_end_while_more_is_expected(void **state)
{
    struct bench *bench = *state;
    const struct ip_addr refusing = loopback(2);
    const struct ip_addr addr = loopback(1);
    uint16_t port = 0;
    const int listening = loop_rig_listen(&addr, &port, 8);
    bench->options.expects_more = true;
    start(bench, &refusing, 1, port, PATIENT_MS);
    (void)ev_run(bench->loop, EVRUN_ONCE); // the refusal
    assert_int_equal(bench->calls, 0);
    dialer_add(bench->dialer, &addr, 1, false);
    loop_rig_run(bench->loop, &bench->is_done);
    assert_connected_to(bench, &addr, port);
    (void)close(listening);
}

static void the_failure_is_told_once_nothing_more_is_expected(void **state)
{
    struct bench *bench = *state;
    const struct ip_addr refusing = loopback(2);
    bench->options.expects_more = true;
    start(bench, &refusing, 1, free_port(), PATIENT_MS);
    (void)ev_run(bench->loop, EVRUN_ONCE);
    dialer_add(bench->dialer, NULL, 0, false);
    assert_int_equal(bench->calls, 0); // never from within
    loop_rig_run(bench->loop, &bench->is_done);
    assert_int_equal(bench->result, DIAL_REFUSED);
    assert_int_equal(bench->attempts, 1);
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
    for (size_t passes = 0; passes <= 1; passes++) {
        start(bench, &addr, 1, port, IMPATIENT_MS);
        for (size_t i = 0; i < passes; i++) // the connect is under way, or done and told
            (void)ev_run(bench->loop, EVRUN_ONCE);
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
    }
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
        WITH_BENCH(the_next_is_dialled_while_the_first_is_still_awaited),
        WITH_BENCH(the_one_dialled_first_may_still_win),
        WITH_BENCH(no_more_than_six_are_under_way),
        WITH_BENCH(without_a_place_one_address_is_dialled_after_the_other),
        WITH_BENCH(a_dialer_that_is_destroyed_gives_its_places_back),
        WITH_BENCH(it_dials_from_its_own_address),
        WITH_BENCH(sources_take_turns_and_one_that_is_gone_is_passed_over),
        WITH_BENCH(without_a_usable_source_nothing_is_dialled),
        WITH_BENCH(what_is_added_later_is_dialled_first),
        WITH_BENCH(a_failure_is_not_the_end_while_more_is_expected),
        WITH_BENCH(the_failure_is_told_once_nothing_more_is_expected),
        WITH_BENCH(a_destroyed_dialer_calls_nobody),
        WITH_BENCH(a_dialer_can_be_destroyed_by_whom_it_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
