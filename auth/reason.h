// reason: why something was refused, allowed or ended. One enum with stable snake_case names: the
// same word in audit records, answers, logs, metrics and tests. Names are never changed or reused.
#pragma once

#define REASON_TABLE(X)                                                                            \
    X(REASON_NONE, "none")                                                                         \
    /* a handshake was refused */                                                                  \
    X(REASON_NO_CERTIFICATE, "no_certificate")                                                     \
    X(REASON_EXPIRED, "expired")                                                                   \
    X(REASON_NOT_YET_VALID, "not_yet_valid")                                                       \
    X(REASON_UNKNOWN_CA, "unknown_ca")                                                             \
    X(REASON_MISSING_INTERMEDIATE, "missing_intermediate")                                         \
    X(REASON_BAD_PURPOSE, "bad_purpose")                                                           \
    X(REASON_BAD_SIGNATURE, "bad_signature")                                                       \
    X(REASON_BAD_CERTIFICATE, "bad_certificate")                                                   \
    X(REASON_WEAK_KEY, "weak_key")                                                                 \
    X(REASON_TOO_LONG_LIVED, "too_long_lived")                                                     \
    X(REASON_CHAIN_TOO_LONG, "chain_too_long")                                                     \
    X(REASON_NAME_CONSTRAINT, "name_constraint")                                                   \
    X(REASON_WRONG_TRUST_DOMAIN, "wrong_trust_domain")                                             \
    X(REASON_DENIED_CERTIFICATE, "denied_certificate")                                             \
    X(REASON_REVOKED, "revoked")                                                                   \
    X(REASON_CRL_MISSING, "crl_missing")                                                           \
    X(REASON_CRL_EXPIRED, "crl_expired")                                                           \
    X(REASON_OCSP_UNKNOWN, "ocsp_unknown")                                                         \
    X(REASON_OCSP_UNAVAILABLE, "ocsp_unavailable")                                                 \
    X(REASON_BLOCKED, "blocked")                                                                   \
    X(REASON_WORK_LIMIT, "work_limit")                                                             \
    X(REASON_CLIENT_ABORTED, "client_aborted")                                                     \
    X(REASON_TIMEOUT, "timeout")                                                                   \
    X(REASON_PLAIN_HTTP, "plain_http")                                                             \
    X(REASON_PROTOCOL, "protocol")                                                                 \
    X(REASON_PROXY_HEADER_BAD, "proxy_header_bad")                                                 \
    X(REASON_PROXY_HEADER_TIMEOUT, "proxy_header_timeout")                                         \
    /* a request was decided */                                                                    \
    X(REASON_RULE, "rule")                                                                         \
    X(REASON_NO_CLIENT, "no_client")                                                               \
    X(REASON_BAD_ACCOUNT, "bad_account")                                                           \
    X(REASON_NOT_SPOKEN_FOR, "not_spoken_for")                                                     \
    X(REASON_SOURCE_NOT_ALLOWED, "source_not_allowed")                                             \
    X(REASON_NOT_VALID_NOW, "not_valid_now")                                                       \
    X(REASON_OUTSIDE_HOURS, "outside_hours")                                                       \
    X(REASON_NO_RULE, "no_rule")                                                                   \
    X(REASON_DENIED_BY_RULE, "denied_by_rule")                                                     \
    X(REASON_SPECIAL_RANGE, "special_range")                                                       \
    X(REASON_METADATA, "metadata")                                                                 \
    X(REASON_OWN_LISTENER, "own_listener")                                                         \
    X(REASON_BAD_REQUEST, "bad_request")                                                           \
    X(REASON_BAD_TARGET, "bad_target")                                                             \
    X(REASON_BAD_RESPONSE, "bad_response")                                                         \
    X(REASON_LOOP, "loop")                                                                         \
    X(REASON_NOT_FOUND, "not_found")                                                               \
    X(REASON_WHOAMI, "whoami")                                                                     \
    X(REASON_DNS_FAILED, "dns_failed")                                                             \
    X(REASON_EGRESS_UNAVAILABLE, "egress_unavailable")                                             \
    X(REASON_NOT_AUTHORIZED, "not_authorized")                                                     \
    X(REASON_AUTHORIZER_FAILED, "authorizer_failed")                                               \
    X(REASON_STORE_LOST, "store_lost")                                                             \
    X(REASON_AUDIT_FULL, "audit_full")                                                             \
    X(REASON_DRAINING, "draining")                                                                 \
    X(REASON_LIMIT_ACCOUNTS, "limit_accounts")                                                     \
    X(REASON_LIMIT_TUNNELS, "limit_tunnels")                                                       \
    X(REASON_LIMIT_NEW_TUNNELS, "limit_new_tunnels")                                               \
    X(REASON_LIMIT_REQUESTS, "limit_requests")                                                     \
    X(REASON_LIMIT_STREAMS, "limit_streams")                                                       \
    X(REASON_LIMIT_PROXY_TUNNELS, "limit_proxy_tunnels")                                           \
    X(REASON_LIMIT_QUESTIONS, "limit_questions")                                                   \
    X(REASON_LIMIT_SESSIONS, "limit_sessions")                                                     \
    X(REASON_LIMIT_MEMORY, "limit_memory")                                                         \
    X(REASON_LIMIT_FAILED_HANDSHAKES, "limit_failed_handshakes")                                   \
    X(REASON_LIMIT_HALF_OPEN, "limit_half_open")                                                   \
    X(REASON_LIMIT_PROXY_HEADERS, "limit_proxy_headers")                                           \
    X(REASON_NO_MEMORY, "no_memory")                                                               \
    /* an exchange ended */                                                                        \
    X(REASON_COMPLETED, "completed")                                                               \
    X(REASON_CLIENT_CLOSED, "client_closed")                                                       \
    X(REASON_UPSTREAM_CLOSED, "upstream_closed")                                                   \
    X(REASON_CLIENT_RESET, "client_reset")                                                         \
    X(REASON_UPSTREAM_RESET, "upstream_reset")                                                     \
    X(REASON_CLIENT_TRUNCATED, "client_truncated")                                                 \
    X(REASON_UPSTREAM_TRUNCATED, "upstream_truncated")                                             \
    X(REASON_IDLE, "idle")                                                                         \
    X(REASON_AGE, "age")                                                                           \
    X(REASON_POLICY_CHANGED, "policy_changed")                                                     \
    X(REASON_KILLED, "killed")                                                                     \
    X(REASON_DRAINED, "drained")                                                                   \
    X(REASON_REFUSED, "refused")                                                                   \
    X(REASON_CONNECT_FAILED, "connect_failed")                                                     \
    X(REASON_PARENT_UNREACHABLE, "parent_unreachable")                                             \
    X(REASON_PARENT_UNTRUSTED, "parent_untrusted")                                                 \
    X(REASON_PARENT_REFUSED, "parent_refused")                                                     \
    X(REASON_PARENT_BAD_ANSWER, "parent_bad_answer")                                               \
    X(REASON_IDENTITY_UNTOLD, "identity_untold")                                                   \
    X(REASON_INNER_PLAIN, "inner_plain")                                                           \
    X(REASON_INNER_MISMATCH, "inner_mismatch")                                                     \
    X(REASON_INNER_NOT_TLS, "inner_not_tls")                                                       \
    X(REASON_INNER_NO_NAME, "inner_no_name")                                                       \
    X(REASON_INNER_ECH, "inner_ech")                                                               \
    X(REASON_INNER_TOO_LARGE, "inner_too_large")                                                   \
    X(REASON_INNER_TIMEOUT, "inner_timeout")                                                       \
    X(REASON_H2_FLOOD, "h2_flood")

enum reason {
#define X(symbol, name) symbol,
    REASON_TABLE(X)
#undef X
        REASON_COUNT
};

// reason_name gives the stable name of `reason`; static memory.
const char *reason_name(enum reason reason);

// reason_of_end gives the word with which something that was allowed ends, where `reason` would refuse it now.
enum reason reason_of_end(enum reason reason);
