// One table, and the two ways from what TLS says to a row of it.
#include "proxy/sidecar/cause.h"

#include <stddef.h>

struct row {
    const char *name;
    enum cause_side side;
    uint16_t status;
    const char *proxy_status;
    const char *phrase;
    const char *advice;
};

static const struct row rows[CAUSE_COUNT] = {
#define X(symbol, name, side, status, error, phrase, advice)                                       \
    [symbol] = {name, side, status, error, phrase, advice},
    CAUSE_TABLE(X)
#undef X
};

const char *cause_name(enum cause cause)
{
    return rows[cause].name;
}

enum cause_side cause_side(enum cause cause)
{
    return rows[cause].side;
}

const char *cause_side_name(enum cause_side side)
{
    switch (side) {
    case SIDE_NOBODY:
        return "";
    case SIDE_CLIENT:
        return "client";
    case SIDE_NETWORK:
        return "network";
    case SIDE_PROXY:
        return "proxy";
    case SIDE_POLICY:
        return "policy";
    case SIDE_TARGET:
        return "target";
    }
    return "";
}

uint16_t cause_status(enum cause cause)
{
    return rows[cause].status;
}

const char *cause_proxy_status(enum cause cause)
{
    return rows[cause].proxy_status;
}

const char *cause_phrase(enum cause cause)
{
    return rows[cause].phrase;
}

const char *cause_advice(enum cause cause)
{
    return rows[cause].advice;
}

// The alerts of RFC 8446 6.2 that say something about us.
enum {
    ALERT_HANDSHAKE_FAILURE = 40,
    ALERT_BAD_CERTIFICATE = 42,
    ALERT_UNSUPPORTED_CERTIFICATE = 43,
    ALERT_CERTIFICATE_REVOKED = 44,
    ALERT_CERTIFICATE_EXPIRED = 45,
    ALERT_CERTIFICATE_UNKNOWN = 46,
    ALERT_UNKNOWN_CA = 48,
    ALERT_ACCESS_DENIED = 49,
    ALERT_PROTOCOL_VERSION = 70,
    ALERT_INSUFFICIENT_SECURITY = 71,
    ALERT_INTERNAL_ERROR = 80,
    ALERT_CERTIFICATE_REQUIRED = 116,
    ALERT_NO_APPLICATION_PROTOCOL = 120,
};

// cause_of_unsupported: wrong purpose, weak key and too long a life share one alert.
static enum cause cause_of_unsupported(const struct own_certificate *own)
{
    return own->is_for_clients ? CAUSE_REFUSED : CAUSE_BAD_PURPOSE;
}

enum cause cause_of_alert(uint8_t alert, const struct own_certificate *own, int64_t now_s)
{
    switch (alert) {
    case ALERT_CERTIFICATE_REQUIRED:
        return CAUSE_NO_CERTIFICATE;
    case ALERT_HANDSHAKE_FAILURE: // TLS 1.2 has no other word for a missing certificate
        return own->is_shown ? CAUSE_PROTOCOL : CAUSE_NO_CERTIFICATE;
    case ALERT_CERTIFICATE_EXPIRED: // also for one that is not valid yet: there is no alert for it
        return own->not_before_s > now_s ? CAUSE_NOT_YET_VALID : CAUSE_EXPIRED;
    case ALERT_CERTIFICATE_REVOKED:
        return CAUSE_REVOKED;
    case ALERT_UNKNOWN_CA:
        return CAUSE_UNKNOWN_CA;
    case ALERT_UNSUPPORTED_CERTIFICATE:
        return cause_of_unsupported(own);
    case ALERT_BAD_CERTIFICATE:
    case ALERT_CERTIFICATE_UNKNOWN:
    case ALERT_ACCESS_DENIED:
        return CAUSE_REFUSED;
    case ALERT_INTERNAL_ERROR:
        return CAUSE_UNAVAILABLE;
    case ALERT_PROTOCOL_VERSION:
    case ALERT_INSUFFICIENT_SECURITY:
    case ALERT_NO_APPLICATION_PROTOCOL:
    default: // a number of the peer's, no enum of ours
        return CAUSE_PROTOCOL;
    }
}

bool cause_is_absence(enum cause cause)
{
    return cause_side(cause) == SIDE_NETWORK || cause == CAUSE_CLOSED ||
           cause == CAUSE_HANDSHAKE_TIMEOUT;
}

enum cause cause_of_verdict(enum reason reason)
{
    if (reason == REASON_UNKNOWN_CA)
        return CAUSE_PROXY_UNKNOWN_CA;
    if (reason == REASON_MISSING_INTERMEDIATE)
        return CAUSE_PROXY_MISSING_INTERMEDIATE;
    if (reason == REASON_BAD_PURPOSE)
        return CAUSE_PROXY_BAD_PURPOSE;
    if (reason == REASON_EXPIRED)
        return CAUSE_PROXY_EXPIRED;
    if (reason == REASON_NOT_YET_VALID)
        return CAUSE_PROXY_NOT_YET_VALID;
    return CAUSE_PROXY_BAD_CERTIFICATE;
}
