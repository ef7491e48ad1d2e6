// Two ends in one process: what goes in at one comes out at the other, with its descriptors, in order.
#include "proxy/handover/handover_link.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

// end is one end with what it has heard.
struct end {
    struct handover_link *link;
    struct ev_loop *loop;
    size_t count;       // messages heard
    uint64_t numbers;   // their sum
    size_t bytes;       // in them
    ino_t inode;        // of the last descriptor that came
    size_t stop_at;     // messages after which the loop ends
    bool is_over;       // the other end has gone
    bool is_understood; // and had said nothing wrong
    bool destroys;      // the link, when something comes
};

static void on_message(void *arg, const struct handover_message *message, int *fds, size_t fd_count)
{
    struct end *end = arg;
    struct stat status;
    end->count++;
    end->numbers += message->number;
    end->bytes += message->bytes.len;
    if (fd_count > 0) {
        assert_int_equal(fstat(fds[0], &status), 0);
        assert_int_equal(fcntl(fds[0], F_GETFD), FD_CLOEXEC);
        end->inode = status.st_ino;
    }
    if (end->destroys) {
        handover_link_destroy(end->link);
        end->link = NULL;
    }
    if (end->count == end->stop_at)
        ev_break(end->loop, EVBREAK_ALL);
}

static void on_end(void *arg, const char *why)
{
    struct end *end = arg;
    end->is_over = true;
    end->is_understood = why == NULL;
    ev_break(end->loop, EVBREAK_ALL);
}

struct pair {
    struct ev_loop *loop;
    struct end a;
    struct end b;
};

static struct handover_link *open_end(struct ev_loop *loop, int fd, struct end *end)
{
    const struct handover_events events = {.on_message = on_message, .on_end = on_end, .arg = end};
    end->loop = loop;
    end->link = handover_link_create(loop, fd, &events);
    assert_non_null(end->link);
    return end->link;
}

static void open_pair(struct pair *pair)
{
    int fds[2];
    *pair = (struct pair){.loop = ev_loop_new(EVFLAG_AUTO)};
    assert_non_null(pair->loop);
    assert_true(handover_pair(fds));
    (void)open_end(pair->loop, fds[0], &pair->a);
    (void)open_end(pair->loop, fds[1], &pair->b);
}

static void close_pair(struct pair *pair)
{
    handover_link_destroy(pair->a.link);
    handover_link_destroy(pair->b.link);
    ev_loop_destroy(pair->loop);
}

static void more_than_the_socket_takes_comes_whole_and_in_order(void **state)
{
    (void)state;
    enum { COUNT = 500 };
    static uint8_t bytes[HANDOVER_BYTES_MAX];
    struct pair pair;
    open_pair(&pair);
    for (size_t i = 0; i < COUNT; i++) {
        const struct handover_message message = {
            .kind = HANDOVER_BLOCKS, .number = i, .bytes = {bytes, sizeof bytes}};
        assert_true(handover_link_send(pair.a.link, &message, NULL, 0));
    }
    assert_false(handover_link_is_sent(pair.a.link));
    pair.b.stop_at = COUNT;
    ev_run(pair.loop, 0);
    assert_int_equal(pair.b.count, COUNT);
    assert_int_equal(pair.b.numbers, COUNT * (COUNT - 1) / 2);
    assert_int_equal(pair.b.bytes, COUNT * sizeof bytes);
    assert_true(handover_link_is_sent(pair.a.link));
    close_pair(&pair);
}

static void a_descriptor_comes_along_and_stays_the_senders(void **state)
{
    (void)state;
    struct pair pair;
    struct stat status;
    open_pair(&pair);
    const struct handover_message message = {.kind = HANDOVER_CONTROL};
    const int fd = open("/", O_RDONLY | O_CLOEXEC);
    assert_int_equal(fstat(fd, &status), 0);
    assert_true(handover_link_send(pair.a.link, &message, &fd, 1));
    pair.b.stop_at = 1;
    ev_run(pair.loop, 0);
    assert_int_equal(pair.b.inode, status.st_ino);
    assert_int_equal(close(fd), 0);
    close_pair(&pair);
}

static void the_end_of_the_other_process_is_heard_after_its_last_word(void **state)
{
    (void)state;
    struct pair pair;
    open_pair(&pair);
    assert_true(handover_link_say(pair.a.link, HANDOVER_ENDED, 3));
    handover_link_destroy(pair.a.link);
    pair.a.link = NULL;
    ev_run(pair.loop, 0);
    assert_int_equal(pair.b.numbers, 3);
    assert_true(pair.b.is_over && pair.b.is_understood);
    close_pair(&pair);
}

// send_raw puts a datagram into a socket whose other end is a link.
// The kernel tells that of a reset first, and of what was said before it afterwards.
static void the_last_word_of_a_process_that_has_not_listened_is_heard(void **state)
{
    (void)state;
    struct pair pair;
    open_pair(&pair);
    handover_link_pause(pair.b.link);
    assert_true(handover_link_say(pair.a.link, HANDOVER_BEGIN, 0));
    assert_true(handover_link_say(pair.b.link, HANDOVER_OBEYED, 7));
    handover_link_destroy(pair.b.link);
    pair.b.link = NULL;
    ev_run(pair.loop, 0);
    assert_int_equal(pair.a.count, 1);
    assert_int_equal(pair.a.numbers, 7);
    assert_true(pair.a.is_over && pair.a.is_understood);
    close_pair(&pair);
}

static void assert_not_understood(struct slice datagram, int beside)
{
    int fds[2];
    struct end end = {0};
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec part = {(void *)(uintptr_t)datagram.data, datagram.len};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (beside >= 0) {
        message.msg_control = control.room;
        message.msg_controllen = sizeof control.room;
        control.header = (struct cmsghdr){
            .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
        memcpy(CMSG_DATA(&control.header), &beside, sizeof beside);
    }
    assert_true(handover_pair(fds));
    (void)open_end(loop, fds[0], &end);
    assert_int_equal(sendmsg(fds[1], &message, 0), datagram.len);
    ev_run(loop, 0);
    assert_true(end.is_over && !end.is_understood);
    assert_int_equal(end.count, 0);
    handover_link_destroy(end.link);
    ev_loop_destroy(loop);
    (void)close(fds[1]);
}

static void what_is_no_message_ends_the_conversation(void **state)
{
    (void)state;
    static const uint8_t unknown[] = {0xFF};
    static const uint8_t begin[] = {HANDOVER_BEGIN};
    static const uint8_t control[] = {HANDOVER_CONTROL};
    static uint8_t large[HANDOVER_MESSAGE_MAX + 1];
    assert_not_understood(slice_of(unknown, sizeof unknown), -1);
    assert_not_understood(slice_of(begin, sizeof begin),
                          STDIN_FILENO); // with a descriptor that it has no use for
    assert_not_understood(slice_of(control, sizeof control), -1); // without the one that it needs
    assert_not_understood(slice_of(large, sizeof large), -1);
}

static void a_link_that_is_paused_hears_what_has_come_later(void **state)
{
    (void)state;
    struct pair pair;
    open_pair(&pair);
    handover_link_pause(pair.b.link);
    assert_true(handover_link_say(pair.a.link, HANDOVER_OBEYED, 1));
    ev_run(pair.loop, EVRUN_NOWAIT);
    assert_int_equal(pair.b.count, 0);
    handover_link_resume(pair.b.link);
    pair.b.stop_at = 1;
    ev_run(pair.loop, 0);
    assert_int_equal(pair.b.count, 1);
    close_pair(&pair);
}

static void a_link_may_go_while_it_is_heard(void **state)
{
    (void)state;
    struct pair pair;
    open_pair(&pair);
    assert_true(handover_link_say(pair.a.link, HANDOVER_DRAIN, 0));
    assert_true(handover_link_say(pair.a.link, HANDOVER_DRAIN, 0));
    pair.b.destroys = true;
    ev_run(pair.loop, EVRUN_ONCE);
    assert_int_equal(pair.b.count, 1);
    ev_run(pair.loop, 0);
    assert_true(pair.a.is_over);
    close_pair(&pair);
}

static void without_a_loop_a_message_is_waited_for(void **state)
{
    (void)state;
    int fds[2];
    int received[HANDOVER_FDS_MAX];
    size_t count = 0;
    uint8_t data[HANDOVER_MESSAGE_MAX];
    struct handover_message out;
    struct errinfo info;
    const struct handover_message sent = {.kind = HANDOVER_FAILED, .text = SLICE_LITERAL("why")};
    assert_true(handover_pair(fds));
    assert_int_equal(handover_receive(fds[1], 0, data, &out, received, &count, &info), ERR_TIMEOUT);
    assert_true(handover_tell(fds[0], &sent));
    assert_int_equal(handover_receive(fds[1], -1, data, &out, received, &count, &info), ERR_OK);
    assert_true(slice_equal(out.text, sent.text));
    (void)close(fds[0]);
    assert_int_equal(handover_receive(fds[1], -1, data, &out, received, &count, &info), ERR_EOF);
    assert_false(handover_tell(fds[1], &sent));
    (void)close(fds[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(more_than_the_socket_takes_comes_whole_and_in_order),
        cmocka_unit_test(a_descriptor_comes_along_and_stays_the_senders),
        cmocka_unit_test(the_end_of_the_other_process_is_heard_after_its_last_word),
        cmocka_unit_test(the_last_word_of_a_process_that_has_not_listened_is_heard),
        cmocka_unit_test(what_is_no_message_ends_the_conversation),
        cmocka_unit_test(a_link_that_is_paused_hears_what_has_come_later),
        cmocka_unit_test(a_link_may_go_while_it_is_heard),
        cmocka_unit_test(without_a_loop_a_message_is_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
