// What holders remember of each other's signatures.
#include "proxy/keys/key_history.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "proxy/keeper/keeper_holder.h"

static const uint8_t gate[KEY_NAME_LEN] = {1};
static const uint8_t other[KEY_NAME_LEN] = {2};

static enum err add(struct key_history *history, const uint8_t *name, uint32_t instance,
                    uint64_t size, uint8_t root)
{
    struct errinfo info;
    const struct checkpoint next = {.instance = instance, .size = size, .root = {.bytes = {root}}};
    return key_history_add(history, name, &next, &info);
}

static void a_later_holder_signs_nothing_that_an_earlier_one_would_not(void **state)
{
    (void)state;
    struct errinfo info;
    struct key_history first;
    struct key_history later;
    const int fd = keeper_holder_make_history();
    assert_int_equal(key_history_open(&first, fd, &info), ERR_OK);
    assert_int_equal(add(&first, gate, 7, 10, 1), ERR_OK);
    assert_int_equal(add(&first, gate, 8, 100, 1), ERR_OK);
    key_history_close(&first); // it was killed
    assert_int_equal(key_history_open(&later, fd, &info), ERR_OK);
    assert_int_equal(add(&later, gate, 7, 9, 1), ERR_DENIED);
    assert_int_equal(add(&later, gate, 7, 10, 2), ERR_DENIED);
    assert_int_equal(add(&later, gate, 7, 10, 1), ERR_OK); // the same once more
    assert_int_equal(add(&later, gate, 7, 11, 3), ERR_OK);
    assert_int_equal(add(&later, gate, 8, 11, 3), ERR_DENIED); // another instance
    assert_int_equal(add(&later, other, 7, 1, 3), ERR_OK);     // another key
    key_history_close(&later);
    (void)close(fd);
}

static void an_instance_that_has_ended_stays_so(void **state)
{
    (void)state;
    struct errinfo info;
    struct key_history history;
    const struct checkpoint last = {.instance = 7, .size = 10, .is_end = true};
    const struct checkpoint more = {.instance = 7, .size = 11};
    const int fd = keeper_holder_make_history();
    assert_int_equal(key_history_open(&history, fd, &info), ERR_OK);
    assert_int_equal(key_history_add(&history, gate, &last, &info), ERR_OK);
    key_history_close(&history);
    assert_int_equal(key_history_open(&history, fd, &info), ERR_OK);
    assert_int_equal(key_history_add(&history, gate, &more, &info), ERR_DENIED);
    key_history_close(&history);
    (void)close(fd);
}

static void its_bounds_hold(void **state)
{
    (void)state;
    struct errinfo info;
    struct key_history history;
    const int fd = keeper_holder_make_history();
    assert_int_equal(key_history_open(&history, fd, &info), ERR_OK);
    for (uint32_t i = 0; i < KEY_INSTANCES_MAX; i++)
        assert_int_equal(add(&history, gate, i, 1, 1), ERR_OK);
    assert_int_equal(add(&history, gate, KEY_INSTANCES_MAX, 1, 1), ERR_LIMIT);
    assert_int_equal(add(&history, gate, 0, 2, 1), ERR_OK);
    key_history_close(&history);
    (void)close(fd);
}

static void what_is_no_history_is_refused(void **state)
{
    (void)state;
    struct errinfo info;
    struct key_history history;
    const uint32_t later_format = 2;
    const uint32_t too_many[] = {1, KEY_INSTANCES_MAX + 1};
    assert_int_equal(key_history_open(&history, -1, &info), ERR_SYSTEM);
    const int small = memfd_create("small", MFD_CLOEXEC);
    assert_int_equal(key_history_open(&history, small, &info), ERR_SYSTEM);
    (void)close(small);
    const int fd = keeper_holder_make_history();
    assert_int_equal(pwrite(fd, &later_format, sizeof later_format, 0), sizeof later_format);
    assert_int_equal(key_history_open(&history, fd, &info), ERR_SYSTEM);
    assert_int_equal(pwrite(fd, too_many, sizeof too_many, 0), sizeof too_many);
    assert_int_equal(key_history_open(&history, fd, &info), ERR_SYSTEM);
    assert_int_equal(ftruncate(fd, 0), -1); // nobody takes it away from those who have mapped it
    (void)close(fd);
}

static void a_holder_that_keeps_the_lock_stops_no_other_for_good(void **state)
{
    (void)state;
    struct errinfo info;
    struct key_history history;
    int ends[2];
    char byte = 0;
    const int fd = keeper_holder_make_history();
    assert_int_equal(key_history_open(&history, fd, &info), ERR_OK);
    assert_int_equal(pipe(ends), 0);
    const pid_t pid = fork();
    if (pid == 0) {
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        if (fcntl(fd, F_SETLK, &lock) != 0 || write(ends[1], "x", 1) != 1)
            _exit(1);
        for (;;)
            (void)pause();
    }
    assert_int_equal(read(ends[0], &byte, 1), 1);
    assert_int_equal(add(&history, gate, 7, 10, 1), ERR_TIMEOUT);
    (void)kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(add(&history, gate, 7, 10, 1), ERR_OK);
    key_history_close(&history);
    (void)close(ends[0]);
    (void)close(ends[1]);
    (void)close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_later_holder_signs_nothing_that_an_earlier_one_would_not),
        cmocka_unit_test(an_instance_that_has_ended_stays_so),
        cmocka_unit_test(its_bounds_hold),
        cmocka_unit_test(what_is_no_history_is_refused),
        cmocka_unit_test(a_holder_that_keeps_the_lock_stops_no_other_for_good),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
