// Processes that served before, as the next one sees them: here children that hold the other end of the link.
#include "proxy/service/predecessors.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { PATIENCE_S = 20 }; // a child ends by itself then

static void on_less(void *arg)
{
    ev_break(arg, EVBREAK_ALL);
}

static void on_answer(void *arg)
{
    (void)arg;
}

// end_process is what the keeper does when it is asked to end one.
static void end_process(void *arg, int64_t pid)
{
    (void)arg;
    assert_int_equal(kill((pid_t)pid, SIGKILL), 0);
}

// start_rude starts a process that says nonsense and then nothing. `out_fd` is our end.
static pid_t start_rude(int *out_fd)
{
    int fds[2];
    assert_true(handover_pair(fds));
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)close(fds[0]);
        (void)alarm(PATIENCE_S);
        if (send(fds[1], "\xff", 1, 0) == 1)
            while (pause() != 0) {
            }
        _exit(1);
    }
    (void)close(fds[1]);
    *out_fd = fds[0];
    return pid;
}

static void expect_killed(bool has_descriptors)
{
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
    struct predecessors predecessors;
    struct rlimit before;
    int fd = -1;
    int status = 0;
    assert_non_null(loop);
    const struct predecessors_events events = {
        .on_less = on_less, .on_answer = on_answer, .end = end_process, .arg = loop};
    predecessors_init(&predecessors, loop, &events);
    const pid_t pid = start_rude(&fd);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    const struct rlimit none = {.rlim_cur = 3, .rlim_max = before.rlim_max};
    if (!has_descriptors)
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    predecessors_add(&predecessors, pid, fd, (struct slice){0});
    assert_int_equal(predecessors.count, 1);
    ev_run(loop, 0);
    assert_int_equal(predecessors.count, 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGKILL);
    predecessors_stop(&predecessors);
    ev_loop_destroy(loop);
}

static void one_that_cannot_be_understood_is_ended(void **state)
{
    (void)state;
    expect_killed(true);
}

static void it_is_ended_too_when_no_descriptors_are_left(void **state)
{
    (void)state;
    expect_killed(false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_cannot_be_understood_is_ended),
        cmocka_unit_test(it_is_ended_too_when_no_descriptors_are_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
