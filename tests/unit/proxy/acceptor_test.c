// Who comes is accepted, and a loop that can accept nobody rests.
#include "proxy/loop/acceptor.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
// cmocka wants some of the above first
#include <cmocka.h>

enum { COMERS = 40, ROOM = 25 };

struct rig {
    struct ev_loop *loop;
    struct acceptor acceptor;
    struct sockaddr_un name;
    socklen_t name_len;
    int fd;
    int comers[COMERS];
    int accepted[COMERS];
    size_t count;
    size_t room;
};

static bool has_room(void *arg)
{
    const struct rig *rig = arg;
    return rig->count < rig->room;
}

static void on_accept(void *arg, int fd)
{
    struct rig *rig = arg;
    assert_true((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0 && (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    rig->accepted[rig->count++] = fd;
}

static void begin(struct rig *rig, size_t room, size_t comers)
{
    *rig = (struct rig){.name = {.sun_family = AF_UNIX}, .room = room};
    rig->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(rig->fd >= 0);
    // a name that the kernel picks, which is no file
    assert_int_equal(bind(rig->fd, (const struct sockaddr *)&rig->name, sizeof(sa_family_t)), 0);
    assert_int_equal(listen(rig->fd, COMERS), 0);
    rig->name_len = sizeof rig->name;
    assert_int_equal(getsockname(rig->fd, (struct sockaddr *)&rig->name, &rig->name_len), 0);
    for (size_t i = 0; i < comers; i++) {
        rig->comers[i] = socket(AF_UNIX, SOCK_STREAM, 0);
        assert_int_equal(
            connect(rig->comers[i], (const struct sockaddr *)&rig->name, rig->name_len), 0);
    }
    rig->loop = ev_loop_new(EVFLAG_AUTO);
    const struct acceptor_events events = {
        .has_room = has_room, .on_accept = on_accept, .arg = rig};
    acceptor_start(&rig->acceptor, rig->loop, rig->fd, &events);
}

static void end(struct rig *rig, size_t comers)
{
    acceptor_stop(&rig->acceptor);
    assert_int_equal(ev_run(rig->loop, EVRUN_NOWAIT), 0); // nothing is left on the loop
    for (size_t i = 0; i < comers; i++)
        (void)close(rig->comers[i]);
    for (size_t i = 0; i < rig->count; i++)
        (void)close(rig->accepted[i]);
    (void)close(rig->fd);
    ev_loop_destroy(rig->loop);
}

static void turn(struct rig *rig, size_t times)
{
    for (size_t i = 0; i < times; i++)
        (void)ev_run(rig->loop, EVRUN_NOWAIT);
}

static void expect_rest(const struct rig *rig)
{
    assert_false(ev_is_active(&rig->acceptor.io));
    assert_true(ev_is_active(&rig->acceptor.pause));
}

static void everybody_is_accepted_where_there_is_room(void **state)
{
    (void)state;
    struct rig rig;
    begin(&rig, COMERS + 1, COMERS);
    turn(&rig, COMERS);
    assert_int_equal(rig.count, COMERS);
    assert_true(ev_is_active(&rig.acceptor.io));
    end(&rig, COMERS);
}

static void with_no_room_the_loop_rests_and_goes_on_later(void **state)
{
    (void)state;
    struct rig rig;
    begin(&rig, ROOM, COMERS);
    turn(&rig, COMERS);
    assert_int_equal(rig.count, ROOM);
    expect_rest(&rig);
    rig.room = COMERS + 1;
    while (rig.count < COMERS)
        (void)ev_run(rig.loop, EVRUN_ONCE);
    end(&rig, COMERS);
}

static void without_descriptors_the_loop_rests_and_goes_on_later(void **state)
{
    (void)state;
    struct rig rig;
    struct rlimit before;
    begin(&rig, COMERS + 1, 1);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    turn(&rig, 0);
    const struct rlimit none = {.rlim_cur = 0, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    for (size_t i = 0; i < 3 && !ev_is_active(&rig.acceptor.pause); i++)
        turn(&rig, 1);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(rig.count, 0);
    expect_rest(&rig);
    while (rig.count < 1)
        (void)ev_run(rig.loop, EVRUN_ONCE);
    end(&rig, 1);
}

static void what_is_held_is_not_accepted_until_it_is_released(void **state)
{
    (void)state;
    struct rig rig;
    begin(&rig, 1, 2);
    turn(&rig, 3);
    assert_int_equal(rig.count, 1);
    acceptor_hold(&rig.acceptor);
    rig.room = 2;
    (void)ev_run(rig.loop, EVRUN_ONCE); // the pause is over
    turn(&rig, 3);
    assert_int_equal(rig.count, 1);
    acceptor_release(&rig.acceptor);
    while (rig.count < 2)
        (void)ev_run(rig.loop, EVRUN_ONCE);
    end(&rig, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everybody_is_accepted_where_there_is_room),
        cmocka_unit_test(with_no_room_the_loop_rests_and_goes_on_later),
        cmocka_unit_test(without_descriptors_the_loop_rests_and_goes_on_later),
        cmocka_unit_test(what_is_held_is_not_accepted_until_it_is_released),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
