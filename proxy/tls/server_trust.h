// server_trust: which servers a TLS client of ours believes, and the certificate that it shows them: receivers of the audit
// log, DNS servers, those whom `fetch` asks.
//
// Immutable and counted; any thread may hold it. Reads no files: PEM comes as bytes.
#pragma once

#include "auth/target.h"
#include "auth/trust.h"
#include "proxy/tls/tls_client.h"

struct server_trust;

struct server_trust_options {
    const struct target *
        server; // the one that it is for; its port does not matter; NULL: any, see server_trust_judge
    struct slice ca_pem;    // CAs whose servers are believed, each of them; borrowed for the call
    bool is_system;         // a bundle that others keep: what is no CA in it is left out
    struct slice chain_pem; // our certificate, then its intermediates; empty: none is shown
    struct tls_key key;     // its private key
    int64_t now_s;          // Unix seconds; CAs outside their validity do not count
};

// What is wrong with the options, when something is.
enum server_trust_part { SERVER_TRUST_CA, SERVER_TRUST_CERTIFICATE };

// server_trust_create makes one; the caller owns a reference. ERR_INPUT, ERR_LIMIT or ERR_MEMORY with the sentence in
// `info`, which names no file, and with whose fault it is in `*out_part`, which may be NULL.
enum err server_trust_create(const struct server_trust_options *options, struct server_trust **out,
                             enum server_trust_part *out_part, struct errinfo *info) MUST_USE;

// server_trust_of makes one for `server` of a finished profile for servers, which is taken over, also on failure. No
// certificate is shown. NULL without memory.
struct server_trust *server_trust_of(struct trust *profile, const struct target *server) MUST_USE;

// server_trust_ref takes another reference and returns its argument, server_trust_unref gives one back; the last one frees.
// NULL is allowed for both.
struct server_trust *server_trust_ref(struct server_trust *trust);
void server_trust_unref(struct server_trust *trust);

// server_trust_equal tells whether both are for the same server, believe the same CAs and show the same
// certificate. NULL is equal to NULL alone.
bool server_trust_equal(const struct server_trust *a, const struct server_trust *b);

// server_trust_profile gives the profile of the CAs, borrowed.
const struct trust *server_trust_profile(const struct server_trust *trust);

// server_trust_own gives the facts about the certificate that is shown, borrowed; NULL: none is.
const struct tls_context_info *server_trust_own(const struct server_trust *trust);

// server_trust_judge tells whether the server's chain (leaf first) is good at `now_s`, Unix seconds, and has the name of
// `server`; NULL: of the one that it is for. An error has its sentence in `info`, with what to do, and the alert for the server.
enum err server_trust_judge(const struct server_trust *trust, const STACK_OF(CRYPTO_BUFFER) *chain,
                            const struct target *server, int64_t now_s, enum tls_alert *out_alert,
                            struct errinfo *info) MUST_USE;

// server_trust_connect makes the client's end over `below`, as tls_client_stream_create does; nothing is resumed, and the
// server's name is asked for (SNI) where it is one. `server` as above. NULL without memory.
struct tls_stream *server_trust_connect(const struct server_trust *trust,
                                        const struct target *server, struct stream *below,
                                        struct buffer_pool *pool, tls_verify_fn verify,
                                        void *verify_arg) MUST_USE;
