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

// receive waits for one message, and gives what it parses to.
static struct handover_message receive(int fd, uint8_t *data)
{
    struct handover_message message;
    int fds[HANDOVER_FDS_MAX];
    size_t fd_count = 0;
    struct errinfo info;
    assert_int_equal(handover_receive(fd, PATIENCE_S * 1000, data, &message, fds, &fd_count, &info),
                     ERR_OK);
    assert_int_equal(fd_count, 0);
    return message;
}

static void answer(int fd, uint64_t number, struct slice bytes)
{
    const struct handover_message said = {
        .kind = HANDOVER_ANSWER, .number = number, .bytes = bytes};
    const struct handover_message over = {.kind = HANDOVER_ANSWERED, .number = number};
    assert_true(bytes.len == 0 || handover_tell(fd, &said));
    assert_true(handover_tell(fd, &over));
}

// asked is an old process that is this one: `fd` is its end of the link.
struct asked {
    struct ev_loop *loop;
    struct predecessors predecessors;
    uint8_t data[HANDOVER_MESSAGE_MAX];
    int fd;
};

static struct asked *begin_asked(void)
{
    struct asked *asked = calloc(1, sizeof *asked);
    int fds[2];
    assert_non_null(asked);
    asked->loop = ev_loop_new(EVFLAG_AUTO);
    assert_non_null(asked->loop);
    assert_true(handover_pair(fds));
    const struct predecessors_events events = {
        .on_less = on_less, .on_answer = on_answer, .end = end_process, .arg = asked->loop};
    predecessors_init(&asked->predecessors, asked->loop, &events);
    predecessors_add(&asked->predecessors, 7, fds[0], (struct slice){0});
    asked->fd = fds[1];
    assert_int_equal(receive(asked->fd, asked->data).kind, HANDOVER_FOLLOW);
    return asked;
}

static void end_asked(struct asked *asked)
{
    predecessors_stop(&asked->predecessors);
    (void)close(asked->fd);
    ev_loop_destroy(asked->loop);
    free(asked);
}

// expect_question waits for the question about this configuration, and gives its number.
static uint64_t expect_question(struct asked *asked, const char *id)
{
    char read[IN_FORCE_ID_CAP];
    const struct handover_message message = receive(asked->fd, asked->data);
    assert_int_equal(message.kind, HANDOVER_ASK);
    assert_true(in_force_question_parse(message.text, read));
    assert_string_equal(read, id);
    return message.number;
}

static void expect_silence(const struct asked *asked)
{
    char byte = 0;
    assert_int_equal(recv(asked->fd, &byte, 1, MSG_DONTWAIT), -1);
}

static const char first_id[] = "0123456789abcdef";
static const char second_id[] = "fedcba9876543210";

static void
one_that_goes_by_what_is_in_force_is_asked_again_when_that_is_something_newer(void **state)
{
    (void)state;
    struct asked *asked = begin_asked();
    predecessors_compare(&asked->predecessors, first_id, true);
    const uint64_t first = expect_question(asked, first_id);
    predecessors_compare(&asked->predecessors, second_id, true);
    expect_silence(asked); // it reads one after the other
    answer(asked->fd, first, SLICE_LITERAL("same"));
    ev_run(asked->loop, EVRUN_ONCE);
    ev_run(asked->loop, EVRUN_NOWAIT);
    answer(asked->fd, expect_question(asked, second_id), SLICE_LITERAL("same"));
    ev_run(asked->loop, EVRUN_ONCE);
    expect_silence(asked);
    assert_null(predecessors_problem(&asked->predecessors, 0));
    end_asked(asked);
}

static void one_that_goes_by_something_else_is_told_to_drain_once(void **state)
{
    (void)state;
    struct asked *asked = begin_asked();
    predecessors_compare(&asked->predecessors, first_id, true);
    const uint64_t first = expect_question(asked, first_id);
    answer(asked->fd, first - 1, SLICE_LITERAL("same")); // to somebody else
    answer(asked->fd, first, SLICE_LITERAL("other a file is not there"));
    while (predecessors_problem(&asked->predecessors, 0) == NULL)
        ev_run(asked->loop, EVRUN_ONCE);
    assert_string_equal(predecessors_problem(&asked->predecessors, 0), "a file is not there");
    assert_int_equal(receive(asked->fd, asked->data).kind, HANDOVER_DRAIN);
    assert_int_equal(receive(asked->fd, asked->data).kind, HANDOVER_RELOAD);
    predecessors_compare(&asked->predecessors, second_id, false);
    expect_silence(asked);
    end_asked(asked);
}

static void one_that_drains_reads_what_each_reload_takes_away(void **state)
{
    (void)state;
    struct asked *asked = begin_asked();
    predecessors_compare(&asked->predecessors, first_id, true);
    answer(asked->fd, expect_question(asked, first_id), SLICE_LITERAL("other a file is not there"));
    while (predecessors_problem(&asked->predecessors, 0) == NULL)
        ev_run(asked->loop, EVRUN_ONCE);
    assert_int_equal(receive(asked->fd, asked->data).kind, HANDOVER_DRAIN);
    assert_int_equal(receive(asked->fd, asked->data).kind, HANDOVER_RELOAD);
    predecessors_reload(&asked->predecessors);
    expect_silence(asked); // it may yet be refused
    predecessors_compare(&asked->predecessors, second_id, true);
    assert_int_equal(receive(asked->fd, asked->data).kind, HANDOVER_RELOAD);
    predecessors_take(&asked->predecessors);
    assert_int_equal(receive(asked->fd, asked->data).kind, HANDOVER_RELOAD);
    expect_silence(asked);
    end_asked(asked);
}

static void one_that_is_asked_reads_nothing_before_it_is_but_what_takes_trust_away(void **state)
{
    (void)state;
    struct asked *asked = begin_asked();
    predecessors_compare(&asked->predecessors, first_id, true);
    answer(asked->fd, expect_question(asked, first_id), SLICE_LITERAL("same"));
    ev_run(asked->loop, EVRUN_ONCE);
    ev_run(asked->loop, EVRUN_NOWAIT);
    predecessors_reload(&asked->predecessors);
    expect_silence(asked);
    predecessors_take(&asked->predecessors);
    assert_int_equal(receive(asked->fd, asked->data).kind, HANDOVER_RELOAD);
    end_asked(asked);
}

static void one_whose_answer_is_not_understood_is_told_to_drain(void **state)
{
    (void)state;
    struct asked *asked = begin_asked();
    predecessors_compare(&asked->predecessors, first_id, true);
    answer(asked->fd, expect_question(asked, first_id), SLICE_LITERAL("similar"));
    while (predecessors_problem(&asked->predecessors, 0) == NULL)
        ev_run(asked->loop, EVRUN_ONCE);
    assert_string_equal(predecessors_problem(&asked->predecessors, 0),
                        "its answer to that is not understood");
    assert_int_equal(receive(asked->fd, asked->data).kind, HANDOVER_DRAIN);
    end_asked(asked);
}

static void nobody_is_late_while_nobody_is_heard(void **state)
{
    (void)state;
    struct asked *asked = begin_asked();
    predecessors_compare(&asked->predecessors, first_id, true);
    assert_true(ev_is_active(&asked->predecessors.late));
    predecessors_pause(&asked->predecessors, true);
    assert_false(ev_is_active(&asked->predecessors.late));
    answer(asked->fd, expect_question(asked, first_id), SLICE_LITERAL("same"));
    predecessors_pause(&asked->predecessors, false);
    assert_true(ev_is_active(&asked->predecessors.late));
    ev_run(asked->loop, EVRUN_ONCE);
    assert_null(predecessors_problem(&asked->predecessors, 0));
    end_asked(asked);
}

static void
one_that_lags_behind_is_asked_about_what_is_newest_before_it_is_told_to_drain(void **state)
{
    (void)state;
    struct asked *asked = begin_asked();
    predecessors_compare(&asked->predecessors, first_id, true);
    const uint64_t first = expect_question(asked, first_id);
    predecessors_compare(&asked->predecessors, second_id, true);
    answer(asked->fd, first, SLICE_LITERAL("other it has read the second one"));
    ev_run(asked->loop, EVRUN_ONCE);
    ev_run(asked->loop, EVRUN_NOWAIT);
    answer(asked->fd, expect_question(asked, second_id), SLICE_LITERAL("same"));
    ev_run(asked->loop, EVRUN_ONCE);
    expect_silence(asked);
    assert_null(predecessors_problem(&asked->predecessors, 0));
    end_asked(asked);
}

static void one_of_a_version_that_does_not_know_the_question_goes_on(void **state)
{
    (void)state;
    struct asked *asked = begin_asked();
    predecessors_compare(&asked->predecessors, first_id, true);
    answer(asked->fd, expect_question(asked, first_id), (struct slice){0});
    ev_run(asked->loop, EVRUN_ONCE);
    assert_int_equal(receive(asked->fd, asked->data).kind, HANDOVER_RELOAD);
    predecessors_compare(&asked->predecessors, second_id, true);
    predecessors_take(&asked->predecessors);
    expect_silence(asked);
    predecessors_reload(&asked->predecessors); // it judges by itself
    assert_int_equal(receive(asked->fd, asked->data).kind, HANDOVER_RELOAD);
    assert_null(predecessors_problem(&asked->predecessors, 0));
    end_asked(asked);
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
        cmocka_unit_test(
            one_that_goes_by_what_is_in_force_is_asked_again_when_that_is_something_newer),
        cmocka_unit_test(one_that_goes_by_something_else_is_told_to_drain_once),
        cmocka_unit_test(one_that_drains_reads_what_each_reload_takes_away),
        cmocka_unit_test(one_that_is_asked_reads_nothing_before_it_is_but_what_takes_trust_away),
        cmocka_unit_test(one_whose_answer_is_not_understood_is_told_to_drain),
        cmocka_unit_test(nobody_is_late_while_nobody_is_heard),
        cmocka_unit_test(
            one_that_lags_behind_is_asked_about_what_is_newest_before_it_is_told_to_drain),
        cmocka_unit_test(one_of_a_version_that_does_not_know_the_question_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
