// sink: whatever stdout is, a reader who does not read holds nobody up for longer than is said.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "proxy/audit/sink.h"

enum { PIECE = 64 * 1024, PIECES = 3 };

static char piece[PIECE];

static ssize_t write_pieces(struct sink *sink)
{
    struct iovec parts[PIECES];
    for (int i = 0; i < PIECES; i++)
        parts[i] = (struct iovec){piece, sizeof piece};
    return sink_write(sink, parts, PIECES, 0);
}

// fill writes until nothing goes in any more, and gives what has gone in.
static size_t fill(struct sink *sink)
{
    size_t sum = 0;
    ssize_t count = 0;
    while ((count = write_pieces(sink)) > 0)
        sum += (size_t)count;
    assert_int_equal(count, -1);
    assert_int_equal(errno, EAGAIN);
    return sum;
}

static size_t drain(int fd)
{
    size_t sum = 0;
    ssize_t count = 0;
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    while ((count = read(fd, piece, sizeof piece)) > 0)
        sum += (size_t)count;
    return sum;
}

static void a_shared_pipe_that_blocks_is_never_written_beyond_its_room(void **state)
{
    (void)state;
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    struct sink sink = {.fd = fds[1], .kind = SINK_BLOCKING};
    assert_int_equal(write_pieces(&sink), PIPE_BUF);
    const size_t written = PIPE_BUF + fill(&sink);
    assert_int_equal(fcntl(fds[1], F_GETFL) & O_NONBLOCK, 0); // others want it to block
    assert_int_equal(drain(fds[0]), written);
    assert_int_equal(write_pieces(&sink), PIPE_BUF);
    (void)close(fds[0]);
    (void)close(fds[1]);
}

static void a_socket_is_asked_each_time_not_to_block(void **state)
{
    (void)state;
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    struct sink sink = {.fd = fds[1], .kind = SINK_SOCKET};
    const size_t written = fill(&sink);
    assert_int_equal(fcntl(fds[1], F_GETFL) & O_NONBLOCK, 0);
    assert_int_equal(drain(fds[0]), written);
    (void)close(fds[0]);
    assert_int_equal(write_pieces(&sink), -1);
    assert_int_equal(errno, EPIPE);
    (void)close(fds[1]);
}

static void a_named_pipe_is_a_stream_and_a_file_is_none(void **state)
{
    (void)state;
    char folder[] = "/tmp/sink.XXXXXX";
    char path[64];
    struct sink sink;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/x", folder);
    assert_true(sink_open(&sink, path, true));
    assert_int_equal(sink.kind, SINK_FILE);
    sink_close(&sink);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_true(sink_open(&sink, path, true));
    assert_int_equal(sink.kind, SINK_STREAM);
    assert_true(fill(&sink) > 0);
    sink_close(&sink);
    assert_int_equal(sink.fd, -1);
    (void)unlink(path);
    (void)rmdir(folder);
    assert_false(sink_open(&sink, path, true));
    assert_int_equal(errno, ENOENT);
}

static void a_torn_line_is_ended_unless_its_writer_may_be_about_to(void **state)
{
    (void)state;
    char path[] = "/tmp/sink.XXXXXX";
    struct sink sink;
    const int fd = mkstemp(path);
    assert_int_equal(write(fd, "torn", 4), 4);
    assert_true(sink_is_file(path));
    assert_true(sink_open(&sink, path, false));
    assert_int_equal(lseek(fd, 0, SEEK_END), 4);
    sink_close(&sink);
    assert_true(sink_open(&sink, path, true));
    assert_int_equal(lseek(fd, 0, SEEK_END), 5);
    sink_close(&sink);
    assert_int_equal(unlink(path), 0);
    assert_false(sink_is_file(path));
    assert_false(sink_is_file("/dev/null"));
    (void)close(fd);
}

static void only_a_dash_is_stdout(void **state)
{
    (void)state;
    assert_true(sink_is_stdout("-"));
    assert_false(sink_is_stdout("./-") || sink_is_stdout("") || sink_is_stdout("--"));
    assert_string_equal(sink_label("-"), "stdout");
    assert_string_equal(sink_label("a-"), "a-");
}

// limit_files lets files have at most this many bytes; what is beyond fails as on a full disk.
static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_torn_line_that_a_full_disk_does_not_let_end_is_ended_before_the_next_one(void **state)
{
    (void)state;
    char path[] = "/tmp/sink_test.XXXXXX";
    char data[32] = "";
    char line[] = "whole\n";
    struct iovec parts[] = {{line, sizeof line - 1}};
    struct sink sink;
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "torn", 4), 4);
    (void)signal(SIGXFSZ, SIG_IGN);
    limit_files(4);
    assert_true(sink_open(&sink, path, true));
    assert_int_equal(sink_write(&sink, parts, 1, 0), -1);
    limit_files(RLIM_INFINITY);
    assert_int_equal(sink_write(&sink, parts, 1, 0), sizeof line - 1);
    assert_int_equal(sink_write(&sink, parts, 1, 0), sizeof line - 1);
    assert_true(pread(fd, data, sizeof data - 1, 0) > 0);
    assert_string_equal(data, "torn\nwhole\nwhole\n");
    sink_close(&sink);
    (void)close(fd);
    assert_int_equal(unlink(path), 0);
}

// Where it waited for the lock before each write, this would take five minutes.
static void who_keeps_the_lock_of_the_file_is_waited_for_only_once(void **state)
{
    (void)state;
    enum { LINES = 300 };
    char path[] = "/tmp/sink_test.XXXXXX";
    char line[] = "line\n";
    struct iovec parts[] = {{line, sizeof line - 1}};
    struct sink sink;
    struct stat status;
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    assert_true(sink_open(&sink, path, false));
    for (int i = 0; i < LINES; i++) {
        assert_int_equal(sink_begin_beside(&sink), i > 0); // where the file ends with what is ours
        assert_true(sink.is_lock_stuck && !sink.is_locked);
        assert_int_equal(sink_write_beside(&sink, parts, 1), sizeof line - 1);
    }
    assert_int_equal(flock(fd, LOCK_UN), 0);
    assert_true(sink_begin_beside(&sink));
    assert_true(!sink.is_lock_stuck && sink.is_locked);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), -1); // it is held up to the write
    assert_int_equal(sink_write_beside(&sink, parts, 1), sizeof line - 1);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
    assert_int_equal(fstat(fd, &status), 0);
    assert_int_equal(status.st_size, (LINES + 1) * (sizeof line - 1));
    sink_close(&sink);
    (void)close(fd);
    assert_int_equal(unlink(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_shared_pipe_that_blocks_is_never_written_beyond_its_room),
        cmocka_unit_test(a_socket_is_asked_each_time_not_to_block),
        cmocka_unit_test(a_named_pipe_is_a_stream_and_a_file_is_none),
        cmocka_unit_test(only_a_dash_is_stdout),
        cmocka_unit_test(a_torn_line_is_ended_unless_its_writer_may_be_about_to),
        cmocka_unit_test(
            a_torn_line_that_a_full_disk_does_not_let_end_is_ended_before_the_next_one),
        cmocka_unit_test(who_keeps_the_lock_of_the_file_is_waited_for_only_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
