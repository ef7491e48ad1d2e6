// The table, and the ways from what TLS and certificates say to a row of it.
#include "proxy/uplink/cause.h"

#include "proxy/tls/alert.h"

const char *cause_side_name(enum cause_side side)
{
    static const char *const names[] = {
#define X(symbol, name) [symbol] = name,
        CAUSE_SIDE_TABLE(X)
#undef X
    };
    return names[side];
}

const struct cause_info *cause_info(enum cause cause)
{
    static const struct cause_info rows[CAUSE_COUNT] = {
#define X(symbol, name, side, step, status, error, phrase, advice)                                 \
    [symbol] = {name, SIDE_##side, EXAM_##step, status, error, phrase, advice},
        CAUSE_TABLE(X)
#undef X
    };
    return &rows[cause];
}

enum cause cause_of_alert(uint8_t alert, const struct own_certificate *own, int64_t now_s)
{
    switch (alert) {
    case TLS_ALERT_CERTIFICATE_REQUIRED:
        return CAUSE_NO_CERTIFICATE;
    case TLS_ALERT_HANDSHAKE_FAILURE: // TLS 1.2 has no other word for a missing certificate
        return own->is_shown ? CAUSE_PROTOCOL : CAUSE_NO_CERTIFICATE;
    case TLS_ALERT_CERTIFICATE_EXPIRED: // also for one that is not valid yet: it has no alert
        return own->not_before_s > now_s ? CAUSE_NOT_YET_VALID : CAUSE_EXPIRED;
    case TLS_ALERT_CERTIFICATE_REVOKED:
        return CAUSE_REVOKED;
    case TLS_ALERT_UNKNOWN_CA:
        return CAUSE_UNKNOWN_CA;
    case TLS_ALERT_UNSUPPORTED_CERTIFICATE: // wrong purpose, weak key, or too long a life
        return own->is_for_clients ? CAUSE_REFUSED : CAUSE_BAD_PURPOSE;
    case TLS_ALERT_BAD_CERTIFICATE:
    case TLS_ALERT_CERTIFICATE_UNKNOWN:
    case TLS_ALERT_ACCESS_DENIED:
        return CAUSE_REFUSED;
    case TLS_ALERT_INTERNAL_ERROR:
        return CAUSE_UNAVAILABLE;
    default: // a number of the peer's, no enum of ours
        return CAUSE_PROTOCOL;
    }
}

bool cause_is_absence(enum cause cause)
{
    return cause_info(cause)->side == SIDE_NETWORK || cause == CAUSE_CLOSED ||
           cause == CAUSE_HANDSHAKE_TIMEOUT;
}

// pair is what one fault of a certificate is called when ours has it, and when the proxy's has it.
struct pair {
    enum reason reason;
    enum cause ours;
    enum cause of_proxy;
};

// find_pair gives the pair of a reason; the last one is for the reasons that have none of their own.
static const struct pair *find_pair(enum reason reason)
{
    static const struct pair pairs[] = {
        {REASON_EXPIRED, CAUSE_EXPIRED, CAUSE_PROXY_EXPIRED},
        {REASON_NOT_YET_VALID, CAUSE_NOT_YET_VALID, CAUSE_PROXY_NOT_YET_VALID},
        {REASON_UNKNOWN_CA, CAUSE_UNKNOWN_CA, CAUSE_PROXY_UNKNOWN_CA},
        {REASON_MISSING_INTERMEDIATE, CAUSE_MISSING_INTERMEDIATE, CAUSE_PROXY_MISSING_INTERMEDIATE},
        {REASON_BAD_PURPOSE, CAUSE_BAD_PURPOSE, CAUSE_PROXY_BAD_PURPOSE},
        {REASON_NO_CERTIFICATE, CAUSE_NO_CERTIFICATE, CAUSE_PROXY_BAD_CERTIFICATE},
        {REASON_REVOKED, CAUSE_REVOKED, CAUSE_PROXY_BAD_CERTIFICATE},
        {REASON_WEAK_KEY, CAUSE_WEAK_KEY, CAUSE_PROXY_BAD_CERTIFICATE},
        {REASON_WRONG_TRUST_DOMAIN, CAUSE_WRONG_TRUST_DOMAIN, CAUSE_PROXY_BAD_CERTIFICATE},
        {REASON_NONE, CAUSE_REFUSED, CAUSE_PROXY_BAD_CERTIFICATE},
    };
    const struct pair *pair = pairs;
    while (pair->reason != reason && pair->reason != REASON_NONE)
        pair++;
    return pair;
}

enum cause cause_of_verdict(enum reason reason)
{
    return find_pair(reason)->of_proxy;
}

enum cause cause_of_refusal(enum reason reason)
{
    return find_pair(reason)->ours;
}
