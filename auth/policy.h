// policy: who may go where, from where, and why. The heart: pure code over immutable rules.
//
// Built once by the config loader, read by every worker. A request is decided in two steps, the
// target before DNS, then every address that came out of it; an address written as the target goes
// straight to the second step. Only what the second step admits may be dialled. The order, also for
// the reason given: source, client, always closed, global deny, client deny, allow.
#pragma once

#include "auth/base/arena.h"
#include "auth/host_set.h"
#include "auth/identity.h"
#include "auth/ip_set.h"
#include "auth/limits.h"
#include "auth/reason.h"
#include "auth/target.h"

enum policy_mode { POLICY_ENFORCE, POLICY_REPORT, POLICY_OPEN };

// policy_mode_name gives `enforce`, `report` or `open`.
const char *policy_mode_name(enum policy_mode mode);

struct port_range {
    uint16_t first; // 1-65535
    uint16_t last;  // >= first
};

// What stands under `hosts`, and under `addresses` or `sources`: sets, each of which may be shared
// with other rules. The arrays and sets are borrowed from the policy's arena.
struct host_sets {
    const struct host_set *const *items;
    size_t count;
};

struct ip_sets {
    const struct ip_set *const *items;
    size_t count;
};

struct client_index;
struct rule_index;

// rule is one entry of `allow` or `deny`. Left-out parts mean what docs/CONFIG.md says, differently
// for allow and deny; `has_hosts` and `has_addresses` keep "left out" and "empty" apart.
struct rule {
    const char *name; // `CLIENT.allow[0]`, `deny[1]` or its own; arena
    struct host_sets hosts;
    struct ip_sets addresses;
    const struct port_range *ports; // none: 443 for an allow, every port for a deny
    uint32_t port_count;
    bool has_hosts;
    bool has_addresses;
};

// match_entry is one entry of `match`; every part that is set must fit. With nothing set it fits
// nobody; `trust` alone fits whoever that profile has verified.
struct match_entry {
    const char *trust; // NULL: any profile
    const char *uri;   // byte-exact; a final `*` behind a `/` stands for one or more characters
    const char *dns;   // case ignored; `*.` stands for one or more labels
    const char *email; // case of the domain ignored
    const struct ip_addr *ip;
    const char *cn;             // byte-exact, subject with exactly one CN only
    struct slice subject;       // the bytes of a dn; data NULL: not set
    struct slice issuer;        // likewise
    const uint8_t *sha256;      // 32 bytes, of the certificate
    const uint8_t *spki_sha256; // 32 bytes, of its public key
    struct slice serial;        // big-endian without leading zeros; data NULL: not set
    bool any;                   // any verified certificate
    bool anonymous;             // no certificate at all
};

struct client {
    const char *name; // arena
    const struct match_entry *matches;
    size_t match_count;
    struct ip_sets sources;
    bool has_sources; // false: from anywhere
    enum policy_mode mode;
    const struct rule *allow;
    size_t allow_count;
    const struct rule *deny;
    size_t deny_count;
    const struct rule_index *allow_index; // made by policy_seal; NULL: one by one
    const struct rule_index *deny_index;  // likewise
    struct client_limits limits;
    const struct ip_addr *egress; // ours, to dial from, in turns; none: the kernel chooses
    size_t egress_count;
};

enum { EGRESS_MAX_ADDRESSES = 16 };

// endpoint is an address and port on which the proxy itself listens.
struct endpoint {
    struct ip_addr address; // all zeros: every local address (for IPv6, of both families)
    uint16_t port;
};

struct policy {
    struct arena *arena; // owned; holds everything below
    const struct client *clients;
    size_t client_count;
    const struct client_index *client_index; // made by policy_seal; NULL: one by one
    const struct rule *deny;                 // for everybody
    size_t deny_count;
    const struct rule_index *deny_index; // likewise
    const struct endpoint *own;          // the proxy's own listeners; set once they are bound
    size_t own_count;
    struct nat64_list nat64; // `resolver.nat64`; in the arena
};

enum action { ACTION_ALLOW, ACTION_DENY, ACTION_ERROR };

// action_name gives `allow`, `deny` or `error`.
const char *action_name(enum action action);

// decision is the verdict with its reason.
struct decision {
    enum action action;
    enum reason reason;
    const char *rule;      // the rule that decided, borrowed from the policy; NULL when none did
    enum policy_mode mode; // of the client; POLICY_ENFORCE without one
    bool would_deny;       // allowed only because the mode is `report`
};

// policy_find_client gives the first client in file order that fits `identity` (NULL: a client
// without certificate), or NULL.
const struct client *policy_find_client(const struct policy *policy,
                                        const struct identity *identity);

// The parts of an entry, the first of which that does not fit is the answer of match_entry_misfit.
#define ENTRY_PART_TABLE(X)                                                                        \
    X(ENTRY_FITS, "fits")                                                                          \
    X(ENTRY_EMPTY, "empty")             /* an entry that says nothing fits nobody */               \
    X(ENTRY_ANONYMOUS, "anonymous")     /* it is for clients without certificate */                \
    X(ENTRY_CERTIFICATE, "certificate") /* there is no certificate */                              \
    X(ENTRY_UNVERIFIED, "unverified")   /* the certificate was verified by nobody */               \
    X(ENTRY_TRUST, "trust")                                                                        \
    X(ENTRY_CN, "cn")                                                                              \
    X(ENTRY_SUBJECT, "subject")                                                                    \
    X(ENTRY_ISSUER, "issuer")                                                                      \
    X(ENTRY_SERIAL, "serial")                                                                      \
    X(ENTRY_SHA256, "sha256")                                                                      \
    X(ENTRY_SPKI_SHA256, "spki_sha256")                                                            \
    X(ENTRY_URI, "uri")                                                                            \
    X(ENTRY_DNS, "dns")                                                                            \
    X(ENTRY_EMAIL, "email")                                                                        \
    X(ENTRY_IP, "ip")

enum entry_part {
#define X(symbol, name) symbol,
    ENTRY_PART_TABLE(X)
#undef X
};

// entry_part_name gives the stable name of the part, the key in `match` where it is one.
const char *entry_part_name(enum entry_part part);

// match_entry_misfit gives the first part of this one entry that does not fit `identity` (NULL: no
// certificate), or ENTRY_FITS. match_entry_fits tells whether it is that.
enum entry_part match_entry_misfit(const struct match_entry *entry,
                                   const struct identity *identity);
bool match_entry_fits(const struct match_entry *entry, const struct identity *identity);

// Why a rule does not speak about a target.
#define RULE_PART_TABLE(X)                                                                         \
    X(RULE_FITS, "fits")                                                                           \
    X(RULE_PORTS, "ports")                 /* another port */                                      \
    X(RULE_HOSTS, "hosts")                 /* another name */                                      \
    X(RULE_FOR_NAMES, "for_names")         /* it has `hosts`, the target is an address */          \
    X(RULE_FOR_ADDRESSES, "for_addresses") /* an allow without `hosts`, the target is a name */    \
    X(RULE_NEEDS_ADDRESS, "needs_address") /* a denial that waits for what DNS says */

enum rule_part {
#define X(symbol, name) symbol,
    RULE_PART_TABLE(X)
#undef X
};

// rule_part_name gives the stable name.
const char *rule_part_name(enum rule_part part);

// policy_decide_target decides what can be decided before DNS: source, client, denials by name and
// port, and whether any allow could apply. `client` may be NULL (no_client). `source` is canonical.
// With ACTION_ALLOW (and REASON_NONE) the addresses still have to be judged by
// policy_decide_addresses, which alone gives leave to dial. A target written as an address passes
// once client and source are right: what is always closed comes before the rules. `*out` is fully
// written; its strings are borrowed from the policy.
void policy_decide_target(const struct policy *policy, const struct client *client,
                          const struct ip_addr *source, const struct target *target,
                          struct decision *out);

// policy_is_own_port tells whether one of the proxy's listeners that are bound to every local
// address has this port, so that the caller has to find out which candidates are local.
bool policy_is_own_port(const struct policy *policy, uint16_t port);

// candidate is an address that the target has: written in the request, or answered by DNS.
struct candidate {
    struct ip_addr address;
    bool is_local;      // in: is an address of this machine (needed only where policy_is_own_port)
    bool is_admitted;   // out: may be dialled
    const char *rule;   // out: the rule that admitted or denied it; NULL when none did
    enum reason reason; // out: REASON_RULE, or why not; REASON_NO_RULE when only the mode admits it
};

// policy_decide_addresses judges every candidate of a target that policy_decide_target let pass,
// with the same arguments, and writes the verdict for the request: allow when one is admitted
// (`rule`: of the first admitted), else the reason that comes first in the order above. In modes
// report and open, ordinary addresses without a rule are admitted only when no candidate is
// admitted by a rule. An address with IPv4 inside is admitted by a rule that admits every form of
// it, and denied by one that denies any. `count` 0 is denied with REASON_DNS_FAILED, ACTION_ERROR.
// What policy_decide_target denies is denied here again, so that a forgotten first step opens
// nothing.
void policy_decide_addresses(const struct policy *policy, const struct client *client,
                             const struct ip_addr *source, const struct target *target,
                             struct candidate *candidates, size_t count, struct decision *out);

// policy_create makes an empty policy with an arena to build in; NULL without memory.
struct policy *policy_create(void) MUST_USE;

// policy_seal makes the indexes by which clients and rules are found without looking at the others,
// once everything is in its place. They change no answer. ERR_MEMORY.
enum err policy_seal(struct policy *policy) MUST_USE;

// policy_destroy frees the policy and everything in its arena. NULL is allowed.
void policy_destroy(struct policy *policy);
