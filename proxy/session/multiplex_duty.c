// The time of each duty, and the soonest of them.
#include "proxy/session/multiplex_duty.h"

#include "proxy/loop/deadline.h"

enum {
    NOTICE_MS =
        1000, // from the notice to the last word: what the client has sent meanwhile is taken
    BEFORE_END_MS =
        30000, // so long before its certificate ends a connection takes no further requests
    SETTINGS_MS = 10000, // for the client to acknowledge our SETTINGS
};

static int64_t notice_ms(const struct multiplex_times *times)
{
    const int64_t least_ms = times->begun_ms + NOTICE_MS; // of a certificate that ends at once
    const int64_t end_ms =
        times->expires_ms == INT64_MAX ? INT64_MAX : times->expires_ms - BEFORE_END_MS;
    return deadline_sooner(times->begun_ms + times->age_ms, end_ms < least_ms ? least_ms : end_ms);
}

// due_ms gives when a duty is due; INT64_MAX: never, as things are.
static int64_t due_ms(const struct multiplex_times *times, enum multiplex_duty duty)
{
    switch (duty) {
    case MULTIPLEX_NOTICE:
        return times->farewell == FAREWELL_NONE ? notice_ms(times) : INT64_MAX;
    case MULTIPLEX_FAREWELL:
        return times->farewell == FAREWELL_NOTICE ? times->notice_ms + NOTICE_MS : INT64_MAX;
    case MULTIPLEX_SETTINGS:
        return times->is_settled ? INT64_MAX : times->begun_ms + SETTINGS_MS;
    case MULTIPLEX_SILENCE:
        break;
    }
    return http2_silence_ends_ms(&times->silence);
}

struct multiplex_due multiplex_duty_next(const struct multiplex_times *times)
{
    struct multiplex_due next = {.duty = MULTIPLEX_NOTICE, .at_ms = INT64_MAX};
    for (enum multiplex_duty duty = MULTIPLEX_NOTICE; duty <= MULTIPLEX_SILENCE; duty++) {
        const int64_t at_ms = due_ms(times, duty);
        if (at_ms < next.at_ms)
            next = (struct multiplex_due){duty, at_ms};
    }
    return next;
}
