// Days are counted from the moment of the end, so that one boundary is the end itself. Nothing is kept but the
// time of the last look.
#include "proxy/service/horizon.h"

#include <inttypes.h>
#include <time.h>

#include "proxy/config/served_list.h"
#include "proxy/config/server_list.h"
#include "proxy/log/log.h"

enum { DAY_S = 86400, DAYS_BEFORE = 7, BASE_DAY = DAYS_BEFORE + 1, LOOK_EVERY_S = 60 };

// day_of gives which day of warning it is: 0 before the first, then those before the end, and BASE_DAY on the first one after
// it. What ends is good through its last second.
static int64_t day_of(int64_t first_s, int64_t end_s, int64_t now_s)
{
    const int64_t left_s = end_s + 1 - now_s;
    if (now_s < first_s && left_s > 0)
        return 0;
    return left_s > 0 ? BASE_DAY - 1 - (left_s - 1) / DAY_S : BASE_DAY - left_s / DAY_S;
}

enum horizon_stage horizon_stage_of(int64_t first_s, int64_t end_s, int64_t last_s, int64_t now_s)
{
    const int64_t today = day_of(first_s, end_s, now_s);
    if (today <= day_of(first_s, end_s, last_s))
        return HORIZON_SILENT;
    return now_s > end_s ? HORIZON_PAST : HORIZON_DUE;
}

// thing is something that ends, in the words of the log.
struct thing {
    const char *whose; // what `owner` names: `listener `, `trust.`, `sink `
    const char *owner;
    const char *what; // `the CRL of`
    const char *name;
    int64_t soon_s;       // Unix seconds; 0: DAYS_BEFORE its end
    int64_t end_s;        // Unix seconds
    const char *to_do;    // before the end
    const char *when_out; // what it means that it has ended
};

// glance is one look: from when, at what time, and what it has found.
struct glance {
    int64_t last_s;
    int64_t now_s;
    int64_t left_s; // from now until something has its next day
};

// look_at says what there is to say of a thing.
static void look_at(struct glance *glance, const struct thing *thing)
{
    const int64_t first_s =
        thing->soon_s != 0 ? thing->soon_s : thing->end_s + 1 - (int64_t)DAYS_BEFORE * DAY_S;
    const int64_t past_s = (thing->end_s + 1 - glance->now_s) % DAY_S;
    const int64_t left_s = past_s > 0 ? past_s : past_s + DAY_S;
    if (left_s < glance->left_s)
        glance->left_s = left_s;
    switch (horizon_stage_of(first_s, thing->end_s, glance->last_s, glance->now_s)) {
    case HORIZON_SILENT:
        return;
    case HORIZON_DUE:
        log_warning(LOG_ENDS_SOON, "%s%s: %s %s expires in %" PRId64 " hours; %s", thing->whose,
                    thing->owner, thing->what, thing->name, (thing->end_s - glance->now_s) / 3600,
                    thing->to_do);
        return;
    case HORIZON_PAST:
        log_error(LOG_EXPIRED, "%s%s: %s %s has expired%s%s", thing->whose, thing->owner,
                  thing->what, thing->name, thing->when_out[0] == ':' ? "" : " ", thing->when_out);
        return;
    }
}

static void each_crl(struct glance *glance, const struct trust *trust)
{
    for (size_t i = 0; i < trust_crl_count(trust); i++) {
        const struct trust_crl crl = trust_crl_at(trust, i);
        char name[400];
        struct text text;
        if (crl.state == TRUST_CRL_IDLE)
            continue; // it never counts
        text_init(&text, name, sizeof name);
        text_append_format(&text, "%.300s (number %s)", crl.issuer, crl.number);
        const struct thing thing = {
            .whose = "trust.",
            .owner = trust_name(trust),
            .what = "the CRL of",
            .name = name,
            .soon_s = crl.soon_s,
            .end_s = crl.next_update_s,
            .to_do = "fetch the CA's new one in time",
            .when_out =
                trust_keeps_expired_crls(trust)
                    ? "and stays in use (`crl_expired: keep`): a client that was revoked since then is accepted; fetch the CA's new one"
                    : ": handshakes and requests below this CA are refused until its "
                      "new one is there",
        };
        look_at(glance, &thing);
    }
}

static void each_ca(struct glance *glance, const struct trust *trust)
{
    for (size_t i = 0; i < trust_certificate_count(trust); i++) {
        const struct trust_certificate ca = trust_certificate_at(trust, i);
        const struct thing thing = {
            .whose = "trust.",
            .owner = trust_name(trust),
            .what = ca.is_anchor ? "the CA" : "the helper CA",
            .name = ca.subject,
            .end_s = ca.not_after_s,
            .to_do = "replace it in time",
            .when_out =
                ": nobody is accepted under it any more; add its new certificate to the profile's files",
        };
        if (!ca.is_left_out)
            look_at(glance, &thing);
    }
}

static void each_served(struct glance *glance, const struct listener_config *listener)
{
    struct served_certificate served;
    for (size_t i = 0; served_list_next(listener, &i, &served);) {
        const struct thing thing = {
            .whose = "listener ",
            .owner = listener->name,
            .what = "the certificate",
            .name = served.info->subject,
            .end_s = served.info->not_after_s,
            .to_do = "renew it in time",
            .when_out = ": clients go on with it no more; renew it",
        };
        look_at(glance, &thing);
    }
}

// server_words say what there is to say of the files for a server that we speak to.
static const struct server_words {
    const char *whose;
    const char *ca_to_do;
    const char *ca_out;
    const char *own_out;
} server_words[] = {
    [SERVER_SINK] = {"sink ", "add its new certificate to `tls.ca` in time",
                     ": no receiver is good under it any more; add its new certificate to `tls.ca`",
                     ": the receiver will not take it; renew it"},
    [SERVER_PARENT] = {"parent ", "add its new certificate to `ca` in time",
                       ": no parent is good under it any more; add its new certificate to `ca`",
                       ": the parent will not take it; renew it"},
    [SERVER_AUTHORIZER] = {"", "add its new certificate to `ca` in time",
                           ": the authorizer is not believed under it any more; add its new "
                           "certificate to `ca`",
                           ": the authorizer will not take it; renew it"},
    [SERVER_STORE] = {"", "add its new certificate to `ca` in time",
                      ": the store is not believed under it any more; add its new certificate to "
                      "`ca`",
                      ": the store will not take it; renew it"},
};

// each_of_server looks at what a server is judged by, and at what it is shown.
static void each_of_server(struct glance *glance, const struct listed_server *server)
{
    const struct server_words *words = &server_words[server->kind];
    struct thing thing = {.whose = words->whose,
                          .owner = server->name,
                          .what = "the CA",
                          .to_do = words->ca_to_do,
                          .when_out = words->ca_out};
    for (size_t i = 0; server->trust != NULL && i < trust_certificate_count(server->trust); i++) {
        const struct trust_certificate ca = trust_certificate_at(server->trust, i);
        thing.name = ca.subject;
        thing.end_s = ca.not_after_s;
        if (!ca.is_left_out)
            look_at(glance, &thing);
    }
    if (server->own == NULL)
        return;
    thing.what = "our certificate";
    thing.name = server->own->subject;
    thing.end_s = server->own->not_after_s;
    thing.to_do = "renew it in time";
    thing.when_out = words->own_out;
    look_at(glance, &thing);
}

// look looks at everything in the snapshot that ends.
static void look(struct glance *glance, const struct snapshot *snapshot)
{
    for (size_t t = 0; t < snapshot->trust_count; t++) {
        each_crl(glance, snapshot->trusts[t]);
        each_ca(glance, snapshot->trusts[t]);
    }
    for (size_t l = 0; l < snapshot->listener_count; l++)
        each_served(glance, &snapshot->listeners[l]);
    struct listed_server server;
    for (size_t i = 0; server_list_next(snapshot, &i, &server);)
        each_of_server(glance, &server);
}

int64_t horizon_wait_s(int64_t last_s, int64_t left_s, int64_t now_s)
{
    const int64_t wait_s = last_s + left_s - now_s;
    if (wait_s > left_s)
        return left_s; // the clock was set back
    return wait_s > 0 ? wait_s : 0;
}

// look_now says what has become true by `now_s`, and waits for what comes next.
static void look_now(struct horizon *horizon, int64_t now_s)
{
    struct glance glance = {.last_s = horizon->last_s, .now_s = now_s, .left_s = LOOK_EVERY_S};
    look(&glance, horizon->snapshot);
    horizon->last_s = now_s;
    const int64_t wait_s = horizon_wait_s(now_s, glance.left_s, (int64_t)time(NULL));
    ev_timer_stop(horizon->loop, &horizon->timer);
    ev_timer_set(&horizon->timer, (ev_tstamp)wait_s, 0.);
    ev_timer_start(horizon->loop, &horizon->timer);
}

void horizon_look(struct horizon *horizon)
{
    if (horizon->snapshot == NULL)
        return;
    look_now(horizon, (int64_t)time(NULL));
    horizon->on_look(horizon->arg, horizon->last_s);
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    horizon_look(timer->data);
}

void horizon_init(struct horizon *horizon, struct ev_loop *loop,
                  void (*on_look)(void *arg, int64_t now_s), void *arg)
{
    *horizon = (struct horizon){.loop = loop, .on_look = on_look, .arg = arg};
    ev_timer_init(&horizon->timer, on_timer, 0., 0.);
    horizon->timer.data = horizon;
}

void horizon_stop(struct horizon *horizon)
{
    if (horizon->loop != NULL)
        ev_timer_stop(horizon->loop, &horizon->timer);
    snapshot_unref(horizon->snapshot);
    horizon->snapshot = NULL;
}

void horizon_follow(struct horizon *horizon, struct snapshot *revision)
{
    struct snapshot *old = horizon->snapshot;
    horizon->snapshot = snapshot_ref(revision);
    snapshot_unref(old);
    look_now(horizon, horizon->last_s); // that says nothing
}

void horizon_watch(struct horizon *horizon, struct snapshot *snapshot)
{
    if (horizon->snapshot == snapshot)
        return; // it goes on counting
    horizon->last_s = (int64_t)time(NULL);
    horizon_follow(horizon, snapshot);
}
