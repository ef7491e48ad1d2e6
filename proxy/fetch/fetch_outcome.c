// The names stand in the order of the table.
#include "proxy/fetch/fetch_outcome.h"

const char *fetch_outcome_name(enum fetch_outcome outcome)
{
    static const char *const names[] = {
#define X(symbol, name) [symbol] = (name),
        FETCH_OUTCOME_TABLE(X)
#undef X
    };
    return names[outcome];
}
