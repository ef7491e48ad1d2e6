// crl_alarm: says aloud, while the program runs, that a revocation list is about to expire or has expired:
// from seven days before, once a day, and when it happens. What is so when a configuration is loaded
// is said by the loading.
//
// One timer of main's loop, by the wall clock, looked at once a minute at least, for clocks are set.
#pragma once

#include <ev.h>

#include "proxy/config/snapshot.h"

struct crl_alarm; // opaque: heap

// crl_alarm_create makes one; it watches nothing yet. NULL without memory.
struct crl_alarm *crl_alarm_create(struct ev_loop *loop);

// crl_alarm_destroy stops and frees it. NULL is allowed.
void crl_alarm_destroy(struct crl_alarm *alarm);

// crl_alarm_watch watches the lists of `snapshot` from now on, and no others. It holds a reference.
void crl_alarm_watch(struct crl_alarm *alarm, struct snapshot *snapshot);

// crl_alarm_follow goes on with a revision of what it watches, about which loading has said nothing.
void crl_alarm_follow(struct crl_alarm *alarm, struct snapshot *revision);

// crl_alarm_look looks now, without waiting for its time: the clock was set.
void crl_alarm_look(struct crl_alarm *alarm);

// What there is to say of a list.
enum crl_stage {
    CRL_SILENT,  // nothing since the last look
    CRL_DUE,     // seven days are left, or fewer
    CRL_EXPIRED, // it has expired, or still has
};

// crl_stage_of tells what to say of a list with this nextUpdate at `now_s` to somebody who last looked at
// `last_s`, all Unix seconds. Pure. A day that begins is said once.
enum crl_stage crl_stage_of(int64_t next_update_s, int64_t last_s, int64_t now_s);
