// fetch_outcome: how a question that the proxy itself has put to an HTTP server has ended. Values only.
#pragma once

#define FETCH_OUTCOME_TABLE(X)                                                                     \
    X(FETCH_OK, "ok")                     /* there is a whole answer, whatever its status */       \
    X(FETCH_DNS, "dns")                   /* the name has no address, or DNS does not say */       \
    X(FETCH_REFUSED, "refused")           /* nobody accepts the connection */                      \
    X(FETCH_TIMEOUT, "timeout")           /* no whole answer in time */                            \
    X(FETCH_TLS, "tls")                   /* what is there does not speak TLS, or ends it */       \
    X(FETCH_UNTRUSTED, "untrusted")       /* its certificate is not trusted */                     \
    X(FETCH_CLOSED, "closed")             /* the connection ended before the answer did */         \
    X(FETCH_MALFORMED, "malformed")       /* what came is no answer */                             \
    X(FETCH_TOO_LARGE, "too_large")       /* head or body is over its bound */                     \
    X(FETCH_TOO_MANY, "too_many")         /* not asked: so many questions are under way */         \
    X(FETCH_NO_RESOURCES, "no_resources") /* no memory or descriptor on our side */

enum fetch_outcome {
#define X(symbol, name) symbol,
    FETCH_OUTCOME_TABLE(X)
#undef X
};

// fetch_outcome_name gives a stable snake_case name; static memory.
const char *fetch_outcome_name(enum fetch_outcome outcome);
