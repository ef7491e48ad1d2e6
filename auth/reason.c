// The names of the reasons, and which of them end what was allowed.
#include "auth/reason.h"

const char *reason_name(enum reason reason)
{
    switch (reason) {
#define X(symbol, name)                                                                            \
    case symbol:                                                                                   \
        return name;
        REASON_TABLE(X)
#undef X
    case REASON_COUNT:
        break;
    }
    return "unknown";
}

enum reason reason_of_end(enum reason reason)
{
    if (reason == REASON_REVOKED || reason == REASON_DENIED_CERTIFICATE)
        return REASON_REVOKED;
    if (reason == REASON_EXPIRED || reason == REASON_BLOCKED || reason == REASON_NO_MEMORY)
        return reason;
    return REASON_POLICY_CHANGED;
}
