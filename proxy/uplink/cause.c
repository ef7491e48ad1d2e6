// The table, and the ways from what TLS and certificates say to a row of it.
#include "proxy/uplink/cause.h"

#include "proxy/net/dialer.h"
#include "proxy/net/dns_answer.h"
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
        return CAUSE_REFUSED;
    case TLS_ALERT_CERTIFICATE_UNKNOWN: // ours for what CRLs and OCSP leave open
        return CAUSE_REVOCATION_UNKNOWN;
    case TLS_ALERT_ACCESS_DENIED: // ours for an operator's block
        return CAUSE_BLOCKED;
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

enum cause cause_of_verdict(enum reason reason)
{
    static const struct {
        enum reason reason;
        enum cause cause;
    } rows[] = {
        {REASON_EXPIRED, CAUSE_PROXY_EXPIRED},
        {REASON_NOT_YET_VALID, CAUSE_PROXY_NOT_YET_VALID},
        {REASON_UNKNOWN_CA, CAUSE_PROXY_UNKNOWN_CA},
        {REASON_MISSING_INTERMEDIATE, CAUSE_PROXY_MISSING_INTERMEDIATE},
        {REASON_BAD_PURPOSE, CAUSE_PROXY_BAD_PURPOSE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].reason == reason)
            return rows[i].cause;
    }
    return CAUSE_PROXY_BAD_CERTIFICATE;
}

// Of every reason what it means in an answer: one that is missing here is an error of the compiler. CAUSE_UNEXPLAINED: no
// answer to a CONNECT has it.
#define ANSWER_TABLE(X)                                                                            \
    X(REASON_NO_CERTIFICATE, CAUSE_NO_CERTIFICATE)                                                 \
    X(REASON_EXPIRED, CAUSE_EXPIRED)                                                               \
    X(REASON_NOT_YET_VALID, CAUSE_NOT_YET_VALID)                                                   \
    X(REASON_UNKNOWN_CA, CAUSE_UNKNOWN_CA)                                                         \
    X(REASON_MISSING_INTERMEDIATE, CAUSE_MISSING_INTERMEDIATE)                                     \
    X(REASON_BAD_PURPOSE, CAUSE_BAD_PURPOSE)                                                       \
    X(REASON_WEAK_KEY, CAUSE_WEAK_KEY)                                                             \
    X(REASON_WRONG_TRUST_DOMAIN, CAUSE_WRONG_TRUST_DOMAIN)                                         \
    X(REASON_REVOKED, CAUSE_REVOKED)                                                               \
    X(REASON_BAD_SIGNATURE, CAUSE_REFUSED)                                                         \
    X(REASON_BAD_CERTIFICATE, CAUSE_REFUSED)                                                       \
    X(REASON_TOO_LONG_LIVED, CAUSE_REFUSED)                                                        \
    X(REASON_CHAIN_TOO_LONG, CAUSE_REFUSED)                                                        \
    X(REASON_NAME_CONSTRAINT, CAUSE_REFUSED)                                                       \
    X(REASON_DENIED_CERTIFICATE, CAUSE_REFUSED)                                                    \
    X(REASON_WORK_LIMIT, CAUSE_REFUSED)                                                            \
    X(REASON_CRL_MISSING, CAUSE_REVOCATION_UNKNOWN)                                                \
    X(REASON_CRL_EXPIRED, CAUSE_REVOCATION_UNKNOWN)                                                \
    X(REASON_OCSP_UNKNOWN, CAUSE_REVOCATION_UNKNOWN)                                               \
    X(REASON_OCSP_UNAVAILABLE, CAUSE_REVOCATION_UNKNOWN)                                           \
    X(REASON_BLOCKED, CAUSE_BLOCKED)                                                               \
    X(REASON_NO_CLIENT, CAUSE_DENIED)                                                              \
    X(REASON_BAD_ACCOUNT, CAUSE_DENIED)                                                            \
    X(REASON_NOT_SPOKEN_FOR, CAUSE_DENIED)                                                         \
    X(REASON_SOURCE_NOT_ALLOWED, CAUSE_DENIED)                                                     \
    X(REASON_NOT_VALID_NOW, CAUSE_DENIED)                                                          \
    X(REASON_OUTSIDE_HOURS, CAUSE_DENIED)                                                          \
    X(REASON_NO_RULE, CAUSE_DENIED)                                                                \
    X(REASON_DENIED_BY_RULE, CAUSE_DENIED)                                                         \
    X(REASON_SPECIAL_RANGE, CAUSE_DENIED)                                                          \
    X(REASON_METADATA, CAUSE_DENIED)                                                               \
    X(REASON_OWN_LISTENER, CAUSE_DENIED)                                                           \
    X(REASON_POLICY_CHANGED, CAUSE_DENIED)                                                         \
    X(REASON_NOT_AUTHORIZED, CAUSE_NOT_AUTHORIZED)                                                 \
    X(REASON_LIMIT_ACCOUNTS, CAUSE_OVER_LIMIT)                                                     \
    X(REASON_LIMIT_TUNNELS, CAUSE_OVER_LIMIT)                                                      \
    X(REASON_LIMIT_NEW_TUNNELS, CAUSE_OVER_LIMIT)                                                  \
    X(REASON_LIMIT_REQUESTS, CAUSE_OVER_LIMIT)                                                     \
    X(REASON_LIMIT_STREAMS, CAUSE_OVER_LIMIT)                                                      \
    X(REASON_LIMIT_QUESTIONS, CAUSE_OVER_LIMIT)                                                    \
    X(REASON_BAD_REQUEST, CAUSE_BAD_TARGET)                                                        \
    X(REASON_BAD_TARGET, CAUSE_BAD_TARGET)                                                         \
    X(REASON_NOT_FOUND, CAUSE_BAD_TARGET)                                                          \
    X(REASON_IDENTITY_UNTOLD, CAUSE_IDENTITY_UNTOLD)                                               \
    X(REASON_DNS_FAILED, CAUSE_PROXY_DNS_FAILED)                                                   \
    X(REASON_CONNECT_FAILED, CAUSE_TARGET_FAILED)                                                  \
    X(REASON_TIMEOUT, CAUSE_TARGET_FAILED)                                                         \
    X(REASON_BAD_RESPONSE, CAUSE_TARGET_FAILED)                                                    \
    X(REASON_UPSTREAM_CLOSED, CAUSE_TARGET_FAILED)                                                 \
    X(REASON_UPSTREAM_RESET, CAUSE_TARGET_FAILED)                                                  \
    X(REASON_UPSTREAM_TRUNCATED, CAUSE_TARGET_FAILED)                                              \
    X(REASON_EGRESS_UNAVAILABLE, CAUSE_NO_EGRESS)                                                  \
    X(REASON_PARENT_UNREACHABLE, CAUSE_PARENT_FAILED)                                              \
    X(REASON_PARENT_UNTRUSTED, CAUSE_PARENT_FAILED)                                                \
    X(REASON_PARENT_BAD_ANSWER, CAUSE_PARENT_FAILED)                                               \
    X(REASON_PARENT_REFUSED, CAUSE_PARENT_REFUSED)                                                 \
    X(REASON_AUTHORIZER_FAILED, CAUSE_AUTHORIZER_FAILED)                                           \
    X(REASON_LOOP, CAUSE_LOOP)                                                                     \
    X(REASON_AUDIT_FULL, CAUSE_UNAVAILABLE)                                                        \
    X(REASON_STORE_LOST, CAUSE_STORE_LOST)                                                         \
    X(REASON_DRAINING, CAUSE_UNAVAILABLE)                                                          \
    X(REASON_LIMIT_PROXY_TUNNELS, CAUSE_UNAVAILABLE)                                               \
    X(REASON_LIMIT_SESSIONS, CAUSE_UNAVAILABLE)                                                    \
    X(REASON_LIMIT_MEMORY, CAUSE_UNAVAILABLE)                                                      \
    X(REASON_NO_MEMORY, CAUSE_UNAVAILABLE)                                                         \
    X(REASON_DRAINED, CAUSE_UNAVAILABLE)                                                           \
    X(REASON_KILLED, CAUSE_UNAVAILABLE)                                                            \
    X(REASON_NONE, CAUSE_UNEXPLAINED)                                                              \
    X(REASON_CLIENT_ABORTED, CAUSE_UNEXPLAINED)                                                    \
    X(REASON_PLAIN_HTTP, CAUSE_UNEXPLAINED)                                                        \
    X(REASON_PROTOCOL, CAUSE_UNEXPLAINED)                                                          \
    X(REASON_PROXY_HEADER_BAD, CAUSE_UNEXPLAINED)                                                  \
    X(REASON_PROXY_HEADER_TIMEOUT, CAUSE_UNEXPLAINED)                                              \
    X(REASON_RULE, CAUSE_UNEXPLAINED)                                                              \
    X(REASON_WHOAMI, CAUSE_UNEXPLAINED)                                                            \
    X(REASON_LIMIT_FAILED_HANDSHAKES, CAUSE_UNEXPLAINED)                                           \
    X(REASON_LIMIT_HALF_OPEN, CAUSE_UNEXPLAINED)                                                   \
    X(REASON_LIMIT_PROXY_HEADERS, CAUSE_UNEXPLAINED)                                               \
    X(REASON_COMPLETED, CAUSE_UNEXPLAINED)                                                         \
    X(REASON_CLIENT_CLOSED, CAUSE_UNEXPLAINED)                                                     \
    X(REASON_CLIENT_RESET, CAUSE_UNEXPLAINED)                                                      \
    X(REASON_CLIENT_TRUNCATED, CAUSE_UNEXPLAINED)                                                  \
    X(REASON_IDLE, CAUSE_UNEXPLAINED)                                                              \
    X(REASON_AGE, CAUSE_UNEXPLAINED)                                                               \
    X(REASON_REFUSED, CAUSE_UNEXPLAINED)                                                           \
    X(REASON_INNER_PLAIN, CAUSE_UNEXPLAINED)                                                       \
    X(REASON_INNER_MISMATCH, CAUSE_UNEXPLAINED)                                                    \
    X(REASON_INNER_NOT_TLS, CAUSE_UNEXPLAINED)                                                     \
    X(REASON_INNER_NO_NAME, CAUSE_UNEXPLAINED)                                                     \
    X(REASON_INNER_ECH, CAUSE_UNEXPLAINED)                                                         \
    X(REASON_INNER_TOO_LARGE, CAUSE_UNEXPLAINED)                                                   \
    X(REASON_INNER_TIMEOUT, CAUSE_UNEXPLAINED)                                                     \
    X(REASON_H2_FLOOD, CAUSE_UNEXPLAINED)

// is_word tells whether the first of the words in `detail` is this one.
static bool is_word(struct slice detail, const char *word)
{
    const struct slice expected = slice_of_string(word);
    return slice_starts_with(detail, expected) &&
           (detail.len == expected.len || detail.data[expected.len] == ';');
}

// of_dns: a name that is known to have no address is the target's matter, a server that says nothing sensible is the proxy's.
static enum cause of_dns(struct slice detail)
{
    const bool is_known = is_word(detail, resolve_result_name(RESOLVE_NOT_FOUND)) ||
                          is_word(detail, resolve_result_name(RESOLVE_NO_DATA));
    return is_known ? CAUSE_TARGET_NOT_FOUND : CAUSE_PROXY_DNS_FAILED;
}

// of_dial: it may be the proxy that could not even begin.
static enum cause of_dial(struct slice detail)
{
    if (is_word(detail, dial_result_name(DIAL_NO_RESOURCES)))
        return CAUSE_UNAVAILABLE;
    return is_word(detail, dial_result_name(DIAL_NO_SOURCE)) ? CAUSE_NO_EGRESS
                                                             : CAUSE_TARGET_FAILED;
}

enum cause cause_of_answer(enum reason reason, struct slice detail)
{
    if (reason == REASON_DNS_FAILED)
        return of_dns(detail);
    if (reason == REASON_CONNECT_FAILED)
        return of_dial(detail);
    switch (reason) {
#define X(reason, cause)                                                                           \
    case reason:                                                                                   \
        return cause;
        ANSWER_TABLE(X)
#undef X
    case REASON_COUNT:
        break;
    }
    return CAUSE_UNEXPLAINED;
}
