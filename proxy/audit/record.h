// audit_record: one line of the audit log: JSON text with its memory, made before it is needed.
//
// Formatting writes into memory that was allocated earlier, so that recording cannot fail when it
// matters. What comes from a client is escaped and capped. The shape of each event is the contract of
// docs/AUDIT.md.
#pragma once

#include "auth/authorization.h"
#include "auth/inner.h"
#include "auth/policy.h"
#include "proxy/chain/merkle.h"

enum audit_kind {
    AUDIT_KIND_OTHER,
    AUDIT_KIND_DECISION,
    AUDIT_KIND_REFUSAL,
    AUDIT_KIND_REQUESTS,
    AUDIT_KIND_ADMIN,
    AUDIT_KIND_COUNT,
};

// audit_record is a line under construction or on its way to the writer. Fields private to
// proxy/audit, but for tests, which read `data`.
struct audit_record {
    struct audit_record *next; // while queued
    uint32_t cap;              // bytes of data
    uint32_t len;              // bytes of text in data, with the final line break
    enum audit_kind kind;      // which bound it counts against; set when it is queued
    void *holder;              // who is told when it is written, or NULL; see audit_log_options
    char data[];
};

enum {
    AUDIT_CLOSE_CAP = 393,           // bytes of the longest `close`, with the NUL
    AUDIT_LOST_CAP = 128,            // for a `records_lost`
    AUDIT_PARENT_CAP = 416,          // more, of one that went through a parent
    AUDIT_DETAIL_CAP = 112,          // more, of a `close` with a detail
    AUDIT_DETAIL_MAX = 96,           // bytes of a detail in a `decision` or `close`
    AUDIT_DECISION_EXTRA_CAP = 4930, // for a `decision`, beside the client's part
    AUDIT_MAX_ADDRESSES = 32,        // of a `decision`; further ones are not written
    AUDIT_ALIASES_MAX = 512,
    AUDIT_PRESENTED_MAX = 8192, // bytes of a certificate's own claims
    AUDIT_VIA_CLIENT_EXTRA =
        32, // more bytes of a `decision` with `via_client_json`, or with `presented`
};

// audit_record_create makes room for a text of `cap` bytes; NULL when there is no memory.
struct audit_record *audit_record_create(size_t cap) MUST_USE;

// audit_record_shrink gives a record with room for `cap` bytes, no more than before, in place of `record`, which has no
// text yet. It cannot fail: without memory the record stays as it is.
struct audit_record *audit_record_shrink(struct audit_record *record, size_t cap) MUST_USE;

// audit_record_destroy frees one that was not submitted. NULL is allowed.
void audit_record_destroy(struct audit_record *record);

// Who is at the other end: the part that all requests of a session share.
struct audit_client {
    struct ip_addr address;
    uint16_t port;
    struct ip_addr via;  // of the balancer that passes the connection on; IP_NONE: there is none
    bool is_unannounced; // the balancer has not said whose it is
    const char *name;    // of the account, or NULL
    const char *entry;   // template that the account's name comes from, or NULL
    const char *trust;   // profile, or NULL
    const struct identity *identity; // or NULL
    const char *ocsp;                // `good`, `unanswered`, or NULL: nobody is asked about it
    struct slice extensions;         // the OIDs that are recorded, a set (auth/extension.h)
};

// audit_client_format appends the object of `client`.
void audit_client_format(const struct audit_client *client, struct text *out);

// What the authorizer has said.
struct audit_consent {
    enum authorizer_answer answer;
    enum authorizer_origin origin;
    int64_t took_ms; // milliseconds
    int64_t ttl_s;   // of a yes: for how many seconds it holds
    const char *why; // where there is no usable answer: a few words
};

struct audit_decision {
    int64_t now_ms; // Unix milliseconds
    const char *id;
    const char *listener;
    const char *session; // id of the connection; the requests on it share it
    bool is_http2;
    uint32_t stream;          // of HTTP/2; 0: none
    struct slice client_json; // as made by audit_client_format
    // likewise, of the proxy that has passed on the client's certificate; empty: it is connected itself
    struct slice via_client_json;
    const struct identity
        *presented; // what a certificate claims that was passed on and refused, or NULL
    bool
        is_passed_on; // the request is somebody else's than `client`, and was refused before that could be said
    const char *tls_version;
    const char *tls_cipher;
    const char *tls_group;       // of the key exchange; NULL: none of those that can be named
    bool is_resumed;             // the handshake resumed a session
    struct slice method;         // empty where unreadable
    const struct target *target; // or NULL where unreadable, or where a tunnel has named none
    const struct target
        *asked; // NULL, or of a CONNECT that is routed by name: the address that it asked for
    const struct decision *decision;
    const struct candidate *judged; // the addresses; NULL where it did not come to them
    size_t judged_count;
    // names one after the other, each with a NUL; AUDIT_ALIASES_MAX bytes at most
    struct slice aliases;
    const char *detail;                  // a few words about the reason; NULL: none
    const struct via *via;               // NULL: to the target itself
    const struct audit_consent *consent; // NULL: the authorizer was not asked
    const char *config;                  // id of the snapshot
};

// audit_decision_format fills a record of at least AUDIT_DECISION_EXTRA_CAP + client_json.len bytes; with `via_client_json` of
// its length and AUDIT_VIA_CLIENT_EXTRA more, with `presented` of AUDIT_PRESENTED_MAX and AUDIT_VIA_CLIENT_EXTRA more.
void audit_decision_format(const struct audit_decision *decision, struct audit_record *out);

struct audit_close {
    int64_t now_ms; // Unix milliseconds
    const char *id;
    const struct ip_addr *upstream; // NULL where nothing was dialled
    uint16_t upstream_port;
    uint32_t attempts;
    uint16_t status; // 0: no answer was sent
    uint64_t bytes_up;
    uint64_t bytes_down;
    int64_t resolve_ms;
    int64_t connect_ms;
    int64_t total_ms;
    enum reason reason;
    const char *detail;             // a few words about it; NULL: none
    const struct inner_seen *inner; // NULL: nobody looked inside
    const struct target *target;    // what was asked for; with `inner`
    enum reason would_end;          // with `inner`; in mode `report`: for what it would have ended
    const char *parent;             // name of the one that it went through, or NULL
    const struct target *proxy;     // of the parent; NULL: none was tried
    uint16_t answered;              // status with which the parent has refused; 0: it has not
    bool is_proxy_http2;
};

// audit_close_format fills a record of at least AUDIT_CLOSE_CAP bytes, with `inner` of INNER_JSON_CAP more, and with `parent`
// of AUDIT_PARENT_CAP more, with `detail` of AUDIT_DETAIL_CAP more.
void audit_close_format(const struct audit_close *close, struct audit_record *out);

struct audit_refusal {
    int64_t now_ms; // Unix milliseconds
    const char *id;
    const char *listener;
    struct ip_addr address;
    uint16_t port;
    struct ip_addr via;      // as in audit_client
    bool is_unannounced;     // likewise
    const char *tls_version; // or NULL
    enum reason reason;
    const char *detail; // a sentence, or ""
    const char *code;   // TLS's own word for it, or NULL
    uint32_t count;
    const struct identity *presented; // what the certificate claims, or NULL
};

// audit_refusal_create makes a `handshake_refused` record. NULL when there is no memory.
struct audit_record *audit_refusal_create(const struct audit_refusal *refusal) MUST_USE;

struct audit_requests {
    int64_t now_ms;     // Unix milliseconds
    const char *client; // name, or NULL: no entry fits
    // where the last one came from; NULL: from more than there was room for
    const struct ip_addr *source;
    enum reason reason;
    uint32_t count;
};

// audit_requests_create makes a `requests_refused` record. NULL when there is no memory.
struct audit_record *audit_requests_create(const struct audit_requests *requests) MUST_USE;

struct audit_admin {
    int64_t now_ms;       // Unix milliseconds
    const char *command;  // or NULL where it could not be read
    const char *instance; // of the proxy where it was asked for; NULL: this one
    const char *order;    // by which it was told; NULL: none
    const char *argument; // or NULL
    uint32_t uid;
    int32_t pid;
    uint64_t count;     // 0: it is one. Otherwise it stands for so many, by whomsoever
    const char *result; // `ok`, `failed` or `refused`
    const char *detail; // a sentence, or ""
};

// audit_admin_create makes an `admin` record. NULL when there is no memory.
struct audit_record *audit_admin_create(const struct audit_admin *admin) MUST_USE;

// audit_checkpoint_create makes a `checkpoint` record: the signed note, and the subtrees of the tree, of which the note
// has the root. NULL when there is no memory.
struct audit_record *audit_checkpoint_create(int64_t now_ms, struct slice note,
                                             const struct merkle *tree) MUST_USE;

// audit_lost_format fills a record of AUDIT_LOST_CAP bytes that says how many others were lost.
void audit_lost_format(int64_t now_ms, uint64_t count, struct audit_record *out);

// audit_sink_lost_create makes a `sink_lost` record: a receiver beside the file did not get so many. NULL when there is no
// memory.
struct audit_record *audit_sink_lost_create(int64_t now_ms, const char *sink,
                                            uint64_t count) MUST_USE;
