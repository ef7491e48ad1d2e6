// The audit's queue and writer on real files: order, torn lines, full disks, reopening, threads.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "proxy/audit/audit_log.h"
#include "tests/unit/proxy/json.h"

enum { PATIENCE_MS = 20000, FILE_CAP = 8 * 1024 * 1024, PATH_CAP = 512 };

// on_problem has no argument of its own; what it is told goes through this pipe.
static int problem_pipe[2];

static void on_problem(const char *path, int error)
{
    (void)path;
    assert_int_equal(write(problem_pipe[1], &error, sizeof error), sizeof error);
}

static int next_problem(void)
{
    int error = -1;
    struct pollfd readable = {.fd = problem_pipe[0], .events = POLLIN};
    assert_int_equal(poll(&readable, 1, PATIENCE_MS), 1);
    assert_int_equal(read(problem_pipe[0], &error, sizeof error), sizeof error);
    return error;
}

struct place {
    char folder[PATH_CAP];
    char path[PATH_CAP + 16];
    char other[PATH_CAP + 16];
    char *text; // of the file read last
};

static int set_up(void **state)
{
    const char *parent = getenv("TEST_TMPDIR");
    struct place *place = calloc(1, sizeof *place);
    assert_non_null(place);
    (void)snprintf(place->folder, sizeof place->folder, "%s/audit-XXXXXX",
                   parent == NULL ? "/tmp" : parent);
    assert_non_null(mkdtemp(place->folder));
    (void)snprintf(place->path, sizeof place->path, "%s/audit.jsonl", place->folder);
    (void)snprintf(place->other, sizeof place->other, "%s/other.jsonl", place->folder);
    assert_int_equal(pipe(problem_pipe), 0);
    *state = place;
    return 0;
}

static int tear_down(void **state)
{
    struct place *place = *state;
    (void)unlink(place->path);
    (void)rmdir(place->path);
    (void)unlink(place->other);
    assert_int_equal(rmdir(place->folder), 0);
    (void)close(problem_pipe[0]);
    (void)close(problem_pipe[1]);
    free(place->text);
    free(place);
    return 0;
}

static struct audit_log *open_log(const struct place *place, uint32_t max_decisions,
                                  uint32_t max_refusals)
{
    const struct audit_log_options options = {.path = place->path,
                                              .max_decisions = max_decisions,
                                              .max_refusals = max_refusals,
                                              .on_problem = on_problem};
    struct audit_log *log = NULL;
    struct errinfo info;
    assert_int_equal(audit_log_open(&options, &log, &info), ERR_OK);
    return log;
}

// read_file reads the whole file; the text is the place's until the next one.
static struct slice read_file(struct place *place, const char *path)
{
    free(place->text);
    place->text = malloc(FILE_CAP);
    assert_non_null(place->text);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    size_t len = 0;
    ssize_t count = 0;
    while ((count = read(fd, place->text + len, FILE_CAP - len)) > 0)
        len += (size_t)count;
    (void)close(fd);
    return slice_of(place->text, len);
}

static void write_file(const char *path, const char *text)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    (void)close(fd);
}

// wait_for_bytes waits until the file holds something, without asking the log.
static void wait_for_bytes(const char *path)
{
    const int fd = inotify_init1(IN_CLOEXEC);
    assert_true(fd >= 0 && inotify_add_watch(fd, path, IN_MODIFY) >= 0);
    struct stat about;
    while (stat(path, &about) == 0 && about.st_size == 0) {
        struct pollfd changed = {.fd = fd, .events = POLLIN};
        char events[512];
        assert_int_equal(poll(&changed, 1, PATIENCE_MS), 1);
        assert_true(read(fd, events, sizeof events) > 0);
    }
    (void)close(fd);
}

// make_close makes a close record whose `bytes.up` is `number` and `bytes.down` is `thread`.
static struct audit_record *make_close(uint64_t thread, uint64_t number)
{
    const struct audit_close close = {
        .id = "0123456789abcdef", .bytes_up = number, .bytes_down = thread};
    struct audit_record *record = audit_record_create(AUDIT_CLOSE_CAP);
    assert_non_null(record);
    audit_close_format(&close, record);
    return record;
}

static struct audit_record *make_decision(void)
{
    const struct decision verdict = {.action = ACTION_ALLOW};
    const struct audit_decision decision = {.id = "0123456789abcdef",
                                            .listener = "main",
                                            .client_json = SLICE_LITERAL("{}"),
                                            .decision = &verdict,
                                            .config = "c"};
    struct audit_record *record = audit_record_create(AUDIT_DECISION_EXTRA_CAP + 2);
    assert_non_null(record);
    audit_decision_format(&decision, record);
    return record;
}

static struct audit_record *make_refusal(void)
{
    const struct audit_refusal refusal = {.id = "0123456789abcdef",
                                          .listener = "main",
                                          .address = {.family = IP_V4},
                                          .detail = "",
                                          .count = 1};
    struct audit_record *record = audit_refusal_create(&refusal);
    assert_non_null(record);
    return record;
}

static bool next_line(struct slice *rest, struct slice *out)
{
    if (rest->len == 0)
        return false;
    const size_t lf = slice_find(*rest, '\n');
    assert_true(lf < rest->len);
    *out = slice_first(*rest, lf + 1);
    *rest = slice_from(*rest, lf + 1);
    return true;
}

static uint64_t number_at(struct slice line, const char *path)
{
    char text[32];
    assert_true(string_copy(text, sizeof text, json_find(line, path)));
    return strtoull(text, NULL, 10);
}

// count_events counts the lines of one event; every line must be valid.
static size_t count_events(struct slice text, const char *event)
{
    size_t count = 0;
    struct slice line;
    while (next_line(&text, &line)) {
        assert_true(json_is_line(line));
        const struct slice name = json_find(line, "event");
        count += slice_equal(slice_first(slice_from(name, 1), name.len - 2), slice_of_string(event))
                     ? 1
                     : 0;
    }
    return count;
}

static uint64_t lost_count(struct slice text)
{
    uint64_t count = 0;
    struct slice line;
    while (next_line(&text, &line)) {
        if (slice_equal(json_find(line, "event"), SLICE_LITERAL("\"records_lost\"")))
            count += number_at(line, "count");
    }
    return count;
}

static void writes_records_in_the_order_in_which_they_came(void **state)
{
    struct place *place = *state;
    struct audit_log *log = open_log(place, 0, 0);
    for (uint64_t i = 0; i < 3000; i++)
        audit_log_submit(log, make_close(0, i));
    assert_int_equal(audit_log_close(log), 0);
    struct slice rest = read_file(place, place->path);
    struct slice line;
    for (uint64_t i = 0; i < 3000; i++) {
        assert_true(next_line(&rest, &line) && json_is_line(line));
        assert_int_equal(number_at(line, "bytes.up"), i);
    }
    assert_int_equal(rest.len, 0);
}

static void a_new_file_is_for_owner_and_group_only(void **state)
{
    struct place *place = *state;
    const mode_t mask = umask(0);
    assert_int_equal(audit_log_close(open_log(place, 0, 0)), 0);
    (void)umask(mask);
    struct stat about;
    assert_int_equal(stat(place->path, &about), 0);
    assert_int_equal(about.st_mode & 07777, 0640);
    assert_int_equal(about.st_size, 0);
}

static void a_torn_last_line_is_ended_and_all_else_kept(void **state)
{
    struct place *place = *state;
    static const char *const before[] = {"{\"whole\":1}\n{\"torn", "x", "{\"whole\":1}\n", ""};
    static const char *const after[] = {"{\"whole\":1}\n{\"torn\n", "x\n", "{\"whole\":1}\n", ""};
    for (size_t i = 0; i < 4; i++) {
        write_file(place->path, before[i]);
        struct audit_log *log = open_log(place, 0, 0);
        audit_log_submit(log, make_close(0, 7));
        assert_int_equal(audit_log_close(log), 0);
        const struct slice text = read_file(place, place->path);
        assert_true(slice_starts_with(text, slice_of_string(after[i])));
        assert_true(json_is_line(slice_from(text, strlen(after[i]))));
    }
}

static void a_file_that_cannot_be_opened_is_named(void **state)
{
    struct place *place = *state;
    assert_int_equal(mkdir(place->path, 0700), 0);
    const struct audit_log_options options = {.path = place->path};
    struct audit_log *log = NULL;
    struct errinfo info = {.text = ""};
    assert_int_equal(audit_log_open(&options, &log, &info), ERR_SYSTEM);
    assert_null(log);
    assert_non_null(strstr(info.text, place->path));
}

static void a_full_disk_makes_it_full_until_a_write_succeeds(void **state)
{
    struct place *place = *state;
    assert_int_equal(symlink("/dev/full", place->path), 0);
    struct audit_log *log = open_log(place, 0, 0);
    assert_false(audit_log_is_full(log));
    audit_log_submit(log, make_close(0, 1));
    assert_int_equal(next_problem(), ENOSPC);
    assert_true(audit_log_is_full(log));
    audit_log_submit(log, make_close(0, 2));
    assert_true(audit_log_is_full(log));
    assert_int_equal(unlink(place->path), 0);
    assert_int_equal(symlink(place->other, place->path), 0);
    audit_log_reopen(log);
    assert_int_equal(next_problem(), 0);
    assert_false(audit_log_is_full(log));
    assert_int_equal(audit_log_close(log), 0);
    assert_int_equal(count_events(read_file(place, place->other), "close"), 2);
}

static void set_file_limit(rlim_t limit)
{
    struct rlimit both;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &both), 0);
    both.rlim_cur = limit;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &both), 0);
}

static void a_record_that_was_written_in_part_goes_on_where_it_stopped(void **state)
{
    struct place *place = *state;
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    (void)signal(SIGXFSZ, SIG_IGN);
    struct audit_record *first = make_close(0, 0);
    const rlim_t inside = first->len + 10;
    struct audit_log *log = open_log(place, 0, 0);
    set_file_limit(inside);
    audit_log_submit(log, first);
    audit_log_submit(log, make_close(0, 1));
    assert_int_equal(next_problem(), EFBIG);
    for (uint64_t step = 1; step <= 3; step++) { // three more bits of the same record
        set_file_limit(inside + 7 * step);
        audit_log_submit(log, make_close(0, step + 1));
        assert_int_equal(next_problem(), 0);
        assert_int_equal(next_problem(), EFBIG);
        assert_true(audit_log_is_full(log));
    }
    set_file_limit(before.rlim_cur);
    assert_int_equal(audit_log_close(log), 0);
    assert_int_equal(next_problem(), 0);
    struct slice rest = read_file(place, place->path);
    struct slice line;
    for (uint64_t i = 0; i < 5; i++) {
        assert_true(next_line(&rest, &line) && json_is_line(line));
        assert_int_equal(number_at(line, "bytes.up"), i);
    }
    assert_int_equal(rest.len, 0);
}

static void a_line_written_in_part_is_not_mixed_with_one_of_another_process(void **state)
{
    struct place *place = *state;
    struct rlimit before;
    struct audit_log *other = NULL;
    struct errinfo info;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    (void)signal(SIGXFSZ, SIG_IGN);
    struct audit_record *first = make_close(0, 0);
    const rlim_t inside = first->len + 10;
    struct audit_log *log = open_log(place, 0, 0);
    set_file_limit(inside);
    audit_log_submit(log, first);
    audit_log_submit(log, make_close(0, 1));
    assert_int_equal(next_problem(), EFBIG);
    audit_log_share(log, true);
    const struct audit_log_options options = {.path = place->path, .is_shared = true};
    assert_int_equal(audit_log_open(&options, &other, &info), ERR_OK);
    set_file_limit(before.rlim_cur);
    audit_log_submit(other, make_close(0, 2));
    assert_int_equal(audit_log_close(other), 0);
    assert_int_equal(audit_log_close(log), 0);
    assert_int_equal(next_problem(), 0);
    struct slice rest = read_file(place, place->path);
    struct slice line;
    uint64_t numbers = 0;
    size_t torn_count = 0;
    while (next_line(&rest, &line)) {
        if (json_is_line(line))
            numbers += UINT64_C(1) << number_at(line, "bytes.up");
        else
            torn_count++;
    }
    assert_int_equal(numbers, 7); // each once
    assert_in_range(torn_count, 0, 1);
}

// append_beside is another process that appends to the file, whatever our limit.
static void append_beside(const struct place *place, const char *text)
{
    const int fd = open(place->path, O_WRONLY | O_APPEND | O_CLOEXEC);
    int status = -1;
    assert_true(fd >= 0);
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        const struct rlimit none = {.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
        const ssize_t len = (ssize_t)strlen(text);
        _exit(setrlimit(RLIMIT_FSIZE, &none) != 0 || write(fd, text, (size_t)len) != len);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    (void)close(fd);
}

static const struct beside_row {
    const char *name;
    const char *appended; // by the other process, meanwhile; NULL: nothing
    bool is_cut;          // our first line is by a full disk, before that
    bool is_lock_stuck;   // somebody holds the lock of the file all the time
    bool ends;            // the sharing, after that
    size_t torn, others;  // lines that are found
} beside_rows[] = {
    {"nobody else writes", NULL, true, false, false, 0, 0},
    {"nobody else writes, and we are alone then", NULL, true, false, true, 0, 0},
    {"another line follows what is cut", "\n{\"other\":1}\n", true, false, false, 1, 1},
    {"we are alone after another line", "\n{\"other\":1}\n", true, false, true, 1, 1},
    {"the other one is gone in a line", "{\"torn", false, false, true, 1, 0},
    {"both lines are cut", "\n{\"torn", true, false, true, 2, 0},
    {"nobody lets go of the lock", NULL, true, true, false, 0, 0},
    {"another line, and a stuck lock", "\n{\"other\":1}\n", true, true, false, 1, 1},
    {"a torn line, and a stuck lock", "{\"torn", false, true, false, 1, 0},
};

static void write_beside(struct place *place, const struct beside_row *row, rlim_t limit)
{
    const struct audit_log_options options = {
        .path = place->path, .is_shared = true, .on_problem = on_problem};
    struct audit_record *first = make_close(0, 0);
    const rlim_t inside = first->len + 10;
    struct audit_log *log = NULL;
    struct errinfo info;
    assert_int_equal(audit_log_open(&options, &log, &info), ERR_OK);
    const int holder = open(place->path, O_RDONLY | O_CLOEXEC);
    assert_true(holder >= 0);
    assert_int_equal(flock(holder, row->is_lock_stuck ? LOCK_EX : LOCK_UN), 0);
    if (row->is_cut) {
        set_file_limit(inside);
        audit_log_submit(log, first);
        audit_log_submit(log, make_close(0, 1));
        assert_int_equal(next_problem(), EFBIG);
    }
    if (row->appended != NULL)
        append_beside(place, row->appended);
    if (row->ends)
        audit_log_share(log, false);
    set_file_limit(limit);
    if (!row->is_cut) {
        audit_log_submit(log, first);
        audit_log_submit(log, make_close(0, 1));
    }
    assert_int_equal(audit_log_close(log), 0);
    if (row->is_cut)
        assert_int_equal(next_problem(), 0);
    (void)close(holder);
}

static void lines_of_processes_stay_apart_on_a_full_disk_and_when_they_part(void **state)
{
    struct place *place = *state;
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    (void)signal(SIGXFSZ, SIG_IGN);
    for (size_t i = 0; i < sizeof beside_rows / sizeof *beside_rows; i++) {
        const struct beside_row *row = &beside_rows[i];
        size_t torn = 0;
        size_t others = 0;
        uint64_t next = 0;
        struct slice line;
        print_message("%s\n", row->name);
        write_beside(place, row, before.rlim_cur);
        struct slice rest = read_file(place, place->path);
        while (next_line(&rest, &line)) {
            if (!json_is_line(line))
                torn++;
            else if (slice_starts_with(line, SLICE_LITERAL("{\"other")))
                others++;
            else
                assert_int_equal(number_at(line, "bytes.up"), next++);
        }
        assert_int_equal(rest.len, 0);
        assert_int_equal(next, 2); // each once, in their order
        assert_int_equal(torn, row->torn);
        assert_int_equal(others, row->others);
        assert_int_equal(unlink(place->path), 0);
    }
}

static void closing_tells_how_many_records_could_not_be_written(void **state)
{
    struct place *place = *state;
    assert_int_equal(symlink("/dev/full", place->path), 0);
    struct audit_log *log = open_log(place, 0, 0);
    for (int i = 0; i < 3; i++)
        audit_log_submit(log, make_close(0, 1));
    assert_int_equal(next_problem(), ENOSPC);
    audit_log_note_lost(log, 4);
    assert_int_equal(audit_log_close(log), 7);
}

static void wait_for_file(const char *path)
{
    for (int i = 0; i < PATIENCE_MS && access(path, F_OK) != 0; i++)
        (void)poll(NULL, 0, 1);
    assert_int_equal(access(path, F_OK), 0);
}

static void a_file_that_is_removed_is_made_again_and_counted(void **state)
{
    struct place *place = *state;
    struct audit_log_status status;
    struct audit_log *log = open_log(place, 0, 0);
    audit_log_submit(log, make_close(0, 1));
    wait_for_bytes(place->path);
    assert_int_equal(unlink(place->path), 0);
    wait_for_file(place->path); // though nothing is submitted
    audit_log_submit(log, make_close(0, 2));
    wait_for_bytes(place->path);
    assert_int_equal(unlink(place->path), 0);
    audit_log_submit(log, make_close(0, 3)); // and at once where something is
    wait_for_file(place->path);
    wait_for_bytes(place->path);
    audit_log_look(log, &status);
    assert_int_equal(status.removed, 2);
    assert_int_equal(audit_log_close(log), 0);
    assert_int_equal(count_events(read_file(place, place->path), "close"), 1);
}

static void after_a_rename_and_reopen_the_new_file_is_written(void **state)
{
    struct place *place = *state;
    for (uint64_t round = 0; round < 50; round++) {
        (void)unlink(place->path);
        struct audit_log *log = open_log(place, 0, 0);
        audit_log_submit(log, make_close(0, 1));
        wait_for_bytes(place->path);
        assert_int_equal(rename(place->path, place->other), 0);
        audit_log_reopen(log);
        audit_log_submit(log, make_close(0, 2));
        assert_int_equal(audit_log_close(log), 0);
        assert_int_equal(number_at(read_file(place, place->other), "bytes.up"), 1);
        assert_int_equal(number_at(read_file(place, place->path), "bytes.up"), 2);
        assert_int_equal(count_events(read_file(place, place->other), "close"), 1);
    }
}

static void the_old_file_stays_when_the_new_one_cannot_be_opened(void **state)
{
    struct place *place = *state;
    struct audit_log *log = open_log(place, 0, 0);
    assert_int_equal(rename(place->path, place->other), 0);
    assert_int_equal(mkdir(place->path, 0700), 0);
    audit_log_reopen(log);
    assert_int_equal(next_problem(), EISDIR);
    assert_false(audit_log_is_full(log));
    audit_log_submit(log, make_close(0, 1));
    assert_int_equal(audit_log_close(log), 0);
    assert_int_equal(count_events(read_file(place, place->other), "close"), 1);
}

static void refusals_are_bounded_and_the_others_counted(void **state)
{
    struct place *place = *state;
    assert_int_equal(symlink("/dev/full", place->path), 0);
    struct audit_log *log = open_log(place, 0, 5);
    for (int i = 0; i < 8; i++)
        audit_log_submit_bounded(log, AUDIT_KIND_REFUSAL, make_refusal(), 1);
    audit_log_submit_bounded(log, AUDIT_KIND_REFUSAL, NULL, 5); // there was no memory for it
    audit_log_submit(log, make_close(0, 1));
    assert_int_equal(next_problem(), ENOSPC);
    assert_int_equal(unlink(place->path), 0);
    assert_int_equal(symlink(place->other, place->path), 0);
    audit_log_reopen(log);
    assert_int_equal(next_problem(), 0);
    assert_int_equal(audit_log_close(log), 0);
    const struct slice text = read_file(place, place->other);
    assert_int_equal(count_events(text, "handshake_refused"), 5);
    assert_int_equal(count_events(text, "close"), 1);
    assert_int_equal(lost_count(text), 3 + 5);
}

static void room_for_refusals_comes_back(void **state)
{
    struct place *place = *state;
    for (int round = 0; round < 3; round++) {
        struct audit_log *log = open_log(place, 0, 1);
        audit_log_submit_bounded(log, AUDIT_KIND_REFUSAL, make_refusal(), 1);
        assert_int_equal(audit_log_close(log), 0);
    }
    assert_int_equal(count_events(read_file(place, place->path), "handshake_refused"), 3);
    assert_int_equal(lost_count(read_file(place, place->path)), 0);
}

static void an_idle_log_tells_of_lost_records_by_itself(void **state)
{
    struct place *place = *state;
    struct audit_log *log = open_log(place, 0, 0);
    audit_log_submit(log, make_close(0, 1));
    wait_for_bytes(place->path);
    assert_int_equal(truncate(place->path, 0), 0);
    audit_log_note_lost(log, 3);
    wait_for_bytes(place->path);
    assert_int_equal(lost_count(read_file(place, place->path)), 3);
    assert_int_equal(audit_log_close(log), 0);
    assert_int_equal(lost_count(read_file(place, place->path)), 3);
}

// drain reads a pipe to its end, for another thread, and counts the lines.
static void *drain(void *arg)
{
    const int fd = *(const int *)arg;
    size_t *lines = calloc(1, sizeof *lines);
    uint8_t data[4096];
    for (;;) {
        struct pollfd readable = {.fd = fd, .events = POLLIN};
        (void)poll(&readable, 1, PATIENCE_MS);
        const ssize_t count = read(fd, data, sizeof data);
        if (count <= 0)
            return lines;
        for (ssize_t i = 0; i < count; i++)
            *lines += data[i] == '\n' ? 1 : 0;
    }
}

// make_full_pipe makes a named pipe that takes nothing until somebody reads, so that the writer cannot
// write a record while a test counts them; gives the end to read from.
static int make_full_pipe(const char *path)
{
    static const char filling[4096] = {0};
    assert_int_equal(mkfifo(path, 0600), 0);
    const int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    const int filler = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    assert_true(fd >= 0 && filler >= 0 && fcntl(fd, F_SETPIPE_SZ, 4096) >= 0);
    while (write(filler, filling, sizeof filling) > 0) {
    }
    assert_int_equal(errno, EAGAIN);
    (void)close(filler);
    return fd;
}

static void too_many_decisions_make_it_full_until_they_are_written(void **state)
{
    struct place *place = *state;
    int fd = make_full_pipe(place->path);
    struct audit_log *log = open_log(place, 200, 0);
    size_t submitted = 0;
    for (; audit_log_reserve(log, 0); submitted++)
        audit_log_submit_decision(log, make_decision(), NULL);
    assert_int_equal(submitted, 200);
    assert_true(audit_log_is_full(log));
    audit_log_submit(log, make_close(0, 1)); // others always find room
    pthread_t reader;
    assert_int_equal(pthread_create(&reader, NULL, drain, &fd), 0);
    while (audit_log_is_full(log))
        (void)sched_yield();
    assert_int_equal(audit_log_close(log), 0);
    void *lines = NULL;
    assert_int_equal(pthread_join(reader, &lines), 0);
    assert_int_equal(*(size_t *)lines, submitted + 1);
    free(lines);
    (void)close(fd);
}

static void what_was_reserved_finds_room_however_full_it_becomes(void **state)
{
    struct place *place = *state;
    int fd = make_full_pipe(place->path);
    struct audit_log *log = open_log(place, 200, 0);
    assert_true(audit_log_reserve(log, 0));
    size_t submitted = 1;
    for (; audit_log_reserve(log, 0); submitted++)
        audit_log_submit_decision(log, make_decision(), NULL);
    assert_true(audit_log_is_full(log));
    audit_log_submit_decision(log, make_decision(), NULL);
    pthread_t reader;
    assert_int_equal(pthread_create(&reader, NULL, drain, &fd), 0);
    assert_int_equal(audit_log_close(log), 0);
    void *lines = NULL;
    assert_int_equal(pthread_join(reader, &lines), 0);
    assert_int_equal(*(size_t *)lines, submitted); // all of them, and none was lost
    free(lines);
    (void)close(fd);
}

// read_lines reads `bytes` from a pipe that somebody fills, and gives the number of lines among them.
static size_t read_lines(int fd, size_t bytes)
{
    uint8_t data[4096];
    size_t lines = 0;
    while (bytes > 0) {
        struct pollfd readable = {.fd = fd, .events = POLLIN};
        assert_int_equal(poll(&readable, 1, PATIENCE_MS), 1);
        const ssize_t count = read(fd, data, bytes < sizeof data ? bytes : sizeof data);
        assert_true(count > 0);
        bytes -= (size_t)count;
        for (ssize_t i = 0; i < count; i++)
            lines += data[i] == '\n' ? 1 : 0;
    }
    return lines;
}

// read_all_lines reads from a pipe until there were so many lines.
static void read_all_lines(int fd, size_t lines)
{
    while (lines > 0) {
        uint8_t byte = 0;
        struct pollfd readable = {.fd = fd, .events = POLLIN};
        assert_int_equal(poll(&readable, 1, PATIENCE_MS), 1);
        assert_int_equal(read(fd, &byte, 1), 1);
        lines -= byte == '\n' ? 1 : 0;
    }
}

static void a_pipe_that_is_opened_again_gets_the_rest_of_a_record(void **state)
{
    enum { COUNT = 100 };
    struct place *place = *state;
    const int fd = make_full_pipe(place->path);
    struct audit_log *log = open_log(place, 0, 0);
    for (size_t i = 0; i < COUNT; i++)
        audit_log_submit(log, make_close(0, 0));
    assert_int_equal(next_problem(), EAGAIN);
    assert_int_equal(read_lines(fd, 4096), 0); // the filling; then as much fits of the records
    assert_int_equal(next_problem(), 0);
    assert_int_equal(next_problem(), EAGAIN);
    audit_log_reopen(log);
    read_all_lines(fd, COUNT);
    assert_int_equal(audit_log_close(log), 0);
    uint8_t more = 0;
    assert_true(read(fd, &more, 1) <= 0);
    (void)close(fd);
}

static void one_holder_gets_half_of_the_room_and_the_last_one_some(void **state)
{
    const struct place *place = *state;
    struct audit_log *log = open_log(place, 100, 0);
    uint32_t held = 0;
    while (audit_log_reserve(log, held))
        held++;
    assert_int_equal(held, 50);
    uint32_t other = 0;
    while (audit_log_reserve(log, other))
        other++;
    assert_int_equal(other, 25);
    for (uint32_t i = held + other; i < 100; i++)
        assert_true(audit_log_reserve(log, 0));
    assert_false(audit_log_reserve(log, 0));
    assert_int_equal(audit_log_close(log), 0);
}

enum { THREADS = 4, EACH = 5000 };

struct pusher {
    pthread_t thread;
    struct audit_log *log;
    uint64_t number;
};

static void *push_many(void *arg)
{
    const struct pusher *pusher = arg;
    for (uint64_t i = 0; i < EACH; i++) {
        audit_log_submit(pusher->log, make_close(pusher->number, i));
        if (i % 100 == 0)
            audit_log_submit_bounded(pusher->log, AUDIT_KIND_REFUSAL, make_refusal(), 1);
    }
    return NULL;
}

static void nothing_is_lost_when_several_threads_push_at_once(void **state)
{
    struct place *place = *state;
    struct audit_log *log = open_log(place, 0, THREADS * EACH);
    struct pusher pushers[THREADS];
    for (uint64_t i = 0; i < THREADS; i++) {
        pushers[i] = (struct pusher){.log = log, .number = i};
        assert_int_equal(pthread_create(&pushers[i].thread, NULL, push_many, &pushers[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(pushers[i].thread, NULL), 0);
    assert_int_equal(audit_log_close(log), 0);
    const struct slice text = read_file(place, place->path);
    assert_int_equal(count_events(text, "handshake_refused"), THREADS * EACH / 100);
    uint64_t next[THREADS] = {0};
    struct slice rest = text;
    struct slice line;
    while (next_line(&rest, &line)) {
        if (!slice_equal(json_find(line, "event"), SLICE_LITERAL("\"close\"")))
            continue;
        const uint64_t thread = number_at(line, "bytes.down");
        assert_true(thread < THREADS);
        assert_int_equal(number_at(line, "bytes.up"), next[thread]++);
    }
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(next[i], EACH);
}

int main(void)
{
#define WITH_PLACE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        WITH_PLACE(writes_records_in_the_order_in_which_they_came),
        WITH_PLACE(a_new_file_is_for_owner_and_group_only),
        WITH_PLACE(a_torn_last_line_is_ended_and_all_else_kept),
        WITH_PLACE(a_file_that_cannot_be_opened_is_named),
        WITH_PLACE(a_full_disk_makes_it_full_until_a_write_succeeds),
        WITH_PLACE(a_record_that_was_written_in_part_goes_on_where_it_stopped),
        WITH_PLACE(a_line_written_in_part_is_not_mixed_with_one_of_another_process),
        WITH_PLACE(lines_of_processes_stay_apart_on_a_full_disk_and_when_they_part),
        WITH_PLACE(closing_tells_how_many_records_could_not_be_written),
        WITH_PLACE(a_file_that_is_removed_is_made_again_and_counted),
        WITH_PLACE(after_a_rename_and_reopen_the_new_file_is_written),
        WITH_PLACE(the_old_file_stays_when_the_new_one_cannot_be_opened),
        WITH_PLACE(refusals_are_bounded_and_the_others_counted),
        WITH_PLACE(room_for_refusals_comes_back),
        WITH_PLACE(an_idle_log_tells_of_lost_records_by_itself),
        WITH_PLACE(too_many_decisions_make_it_full_until_they_are_written),
        WITH_PLACE(what_was_reserved_finds_room_however_full_it_becomes),
        WITH_PLACE(a_pipe_that_is_opened_again_gets_the_rest_of_a_record),
        WITH_PLACE(one_holder_gets_half_of_the_room_and_the_last_one_some),
        WITH_PLACE(nothing_is_lost_when_several_threads_push_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
