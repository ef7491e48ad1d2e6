// Kill is a question to the workers, and so is answered later; drain begins at once.
#include "proxy/service/fleet_doing.h"

#include "proxy/admin/drain_request.h"
#include "proxy/service/killing.h"
#include "proxy/service/orders.h"
#include "proxy/service/scan_question.h"

static void ask(void *arg, struct scan *out)
{
    const struct fleet_doing *doing = arg;
    struct errinfo info;
    (void)scan_question_kill(doing->argument, out, &info);
}

static void tell(void *arg, struct scan *sum)
{
    struct fleet_doing *doing = arg;
    struct errinfo message;
    const bool is_there = killing_say(doing->service->snapshot->policy, sum, &message);
    doing->done(doing->arg,
                !is_there         ? FLEET_NOBODY
                : sum->is_partial ? FLEET_FAILED
                                  : FLEET_DONE,
                message.text);
}

static void do_drain(struct service *service, const struct drain_request *request,
                     fleet_done_function *done, void *arg)
{
    service_drain_after(service, request->lame_duck_ms);
    done(arg, FLEET_DONE,
         service->stopping_at_s != 0 ? "draining: no new connections"
                                     : "about to drain: new connections are accepted until then");
}

// read_drain reads how to drain. Nobody can wait for the end of another proxy.
static bool read_drain(const char *argument, struct drain_request *out, struct errinfo *info)
{
    if (drain_request_parse(slice_of_string(argument), out, info) != ERR_OK)
        return false;
    if (out->is_waiting)
        (void)errinfo_set(info, ERR_INPUT, "--wait is for one proxy, at its own control socket");
    return !out->is_waiting;
}

bool fleet_do_is_good(enum fleet_verb verb, const char *argument, struct errinfo *info)
{
    struct scan question = {0};
    struct drain_request request;
    if (strlen(argument) >= FLEET_ORDER_ARGUMENT_CAP) {
        (void)errinfo_set(info, ERR_LIMIT, "that is too long");
        return false;
    }
    switch (verb) {
    case FLEET_KILL:
        return scan_question_kill(argument, &question, info);
    case FLEET_DRAIN:
        return read_drain(argument, &request, info);
    }
    return false;
}

void fleet_do(struct fleet_doing *doing, struct service *service, enum fleet_verb verb,
              const char *argument, fleet_done_function *done, void *arg)
{
    struct drain_request request;
    struct errinfo info;
    *doing = (struct fleet_doing){.service = service, .done = done, .arg = arg};
    (void)string_copy(doing->argument, sizeof doing->argument, slice_of_string(argument));
    if (!fleet_do_is_good(verb, argument, &info))
        done(arg, FLEET_FAILED, info.text);
    else if (verb == FLEET_KILL)
        survey_ask(&service->survey,
                   &(struct survey_question){.ask = ask, .tell = tell, .arg = doing});
    else if (read_drain(argument, &request, &info))
        do_drain(service, &request, done, arg);
}
