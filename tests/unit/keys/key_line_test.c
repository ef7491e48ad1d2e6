// A line, and a test that is the holder at its other end.
#include "proxy/keys/key_line.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "proxy/keys/key_desk.h"
#include "proxy/keys/key_wire.h"

enum { MANY = 300, WINDOW = 128, HOLDER = 7 };

struct bench {
    struct key_desk desk;
    struct ev_loop *loop;
    struct key_line *line;
    int holder_fd;
    struct key_inbox in;
    struct key_outbox out;
    unsigned done_count;
};

// connect gives the line a socket whose other end is the test's.
static void connect_line(struct bench *bench)
{
    int ends[2];
    key_inbox_deinit(&bench->in);
    key_outbox_deinit(&bench->out);
    if (bench->holder_fd >= 0)
        (void)close(bench->holder_fd);
    assert_true(key_wire_pair(ends));
    bench->holder_fd = ends[1];
    (void)fcntl(ends[1], F_SETFL, O_NONBLOCK);
    key_line_give(&bench->desk, bench->line, ends[0], HOLDER);
}

// turn has the loop do what there is to do.
static void turn(struct bench *bench)
{
    for (int i = 0; i < 4; i++)
        (void)ev_run(bench->loop, EVRUN_NOWAIT);
}

static int set_up(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);
    assert_non_null(bench);
    bench->holder_fd = -1;
    assert_true(key_desk_init(&bench->desk, STDERR_FILENO));
    bench->loop = ev_loop_new(EVFLAG_AUTO);
    assert_non_null(bench->loop);
    bench->line = key_line_create(&bench->desk, bench->loop);
    assert_non_null(bench->line);
    connect_line(bench);
    turn(bench);
    *state = bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;
    key_line_destroy(bench->line);
    assert_int_equal(atomic_load(&bench->desk.waiting), 0);
    ev_loop_destroy(bench->loop);
    key_desk_deinit(&bench->desk);
    key_inbox_deinit(&bench->in);
    key_outbox_deinit(&bench->out);
    (void)close(bench->holder_fd);
    free(bench);
    return 0;
}

static void note_done(void *owner)
{
    struct bench *bench = owner;
    bench->done_count++;
}

static struct signing *begin(struct bench *bench)
{
    static const uint8_t name[KEY_NAME_LEN] = {1};
    const struct signing_question question = {.name = name, .message = SLICE_LITERAL("a message")};
    struct signing *signing = signing_begin(&bench->desk, &question, note_done, bench);
    assert_non_null(signing);
    return signing;
}

static bool waits(const struct signing *signing)
{
    struct slice signature;
    return signing_look(signing, &signature) == SIGNING_WAITS;
}

// hear takes what the line asks for, and answers it, where `is_answering`.
static size_t hear(struct bench *bench, bool is_answering)
{
    struct key_message request;
    size_t count = 0;
    while (key_inbox_fill(&bench->in, bench->holder_fd) == ERR_OK) {
        while (key_inbox_take(&bench->in, &request) == KEY_PARSE_GOOD) {
            const struct key_message answer = {.kind = KEY_ANSWER_SIGNATURE,
                                               .number = request.number,
                                               .bytes = SLICE_LITERAL("signed")};
            assert_int_equal(request.kind, KEY_SIGN);
            assert_true(key_outbox_add(&bench->out, &answer));
            count++;
        }
    }
    if (is_answering)
        assert_int_equal(key_outbox_send(&bench->out, bench->holder_fd), ERR_OK);
    return count;
}

static void every_signature_comes_however_many_are_asked_for(void **state)
{
    struct bench *bench = *state;
    struct signing *signings[MANY];
    struct slice signature;
    size_t heard = 0;
    for (size_t i = 0; i < MANY; i++)
        signings[i] = begin(bench);
    while (heard < MANY) {
        turn(bench);
        const size_t more = hear(bench, true);
        assert_true(more > 0 && more <= WINDOW);
        heard += more;
    }
    turn(bench);
    assert_int_equal(bench->done_count, MANY);
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(signing_look(signings[i], &signature), SIGNING_DONE);
        assert_true(slice_equal(signature, SLICE_LITERAL("signed")));
        signing_end(signings[i]);
    }
}

static void nothing_is_asked_for_those_who_have_left(void **state)
{
    struct bench *bench = *state;
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < MANY; i++)
            signing_end(begin(bench));
    }
    turn(bench);
    assert_int_equal(hear(bench, false), 0); // all had left before anything was sent
    struct signing *signings[MANY];
    for (size_t i = 0; i < MANY; i++)
        signings[i] = begin(bench);
    turn(bench);
    for (size_t i = 0; i < MANY; i++)
        signing_end(signings[i]);
    for (size_t i = 0; i < MANY; i++)
        signings[i] = begin(bench);
    turn(bench);
    assert_int_equal(hear(bench, true), WINDOW); // what was sent holds back what comes after it
    for (size_t i = 0; i < MANY; i++)
        signing_end(signings[i]);
    turn(bench);
    assert_int_equal(hear(bench, true), 0);
    assert_int_equal(bench->done_count, 0);
}

static void a_line_whose_socket_fails_asks_for_another_one(void **state)
{
    struct bench *bench = *state;
    uint64_t count = 0;
    (void)!read(bench->desk.wake_fd, &count, sizeof count);
    struct signing *left = begin(bench);
    struct signing *kept = begin(bench);
    turn(bench);
    assert_int_equal(hear(bench, false), 2);
    signing_end(left);
    assert_int_equal(key_line_generation(bench->line), HOLDER);
    (void)close(bench->holder_fd);
    bench->holder_fd = -1;
    turn(bench);
    assert_int_equal(key_line_generation(bench->line), 0); // that of no holder
    assert_int_equal(read(bench->desk.wake_fd, &count, sizeof count), sizeof count);
    assert_true(waits(kept));
    connect_line(bench);
    turn(bench);
    assert_int_equal(key_line_generation(bench->line), HOLDER);
    assert_int_equal(hear(bench, true), 1);
    turn(bench);
    assert_int_equal(bench->done_count, 1);
    assert_false(waits(kept));
    signing_end(kept);
}

// count_descriptors counts those of this process.
static size_t count_descriptors(void)
{
    size_t count = 0;
    for (int fd = 0; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static void of_two_descriptors_at_once_one_is_kept(void **state)
{
    (void)state;
    struct key_inbox inbox = {.data = NULL};
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(2 * sizeof(int))];
    } control = {.header = {.cmsg_len = CMSG_LEN(2 * sizeof(int)),
                            .cmsg_level = SOL_SOCKET,
                            .cmsg_type = SCM_RIGHTS}};
    const int sent[] = {STDERR_FILENO, STDERR_FILENO};
    char byte = 'x';
    int ends[2];
    struct iovec bytes = {&byte, 1};
    const struct msghdr header = {.msg_iov = &bytes,
                                  .msg_iovlen = 1,
                                  .msg_control = &control,
                                  .msg_controllen = sizeof control};
    memcpy(CMSG_DATA(&control.header), sent, sizeof sent);
    assert_true(key_wire_pair(ends));
    const size_t before = count_descriptors();
    assert_int_equal(sendmsg(ends[0], &header, 0), 1);
    assert_int_equal(key_inbox_fill(&inbox, ends[1]), ERR_OK);
    assert_true(inbox.fd > 0);
    assert_int_equal(count_descriptors(), before + 1);
    key_inbox_deinit(&inbox);
    assert_int_equal(count_descriptors(), before);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

static void *run_elsewhere(void *arg)
{
    struct bench *bench = arg;
    turn(bench);
    struct signing *signing = begin(bench);
    assert_true(waits(signing)); // on the loop: the thread goes on
    signing_end(signing);
    return NULL;
}

static void a_line_goes_with_its_loop_to_another_thread(void **state)
{
    struct bench *bench = *state;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, run_elsewhere, bench), 0);
    (void)pthread_join(thread, NULL);
    turn(bench);
    struct signing *signing = begin(bench);
    assert_true(waits(signing));
    signing_end(signing);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(every_signature_comes_however_many_are_asked_for),
        TEST(nothing_is_asked_for_those_who_have_left),
        TEST(a_line_whose_socket_fails_asks_for_another_one),
        TEST(of_two_descriptors_at_once_one_is_kept),
        TEST(a_line_goes_with_its_loop_to_another_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
