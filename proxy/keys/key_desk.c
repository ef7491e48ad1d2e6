// A question is asked once more of the next holder if the one that was asked has ended: all questions can be.
#include "proxy/keys/key_desk.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "proxy/clock/clock.h"
#include "proxy/keys/key_starter.h"

enum {
    TRIES_MAX = 3, // holders that are asked one thing
};

// await_next waits for another holder than the one of `generation`. Under `calls`. False: there is none in time.
static bool await_next(struct key_desk *desk, uint64_t generation, int64_t until_ms)
{
    const struct timespec until = {.tv_sec = until_ms / 1000,
                                   .tv_nsec = (until_ms % 1000) * 1000000};
    while (desk->generation == generation) {
        if (!desk->has_thread || atomic_load(&desk->must_stop) ||
            pthread_cond_timedwait(&desk->renewed, &desk->calls, &until) == ETIMEDOUT)
            return desk->generation != generation;
    }
    return true;
}

enum err key_desk_ask(struct key_desk *desk, struct key_message *request, int64_t patience_ms,
                      struct key_message *out, struct errinfo *info)
{
    (void)pthread_mutex_lock(&desk->calls);
    for (int i = 0; i < TRIES_MAX; i++) {
        const uint64_t generation = desk->generation;
        if (key_call_ask(&desk->call, request, -1, out) == ERR_OK)
            return ERR_OK;
        if (!await_next(desk, generation, monotonic_ms() + patience_ms))
            break;
    }
    return errinfo_set(info, ERR_SYSTEM,
                       "the process that holds the private keys has ended, or does not answer");
}

void key_desk_done(struct key_desk *desk)
{
    (void)pthread_mutex_unlock(&desk->calls);
}

enum err key_desk_say(struct key_desk *desk, struct key_message *request, int beside,
                      struct key_message *answer, struct errinfo *info)
{
    if (key_call_ask(&desk->call, request, beside, answer) != ERR_OK)
        return errinfo_set(info, ERR_SYSTEM, "the process that holds the private keys has ended");
    if (answer->kind == KEY_ANSWER_DONE || answer->kind == KEY_ANSWER_SEALED)
        return ERR_OK;
    return errinfo_set(info, ERR_SYSTEM, "the process that holds the private keys: %.*s",
                       (int)answer->bytes.len, (const char *)answer->bytes.data);
}

enum err key_desk_begin(struct key_desk *desk, struct errinfo *info)
{
    int fd = -1;
    desk->started_ms = monotonic_ms();
    TRY(key_starter_start(desk->keeper_fd, &fd, info));
    desk->call.fd = fd;
    return ERR_OK;
}

// take_sandbox notes what the holder says that it is in. Under `calls`.
static enum err take_sandbox(struct key_desk *desk, const struct key_message *answer,
                             struct errinfo *info)
{
    struct sandbox sandbox = {.landlock = answer->landlock, .has_filter = answer->has_filter};
    const bool is_whole = answer->bytes.len == 0;
    if (!is_whole)
        (void)errinfo_set(&sandbox.missing, ERR_SYSTEM, "%.*s", (int)answer->bytes.len,
                          (const char *)answer->bytes.data);
    (void)pthread_mutex_lock(&desk->state);
    desk->sandbox = sandbox;
    (void)pthread_mutex_unlock(&desk->state);
    if (is_whole || !desk->needs_sandbox)
        return ERR_OK;
    return errinfo_set(
        info, ERR_SYSTEM,
        "`process.sandbox` is on, and the process that holds the private keys cannot "
        "have it: %s; `auto` starts without",
        sandbox.missing.text);
}

enum err key_desk_seal(struct key_desk *desk, struct errinfo *info)
{
    struct key_message request = {.kind = KEY_SEAL};
    struct key_message answer;
    TRY(key_desk_say(desk, &request, -1, &answer, info));
    if (answer.kind != KEY_ANSWER_SEALED)
        return errinfo_set(info, ERR_SYSTEM,
                           "the process that holds the private keys says nonsense");
    TRY(take_sandbox(desk, &answer, info));
    atomic_store(&desk->pid, (int)answer.size);
    return ERR_OK;
}

// introduce tells the first holder which groups count. Under `calls`.
static enum err introduce(struct key_desk *desk, struct errinfo *info)
{
    uint8_t bytes[KEY_GROUPS_LEN_MAX];
    struct key_message answer;
    struct key_message request = {
        .kind = KEY_GROUPS, .bytes = slice_of(bytes, key_groups_format(&desk->groups, bytes))};
    return key_desk_say(desk, &request, -1, &answer, info);
}

enum err key_desk_start(struct key_desk *desk, struct errinfo *info)
{
    if (desk->source.is_in_use)
        return ERR_OK;
    (void)pthread_mutex_lock(&desk->calls);
    enum err error = key_desk_begin(desk, info);
    if (error == ERR_OK && desk->groups.count > 0)
        error = introduce(desk, info);
    if (error == ERR_OK) {
        desk->generation = 1;
        desk->source.is_in_use = true;
        atomic_store(&desk->is_alive, true);
    }
    (void)pthread_mutex_unlock(&desk->calls);
    return error;
}

void key_desk_end(struct key_desk *desk)
{
    atomic_store(&desk->is_alive, false);
    key_call_hang_up(&desk->call);
    atomic_store(&desk->pid, 0);
}

void key_desk_wake(struct key_desk *desk)
{
    const uint64_t one = 1;
    (void)!write(desk->wake_fd, &one, sizeof one);
}

bool key_desk_init(struct key_desk *desk, int keeper_fd)
{
    pthread_condattr_t attributes;
    desk->call = (struct key_call){.fd = -1, .must_stop = &desk->must_stop};
    LIST_INIT(&desk->keys);
    LIST_INIT(&desk->closing);
    (void)pthread_mutex_init(&desk->calls, NULL);
    (void)pthread_mutex_init(&desk->state, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&desk->renewed, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    desk->keeper_fd = fcntl(keeper_fd, F_DUPFD_CLOEXEC, 0);
    desk->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return desk->wake_fd >= 0 && desk->keeper_fd >= 0;
}

void key_desk_deinit(struct key_desk *desk)
{
    key_desk_end(desk);
    (void)pthread_cond_destroy(&desk->renewed);
    (void)pthread_mutex_destroy(&desk->calls);
    (void)pthread_mutex_destroy(&desk->state);
    if (desk->keeper_fd >= 0)
        (void)close(desk->keeper_fd);
    if (desk->wake_fd >= 0)
        (void)close(desk->wake_fd);
}
