// An answer of the control socket, from somebody who need not be the proxy.
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
// cmocka wants the ones above first
#include <cmocka.h>

#include "proxy/cli/answer.h"

static void make_pair(int ends[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
}

static void an_answer_is_all_that_comes_before_the_end(void **state)
{
    (void)state;
    int ends[2];
    struct answer answer = {0};
    make_pair(ends);
    assert_int_equal(send(ends[1], "one\n", 4, 0), 4);
    assert_int_equal(send(ends[1], "two\n", 4, 0), 4);
    (void)close(ends[1]);
    assert_int_equal(answer_hear(&answer, ends[0], 60000), ERR_OK);
    assert_int_equal(answer.len, 8);
    assert_memory_equal(answer.data, "one\ntwo\n", 8);
    free(answer.data);
    (void)close(ends[0]);
}

static void who_says_nothing_is_not_waited_for_for_ever(void **state)
{
    (void)state;
    int ends[2];
    struct answer answer = {0};
    make_pair(ends);
    assert_int_equal(answer_hear(&answer, ends[0], 10), ERR_TIMEOUT);
    free(answer.data);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

// drip says a little again and again, until nobody listens.
static void *drip(void *arg)
{
    const int *fd = arg;
    const struct timespec pause = {.tv_nsec = 1000 * 1000};
    while (send(*fd, " ", 1, MSG_NOSIGNAL) == 1)
        (void)nanosleep(&pause, NULL);
    return NULL;
}

static void who_never_ends_is_not_waited_for_for_ever_either(void **state)
{
    (void)state;
    int ends[2];
    struct answer answer = {0};
    pthread_t thread;
    make_pair(ends);
    assert_int_equal(pthread_create(&thread, NULL, drip, &ends[1]), 0);
    assert_int_equal(answer_hear(&answer, ends[0], 100), ERR_TIMEOUT);
    (void)close(ends[0]);
    assert_int_equal(pthread_join(thread, NULL), 0);
    free(answer.data);
    (void)close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_all_that_comes_before_the_end),
        cmocka_unit_test(who_says_nothing_is_not_waited_for_for_ever),
        cmocka_unit_test(who_never_ends_is_not_waited_for_for_ever_either),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
