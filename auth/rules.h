// rules: the policy of a configuration as values: clients, what fits them, and what they may reach.
//
// The config loader builds them once; then nothing changes and every worker reads them. Decides nothing: policy.h does.
#pragma once

#include "auth/base/arena.h"
#include "auth/host_set.h"
#include "auth/ip_set.h"
#include "auth/limits.h"
#include "auth/name_template.h"
#include "auth/schedule.h"

enum policy_mode { POLICY_ENFORCE, POLICY_REPORT, POLICY_OPEN };

enum inner_tls { INNER_ANY, INNER_OBSERVE, INNER_REQUIRE };
enum inner_names { INNER_SAME, INNER_LISTED, INNER_NAMES_ANY };
enum inner_plain { INNER_PLAIN_ALLOW, INNER_PLAIN_CHECK, INNER_PLAIN_DENY };

// inner is what stands under `inner`: what a tunnel may carry. Zeroed: anything, and nobody looks.
struct inner {
    enum inner_tls tls;
    enum inner_names
        names; // which server names, with INNER_REQUIRE; which Hosts, with INNER_PLAIN_CHECK
    enum inner_plain plain; // HTTP in the clear inside a tunnel
    bool denies_ech; // a hello with encrypted_client_hello ends the tunnel, with INNER_REQUIRE
    // of a client: the name inside is the target, in place of an address that was asked for; with INNER_REQUIRE and
    // INNER_SAME
    bool routes_by_name;
};

// port_range is what stands under `ports`.
struct port_range {
    uint16_t first; // 1-65535
    uint16_t last;  // >= first
};

// host_sets is what stands under `hosts`; ip_sets what stands under `addresses` or `sources`. A set may be shared with
// other rules. Arrays and sets are borrowed from the policy's arena.
struct host_sets {
    const struct host_set *const *items;
    size_t count;
};

struct ip_sets {
    const struct ip_set *const *items;
    size_t count;
};

enum {
    VIA_MAX = 4,
    PARENT_NAME_MAX = 32,
    VIA_TEXT_CAP = VIA_MAX * (PARENT_NAME_MAX + 2), // bytes of `paris, direct`, with the NUL
};

// via is what stands under `via`: which way a request takes, the first one that can be reached.
struct via {
    const char
        *parents[VIA_MAX]; // names of proxies, in order; NULL, only the last: to the target itself
    size_t count;          // at least 1
    bool by_name;          // the parents resolve names; then all of them do, and none is `direct`
};

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
    bool sends_proxy;                // of an allow: a PROXY header goes to the target first
    bool asks;                       // of an allow: the authorizer has to say yes, too
    const struct inner *inner;       // of an allow; NULL: the client's
    const struct via *via;           // of an allow; NULL: the client's
    const struct schedule *schedule; // of an allow: when it counts; NULL: always
};

enum extension_match_kind { EXTENSION_TEXT, EXTENSION_DER, EXTENSION_EQUALS, EXTENSION_JSON };

// extension_member is what EXTENSION_JSON asks of one member of a flat object (flat_json.h).
struct extension_member {
    struct slice name;
    bool is_any;                 // any text but the empty one; otherwise:
    struct name_template equals; // what it must be
};

// extension_match is what an entry asks of an extension.
struct extension_match {
    struct slice oid; // DER contents
    enum extension_match_kind kind;
    struct slice
        value; // the text, byte-exact or with a final `/*`; the bytes; or the text of `equals` or `json`
    struct name_template equals;            // of EXTENSION_EQUALS
    const struct extension_member *members; // of EXTENSION_JSON; arena
    size_t member_count;
    struct slice key; // length of the oid, oid, kind, value: equal only where all is
};

// match_entry is one entry of `match`; every part that is set must fit. With nothing set it fits
// nobody; `trust` alone fits everybody that this profile has verified.
struct match_entry {
    const char *trust; // NULL: any profile
    const char *uri;   // byte-exact; a final `*` after a `/` stands for one or more characters
    const char *dns;   // case ignored; `*.` stands for one or more labels
    const char *email; // case of the domain ignored
    const struct ip_addr *ip;
    const char *cn;             // byte-exact, subject with exactly one CN only
    const char *ou;             // byte-exact, any OU of the subject
    const char *o;              // byte-exact, subject with exactly one O only
    struct slice subject;       // the bytes of a dn; data NULL: not set
    struct slice issuer;        // likewise
    const uint8_t *sha256;      // 32 bytes, of the certificate
    const uint8_t *spki_sha256; // 32 bytes, of its public key
    struct slice serial;        // big-endian without leading zeros; data NULL: not set
    const struct extension_match *extension;
    struct slice policies; // OIDs, a set (extension.h), any of which may fit; data NULL: not set
    struct slice qc;       // likewise
    bool any;              // any verified certificate
    bool anonymous;        // no certificate at all
    // of an included file: when it came into force, a number that rises; 0: of the main file, which comes before all others
    uint64_t since;
    uint32_t line; // where it stands in its file; 0: in none
    uint32_t column;
};

struct name_template;

enum {
    CLIENT_NAME_MAX =
        64, // bytes of a client's name as it is written: a template may be longer than what it gives
    ACCOUNTS_DEFAULT = 1000, // accounts of a client that is named from certificates
    ACCOUNTS_MAX = 100000,
};

// client_file is the file in which clients stand.
struct client_file {
    const char *name;        // arena; as findings name it
    const struct rule *deny; // for its own clients: of an included file; none otherwise
    size_t deny_count;
};

// client is one entry of `clients`.
struct client {
    const char *name;               // arena; as it is written
    const struct client_file *file; // arena; NULL: none, in tests
    uint32_t line;                  // where it stands there
    // arena; the name is completed from the certificate: the client has many accounts (auth/account.h); NULL: one
    const struct name_template *name_template;
    uint32_t accounts; // with a template: how many there may be at a time
    const struct match_entry *matches;
    size_t match_count;
    struct ip_sets sources;
    bool has_sources; // false: from anywhere
    enum policy_mode mode;
    const struct rule *allow;
    size_t allow_count;
    const struct rule *deny;
    size_t deny_count;
    bool sends_proxy;                // some rule of `allow` does
    bool asks;                       // likewise
    bool has_names;                  // its way, or that of some rule of `allow`, is by name
    const struct schedule *schedule; // when it may ask for anything; NULL: always
    bool has_times;                  // it, or some rule of `allow`, has a schedule
    struct client_limits limits;
    const struct inner *inner;    // NULL: its tunnels may carry anything
    const struct via *via;        // NULL: to the target itself
    const struct ip_addr *egress; // ours, to dial from, in turns; none: the kernel chooses
    size_t egress_count;
    const char
        *speaks_for; // profile that judges the certificates that it passes on; NULL: for nobody
};

enum { EGRESS_MAX_ADDRESSES = 16 };

// endpoint is an address and port on which the proxy itself listens.
struct endpoint {
    struct ip_addr address; // all zeros: every local address (for IPv6, of both families)
    uint16_t port;
};

struct client_index;
struct account_index;

// policy is everything above, ready to be decided by.
struct policy {
    struct arena *arena; // holds the policy itself and everything below
    const struct client *clients;
    size_t client_count;
    const struct client_index *client_index;   // made by policy_seal; NULL: one by one
    const struct account_index *account_index; // likewise; NULL: no client has a template
    const struct rule *deny;                   // for everybody
    size_t deny_count;
    const struct endpoint *own; // the proxy's own listeners; set once they are bound
    size_t own_count;
    struct slice extensions; // the OIDs that its entries name, a set (extension.h); in the arena
    struct nat64_list nat64; // `resolver.nat64`; in the arena
};
