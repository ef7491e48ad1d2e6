// A real store that runs the scripts, and the store of the simulator, are told the same at random, and say the same. The clock of
// the scripts is one that this test sets; nothing else of them is changed. Without redis-server there is nothing to compare.
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "auth/base/err.h"
#include "auth/base/slice.h"
#include "auth/base/text.h"
#include "proxy/fleet/fleet_scripts.h"
#include "proxy/store/resp.h"
#include "proxy/store/resp_command.h"
#include "tests/fleet/store_model.h"
#include "tests/unit/proxy/random.h"

enum {
    TURNS = 6000,
    INSTANCES = 12,
    WORDS_MAX = 16,
    TEXT_CAP = 96,
    SCRIPT_CAP = 8192,
    TTL_MS = 7000
};

// store is the real one.
struct store {
    pid_t pid;
    int fd;
    struct resp_reader *reader;
    char folder[32];
    char scripts[FLEET_SCRIPT_COUNT][SCRIPT_CAP];
};

static const char *const programs[] = {"valkey-server", "redis-server"};

// connect_to waits until the server listens, or has ended.
static int connect_to(const char *path, pid_t pid)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    assert_true(string_copy(address.sun_path, sizeof address.sun_path, slice_of_string(path)));
    for (;;) {
        const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        assert_true(fd >= 0);
        if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
            return fd;
        (void)close(fd);
        if (waitpid(pid, NULL, WNOHANG) == pid)
            return -1;
        (void)nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL); // for the socket, not a time
    }
}

// start starts one of the programs. False: none is installed.
static bool start(struct store *store)
{
    char path[64];
    (void)snprintf(store->folder, sizeof store->folder, "/tmp/agreement.XXXXXX");
    assert_non_null(mkdtemp(store->folder));
    (void)snprintf(path, sizeof path, "%s/s", store->folder);
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
        store->pid = fork();
        assert_true(store->pid >= 0);
        if (store->pid == 0) {
            (void)prctl(PR_SET_PDEATHSIG, SIGKILL); // also where an assertion ends the test
            if (freopen("/dev/null", "w", stdout) == NULL)
                _exit(127);
            (void)execlp(programs[i], programs[i], "--port", "0", "--unixsocket", path, "--save",
                         "", "--dir", store->folder, (char *)NULL);
            _exit(127);
        }
        store->fd = connect_to(path, store->pid);
        if (store->fd >= 0)
            return true;
    }
    return false;
}

static void stop(struct store *store)
{
    char path[64];
    if (store->fd >= 0) {
        (void)close(store->fd);
        (void)kill(store->pid, SIGKILL);
        (void)waitpid(store->pid, NULL, 0);
    }
    (void)snprintf(path, sizeof path, "%s/s", store->folder);
    (void)unlink(path);
    (void)rmdir(store->folder);
    resp_reader_destroy(store->reader);
}

// ask gives the server's answer, which the caller frees.
static struct resp *ask(struct store *store, const struct slice *words, size_t count)
{
    static uint8_t bytes[64 * 1024];
    char header[RESP_HEADER_CAP];
    const size_t header_len = resp_array_begin(count, header);
    const size_t len = header_len + resp_words_len(words, count);
    assert_true(bytes_copy(bytes, sizeof bytes, slice_of(header, header_len)) &&
                len <= sizeof bytes);
    resp_words_write(words, count, bytes + header_len);
    assert_int_equal(write(store->fd, bytes, len), (ssize_t)len);
    struct resp *answer = NULL;
    const char *why = NULL;
    while (resp_reader_next(store->reader, &answer, &why) == RESP_MORE) {
        const ssize_t got = read(store->fd, bytes, sizeof bytes);
        assert_true(got > 0);
        resp_reader_feed(store->reader, slice_of(bytes, (size_t)got));
    }
    assert_null(why);
    return answer;
}

// with_own_clock writes a script that reads the time from the key `clock` of this test.
static void with_own_clock(const char *script, char out[SCRIPT_CAP])
{
    static const char real[] = "redis.call('TIME')";
    struct text text;
    text_init(&text, out, SCRIPT_CAP);
    for (const char *at = script; *at != '\0';) {
        if (strncmp(at, real, sizeof real - 1) == 0) {
            text_append_string(&text, "redis.call('HMGET', 'time', 's', 'us')");
            at += sizeof real - 1;
        } else {
            text_append(&text, slice_of(at++, 1));
        }
    }
    assert_false(text.is_cut);
}

// command is a script with its keys and arguments.
struct command {
    size_t count;
    struct slice words[WORDS_MAX];
    char texts[WORDS_MAX][TEXT_CAP];
};

static void add(struct command *command, const char *format, ...) PRINTF_LIKE(2, 3);

static void add(struct command *command, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *text = command->texts[command->count];
    const int len = vsnprintf(text, TEXT_CAP, format, arguments);
    va_end(arguments);
    assert_true(len >= 0 && len < TEXT_CAP);
    command->words[command->count++] = slice_of(text, (size_t)len);
}

static void begin(struct command *command, struct store *store, enum fleet_script script, int keys)
{
    command->count = 0;
    add(command, "EVAL");
    command->words[command->count++] = slice_of_string(store->scripts[script]);
    add(command, "%d", keys);
}

static void set_clock(struct store *store, int64_t now_us)
{
    struct command command = {0};
    add(&command, "HSET");
    add(&command, "time");
    add(&command, "s");
    add(&command, "%lld", (long long)(now_us / 1000000));
    add(&command, "us");
    add(&command, "%lld", (long long)(now_us % 1000000));
    resp_free(ask(store, command.words, command.count));
}

static int64_t number_of(const struct resp *answer, size_t i)
{
    int64_t number = -1;
    assert_true(answer->kind == RESP_ARRAY && answer->count > i);
    assert_true(resp_read_integer(&answer->items[i], &number));
    return number;
}

// begin_beat begins a beat of an instance over the connection of number `epoch`.
static void begin_beat(struct command *command, struct store *store, uint32_t instance,
                       uint64_t epoch)
{
    begin(command, store, FLEET_BEAT, 6);
    add(command, "p:alive");
    add(command, "p:rev");
    add(command, "p:orders:n");
    add(command, "p:scarce");
    add(command, "p:epochs");
    add(command, "p:blocks");
    add(command, "i%03u", instance);
    add(command, "p:");
    add(command, "%d", TTL_MS);
    add(command, "%llu", (unsigned long long)epoch);
}

static void compare_beat(struct store *store, struct store_model *model, struct random *random,
                         uint32_t instance)
{
    const uint64_t epoch = 1 + random_below(random, 4);
    struct command command;
    begin_beat(&command, store, instance, epoch);
    struct resp *answer = ask(store, command.words, command.count);
    const struct model_beat beat = store_model_beat(model, instance, epoch, TTL_MS);
    assert_int_equal(number_of(answer, 0), model->now_us / 1000);
    assert_int_equal(number_of(answer, 1), beat.was_known);
    assert_int_equal(number_of(answer, 2), beat.members);
    assert_int_equal(number_of(answer, 6), 0); // all of it made sense
    assert_int_equal(answer->count, 8);
    bool is_scarce[MODEL_ACCOUNTS] = {0};
    for (size_t i = 0; i < answer->items[7].count; i++)
        is_scarce[answer->items[7].items[i].text.data[1] - '0'] = true;
    assert_memory_equal(is_scarce, beat.is_scarce, sizeof is_scarce);
    resp_free(answer);
}

static void compare_leave(struct store *store, struct store_model *model, uint32_t instance)
{
    struct command command;
    int64_t number = 0;
    begin(&command, store, FLEET_LEAVE, 2);
    add(&command, "p:alive");
    add(&command, "p:members");
    add(&command, "i%03u", instance);
    struct resp *answer = ask(store, command.words, command.count);
    assert_true(resp_read_integer(answer, &number) && number == 1);
    store_model_leave(model, instance);
    resp_free(answer);
}

static void compare_lease(struct store *store, struct store_model *model, struct random *random,
                          uint32_t instance, uint32_t account)
{
    // Mostly that of the last beat: one from before it, or from after it, gets nothing.
    const uint64_t epoch =
        random_below(random, 4) == 0 ? 1 + random_below(random, 4) : model->epoch[instance];
    const uint32_t n = 20 + 10 * account;
    const uint32_t keep = (uint32_t)random_below(random, 1 + n / 3);
    const uint32_t need = (uint32_t)random_below(random, 5);
    const uint32_t want = (uint32_t)random_below(random, 2) * (keep + need + 6);
    uint32_t granted = 0, others = 0;
    bool settles = false;
    struct command command;
    begin(&command, store, FLEET_LEASE, 6);
    add(&command, "p:t:a%u", account);
    add(&command, "p:held:i%03u", instance);
    add(&command, "p:alive");
    add(&command, "p:scarce");
    add(&command, "p:epochs");
    add(&command, "p:clock");
    add(&command, "i%03u", instance);
    add(&command, "a%u", account);
    add(&command, "%u", n);
    add(&command, "%u", keep);
    add(&command, "%u", need);
    add(&command, "%u", want);
    add(&command, "%llu", (unsigned long long)epoch);
    struct resp *answer = ask(store, command.words, command.count);
    if (store_model_lease(model, account, instance, epoch, n, keep, need, want, &granted, &others,
                          &settles)) {
        assert_int_equal(number_of(answer, 0), granted);
        assert_int_equal(number_of(answer, 1), others);
        assert_int_equal(number_of(answer, 2), settles);
    } else {
        assert_true(resp_is_error(answer, "NOTALIVE"));
    }
    resp_free(answer);
}

static void compare_rate(struct store *store, struct store_model *model, struct random *random,
                         uint32_t account)
{
    const uint32_t per_second = 1 + (uint32_t)random_below(random, 4) * 333 + account;
    const uint32_t burst = 1 + (uint32_t)random_below(random, 50);
    const uint32_t want = 1 + (uint32_t)random_below(random, 20);
    int64_t wait_us = 0;
    struct command command;
    begin(&command, store, FLEET_RATE, 1);
    add(&command, "p:r:a%u", account);
    add(&command, "%u", per_second);
    add(&command, "%u", burst);
    add(&command, "%u", want);
    struct resp *answer = ask(store, command.words, command.count);
    const uint32_t granted = store_model_rate(model, account, 0, per_second, burst, want, &wait_us);
    assert_int_equal(number_of(answer, 0), granted);
    assert_int_equal(number_of(answer, 1), wait_us);
    resp_free(answer);
}

static void compare_share(struct store *store, struct store_model *model, struct random *random,
                          uint32_t instance, uint32_t account)
{
    const int64_t limit = 1000000;
    const int64_t demand =
        random_below(random, 4) == 0 ? 0 : (int64_t)random_below(random, 1000001);
    int64_t sums[3];
    struct command command;
    begin(&command, store, FLEET_SHARE, 1);
    add(&command, "p:b:a%u:up", account);
    add(&command, "i%03u", instance);
    add(&command, "%lld", (long long)limit);
    add(&command, "%lld", (long long)demand);
    struct resp *answer = ask(store, command.words, command.count);
    store_model_share(model, account, 0, instance, limit, demand, sums);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(number_of(answer, i), sums[i]);
    resp_free(answer);
}

// turn says one thing to both. The clock goes on, now and then by much, and back.
static void turn(struct store *store, struct store_model *model, struct random *random)
{
    const uint32_t instance = (uint32_t)random_below(random, INSTANCES);
    const uint32_t account = (uint32_t)random_below(random, MODEL_ACCOUNTS);
    model->now_us += (int64_t)random_below(random, 300000);
    if (random_below(random, 200) == 0)
        model->now_us += (int64_t)random_below(random, 20000000) - 10000000;
    set_clock(store, model->now_us);
    if (random_below(random, 30) == 0)
        compare_leave(store, model, instance);
    switch (random_below(random, 6)) {
    case 0:
        compare_beat(store, model, random, instance);
        break;
    case 1:
    case 2:
    case 3:
        compare_lease(store, model, random, instance, account);
        break;
    case 4:
        compare_rate(store, model, random, account);
        break;
    default:
        compare_share(store, model, random, instance, account);
        break;
    }
}

static void a_real_store_says_what_the_model_says(void **state)
{
    (void)state;
    const char *given = getenv("FLEET_SEED");
    struct random random = {.state =
                                given == NULL ? (uint64_t)time(NULL) : strtoull(given, NULL, 10)};
    struct store store = {.fd = -1, .reader = resp_reader_create()};
    struct store_model *model = calloc(1, sizeof *model);
    assert_true(store.reader != NULL && model != NULL);
    if (!start(&store)) {
        stop(&store);
        free(model);
        skip();
    }
    printf("seed %llu\n", (unsigned long long)random.state);
    for (size_t i = 0; i < FLEET_SCRIPT_COUNT; i++)
        with_own_clock(fleet_script_text((enum fleet_script)i), store.scripts[i]);
    model->now_us = INT64_C(1795311600123456);
    for (int i = 0; i < TURNS; i++)
        turn(&store, model, &random);
    stop(&store);
    free(model);
}

// say_beat has an instance beat, and gives how many live.
static int64_t say_beat(struct store *store, uint32_t instance)
{
    struct command command;
    begin_beat(&command, store, instance, 1);
    struct resp *answer = ask(store, command.words, command.count);
    const int64_t living = number_of(answer, 2);
    resp_free(answer);
    return living;
}

// forge writes lines of instances that there are not.
static void forge(struct store *store, int count)
{
    struct command command = {0};
    int64_t number = 0;
    add(&command, "EVAL");
    command.words[command.count++] = SLICE_LITERAL(
        "for i = 1, ARGV[1] do redis.call('ZADD', KEYS[1], 0, string.format('%016x', i)) end\n"
        "return redis.call('ZCARD', KEYS[1])");
    add(&command, "1");
    add(&command, "p:alive");
    add(&command, "%d", count);
    struct resp *answer = ask(store, command.words, command.count);
    assert_true(resp_read_integer(answer, &number) && number >= count);
    resp_free(answer);
}

// The lines come before the one that has died, in the order in which the dead are looked at.
static void forged_lines_do_not_keep_the_one_that_has_died_for_long(void **state)
{
    (void)state;
    enum { LINES = 5000, BEATS = 11, BEAT_US = 500000, BEFORE = TTL_MS * 1000 / BEAT_US };
    struct store store = {.fd = -1, .reader = resp_reader_create()};
    int64_t now_us = INT64_C(1795311600123456);
    assert_non_null(store.reader);
    if (!start(&store)) {
        stop(&store);
        skip();
    }
    for (size_t i = 0; i < FLEET_SCRIPT_COUNT; i++)
        with_own_clock(fleet_script_text((enum fleet_script)i), store.scripts[i]);
    set_clock(&store, now_us);
    assert_int_equal(1, say_beat(&store, 1));
    for (int i = 0; i < BEFORE; i++) {
        set_clock(&store, now_us += BEAT_US);
        assert_int_equal(2, say_beat(&store, 0)); // 1 says nothing any more
    }
    forge(&store, LINES);
    int64_t living = 0;
    for (int i = 0; i < BEATS; i++) {
        set_clock(&store, now_us += BEAT_US);
        living = say_beat(&store, 0);
    }
    assert_int_equal(1, living);
    stop(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forged_lines_do_not_keep_the_one_that_has_died_for_long),
        cmocka_unit_test(a_real_store_says_what_the_model_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
