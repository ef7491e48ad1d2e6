// The lists' days are counted from the moment of expiry, so that one boundary is the expiry itself. Nothing
// is kept but the time of the last look.
#include "proxy/service/crl_alarm.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "proxy/log/log.h"

enum { DAY_S = 86400, DAYS_BEFORE = 7, LOOK_EVERY_S = 60 };

struct crl_alarm {
    struct ev_loop *loop;      // borrowed
    ev_timer timer;            // to the next look
    struct snapshot *snapshot; // ref; NULL before the first crl_alarm_watch
    int64_t last_s;            // of the last look, Unix seconds
};

// day_of gives how many days of warning have begun: 0 before the first, 8 on the first day after the end.
// A list is good through its last second.
static int64_t day_of(int64_t next_update_s, int64_t now_s)
{
    const int64_t first_s = next_update_s + 1 - (int64_t)DAYS_BEFORE * DAY_S;
    return now_s < first_s ? 0 : 1 + (now_s - first_s) / DAY_S;
}

enum crl_stage crl_stage_of(int64_t next_update_s, int64_t last_s, int64_t now_s)
{
    const int64_t today = day_of(next_update_s, now_s);
    if (today <= day_of(next_update_s, last_s))
        return CRL_SILENT;
    return now_s > next_update_s ? CRL_EXPIRED : CRL_DUE;
}

static void say(const struct trust *trust, const struct trust_crl *crl, enum crl_stage stage,
                int64_t now_s)
{
    switch (stage) {
    case CRL_SILENT:
        return;
    case CRL_DUE:
        log_warning("trust.%s: the CRL of %s (number %s) expires in %" PRId64
                    " hours; fetch the CA's new one in time",
                    trust_name(trust), crl->issuer, crl->number,
                    (crl->next_update_s - now_s) / 3600);
        return;
    case CRL_EXPIRED:
        if (trust_keeps_expired_crls(trust))
            log_error("trust.%s: the CRL of %s (number %s) has expired and goes on to count "
                      "(`crl_expired: keep`): whoever has been revoked since is let in; fetch the "
                      "CA's new one",
                      trust_name(trust), crl->issuer, crl->number);
        else
            log_error("trust.%s: the CRL of %s (number %s) has expired: handshakes and requests "
                      "below this CA are refused until its new one is there",
                      trust_name(trust), crl->issuer, crl->number);
        return;
    }
}

static void look(struct crl_alarm *alarm, int64_t now_s)
{
    const struct snapshot *snapshot = alarm->snapshot;
    for (size_t t = 0; t < snapshot->trust_count; t++) {
        const struct trust *trust = snapshot->trusts[t];
        for (size_t i = 0; i < trust_crl_count(trust); i++) {
            const struct trust_crl crl = trust_crl_at(trust, i);
            if (crl.state != TRUST_CRL_IDLE)
                say(trust, &crl, crl_stage_of(crl.next_update_s, alarm->last_s, now_s), now_s);
        }
    }
    alarm->last_s = now_s;
}

// seconds_to_next gives when a list has its next day, at most LOOK_EVERY_S away.
static int64_t seconds_to_next(const struct snapshot *snapshot, int64_t now_s)
{
    int64_t nearest_s = LOOK_EVERY_S;
    for (size_t t = 0; t < snapshot->trust_count; t++) {
        for (size_t i = 0; i < trust_crl_count(snapshot->trusts[t]); i++) {
            const int64_t end_s = trust_crl_at(snapshot->trusts[t], i).next_update_s + 1;
            const int64_t past_s = (end_s - now_s) % DAY_S;
            const int64_t left_s = past_s > 0 ? past_s : past_s + DAY_S;
            nearest_s = left_s < nearest_s ? left_s : nearest_s;
        }
    }
    return nearest_s;
}

static void wait_for_next(struct crl_alarm *alarm)
{
    ev_timer_stop(alarm->loop, &alarm->timer);
    ev_timer_set(&alarm->timer, (ev_tstamp)seconds_to_next(alarm->snapshot, alarm->last_s), 0.);
    ev_timer_start(alarm->loop, &alarm->timer);
}

void crl_alarm_look(struct crl_alarm *alarm)
{
    if (alarm->snapshot == NULL)
        return;
    look(alarm, (int64_t)time(NULL));
    wait_for_next(alarm);
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    crl_alarm_look(timer->data);
}

struct crl_alarm *crl_alarm_create(struct ev_loop *loop)
{
    struct crl_alarm *alarm = calloc(1, sizeof *alarm);
    if (alarm == NULL)
        return NULL;
    alarm->loop = loop;
    ev_timer_init(&alarm->timer, on_timer, 0., 0.);
    alarm->timer.data = alarm;
    return alarm;
}

void crl_alarm_destroy(struct crl_alarm *alarm)
{
    if (alarm == NULL)
        return;
    ev_timer_stop(alarm->loop, &alarm->timer);
    snapshot_unref(alarm->snapshot);
    free(alarm);
}

static void hold(struct crl_alarm *alarm, struct snapshot *snapshot)
{
    struct snapshot *old = alarm->snapshot;
    alarm->snapshot = snapshot_ref(snapshot);
    snapshot_unref(old);
    wait_for_next(alarm);
}

void crl_alarm_watch(struct crl_alarm *alarm, struct snapshot *snapshot)
{
    if (alarm->snapshot == snapshot)
        return; // it goes on counting
    alarm->last_s = (int64_t)time(NULL);
    hold(alarm, snapshot);
}

void crl_alarm_follow(struct crl_alarm *alarm, struct snapshot *revision)
{
    hold(alarm, revision);
}
