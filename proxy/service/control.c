// A command is a row of one table. A client that waits is an entry of one list, from its request to its answer.
#include "proxy/service/control.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "auth/base/json.h"
#include "proxy/admin/control_server.h"
#include "proxy/admin/control_socket.h"
#include "proxy/admin/drain_request.h"
#include "proxy/admin/top_request.h"
#include "proxy/log/log.h"
#include "proxy/service/audit_tail.h"
#include "proxy/service/blocking.h"
#include "proxy/service/client_names.h"
#include "proxy/service/feed.h"
#include "proxy/service/fleet.h"
#include "proxy/service/killing.h"
#include "proxy/service/orders.h"
#include "proxy/service/reload.h"
#include "proxy/service/retirement.h"
#include "proxy/service/scan_question.h"
#include "proxy/service/status.h"
#include "proxy/service/upgrade.h"

enum { FLEET_PATIENCE_MS = 2000 };
enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_CONFIG = 3 };

enum wait_kind {
    WAIT_RELOAD,
    WAIT_BLOCKS,
    WAIT_UPGRADE,
    WAIT_DRAIN, // for the end of the process
    WAIT_SCAN,  // answered in the order of the list
    WAIT_FEED,  // for its next scan; it never ends by itself
    WAIT_TAIL,  // likewise
    WAIT_FLEET, // for the other proxies to be read
    WAIT_ORDER, // for the other proxies to do something
    WAIT_END,   // of the audit log; its answer is known, and recorded
};

struct waiter {
    struct control_call *call; // borrowed
    enum wait_kind kind;
    uint64_t number;          // of the reload, or what else has one
    struct blocking blocking; // a change of blocks, to be in force and with the other proxies
    int exit_status;          // of WAIT_END
    struct audit_tail *tail;  // owned
    struct feed *feed;        // owned; of a client that wants scan after scan
    int64_t until_ms;         // monotonic; of WAIT_FLEET, and of WAIT_BLOCKS for the store
    struct errinfo message;
};

struct control {
    struct service *service; // borrowed
    struct control_socket socket;
    struct control_server *server; // owned
    ev_prepare turn;               // before the loop waits
    struct waiter waiters[CONTROL_CALLS_MAX];
    size_t waiter_count;
    bool is_paused; // another process may be about to serve, or does
    bool is_given;  // the socket is that of the process before
};

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
    char data[CONTROL_LINE_MAX + 32];
    struct text argument;
    text_init(&argument, data, sizeof data);
    text_append_format(&argument, "%s%s%s", request->is_fleet ? "fleet" : "",
                       request->on[0] == '\0' ? "" : "on:", request->on);
    text_append_format(&argument, "%s%s",
                       argument.len == 0 || request->argument[0] == '\0' ? "" : " ",
                       request->argument);
    const struct audit_admin admin = {
        .now_ms = wall_clock_ms(),
        .command = control_command_name(request->command),
        .argument = argument.len == 0 ? NULL : data,
        .uid = control_call_caller(call)->uid,
        .pid = control_call_caller(call)->pid,
        .result = result_word(exit_status),
        .detail = message,
    };
    audit_log_submit_bounded(control->service->shared.audit, AUDIT_KIND_ADMIN,
                             audit_admin_create(&admin), 1);
}

// answer ends a call: its record, and its last line.
static void answer(struct control *control, struct control_call *call, int exit_status,
                   const char *message)
{
    record(control, call, exit_status, message);
    control_call_end(call, exit_status, message);
}

// on_refused records those who did not come to a command.
static void on_refused(void *arg, const struct ucred *caller, const char *why)
{
    struct control *control = arg;
    const struct audit_admin admin = {.now_ms = wall_clock_ms(),
                                      .uid = caller->uid,
                                      .pid = caller->pid,
                                      .result = "refused",
                                      .detail = why};
    audit_log_submit_bounded(control->service->shared.audit, AUDIT_KIND_ADMIN,
                             audit_admin_create(&admin), 1);
}

static struct waiter *add_waiter(struct control *control, struct control_call *call,
                                 enum wait_kind kind, uint64_t number)
{
    ASSERT(control->waiter_count < CONTROL_CALLS_MAX);
    struct waiter *waiter = &control->waiters[control->waiter_count++];
    *waiter = (struct waiter){.call = call, .kind = kind, .number = number};
    return waiter;
}

static void remove_waiter(struct control *control, struct waiter *waiter)
{
    const struct waiter *end = control->waiters + --control->waiter_count;
    audit_tail_destroy(waiter->tail);
    feed_destroy(waiter->feed);
    for (; waiter < end; waiter++)
        waiter[0] = waiter[1];
}

// waiter_of gives the one that waits for this call.
static struct waiter *waiter_of(struct control *control, const struct control_call *call)
{
    struct waiter *waiter = control->waiters;
    while (waiter->call != call)
        waiter++;
    return waiter;
}

// find_scan gives the first client that waits for one; NULL: nobody does.
static struct waiter *find_scan(struct control *control)
{
    for (size_t i = 0; i < control->waiter_count; i++) {
        if (control->waiters[i].kind == WAIT_SCAN)
            return &control->waiters[i];
    }
    return NULL;
}

// answer_reload tells how a reload went that somebody has waited for.
static void answer_reload(struct control *control, struct control_call *call)
{
    const struct service *service = control->service;
    const struct reload_outcome *reloads = &service->reloads;
    struct text *text = control_call_text(call);
    json_begin_object(text, NULL);
    json_add_count(text, "generation", service->snapshot->generation);
    json_add_string(text, "config", service->snapshot->id);
    diagnostics_append_json(&reloads->findings, text, SEVERITY_WARNING);
    json_end_object(text);
    text_append_string(text, "\n");
    answer(control, call, reloads->is_last_good ? EXIT_OK : EXIT_CONFIG, reloads->message);
}

// is_settled tells whether this process has left everything new to the next one, or has ended. `*out_why`: it does not go by the
// configuration that the next one has; or NULL.
static bool is_settled(const struct service *service, const char **out_why)
{
    const struct retirement *retirement = service->succession.retirement;
    *out_why = NULL;
    return service->worker_count == 0 || retirement == NULL ||
           retirement_is_settled(retirement, out_why);
}

// answer_upgrade tells how an upgrade went, if it is over, and tells whether it is.
static bool answer_upgrade(struct control *control, const struct waiter *waiter)
{
    const struct service *service = control->service;
    const struct upgrade_outcome *outcome = upgrade_outcome_of(service->succession.upgrade);
    const char *why = NULL;
    struct errinfo message;
    if (outcome->done < waiter->number || !is_settled(service, &why))
        return false;
    (void)errinfo_set(&message, ERR_OK, "%s%s%s", outcome->message,
                      why == NULL ? "" : "; but it cannot read the configuration, and so drains: ",
                      why == NULL ? "" : why);
    answer(control, waiter->call, outcome->is_last_good ? EXIT_OK : EXIT_FAILED, message.text);
    return true;
}

// answer_fleet tells who is there, when they have been read, or cannot be.
static bool answer_fleet(struct control *control, const struct waiter *waiter)
{
    struct service *service = control->service;
    struct text *text = control_call_text(waiter->call);
    const bool is_read = fleet_answered(service->fleet) >= waiter->number;
    if (!is_read && monotonic_ms() < waiter->until_ms)
        return false;
    json_begin_object(text, NULL);
    fleet_status(service->fleet, true, text);
    json_end_object(text);
    text_append_string(text, "\n");
    const char *silence = fleet_silence(service->fleet);
    struct errinfo message;
    (void)errinfo_set(&message, ERR_OK, "%s: this is who was there",
                      silence == NULL ? "the store has not answered in time" : silence);
    answer(control, waiter->call, is_read ? EXIT_OK : EXIT_FAILED, is_read ? "ok" : message.text);
    return true;
}

// answer_order tells what the other proxies have done, when all have, or had the time to.
static bool answer_order(struct control *control, const struct waiter *waiter)
{
    struct fleet_commands *orders = fleet_commands_of(control->service->fleet);
    struct fleet_commands_result result = {
        .is_over = true,
        .message = {.text = "nothing is shared any more: who was told is not known"}};
    if (orders != NULL)
        result = fleet_commands_look(orders, waiter->number, control_call_text(waiter->call));
    if (!result.is_over)
        return false;
    answer(control, waiter->call, result.is_good ? EXIT_OK : EXIT_FAILED, result.message.text);
    return true;
}

static int blocking_exit_status(const struct blocking *blocking)
{
    static const int exit_statuses[] = {[BLOCKING_DONE] = EXIT_OK,
                                        [BLOCKING_FAILED] = EXIT_FAILED,
                                        [BLOCKING_UNREADABLE] = EXIT_USAGE};
    return exit_statuses[blocking->outcome];
}

// answer_blocks answers a change of blocks when it is in force here, and the other proxies hear of it or it is said that they do not.
static bool answer_blocks(struct control *control, const struct waiter *waiter)
{
    const struct service *service = control->service;
    const struct rollout *rollout = &service->rollout;
    struct blocking blocking = waiter->blocking;
    const bool is_in_force = rollout->adopted_generation >= blocking.generation;
    if (!predecessors_have_obeyed(&service->succession.predecessors, blocking.obeyed) ||
        (!is_in_force && rollout->missed_generation < blocking.generation))
        return false;
    if (!is_in_force)
        answer(control, waiter->call, EXIT_FAILED,
               "no memory: not in force everywhere yet; it is tried twice a second");
    else if (blocking_is_told(service, monotonic_ms() >= waiter->until_ms, &blocking))
        answer(control, waiter->call, blocking_exit_status(&blocking), blocking.message.text);
    else
        return false;
    return true;
}

// go_on answers a client if what it waits for has happened, and tells whether it has.
static bool go_on(struct control *control, const struct waiter *waiter)
{
    const struct service *service = control->service;
    switch (waiter->kind) {
    case WAIT_RELOAD:
        if (service->reloads.done >= waiter->number)
            answer_reload(control, waiter->call);
        else if (service->reloads.begun < waiter->number && reload_refusal(service) != NULL)
            // it will not begin
            answer(control, waiter->call, EXIT_FAILED, reload_refusal(service));
        else
            return false;
        return true;
    case WAIT_BLOCKS:
        return answer_blocks(control, waiter);
    case WAIT_UPGRADE:
        return answer_upgrade(control, waiter);
    case WAIT_FLEET:
        return answer_fleet(control, waiter);
    case WAIT_ORDER:
        return answer_order(control, waiter);
    case WAIT_TAIL:
        audit_tail_follow(waiter->tail, service->snapshot->audit_path);
        return false;
    case WAIT_DRAIN:
    case WAIT_SCAN:
    case WAIT_FEED:
    case WAIT_END:
        return false;
    }
    return false;
}

static void go_on_all(struct control *control)
{
    for (size_t i = 0; i < control->waiter_count;) {
        if (go_on(control, &control->waiters[i]))
            remove_waiter(control, &control->waiters[i]);
        else
            i++;
    }
}

static void on_turn(struct ev_loop *loop, ev_prepare *turn, int events)
{
    (void)loop;
    (void)events;
    go_on_all(turn->data);
}

// -- reload, drain

static void do_reload(struct control *control, struct control_call *call)
{
    const char *refusal = reload_refusal(control->service);
    if (refusal != NULL) {
        if (control->service->stopping_at_s != 0)
            reload_take(control->service);
        answer(control, call, EXIT_FAILED, refusal);
        return;
    }
    predecessors_reload(&control->service->succession.predecessors);
    (void)add_waiter(control, call, WAIT_RELOAD, reload_request(control->service, LOADER_ALL));
}

// read_patience reads how many milliseconds a new process may take.
static bool read_patience(const char *argument, int64_t *out)
{
    uint64_t patience_ms = UPGRADE_PATIENCE_MS;
    const bool is_good =
        argument[0] == '\0' ||
        decimal_parse(slice_of_string(argument), UPGRADE_PATIENCE_MAX_MS, &patience_ms);
    *out = (int64_t)patience_ms;
    return is_good && patience_ms >= 1;
}

static void do_upgrade(struct control *control, struct control_call *call)
{
    int64_t patience_ms = 0;
    const char *refusal = upgrade_refusal(control->service);
    if (!read_patience(control_call_request(call)->argument, &patience_ms))
        answer(control, call, EXIT_USAGE, "expected milliseconds, from 1 to 3600000");
    else if (refusal != NULL)
        answer(control, call, EXIT_FAILED, refusal);
    else
        (void)add_waiter(control, call, WAIT_UPGRADE,
                         upgrade_request(control->service, patience_ms));
}

static void do_drain(struct control *control, struct control_call *call)
{
    struct service *service = control->service;
    struct drain_request request;
    struct errinfo message;
    const struct slice argument = slice_of_string(control_call_request(call)->argument);
    if (drain_request_parse(argument, &request, &message) != ERR_OK) {
        answer(control, call, EXIT_USAGE, message.text);
        return;
    }
    service_drain_after(service, request.lame_duck_ms);
    if (request.is_waiting) {
        (void)add_waiter(control, call, WAIT_DRAIN, 0);
        return;
    }
    const bool is_draining = service->stopping_at_s != 0;
    (void)errinfo_set(&message, ERR_OK, "%s; live tunnels have %.1f s (timeouts.drain)",
                      is_draining ? "draining: no new connections"
                                  : "about to drain: new connections are accepted until then",
                      (double)service->snapshot->timeouts.drain_ms / 1000.);
    answer(control, call, EXIT_OK, message.text);
}

// -- blocks

// await_blocks answers a change of blocks, where there is one: when it is in force, and the others hear of it.
static void await_blocks(struct control *control, struct control_call *call,
                         const struct blocking *blocking)
{
    if (!blocking->is_changed && blocking->told[0] == '\0') {
        answer(control, call, blocking_exit_status(blocking), blocking->message.text);
        return;
    }
    struct waiter *waiter = add_waiter(control, call, WAIT_BLOCKS, blocking->generation);
    waiter->blocking = *blocking;
    waiter->until_ms = monotonic_ms() + FLEET_PATIENCE_MS;
}

static void do_block(struct control *control, struct control_call *call)
{
    const struct control_request *request = control_call_request(call);
    struct blocking blocking;
    blocking_add(control->service, request->argument, request->is_forced,
                 control_call_caller(call)->uid, &blocking);
    await_blocks(control, call, &blocking);
}

static void do_unblock(struct control *control, struct control_call *call)
{
    struct blocking blocking;
    blocking_remove(control->service, control_call_request(call)->argument,
                    control_call_caller(call)->uid, &blocking);
    await_blocks(control, call, &blocking);
}

// -- scans: status, top, kill

// A tell function answers with what the workers have said. A client that wants more of it gets no last line.
static void tell_counts(struct control *control, struct control_call *call, struct scan *sum,
                        bool is_fed)
{
    (void)is_fed;
    status_write(control->service, sum, control_call_text(call));
    answer(control, call, EXIT_OK, sum->is_partial ? "partial: no memory for all" : "ok");
}

static void tell_tunnels(struct control *control, struct control_call *call, struct scan *sum,
                         bool is_fed)
{
    status_write_top(sum, control_call_text(call));
    if (is_fed)
        control_call_send(call);
    else
        answer(control, call, EXIT_OK, sum->is_partial ? "partial: no memory for all" : "ok");
}

static void tell_killed(struct control *control, struct control_call *call, struct scan *sum,
                        bool is_fed)
{
    (void)is_fed;
    struct errinfo info;
    struct text *text = control_call_text(call);
    json_begin_object(text, NULL);
    json_add_count(text, "killed", sum->killed);
    json_end_object(text);
    text_append_string(text, "\n");
    const bool is_there = killing_say(control->service->snapshot->policy, sum, &info);
    answer(control, call, is_there ? EXIT_OK : EXIT_FAILED, info.text);
}

// -- tail

// go_away ends a call that nobody listens to any more.
static void go_away(struct control *control, struct waiter *waiter)
{
    struct control_call *call = waiter->call;
    remove_waiter(control, waiter);
    control_call_end(call, EXIT_OK, "nobody listens any more");
}

static void on_tail_gone(void *arg, struct control_call *call)
{
    struct control *control = arg;
    go_away(control, waiter_of(control, call));
}

// do_tail records that somebody begins to listen; the end is of no interest.
static void do_tail(struct control *control, struct control_call *call)
{
    struct service *service = control->service;
    struct audit_tail *tail = NULL;
    struct errinfo info;
    if (audit_tail_start(service->loop, service->snapshot->audit_path, call, on_tail_gone, control,
                         &tail, &info) != ERR_OK) {
        answer(control, call, EXIT_FAILED, info.text);
        return;
    }
    add_waiter(control, call, WAIT_TAIL, 0)->tail = tail;
    record(control, call, EXIT_OK, "listens from now on");
}

// -- the table

static void do_scan(struct control *control, struct control_call *call);
static void do_top(struct control *control, struct control_call *call);

// A command is done by `begin`. What is a question to the workers has the other two.
static const struct command {
    void (*begin)(struct control *control, struct control_call *call);
    bool (*ask)(const char *argument, struct scan *out, struct errinfo *info);
    void (*tell)(struct control *control, struct control_call *call, struct scan *sum, bool is_fed);
} commands[] = {
    [CONTROL_STATUS] = {do_scan, scan_question_counts, tell_counts},
    [CONTROL_TOP] = {do_top, scan_question_tunnels, tell_tunnels},
    [CONTROL_KILL] = {do_scan, scan_question_kill, tell_killed},
    [CONTROL_TAIL] = {.begin = do_tail},
    [CONTROL_RELOAD] = {.begin = do_reload},
    [CONTROL_DRAIN] = {.begin = do_drain},
    [CONTROL_BLOCK] = {.begin = do_block},
    [CONTROL_UNBLOCK] = {.begin = do_unblock},
    [CONTROL_UPGRADE] = {.begin = do_upgrade},
};

static const struct command *command_of(const struct control_call *call)
{
    return &commands[control_call_request(call)->command];
}

// ask_survey writes the question of the first client that waits for the workers.
static void ask_survey(void *arg, struct scan *out)
{
    struct control *control = arg;
    const struct control_call *call = find_scan(control)->call;
    struct errinfo info;
    (void)command_of(call)->ask(control_call_request(call)->argument, out, &info);
}

// tell_survey answers it.
static void tell_survey(void *arg, struct scan *sum)
{
    struct control *control = arg;
    struct waiter *waiter = find_scan(control);
    struct control_call *call = waiter->call;
    const bool is_fed = waiter->feed != NULL;
    if (is_fed) {
        waiter->kind = WAIT_FEED;
        feed_start(waiter->feed);
    } else {
        remove_waiter(control, waiter);
    }
    command_of(call)->tell(control, call, sum, is_fed);
}

static void ask_workers(struct control *control)
{
    survey_ask(&control->service->survey,
               &(struct survey_question){.ask = ask_survey, .tell = tell_survey, .arg = control});
}

static void do_scan(struct control *control, struct control_call *call)
{
    struct scan question = {0};
    struct errinfo info;
    if (!command_of(call)->ask(control_call_request(call)->argument, &question, &info)) {
        answer(control, call, EXIT_USAGE, info.text);
        return;
    }
    (void)add_waiter(control, call, WAIT_SCAN, 0);
    ask_workers(control);
}

// on_due has a client wait for its next scan, after those that wait for one already. Who has not taken the last answer
// yet gets none for now.
static void on_due(void *arg, struct control_call *call)
{
    struct control *control = arg;
    struct waiter *waiter = waiter_of(control, call);
    if (control_call_is_gone(call)) {
        go_away(control, waiter);
    } else if (control_call_unsent(call) > 0) {
        feed_start(waiter->feed);
    } else {
        struct waiter *last = &control->waiters[control->waiter_count - 1];
        struct waiter due = *waiter;
        due.kind = WAIT_SCAN;
        for (; waiter < last; waiter++)
            waiter[0] = waiter[1];
        *last = due;
        ask_workers(control);
    }
}

// do_top begins like any scan; one that goes on is recorded when it begins, and its end is of no interest.
static void do_top(struct control *control, struct control_call *call)
{
    struct top_request request;
    struct errinfo info;
    const char *nearest = NULL;
    const struct control_request *asked = control_call_request(call);
    if (top_request_parse(slice_of_string(asked->argument), &request, &info) != ERR_OK) {
        answer(control, call, EXIT_USAGE, info.text);
        return;
    }
    if (request.client[0] != '\0' &&
        !client_names_find(control->service->snapshot->policy, request.client, &nearest)) {
        client_names_say_unknown(request.client, nearest, "", &info);
        answer(control, call, EXIT_FAILED, info.text);
        return;
    }
    if (request.every_ms == 0) {
        do_scan(control, call);
        return;
    }
    struct feed *feed =
        feed_create(control->service->loop, request.every_ms, call, on_due, control);
    if (feed == NULL) {
        answer(control, call, EXIT_FAILED, "no memory");
        return;
    }
    record(control, call, EXIT_OK, "watches from now on");
    add_waiter(control, call, WAIT_SCAN, 0)->feed = feed;
    ask_workers(control);
}

// do_fleet does what is about other proxies, too.
static void do_fleet(struct control *control, struct control_call *call)
{
    struct service *service = control->service;
    const struct control_request *request = control_call_request(call);
    struct fleet_commands *orders = fleet_commands_of(service->fleet);
    struct errinfo info;
    uint64_t number = 0;
    if (!fleet_is_shared(service->fleet)) {
        answer(control, call, EXIT_FAILED,
               "this proxy shares nothing with others: `shared` is not in its configuration");
    } else if (request->command == CONTROL_STATUS) {
        add_waiter(control, call, WAIT_FLEET, fleet_ask(service->fleet))->until_ms =
            monotonic_ms() + FLEET_PATIENCE_MS;
    } else {
        const enum err error = fleet_commands_issue(
            orders, request->command == CONTROL_KILL ? FLEET_KILL : FLEET_DRAIN, request->argument,
            request->on, control_call_caller(call)->uid, &number, &info);
        if (error == ERR_OK)
            (void)add_waiter(control, call, WAIT_ORDER, number);
        else
            answer(control, call, error == ERR_INPUT ? EXIT_USAGE : EXIT_FAILED, info.text);
    }
}

// -- life

static void on_call(void *arg, struct control_call *call)
{
    struct control *control = arg;
    if (control->is_paused)
        answer(control, call, EXIT_FAILED, "the proxy is being upgraded: ask again");
    else if (control_call_request(call)->is_fleet || control_call_request(call)->on[0] != '\0')
        do_fleet(control, call);
    else
        command_of(call)->begin(control, call);
}

enum err control_create(struct service *service, int fd, struct control **out, struct errinfo *info)
{
    *out = NULL;
    struct control *control = calloc(1, sizeof *control);
    if (control == NULL)
        return errinfo_set(info, ERR_SYSTEM, "no memory for the control socket");
    control->service = service;
    control->is_given = fd >= 0;
    ev_prepare_init(&control->turn, on_turn);
    control->turn.data = control;
    const char *path = service->snapshot->control_path;
    const enum err error =
        fd >= 0 ? control_socket_adopt(path, fd, &control->socket, info)
                : control_socket_open(path, "control.socket", &control->socket, info);
    if (error == ERR_OK)
        *out = control;
    else
        free(control);
    return error;
}

enum err control_serve(struct control *control, struct errinfo *info)
{
    struct service *service = control->service;
    const struct control_events events = {
        .on_call = on_call, .on_refused = on_refused, .arg = control};
    ev_prepare_start(service->loop, &control->turn);
    control->server = control_server_create(service->loop, control->socket.fd, &events);
    if (control->server == NULL)
        return errinfo_set(info, ERR_MEMORY, "no memory for the control socket");
    return ERR_OK;
}

int control_socket_fd(const struct control *control)
{
    return control == NULL || control_socket_is_nameless(&control->socket) ? -1
                                                                           : control->socket.fd;
}

void control_pause(struct control *control)
{
    if (control == NULL)
        return;
    control->is_paused = true;
    control_server_pause(control->server);
}

void control_resume(struct control *control)
{
    if (control == NULL || !control->is_paused)
        return;
    control->is_paused = false;
    control_server_resume(control->server);
}

void control_restore(struct control *control)
{
    struct control_socket made;
    struct errinfo info;
    if (control == NULL || control->is_paused || !control_socket_is_nameless(&control->socket))
        return;
    const char *path = control->service->snapshot->control_path;
    if (control_socket_open(path, "control.socket", &made, &info) != ERR_OK) {
        log_error(LOG_ADMIN, "control: the path of the socket is gone, and: %s", info.text);
        return;
    }
    control_server_move(control->server, made.fd);
    control_socket_leave(&control->socket);
    control->socket = made;
    log_info(LOG_ADMIN, "control: the path %s was gone, and is there again", path);
}

bool control_is_quiet(const struct control *control)
{
    for (size_t i = 0; control != NULL && i < control->waiter_count; i++) {
        const enum wait_kind kind = control->waiters[i].kind;
        if (kind != WAIT_TAIL && kind != WAIT_FEED && kind != WAIT_UPGRADE)
            return false;
    }
    return true;
}

void control_keep_state(struct control *control)
{
    (void)blocking_keep(control->service);
}

bool control_is_given(const struct control *control)
{
    return control != NULL && control->is_given;
}

void control_leave(struct control *control)
{
    if (control == NULL)
        return;
    control->is_paused = true;
    if (control->server != NULL)
        control_server_pause(control->server);
    control_socket_leave(&control->socket);
}

// goodbye_of gives what a client is told that waits for something else than the end.
static const char *goodbye_of(const struct control *control)
{
    return control->service->succession.retirement == NULL
               ? "the proxy has ended"
               : "the old process has ended, after an upgrade: ask again, and the one that serves "
                 "now answers";
}

// end_waiter decides what a client that still waits is told, and records that.
static void end_waiter(struct control *control, struct waiter *waiter, uint64_t cut_count)
{
    const bool never_ends = waiter->kind == WAIT_TAIL || waiter->feed != NULL;
    const bool is_drain = waiter->kind == WAIT_DRAIN;
    waiter->kind = WAIT_END;
    waiter->exit_status = never_ends || (is_drain && cut_count == 0) ? EXIT_OK : EXIT_FAILED;
    if (is_drain)
        (void)errinfo_set(&waiter->message, ERR_OK,
                          "drained: %" PRIu64 " requests or tunnels had to be cut", cut_count);
    else
        (void)errinfo_set(&waiter->message, ERR_OK, "%s", goodbye_of(control));
    if (!never_ends)
        record(control, waiter->call, waiter->exit_status, waiter->message.text);
}

void control_end(struct control *control, uint64_t cut_count)
{
    if (control == NULL)
        return;
    go_on_all(control);
    for (size_t i = 0; i < control->waiter_count; i++)
        end_waiter(control, &control->waiters[i], cut_count);
}

void control_destroy(struct control *control)
{
    if (control == NULL)
        return;
    while (control->waiter_count > 0) {
        const struct waiter waiter = control->waiters[0];
        remove_waiter(control, control->waiters); // one that reads the audit log has all of it
        control_call_end(waiter.call, waiter.exit_status, waiter.message.text);
    }
    control_server_destroy(control->server);
    ev_prepare_stop(control->service->loop, &control->turn);
    control_socket_close(&control->socket);
    free(control);
}
