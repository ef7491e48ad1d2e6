// examination: the way from this machine through the proxy, step by step, as `sallyport doctor` walks it:
// what is well, what is not, whose matter that is and what to do.
//
// It goes on as far as it can, so that one visit tells as much as possible. Blocking; for commands only.
#pragma once

#include "proxy/sidecar/upstream.h"

#define EXAM_STEP_TABLE(X)                                                                         \
    X(EXAM_FILES, "files")                         /* certificate, key and CAs can be loaded */    \
    X(EXAM_OWN_CERTIFICATE, "own_certificate")     /* dates and purpose */                         \
    X(EXAM_NAME, "name")                           /* the proxy's name is resolved */              \
    X(EXAM_TCP, "tcp")                             /* somebody listens there */                    \
    X(EXAM_PROXY_CERTIFICATE, "proxy_certificate") /* chain, name and dates */                     \
    X(EXAM_HANDSHAKE, "handshake")                 /* TLS */                                       \
    X(EXAM_CA_LIST, "ca_list")                     /* would the CAs that it names accept us? */    \
    X(EXAM_ACCEPTED, "accepted")                   /* the proxy takes our certificate */           \
    X(EXAM_WHOAMI, "whoami")                       /* who we are to the proxy */                   \
    X(EXAM_CONNECT, "connect")                     /* a tunnel to the target */

enum exam_step {
#define X(symbol, name) symbol,
    EXAM_STEP_TABLE(X)
#undef X
        EXAM_STEP_COUNT
};

enum exam_outcome { EXAM_SKIPPED, EXAM_OK, EXAM_WARNING, EXAM_FAILED };

enum { EXAM_DETAIL_CAP = 640, EXAM_WHOAMI_CAP = 16 * 1024 };

struct exam_finding {
    enum exam_outcome outcome;
    enum cause cause;             // with EXAM_FAILED
    char detail[EXAM_DETAIL_CAP]; // one line for a person; no control bytes
};

struct examination {
    struct exam_finding steps[EXAM_STEP_COUNT];
    enum cause cause;             // of the first step that has failed
    char whoami[EXAM_WHOAMI_CAP]; // the proxy's JSON, or ""
};

struct exam_plan {
    struct target proxy;
    struct credential_paths paths;
    struct pins pins;
    const struct dns_server *servers; // borrowed; of DNS; DNS_MAX_SERVERS at most
    size_t server_count;              // 0: the system's
    const struct target *to;          // NULL: no tunnel is tried
};

// exam_step_name and exam_outcome_name give stable words; static memory.
const char *exam_step_name(enum exam_step step);
const char *exam_outcome_name(enum exam_outcome outcome);

// examination_run walks the way. ERR_MEMORY, or ERR_SYSTEM where this machine does not let it begin.
enum err examination_run(const struct exam_plan *plan, struct examination *out) MUST_USE;
