// inner: may a tunnel go on with what its first flight says? The name inside TLS, against the target that was asked for.
//
// Pure: what was seen and what was asked for come in, a verdict goes out. An allowlist of names is worth what the tunnel
// really carries: another name in the TLS handshake, at a shared front, is another place.
#pragma once

#include "auth/client_hello.h"
#include "auth/policy.h"

// What the first bytes of the client are.
enum inner_kind {
    INNER_NOTHING,   // none came
    INNER_TLS,       // a ClientHello
    INNER_BAD_TLS,   // one that no server should take
    INNER_TOO_LARGE, // one over CLIENT_HELLO_MAX_LEN
    INNER_HTTP,      // a request in the clear
    INNER_OTHER,     // anything else: SSH, SMTP, a protocol of its own
};

// The words of the configuration, in the order of the enums of rules.h, with a NULL at the end.
extern const char *const inner_tls_words[];
extern const char *const inner_names_words[];
extern const char *const inner_ech_words[];
extern const char *const inner_plain_words[];

// inner_kind_name gives the stable name for records: `none`, `tls`, `bad_tls`, `too_large`, `http`, `other`.
const char *inner_kind_name(enum inner_kind kind);

// inner_seen is what was seen of a first flight.
struct inner_seen {
    enum inner_kind kind;
    bool has_host;                 // with INNER_HTTP: the request has exactly one good Host
    union {                        // a tunnel keeps it as long as it is open
        struct client_hello hello; // with INNER_TLS
        struct target host;        // with has_host; its port does not matter
    };
};

enum inner_step {
    INNER_PASS, // go on
    INNER_END,  // end the tunnel, for `reason`
    INNER_ASK_POLICY, // go on if the policy allows `name` at the port that was asked for and the address that was dialled
    INNER_ASK_DNS, // likewise, and only if `name` resolves to that address now
};

struct inner_verdict {
    enum inner_step step;
    enum reason
        reason; // with INNER_END; otherwise of a tunnel that ends when the question is answered with no
    const struct hostname *name; // with INNER_ASK_*: borrowed from what was seen
};

enum { INNER_JSON_CAP = 768 }; // bytes that always suffice for inner_append_json

// inner_append_json adds the member "inner" of docs/AUDIT.md: what was seen, and whether it names what was asked for.
// `would_end`: for what the tunnel would have ended, had it not been only observed; REASON_NONE for nothing.
void inner_append_json(const struct inner_seen *seen, const struct target *asked,
                       enum reason would_end, struct text *out);

// inner_to_find_name gives the rules by which a client that is routed by name is asked for that name: those of its own
// `inner`, without `ech`, for which the rule that admits the name counts.
struct inner inner_to_find_name(const struct inner *inner);

// inner_of_named gives the rules for a tunnel to the name that was found inside it: `inner`, and at least that the name
// stays what it was.
struct inner inner_of_named(const struct inner *inner);

// inner_looks tells whether anything that a client says inside a tunnel is looked at.
bool inner_looks(const struct inner *inner);

// inner_holds_up tells whether the client's bytes wait until they are judged; inner_holds_down, whether the target's do,
// so that a protocol in which the target speaks first does not pass.
bool inner_holds_up(const struct inner *inner);
bool inner_holds_down(const struct inner *inner);

// inner_judge decides about a first flight. `asked` is the target of the request.
struct inner_verdict inner_judge(const struct inner *inner, const struct target *asked,
                                 const struct inner_seen *seen);

// inner_ruling is what comes of a first flight once the policy was asked about the name inside.
struct inner_ruling {
    enum inner_step
        step; // INNER_PASS; INNER_END; INNER_ASK_DNS: goes on if `name` resolves to the dialled address now
    enum reason reason; // with INNER_END, and with INNER_ASK_DNS if the name does not
    const struct hostname *
        name; // that the policy was asked about, borrowed from what was seen; NULL: it was not asked
    struct decision named; // with `name`: what it says
    bool asks;             // with `name`: its rule has `ask: true`, which ends it: INNER_END
};

// inner_rule decides about a first flight as the proxy does, for tools: `dialled` is a candidate that was admitted for
// `asked`, with its `inner`.
void inner_rule(const struct policy *policy, const struct client *client,
                const struct ip_addr *source, int64_t now_s, const struct target *asked,
                const struct candidate *dialled, const struct inner_seen *seen,
                struct inner_ruling *out);

enum { INNER_TEXT_CAP = 128 }; // bytes that always suffice for inner_format

// inner_format writes the rules as the configuration has them: `{tls: require, names: same, ...}`. NULL is `{tls: any}`.
// Words that do not count with the others are left out. inner_rules_append_json adds them as a JSON object with this name.
const char *inner_format(const struct inner *inner, char out[INNER_TEXT_CAP]);
void inner_rules_append_json(const struct inner *inner, const char *name, struct text *out);

// inner_judge_again decides about the hello that follows a HelloRetryRequest: it must name what the first one named
// (RFC 8446 4.1.2).
struct inner_verdict inner_judge_again(const struct inner *inner, const struct client_hello *first,
                                       const struct client_hello *second);
