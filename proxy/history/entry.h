// entry: one line of an audit log, read back for `audit` and `explain`. The proxy itself never reads its log.
//
// A log may come from anywhere: every member is checked before it is used, and a line that docs/AUDIT.md does not
// allow is refused with the reason.
#pragma once

#include <jansson.h>

#include "auth/audit_event.h"
#include "auth/inner.h"

enum { HISTORY_LINE_MAX = 64 * 1024, HISTORY_MAX_ADDRESSES = 32 };

// history_entry is one record. Everything in it is borrowed from `root`.
struct history_entry {
    json_t *root; // owned
    enum audit_event event;
    bool has_id;
    uint64_t id;
};

// history_entry_read reads one line, without its line break. ERR_INPUT with the sentence in `info` when it is
// no record; ERR_EOF when it is the beginning of one, as a kill or a power cut leaves it; ERR_LIMIT when it is
// longer than HISTORY_LINE_MAX. `*out` is zeroed then.
enum err history_entry_read(struct slice line, struct history_entry *out,
                            struct errinfo *info) MUST_USE;

// history_text gives the string that is a member of an object. NULL when there is none, and when it contains a NUL: no
// reader takes it for the shorter word. Names in a certificate may contain one; what reads them keeps their lengths.
const char *history_text(const json_t *object, const char *name);

// history_id_parse reads an id as the log has it: 16 digits in lower case.
bool history_id_parse(const char *text, uint64_t *out);

// history_entry_deinit frees it; a zeroed one is allowed.
void history_entry_deinit(struct history_entry *entry);

// history_party is somebody with a certificate: who asked, or the proxy that asked for somebody.
struct history_party {
    const char *name; // of the account, or NULL: no entry fitted
    const char
        *entry; // the client's name in the configuration, where certificates complete it, or NULL
    struct identity *identity; // owned; NULL: no certificate was shown
    uint8_t extension_oids
        [16 * (1 + DN_OID_MAX_LEN)]; // those that the record speaks of, a set (auth/extension.h)
    size_t extension_oids_len;
    bool is_whole; // false: a name of the certificate was too long for the record
};

// history_decision is what a `decision` says: who asked for what, and what came of it. The strings and the text
// after them are borrowed from the entry.
struct history_decision {
    int64_t now_s; // Unix time of the record, by which it was judged
    struct history_party client;
    bool has_edge; // `edge` is connected, and has passed the client's certificate on
    struct history_party edge;
    bool
        is_passed_on; // the request was not that of `client`, which is connected, but of somebody that is not named
    struct ip_addr source; // IP_NONE: a balancer had not said it
    bool is_tunnel;        // asked for with CONNECT
    bool has_target;
    struct target target; // that was judged
    bool has_asked; // of a tunnel that is routed by name: `asked` is the address in the CONNECT
    struct target asked;
    enum action action;
    const char *reason;
    const char *rule; // or NULL
    bool would_deny;
    bool was_put;           // to the authorizer: its rule asks
    char via[VIA_TEXT_CAP]; // the way, as via_format writes it
    size_t judged_count;    // addresses; 0: it did not come to them
    struct candidate judged[HISTORY_MAX_ADDRESSES];
};

// history_decision_read takes the parts out of an entry that is an AUDIT_EVENT_DECISION. ERR_INPUT with the
// sentence in `info` when a member is missing or is not what it should be; ERR_MEMORY. The caller ends it
// with history_decision_deinit either way.
enum err history_decision_read(const struct history_entry *entry, struct history_decision *out,
                               struct errinfo *info) MUST_USE;

// history_decision_is_whole tells whether all names of the certificates are in the record, and history_decision_knows whether
// it says which of these extensions (a set of OIDs) they have.
bool history_decision_is_whole(const struct history_decision *decision);
bool history_decision_knows(const struct history_decision *decision, struct slice oids);

// history_decision_deinit frees what it owns.
void history_decision_deinit(struct history_decision *decision);

// history_close is what a `close` says: how a request or tunnel ended, and what the tunnel carried. Borrowed from the entry.
struct history_close {
    const char *
        ended; // the inner_* reason for which the tunnel ended; NULL: it did not end for what it carried
    bool has_upstream;
    struct ip_addr upstream;
    bool has_answer; // bytes went down to the client
    bool
        has_timed_out; // the first flight did not come in time, or would not have in mode `enforce`
    bool has_inner;    // false: nobody looked, or what is written is not what a proxy writes
    bool matches;      // the name in `inner` is the host that was asked for
    struct inner_seen inner;
};

// history_close_read takes the parts out of an entry that is an AUDIT_EVENT_CLOSE. What is missing, or is not what it
// should be, counts as not there.
void history_close_read(const struct history_entry *entry, struct history_close *out);

// history_close_upstream gives the address that an AUDIT_EVENT_CLOSE says was connected to; false when there is none.
bool history_close_upstream(const struct history_entry *entry, struct ip_addr *out);
