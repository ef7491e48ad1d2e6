// The writer itself: several threads hand records over while the file is rotated and the chain changes, and what it has
// written holds together to the last line.
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "proxy/audit/audit_log.h"
#include "proxy/history/chain_check.h"

enum { THREADS = 3, EACH = 2000, ROTATIONS = 5, PATH_CAP = 512 };

struct pusher {
    pthread_t thread;
    struct audit_log *log;
};

static void *push_many(void *arg)
{
    const struct pusher *pusher = arg;
    for (uint64_t i = 0; i < EACH; i++) {
        const struct audit_close close = {.id = "0123456789abcdef", .bytes_up = i};
        struct audit_record *record = audit_record_create(AUDIT_CLOSE_CAP);
        assert_non_null(record);
        audit_close_format(&close, record);
        audit_log_submit(pusher->log, record);
    }
    return NULL;
}

static void on_finding(void *arg, const struct chain_finding *finding)
{
    size_t *faults = arg;
    (void)printf("%s:%zu: %s\n", finding->place.path, finding->place.number, finding->text);
    *faults += 1;
}

static void on_line(void *arg, const struct log_line *line)
{
    assert_true(chain_check_line(arg, line));
}

// counted is a check, and how many of its lines are what the threads have handed over.
struct counted {
    struct chain_check *check;
    size_t closes;
};

static void on_counted_line(void *arg, const struct log_line *line)
{
    struct counted *counted = arg;
    on_line(counted->check, line);
    assert_non_null(line->entry);
    counted->closes += line->entry->event == AUDIT_EVENT_CLOSE;
}

// make_folder makes one for a test, and gives the path of a log in it.
static void make_folder(char folder[PATH_CAP], char path[PATH_CAP + 16])
{
    const char *parent = getenv("TEST_TMPDIR");
    (void)snprintf(folder, PATH_CAP, "%s/chain-XXXXXX", parent == NULL ? "/tmp" : parent);
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, PATH_CAP + 16, "%s/audit.jsonl", folder);
}

static void what_the_writer_writes_holds_together(void **state)
{
    (void)state;
    static const uint8_t seed[NOTE_SEED_LEN] = {9};
    char folder[PATH_CAP];
    char path[PATH_CAP + 16];
    char old[ROTATIONS][PATH_CAP + 32];
    struct note_signer signer;
    struct errinfo info;
    struct audit_log *log = NULL;
    struct pusher pushers[THREADS];
    size_t faults = 0;
    make_folder(folder, path);
    assert_true(note_signer_init(SLICE_LITERAL("sallyport/test"), seed, &signer));
    struct chain_settings *chain = chain_settings_create(checkpoint_signer_create(&signer), 1);
    assert_non_null(chain);
    const struct audit_log_options options = {.path = path, .chain = chain};
    assert_int_equal(audit_log_open(&options, &log, &info), ERR_OK);
    for (size_t i = 0; i < THREADS; i++) {
        pushers[i].log = log;
        assert_int_equal(pthread_create(&pushers[i].thread, NULL, push_many, &pushers[i]), 0);
    }
    for (size_t i = 0; i < ROTATIONS; i++) {
        (void)snprintf(old[i], sizeof old[i], "%s.%zu", path, i);
        while (access(path, F_OK) != 0) // the writer makes the next one
            (void)sched_yield();
        assert_int_equal(rename(path, old[i]), 0);
        audit_log_reopen(log);
        chain->every_ms++; // another chain: another instance
        const struct audit_log_target target = {.has_other_chain = true, .chain = chain};
        if (i % 2 == 1)
            assert_int_equal(audit_log_move(log, &target, &info), ERR_OK);
    }
    for (size_t i = 0; i < THREADS; i++)
        (void)pthread_join(pushers[i].thread, NULL);
    assert_int_equal(audit_log_close(log), 0);
    chain_settings_destroy(chain);
    const struct chain_check_options check_options = {
        .keys = &signer.verifier, .key_count = 1, .on_finding = on_finding, .arg = &faults};
    struct chain_check *check = chain_check_create(&check_options);
    assert_non_null(check);
    for (size_t i = 0; i <= ROTATIONS; i++) {
        const char *name = i < ROTATIONS ? old[i] : path;
        assert_int_equal(log_file_read(name, on_line, check, &info), ERR_OK);
        assert_int_equal(unlink(name), 0);
    }
    chain_check_finish(check);
    assert_int_equal(faults, 0);
    assert_true(chain_check_sum(check).sealed > (uint64_t)THREADS * EACH);
    assert_int_equal(chain_check_sum(check).uncovered, 0);
    chain_check_destroy(check);
    assert_int_equal(rmdir(folder), 0);
}

static void let_files_grow_to(rlim_t size)
{
    const struct rlimit limit = {.rlim_cur = size, .rlim_max = RLIM_INFINITY};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_reopen_without_a_rename_goes_on_in_the_middle_of_a_line(void **state)
{
    (void)state;
#ifdef __SANITIZE_THREAD__
    skip(); // its own memory is a file
#endif
    static const uint8_t seed[NOTE_SEED_LEN] = {9};
    char folder[PATH_CAP];
    char path[PATH_CAP + 16];
    struct note_signer signer;
    struct errinfo info;
    struct audit_log *log = NULL;
    struct pusher pusher;
    size_t faults = 0;
    make_folder(folder, path);
    assert_true(note_signer_init(SLICE_LITERAL("sallyport/test"), seed, &signer));
    struct chain_settings *chain =
        chain_settings_create(checkpoint_signer_create(&signer), 3600 * 1000);
    assert_non_null(chain);
    const struct audit_log_options options = {.path = path, .chain = chain};
    assert_int_equal(audit_log_open(&options, &log, &info), ERR_OK);
    (void)signal(SIGXFSZ, SIG_IGN);
    let_files_grow_to(10007); // in the middle of a line
    pusher.log = log;
    (void)push_many(&pusher);
    while (!audit_log_is_failing(log))
        (void)sched_yield();
    audit_log_reopen(log); // as a rotation does that had nothing to rename
    const struct audit_log_target target = {.path = path};
    assert_int_equal(audit_log_move(log, &target, &info), ERR_OK);
    let_files_grow_to(RLIM_INFINITY);
    assert_int_equal(audit_log_close(log), 0);
    chain_settings_destroy(chain);
    const struct chain_check_options check_options = {
        .keys = &signer.verifier, .key_count = 1, .on_finding = on_finding, .arg = &faults};
    struct counted counted = {.check = chain_check_create(&check_options)};
    assert_non_null(counted.check);
    assert_int_equal(log_file_read(path, on_counted_line, &counted, &info), ERR_OK);
    chain_check_finish(counted.check);
    assert_int_equal(faults, 0);
    assert_int_equal(counted.closes, EACH);
    // A writer that comes to the second request once all lines are written signs them for it, and once more at the end.
    const uint64_t checkpoints = chain_check_sum(counted.check).sealed - EACH;
    assert_in_range(checkpoints, 1, 2);
    chain_check_destroy(counted.check);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reopen_without_a_rename_goes_on_in_the_middle_of_a_line),
        cmocka_unit_test(what_the_writer_writes_holds_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
