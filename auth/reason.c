// The names of the reasons, and which of them end what was allowed.
#include "auth/reason.h"

const char *reason_name(enum reason reason)
{
    static const char *const names[REASON_COUNT] = {
#define X(symbol, name) name,
        REASON_TABLE(X)
#undef X
    };
    return reason < REASON_COUNT ? names[reason] : "unknown";
}

enum reason reason_of_end(enum reason reason)
{
    if (reason == REASON_REVOKED || reason == REASON_DENIED_CERTIFICATE)
        return REASON_REVOKED;
    if (reason == REASON_OCSP_UNKNOWN || reason == REASON_EXPIRED || reason == REASON_BLOCKED ||
        reason == REASON_NO_MEMORY || reason == REASON_NOT_VALID_NOW ||
        reason == REASON_OUTSIDE_HOURS)
        return reason;
    return REASON_POLICY_CHANGED;
}
