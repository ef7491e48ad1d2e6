// The names, by number.
#include "proxy/tls/alert.h"

#include <stddef.h>

static const char *const names[UINT8_MAX + 1] = {
#define X(symbol, number, name) [number] = name,
    TLS_ALERT_TABLE(X)
#undef X
};

const char *tls_alert_name(uint8_t alert)
{
    return names[alert] == NULL ? "unknown" : names[alert];
}
