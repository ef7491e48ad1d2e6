// snapshot: one complete, valid configuration with everything that it names: policy, trust profiles,
// TLS contexts, timeouts. Immutable after the listeners are bound, counted by reference, shared by
// all threads.
//
// A value: proxy/config/loader makes it from a file, proxy/config/taking revises it.
#pragma once

#include <stdatomic.h>

#include "auth/blocklist.h"
#include "auth/policy.h"
#include "auth/trust.h"
#include "proxy/outlet/outlet_settings.h"
#include "proxy/chain/chain_settings.h"
#include "proxy/config/admin_settings.h"
#include "proxy/config/authorizer_settings.h"
#include "proxy/config/diagnostics.h"
#include "proxy/config/included_parts.h"
#include "proxy/config/parent_config.h"
#include "proxy/config/process_settings.h"
#include "proxy/config/shared_settings.h"
#include "proxy/http2/http2_options.h"
#include "proxy/log/log_options.h"
#include "proxy/net/resolver_options.h"
#include "proxy/tls/context.h"
#include "proxy/tls/ticket_keys.h"

enum { NAME_MAX_LEN = 32 };

// What a listener tells its clients of the CAs that it trusts: `client_ca_names`.
enum ca_names {
    CA_NAMES_AUTO, // their names, unless there are many
    CA_NAMES_SEND,
    CA_NAMES_NONE,
};

// site is what a client gets that asks a listener for one of these names, with what it inherits from the listener.
struct site {
    const struct host_pattern *names; // snapshot's arena; exact, or `*.` and a name
    size_t name_count;
    struct tls_context *tls;   // ref
    const struct trust *trust; // borrowed from the snapshot's profiles
    const char *chain_path;    // of the first certificate; for messages
    const char *trust_name;    // name of the profile
    bool is_inherited;         // the certificates are the listener's own
};

// What a worker needs of one entry of `listeners`.
// proxy_protocol says from whom a PROXY header must come first.
struct proxy_protocol {
    const struct ip_set *from; // snapshot's arena; NULL: from nobody
    int64_t wait_ms;           // for the whole header
};

struct listener_config {
    const char *name;        // snapshot's arena
    struct endpoint address; // port 0: any free one
    struct site *sites; // snapshot's arena; the first is the listener's own, the others are `sni`
    size_t site_count;
    struct http2_options http2;
    struct proxy_protocol proxy_protocol;
    uint32_t max_chain; // bytes of certificates that a client may show
    enum ca_names ca_names;
    bool refuses_in_http;         // a bad certificate, or none, is answered 403 and not by alert
    bool is_certificate_optional; // a client that shows none is anonymous
};

struct timeouts {
    int64_t handshake_ms;
    int64_t request_ms;   // a whole request head
    int64_t keepalive_ms; // between requests
    int64_t resolve_ms;
    int64_t attempt_ms;     // one connect attempt
    int64_t connect_ms;     // all attempts
    int64_t idle_ms;        // a tunnel without a byte either way
    int64_t body_ms;        // over which a request's body must come at a certain rate
    int64_t half_closed_ms; // a tunnel with one direction ended, without a byte
    int64_t linger_ms;      // after a refusal, for its reader
    int64_t drain_ms;       // live tunnels at SIGTERM
    int64_t inner_ms;       // the first flight in a tunnel that waits for it
};

// tickets is what the listeners say of the process's ticket keys.
struct tickets {
    struct ticket_settings settings;
    const char *path; // of the shared keys; NULL: they are random
    bool is_set;      // a listener says something
};

enum audit_on_full { AUDIT_REFUSE, AUDIT_DROP };

// snapshot_file is a file, or folder, that the configuration names and that was read for this snapshot.
struct snapshot_file {
    const char *path;           // snapshot's arena
    uint8_t sha256[32];         // of what was read; all zeros for a folder
    bool is_apart;              // it is the business of the process that holds the private keys
    bool has_key;               // of one that is apart: there is a private key in it
    struct snapshot_file *next; // read before this one; snapshot's arena
};

// crl_source_entry is one server of a profile's `crl`.
struct crl_source_entry {
    const struct crl_source *source; // snapshot's arena
    struct server_trust *tls;        // ref; of https:// URLs; NULL: it has none
    struct crl_source_entry *next;   // snapshot's arena
};

// It is large because it is one whole configuration, a field for each section.
struct snapshot {
    atomic_size_t refs;    // stays the first: the rest is copied by snapshot_revise
    struct snapshot *base; // ref; of a revision: the one that owns everything else. Otherwise NULL
    struct blocklist *blocks; // ref; NULL: nobody is blocked
    bool are_blocks_unknown;  // no request is allowed: who is blocked is yet to be heard
    struct taking *taking; // ref; of a revision, what is in the place of the base's parts, or NULL
    struct arena *arena;   // owned; holds the strings and arrays below
    char id[17];           // first 16 hex digits of a SHA-256: `config` in the audit
    uint64_t generation;   // given by main, rising
    struct slice source;   // the text of the configuration file; snapshot's arena
    struct snapshot_file *files;    // what it names, the last one first
    const char *path;               // of the file
    struct included_parts included; // snapshot's arena
    uint32_t workers;               // 1-256; `auto` already resolved to the cores usable
    int64_t busy_poll_us; // how long a worker looks before it sleeps; 0: it sleeps at once
    struct listener_config *listeners;
    size_t listener_count;
    struct tickets tickets;
    struct trust **trusts; // owned
    size_t trust_count;
    struct crl_source_entry *crl_sources; // NULL: no list is fetched
    struct policy *policy;                // owned
    struct parent_config *parents;        // snapshot's arena
    size_t parent_count;
    struct authorizer_settings
        *authorizer; // snapshot's arena; its `tls` is a ref; NULL: nobody is asked
    struct timeouts timeouts;
    struct resolver_options resolver; // its hosts and guards are refs
    struct proxy_limits limits;
    struct shared_settings *shared; // snapshot's arena; its `tls` is a ref; NULL: nothing is shared
    const char *audit_path;         // resolved against the file's folder; "-": stdout
    enum audit_on_full audit_on_full;
    const struct outlet_settings *audit_outlets; // snapshot's arena; each `tls` is a ref
    size_t audit_outlet_count;
    struct chain_settings *audit_chain; // owned; NULL: no chain
    struct log_options log;
    struct process_settings process;
    const char *control_path;     // of the control socket; NULL: there is none
    const char *state_path;       // where blocks are kept; set with control_path
    struct admin_settings *admin; // NULL: metrics and health cannot be asked for
};

// denials is the policy of a snapshot with further `deny` rules; several takings may share it.
struct denials {
    atomic_size_t refs;
    struct policy *policy;         // owned; borrows from that of the snapshot that it was read for
    const struct kept_list *lists; // in the policy's arena; what it was read from
};

// denials_ref takes another reference and returns its argument, denials_unref gives one back; the last
// one frees. NULL is allowed for both. Any thread.
struct denials *denials_ref(struct denials *denials);
void denials_unref(struct denials *denials);

// taking is what takes trust away from a snapshot: what a revision has in the place of its base's parts.
struct taking {
    atomic_size_t refs;
    struct arena *arena;         // owned
    uint8_t source[32];          // SHA-256 of the text that was refused
    struct snapshot_file *files; // arena; what was read
    struct trust **trusts;       // owned, in the arena
    size_t trust_count;
    struct listener_config *listeners; // arena
    struct denials *denials;           // ref; NULL: the policy stays what it is
    bool is_early;                     // the same files may give more at another time
    bool takes_more;                   // something is not accepted that was before it
};

// taking_ref takes another reference and returns its argument, taking_unref gives one back; the last
// one frees. NULL is allowed for both. Any thread.
struct taking *taking_ref(struct taking *taking);
void taking_unref(struct taking *taking);

// snapshot_create makes an empty snapshot with one reference and an empty policy; NULL without memory.
struct snapshot *snapshot_create(void) MUST_USE;

// snapshot_find_trust returns the profile of that name, or NULL.
const struct trust *snapshot_find_trust(const struct snapshot *snapshot, const char *name);

// snapshot_find_parent returns the parent of that name, or NULL.
const struct parent_config *snapshot_find_parent(const struct snapshot *snapshot, const char *name);

// snapshot_files_equal tells whether the same files with the same content were read, in the same order.
bool snapshot_files_equal(const struct snapshot_file *a, const struct snapshot_file *b);

// snapshot_has_same_files tells whether both were made from the same configuration and files that had the
// same content.
bool snapshot_has_same_files(const struct snapshot *a, const struct snapshot *b);

// snapshot_keep_seen has each profile know what that of the same name in `last` has seen of its clients: see trust_keep_seen.
void snapshot_keep_seen(struct snapshot *next, const struct snapshot *last);

// snapshot_may_follow tells whether `next` may come into force after `last`: ERR_INPUT with a sentence when a
// CRL of a trust profile is older, by date and number, than the one that it would replace.
enum err snapshot_may_follow(const struct snapshot *next, const struct snapshot *last,
                             struct errinfo *info) MUST_USE;

// snapshot_warn_of_lists warns of each CRL of `next` that has a later date and a lower number than the one in `last`
// that it replaces, and of each CA that had a list in `last` and has none in `next`, where its profile requires lists.
void snapshot_warn_of_lists(const struct snapshot *next, const struct snapshot *last,
                            struct diagnostics *diagnostics);

// snapshot_revise makes another snapshot of the same configuration with these blocks, and with what `taking` (NULL:
// nothing) takes away, which was read for `snapshot` or is its own; of both it takes a reference. It has no
// generation yet. ERR_MEMORY. Cheap: everything else is shared.
enum err snapshot_revise(struct snapshot *snapshot, struct blocklist *blocks, struct taking *taking,
                         struct snapshot **out) MUST_USE;

// snapshot_renew has a revision that nobody else has seen yet say what its base says by now, and know where the proxy listens,
// but for what it revises.
void snapshot_renew(struct snapshot *revision);

// snapshot_ref takes another reference and returns its argument. Any thread.
struct snapshot *snapshot_ref(struct snapshot *snapshot);

// snapshot_unref gives one back; the last one frees everything. NULL is allowed. Any thread.
void snapshot_unref(struct snapshot *snapshot);

// snapshot_find_listener returns what `like`, which may be of another snapshot, is here: the listener with its address, whatever
// that is called, or the one of its name, which has moved. NULL when there is neither.
const struct listener_config *snapshot_find_listener(const struct snapshot *snapshot,
                                                     const struct listener_config *like);

// listener_config_is_balancer tells whether this address (canonical) is in proxy_protocol.from: connections from it begin
// with a PROXY header.
bool listener_config_is_balancer(const struct listener_config *listener,
                                 const struct ip_addr *address);

// listener_config_find_site returns what belongs to the server name that a client asks for: the `sni`
// entry with exactly this name, else the one with the longest `*.` that fits, else (also without a name,
// NULL) the listener's own.
const struct site *listener_config_find_site(const struct listener_config *listener,
                                             const char *server_name);

// listener_config_is_same_place tells whether both, of two snapshots, want the same address, so that
// the second one keeps the first one's sockets. Any free port is the same by name only.
bool listener_config_is_same_place(const struct listener_config *a,
                                   const struct listener_config *b);

// snapshot_set_own_endpoints tells the policy where the proxy listens, ports known, so that no
// tunnel leads back into it. Called once, before any worker starts; `endpoints` are copied.
enum err snapshot_set_own_endpoints(struct snapshot *snapshot, const struct endpoint *endpoints,
                                    size_t count) MUST_USE;
