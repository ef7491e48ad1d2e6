// fetch_tls: whom a question over https:// believes, and the certificate that it shows.
//
// Immutable and counted; any thread may hold it. Reads no files: PEM comes as bytes.
#pragma once

#include <openssl/pool.h>
#include <openssl/stack.h>

#include "auth/target.h"
#include "proxy/tls/alert.h"

struct fetch_tls;
struct tls_context;

struct fetch_tls_options {
    struct slice ca_pem;    // CAs whose servers are believed, each of them; borrowed for the call
    bool is_system;         // a bundle that others keep: what is no CA in it is left out
    struct slice chain_pem; // our certificate, then its intermediates; empty: none is shown
    struct slice key_pem;   // its private key, unencrypted
};

// fetch_tls_create makes one with one reference, the caller's. `now_s` is Unix seconds: CAs outside their validity do not
// count. ERR_INPUT or ERR_MEMORY, with a sentence that names no file.
enum err fetch_tls_create(const struct fetch_tls_options *options, int64_t now_s,
                          struct fetch_tls **out, struct errinfo *info) MUST_USE;

// fetch_tls_ref takes another reference and returns its argument. NULL is allowed.
struct fetch_tls *fetch_tls_ref(struct fetch_tls *tls);

// fetch_tls_unref drops a reference. The last one frees it. NULL is allowed.
void fetch_tls_unref(struct fetch_tls *tls);

// fetch_tls_context gives the context for the client's end. Borrowed.
struct tls_context *fetch_tls_context(const struct fetch_tls *tls);

// fetch_tls_judge tells whether the server's `chain` is good at `now_s` and has the name of `server`. ERR_DENIED with a
// sentence in `info`, or ERR_MEMORY; `*out_alert` then is for the server.
enum err fetch_tls_judge(const struct fetch_tls *tls, const STACK_OF(CRYPTO_BUFFER) *chain,
                         const struct target *server, int64_t now_s, enum tls_alert *out_alert,
                         struct errinfo *info) MUST_USE;
