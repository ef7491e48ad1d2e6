// The names of the reasons.
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
