// What is asked at the control socket, and what comes of it. Every command ends with one answer and one
// `admin` record; a client that has to wait (for a reload, for the workers to adopt a block, for their numbers) is
// kept in a list, and the loop goes on.
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "auth/base/json.h"
#include "proxy/admin/block_state.h"
#include "proxy/admin/control_server.h"
#include "proxy/admin/control_socket.h"
#include "proxy/config/spelling.h"
#include "proxy/log/log.h"
#include "proxy/service/audit_tail.h"
#include "proxy/service/service_internal.h"

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_CONFIG = 3 };

enum { TOP_DEFAULT = 20, TOP_MAX = 1000 };

// What is said of blocks that a worker had no memory for.
static const char not_everywhere[] =
    "no memory: not in force everywhere yet; it is tried twice a second";

enum wait_kind { WAIT_RELOAD, WAIT_BLOCKS, WAIT_SURVEY };

struct waiter {
    struct control_call *call; // borrowed
    enum wait_kind kind;
    uint64_t number; // of the reload, or the generation
    int exit_status; // of a change of blocks, once it is in force
    struct errinfo message;
};

struct control {
    struct service *service; // borrowed
    struct control_socket socket;
    struct control_server *server; // owned
    struct errinfo state_problem;  // why blocks could not be kept; "" when they are
    struct waiter waiters[CONTROL_CALLS_MAX];
    size_t waiter_count;
    struct audit_tail *tails[CONTROL_CALLS_MAX]; // owned
    size_t tail_count;
    struct control_call *surveyed; // borrowed; whose survey is under way; NULL: none is
    struct survey *parts;          // owned; one a worker
    atomic_uint answered;          // parts that the workers have given back
    uint32_t asked_count;
    struct wakeup surveys; // owned; a part was given back
};

const char *control_path(const struct control *control)
{
    return control->socket.path;
}

const char *control_state_problem(const struct control *control)
{
    return control->state_problem.text;
}

static const char *result_word(int exit_status)
{
    if (exit_status == EXIT_OK)
        return "ok";
    return exit_status == EXIT_USAGE ? "refused" : "failed";
}

// record makes the `admin` record of a call.
static void record(struct control *control, const struct control_call *call, int exit_status,
                   const char *message)
{
    const struct control_request *request = control_call_request(call);
    const struct audit_admin admin = {
        .now_ms = wall_clock_ms(),
        .command = control_command_name(request->command),
        .argument = request->argument[0] == '\0' ? NULL : request->argument,
        .uid = control_call_uid(call),
        .pid = control_call_pid(call),
        .result = result_word(exit_status),
        .detail = message,
    };
    audit_log_submit_bounded(control->service->audit, AUDIT_KIND_ADMIN, audit_admin_create(&admin),
                             1);
}

// answer ends a call: its record, and its last line.
static void answer(struct control *control, struct control_call *call, int exit_status,
                   const char *message)
{
    record(control, call, exit_status, message);
    control_call_end(call, exit_status, message);
}

// on_refused records those who did not come to a command.
static void on_refused(void *arg, uid_t uid, pid_t pid, const char *why)
{
    struct control *control = arg;
    const struct audit_admin admin = {
        .now_ms = wall_clock_ms(), .uid = uid, .pid = pid, .result = "refused", .detail = why};
    audit_log_submit_bounded(control->service->audit, AUDIT_KIND_ADMIN, audit_admin_create(&admin),
                             1);
}

static struct waiter *add_waiter(struct control *control, struct control_call *call,
                                 enum wait_kind kind, uint64_t number)
{
    ASSERT(control->waiter_count < CONTROL_CALLS_MAX);
    struct waiter *waiter = &control->waiters[control->waiter_count++];
    *waiter = (struct waiter){.call = call, .kind = kind, .number = number};
    return waiter;
}

static void remove_waiter(struct control *control, size_t index)
{
    control->waiter_count--;
    for (size_t i = index; i < control->waiter_count; i++)
        control->waiters[i] = control->waiters[i + 1];
}

// answer_reload tells how a reload went that somebody has waited for.
static void answer_reload(struct control *control, struct control_call *call)
{
    const struct service *service = control->service;
    const struct reload_outcome *reloads = &service->reloads;
    struct text *text = control_call_text(call);
    json_begin_object(text, NULL);
    json_add_count(text, "generation", service->generation);
    json_add_string(text, "config", service->snapshot->id);
    diagnostics_append_json(&reloads->findings, text, SEVERITY_WARNING);
    json_end_object(text);
    text_append_string(text, "\n");
    answer(control, call, reloads->is_last_good ? EXIT_OK : EXIT_CONFIG, reloads->message);
}

// is_over tells whether what somebody waits for has happened.
static bool is_over(const struct control *control, const struct waiter *waiter)
{
    const struct service *service = control->service;
    switch (waiter->kind) {
    case WAIT_RELOAD:
        return service->reloads.done >= waiter->number;
    case WAIT_BLOCKS:
        return service->adopted_generation >= waiter->number || service->has_failed_to_revise;
    case WAIT_SURVEY:
        return false;
    }
    return false;
}

void control_go_on(struct control *control)
{
    for (size_t i = 0; control != NULL && i < control->waiter_count;) {
        if (!is_over(control, &control->waiters[i])) {
            i++;
            continue;
        }
        const struct waiter waiter = control->waiters[i];
        remove_waiter(control, i);
        if (waiter.kind == WAIT_RELOAD)
            answer_reload(control, waiter.call);
        else if (control->service->has_failed_to_revise)
            answer(control, waiter.call, EXIT_FAILED, not_everywhere);
        else
            answer(control, waiter.call, waiter.exit_status, waiter.message.text);
    }
}

// -- reload, drain

static void do_reload(struct control *control, struct control_call *call)
{
    const char *refusal = reload_refusal(control->service);
    if (refusal != NULL) {
        answer(control, call, EXIT_FAILED, refusal);
        return;
    }
    const uint64_t number = reload_request(control->service, LOADER_ALL);
    (void)add_waiter(control, call, WAIT_RELOAD, number);
    control_go_on(control);
}

static void do_drain(struct control *control, struct control_call *call)
{
    struct errinfo message;
    const double patience_s = (double)control->service->snapshot->timeouts.drain_ms / 1000.;
    if (!control->service->is_stopping)
        service_begin_drain(control->service);
    (void)errinfo_set(&message, ERR_OK,
                      "draining: no new connections; live tunnels have %.1f s (timeouts.drain)",
                      patience_s);
    answer(control, call, EXIT_OK, message.text);
}

// -- blocks

// find_client tells whether the configuration has a client of this name; `*out_nearest` is one that is
// written much like it, or NULL.
static bool find_client(const struct policy *policy, const char *name, const char **out_nearest)
{
    *out_nearest = NULL;
    const char **names = calloc(policy->client_count + 1, sizeof *names);
    for (size_t i = 0; i < policy->client_count; i++) {
        if (strcmp(policy->clients[i].name, name) == 0) {
            free(names);
            return true;
        }
        if (names != NULL)
            names[i] = policy->clients[i].name;
    }
    if (names != NULL) {
        const size_t nearest = spelling_nearest(slice_of_string(name), names, policy->client_count);
        if (nearest < policy->client_count)
            *out_nearest = names[nearest];
    }
    free(names);
    return false;
}

// say_no_client makes the sentence about a name that nobody has.
static void say_no_client(const char *name, const char *nearest, const char *behind,
                          struct errinfo *out)
{
    (void)errinfo_set(out, ERR_INPUT, "no client of the configuration is called `%s`%s%s%s%s", name,
                      nearest == NULL ? "" : "; did you mean `", nearest == NULL ? "" : nearest,
                      nearest == NULL ? "" : "`?", behind);
}

// keep_blocks writes them down; false when they will not be known after a restart.
static bool keep_blocks(struct control *control)
{
    struct service *service = control->service;
    control->state_problem.text[0] = '\0';
    struct errinfo info;
    if (block_state_save(service->snapshot->state_path, service->blocks, &info) == ERR_OK)
        return true;
    control->state_problem = info;
    log_error("blocks are in force but not kept: %s", info.text);
    return false;
}

// change_blocks brings another list into force, keeps it, and answers when every worker goes by it.
static void change_blocks(struct control *control, struct control_call *call,
                          struct blocklist *blocks, const char *done, const char *what)
{
    struct service *service = control->service;
    blocklist_unref(service->blocks);
    service->blocks = blocks;
    const uint64_t generation = reload_revise(service);
    const bool is_kept = keep_blocks(control);
    if (generation == 0) {
        answer(control, call, EXIT_FAILED, not_everywhere);
        return;
    }
    struct waiter *waiter = add_waiter(control, call, WAIT_BLOCKS, generation);
    waiter->exit_status = is_kept ? EXIT_OK : EXIT_FAILED;
    if (is_kept)
        (void)errinfo_set(&waiter->message, ERR_OK, "%s: %.400s", done, what);
    else
        (void)errinfo_set(&waiter->message, ERR_OK,
                          "%s: %.200s; but only until the next restart: %.250s", done, what,
                          control->state_problem.text);
    log_info("control: uid %u: %s %.300s", (unsigned)control_call_uid(call), done, what);
    control_go_on(control);
}

// may_block tells whether a name is one that a client has, for a block on a typing error must not look
// like one.
static bool may_block(const struct control *control, const struct control_request *request,
                      const struct block *block, struct errinfo *info)
{
    const char *nearest = NULL;
    const char *name = block_client_name(block);
    if (name == NULL || request->is_forced ||
        find_client(control->service->snapshot->policy, name, &nearest))
        return true;
    say_no_client(name, nearest, " (--force blocks the name anyway)", info);
    return false;
}

static void do_block(struct control *control, struct control_call *call)
{
    const struct control_request *request = control_call_request(call);
    struct service *service = control->service;
    char text[BLOCK_TEXT_CAP];
    struct block block;
    struct errinfo info;
    struct blocklist *blocks = NULL;
    if (block_parse(slice_of_string(request->argument), text, &block, &info) != ERR_OK) {
        answer(control, call, EXIT_USAGE, info.text);
        return;
    }
    if (blocklist_find(service->blocks, &block) != NULL) {
        const bool is_kept = control->state_problem.text[0] == '\0' || keep_blocks(control);
        answer(control, call, is_kept ? EXIT_OK : EXIT_FAILED,
               is_kept ? "it is blocked already" : control->state_problem.text);
        return;
    }
    if (!may_block(control, request, &block, &info)) {
        answer(control, call, EXIT_FAILED, info.text);
        return;
    }
    block.since_s = (int64_t)time(NULL);
    block.uid = control_call_uid(call);
    const enum err error = blocklist_add(service->blocks, &block, &blocks);
    if (error == ERR_OK)
        change_blocks(control, call, blocks, "blocked", block.text);
    else
        answer(control, call, EXIT_FAILED,
               error == ERR_LIMIT ? "there are 10000 blocks already: let the CA revoke instead"
                                  : "no memory: not blocked");
}

static void do_unblock(struct control *control, struct control_call *call)
{
    struct service *service = control->service;
    char text[BLOCK_TEXT_CAP];
    struct block block;
    struct errinfo info;
    struct blocklist *blocks = NULL;
    if (block_parse(slice_of_string(control_call_request(call)->argument), text, &block, &info) !=
        ERR_OK) {
        answer(control, call, EXIT_USAGE, info.text);
        return;
    }
    const enum err error = blocklist_remove(service->blocks, &block, &blocks);
    if (error == ERR_OK)
        change_blocks(control, call, blocks, "unblocked", block.text);
    else
        answer(control, call, EXIT_FAILED,
               error == ERR_INPUT ? "it is not blocked; `sallyport status` lists the blocks"
                                  : "no memory: it stays blocked");
}

// -- surveys: status, top, kill

// on_part runs on the worker's thread.
static void on_part(void *arg)
{
    struct control *control = arg;
    (void)atomic_fetch_add(&control->answered, 1);
    wakeup_send(&control->surveys);
}

// parse_kill reads `id:HEX` or `client:NAME` into the question.
static bool parse_kill(const char *argument, struct survey *out)
{
    const struct slice text = slice_of_string(argument);
    if (slice_starts_with(text, SLICE_LITERAL("id:"))) {
        out->kind = SURVEY_KILL_ID;
        return string_copy(out->id, sizeof out->id, slice_from(text, 3)) &&
               strlen(out->id) == sizeof out->id - 1;
    }
    out->kind = SURVEY_KILL_CLIENT;
    return slice_starts_with(text, SLICE_LITERAL("client:")) &&
           string_copy(out->client, sizeof out->client, slice_from(text, 7)) &&
           out->client[0] != '\0';
}

// parse_count reads how many tunnels `top` is to give.
static bool parse_count(const char *argument, size_t *out)
{
    *out = argument[0] == '\0' ? TOP_DEFAULT : 0;
    for (; *argument != '\0'; argument++) {
        if (*argument < '0' || *argument > '9' || *out > TOP_MAX)
            return false;
        *out = *out * 10 + (size_t)(*argument - '0');
    }
    return *out >= 1 && *out <= TOP_MAX;
}

// make_question makes what is asked of every worker. False: it cannot be read.
static bool make_question(const struct control_request *request, struct survey *out,
                          struct errinfo *info)
{
    *out = (struct survey){.kind = SURVEY_COUNT};
    if (request->command == CONTROL_KILL && !parse_kill(request->argument, out)) {
        (void)errinfo_set(
            info, ERR_INPUT, "`%.64s` is neither an id (16 hexadecimal digits) nor client:NAME",
            slice_starts_with(slice_of_string(request->argument), SLICE_LITERAL("id:"))
                ? request->argument + 3
                : request->argument);
        return false;
    }
    if (request->command == CONTROL_TOP) {
        out->kind = SURVEY_TUNNELS;
        if (!parse_count(request->argument, &out->max_tunnels)) {
            (void)errinfo_set(info, ERR_INPUT, "expected a number from 1 to %d", TOP_MAX);
            return false;
        }
    }
    return true;
}

static void finish_survey(struct control *control);

// begin_survey asks every worker. One that has ended has nothing to say.
static void begin_survey(struct control *control, struct control_call *call,
                         const struct survey *question)
{
    struct service *service = control->service;
    control->surveyed = call;
    control->asked_count = 0;
    atomic_store(&control->answered, 0);
    for (uint32_t w = 0; w < service->worker_count; w++) {
        struct survey *part = &control->parts[w];
        *part = *question;
        part->on_done = on_part;
        part->arg = control;
        if (worker_survey(service->workers[w], part))
            control->asked_count++;
    }
    if (control->asked_count == 0)
        finish_survey(control);
}

static void do_survey(struct control *control, struct control_call *call)
{
    struct survey question;
    struct errinfo info;
    if (!make_question(control_call_request(call), &question, &info))
        answer(control, call, EXIT_USAGE, info.text);
    else if (control->surveyed != NULL)
        (void)add_waiter(control, call, WAIT_SURVEY, 0);
    else
        begin_survey(control, call, &question);
}

// answer_kill tells how many were ended.
static void answer_kill(struct control *control, struct control_call *call,
                        const struct survey *sum)
{
    struct errinfo info;
    const char *nearest = NULL;
    int exit_status = EXIT_OK;
    text_append_format(control_call_text(call), "{\"killed\":%" PRIu64 "}\n", sum->killed);
    (void)errinfo_set(&info, ERR_OK, "killed: %" PRIu64, sum->killed);
    if (sum->killed == 0 && sum->kind == SURVEY_KILL_ID) {
        exit_status = EXIT_FAILED;
        (void)errinfo_set(&info, ERR_INPUT, "no live request or tunnel has the id %s", sum->id);
    } else if (sum->killed == 0 &&
               !find_client(control->service->snapshot->policy, sum->client, &nearest)) {
        exit_status = EXIT_FAILED;
        say_no_client(sum->client, nearest, "", &info);
    }
    answer(control, call, exit_status, info.text);
}

// finish_survey puts the parts together, answers, and begins the next one.
static void finish_survey(struct control *control)
{
    struct control_call *call = control->surveyed;
    const struct control_request *request = control_call_request(call);
    struct errinfo info;
    struct survey sum;
    (void)make_question(request, &sum, &info);
    for (uint32_t w = 0; w < control->service->worker_count; w++) {
        survey_add(&sum, &control->parts[w]);
        survey_deinit(&control->parts[w]);
    }
    control->surveyed = NULL;
    if (request->command == CONTROL_KILL) {
        answer_kill(control, call, &sum);
    } else {
        if (request->command == CONTROL_TOP)
            status_write_top(&sum, control_call_text(call));
        else
            status_write(control->service, &sum, control_call_text(call));
        answer(control, call, EXIT_OK, sum.is_partial ? "partial: no memory for all" : "ok");
    }
    survey_deinit(&sum);
    for (size_t i = 0; i < control->waiter_count; i++) {
        if (control->waiters[i].kind != WAIT_SURVEY)
            continue;
        struct control_call *next = control->waiters[i].call;
        remove_waiter(control, i);
        do_survey(control, next);
        return;
    }
}

static void on_survey_part(void *arg, uint32_t rung)
{
    (void)rung;
    struct control *control = arg;
    if (control->surveyed != NULL && atomic_load(&control->answered) == control->asked_count)
        finish_survey(control);
}

// -- tail

// stop_tail takes one off the list; its call is to be ended.
static void stop_tail(struct control *control, struct audit_tail *tail)
{
    size_t at = 0;
    while (control->tails[at] != tail)
        at++;
    control->tails[at] = control->tails[--control->tail_count];
    audit_tail_destroy(tail);
}

static void on_tail_gone(void *arg, struct audit_tail *tail)
{
    struct control_call *call = audit_tail_call(tail);
    stop_tail(arg, tail);
    control_call_end(call, EXIT_OK, "nobody listens any more");
}

// do_tail records that somebody begins to listen; the end is of no interest.
static void do_tail(struct control *control, struct control_call *call)
{
    struct service *service = control->service;
    struct audit_tail *tail = NULL;
    struct errinfo info;
    ASSERT(control->tail_count < CONTROL_CALLS_MAX);
    if (audit_tail_start(service->loop, service->snapshot->audit_path, call, on_tail_gone, control,
                         &tail, &info) != ERR_OK) {
        answer(control, call, EXIT_FAILED, info.text);
        return;
    }
    control->tails[control->tail_count++] = tail;
    record(control, call, EXIT_OK, "listens from now on");
}

void control_follow_audit(struct control *control)
{
    for (size_t i = 0; control != NULL && i < control->tail_count; i++)
        audit_tail_follow(control->tails[i], control->service->snapshot->audit_path);
}

// -- life

static void on_call(void *arg, struct control_call *call)
{
    struct control *control = arg;
    switch (control_call_request(call)->command) {
    case CONTROL_STATUS:
    case CONTROL_TOP:
    case CONTROL_KILL:
        do_survey(control, call);
        return;
    case CONTROL_TAIL:
        do_tail(control, call);
        return;
    case CONTROL_RELOAD:
        do_reload(control, call);
        return;
    case CONTROL_DRAIN:
        do_drain(control, call);
        return;
    case CONTROL_BLOCK:
        do_block(control, call);
        return;
    case CONTROL_UNBLOCK:
        do_unblock(control, call);
        return;
    }
}

enum err control_create(struct service *service, struct control **out, struct errinfo *info)
{
    *out = NULL;
    struct control *control = calloc(1, sizeof *control);
    if (control == NULL)
        return errinfo_set(info, ERR_SYSTEM, "no memory for the control socket");
    control->service = service;
    enum err error = ERR_OK;
    if (!wakeup_init(&control->surveys, on_survey_part, control))
        error = errinfo_set(info, ERR_SYSTEM, "the control socket: no eventfd: %m");
    else
        error = control_socket_open(service->snapshot->control_path, &control->socket, info);
    if (error == ERR_OK) {
        *out = control;
        return ERR_OK;
    }
    wakeup_deinit(&control->surveys);
    free(control);
    return error;
}

enum err control_serve(struct control *control, struct errinfo *info)
{
    struct service *service = control->service;
    const struct control_events events = {
        .on_call = on_call, .on_refused = on_refused, .arg = control};
    control->parts = calloc(service->worker_count, sizeof *control->parts);
    wakeup_start(&control->surveys, service->loop);
    control->server = control_server_create(service->loop, control->socket.fd, &events);
    if (control->parts == NULL || control->server == NULL)
        return errinfo_set(info, ERR_MEMORY, "no memory for the control socket");
    return ERR_OK;
}

void control_destroy(struct control *control)
{
    static const char goodbye[] = "the proxy has ended";
    if (control == NULL)
        return;
    for (size_t i = 0; i < control->waiter_count; i++)
        answer(control, control->waiters[i].call, EXIT_FAILED, goodbye);
    if (control->surveyed != NULL)
        answer(control, control->surveyed, EXIT_FAILED, goodbye);
    while (control->tail_count > 0) {
        struct control_call *call = audit_tail_call(control->tails[0]);
        stop_tail(control, control->tails[0]);
        control_call_end(call, EXIT_OK, goodbye);
    }
    for (uint32_t w = 0; control->parts != NULL && w < control->service->worker_count; w++)
        survey_deinit(&control->parts[w]);
    control_server_destroy(control->server);
    wakeup_stop(&control->surveys, control->service->loop);
    wakeup_deinit(&control->surveys);
    control_socket_close(&control->socket);
    free(control->parts);
    free(control);
}
