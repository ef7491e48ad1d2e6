// What the kernel says of a thread after short turns were asked for. A kernel before Linux 6.12 says 0 for a turn: there
// nothing may have changed at all.
#include "proxy/process/scheduling.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

enum { SHORT_NS = 100000, NICE = 7 };

struct attributes {
    uint32_t size;
    uint32_t policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime;
    uint64_t deadline;
    uint64_t period;
};

// trial is one thread of its own, so that no test changes another one's.
struct trial {
    int policy;
    struct attributes before;
    struct attributes after;
    bool may_set; // nothing forbids the call, as a container does
};

static void look(struct attributes *out)
{
    *out = (struct attributes){0};
    (void)syscall(SYS_sched_getattr, 0, out, sizeof *out, 0);
}

// may_set tells whether the attributes that a thread has already may be set.
static bool may_set(struct attributes *attributes)
{
    return syscall(SYS_sched_setattr, 0, attributes, 0) == 0;
}

static void *ask(void *arg)
{
    struct trial *trial = arg;
    const struct sched_param none = {0};
    (void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), NICE);
    (void)sched_setscheduler(0, trial->policy, &none);
    look(&trial->before);
    trial->may_set = may_set(&trial->before);
    scheduling_take_short_turns();
    look(&trial->after);
    return NULL;
}

static void *look_only(void *arg)
{
    look(arg);
    return NULL;
}

static void *ask_and_start(void *arg)
{
    struct trial *trial = arg;
    pthread_t thread;
    look(&trial->before);
    trial->may_set = may_set(&trial->before);
    scheduling_take_short_turns();
    if (pthread_create(&thread, NULL, look_only, &trial->after) == 0)
        (void)pthread_join(thread, NULL);
    return NULL;
}

static void run(void *(*body)(void *), struct trial *trial)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, body, trial), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(trial->before.size, sizeof trial->before);
}

static uint64_t expected(const struct trial *trial)
{
    return trial->before.runtime == 0 || !trial->may_set ? trial->before.runtime : SHORT_NS;
}

static void an_ordinary_thread_gets_short_turns_and_keeps_its_priority(void **state)
{
    (void)state;
    struct trial trial = {.policy = SCHED_OTHER};
    run(ask, &trial);
    assert_int_equal(trial.before.nice, NICE);
    assert_int_equal(trial.after.nice, NICE);
    assert_int_equal(trial.after.policy, SCHED_OTHER);
    assert_int_equal(trial.after.runtime, expected(&trial));
}

static void a_thread_of_another_policy_stays_as_it_is(void **state)
{
    (void)state;
    static const int policies[] = {SCHED_BATCH, SCHED_IDLE};
    for (size_t i = 0; i < 2; i++) {
        struct trial trial = {.policy = policies[i]};
        run(ask, &trial);
        assert_int_equal(trial.before.policy, policies[i]);
        assert_memory_equal(&trial.after, &trial.before, sizeof trial.after);
    }
}

static void threads_that_are_started_later_have_them_too(void **state)
{
    (void)state;
    struct trial trial = {0};
    run(ask_and_start, &trial);
    assert_int_equal(trial.after.size, sizeof trial.after);
    assert_int_equal(trial.after.runtime, expected(&trial));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_ordinary_thread_gets_short_turns_and_keeps_its_priority),
        cmocka_unit_test(a_thread_of_another_policy_stays_as_it_is),
        cmocka_unit_test(threads_that_are_started_later_have_them_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
