// tls_context: what all connections of a listener, of a name on it, or of a client share in TLS: certificates and keys,
// versions, rules. Immutable once made, counted, and shared by all threads.
//
// tls_server.h and tls_client.h make one. TLS 1.2 and 1.3 only, no renegotiation, no early data. Sessions are resumed by
// ticket only. Knows no stream and no policy.
#pragma once

#include <openssl/pool.h>
#include <openssl/stack.h>

#include "auth/base/err.h"
#include "auth/base/slice.h"
#include "proxy/tls/certificate_info.h"
#include "proxy/tls/groups.h"
#include "proxy/tls/private_key.h"

struct tls_context;

enum tls_version { TLS_VERSION_1_2, TLS_VERSION_1_3 };

// The bounds of `max_chain`, in bytes. BoringSSL lets every message have the least.
enum { TLS_MAX_CHAIN_LEAST = 16 * 1024, TLS_MAX_CHAIN_MOST = 64 * 1024 };

struct tls_context_options {
    struct slice chain_pem; // leaf first, then its intermediates
    struct tls_key key;     // its private key
    enum tls_version min;
    enum tls_version max;
    struct tls_groups groups; // that the library has; empty: its role's default
    // bytes of certificates that a client may show; bounds every message of its handshake
    uint32_t max_chain;
    bool offers_http2;            // by ALPN, and rather than http/1.1
    bool is_certificate_optional; // a client without one finishes the handshake, unverified
    // 32 bytes. A session is resumed only under the same ones. NULL: zeros.
    const uint8_t *binding;
    STACK_OF(CRYPTO_BUFFER) *client_ca_names; // taken over, freed also on failure; may be NULL
};

// tls_context_ref takes another reference. Every stream holds one, because it uses parts of the context to its end.
// tls_context_unref gives one back; the last one frees. NULL is allowed. Any thread.
struct tls_context *tls_context_ref(struct tls_context *context);
void tls_context_unref(struct tls_context *context);

// tls_context_add adds a certificate with its key. A further one of a server is served instead of the first one to a
// client that asks for one of its names, or where it has the same names and a key that the client can verify. `is_tried`:
// a handshake in memory, with the context as the server, must succeed with it; always true for a server. Before any stream
// is made. Errors as of tls_context_create, and ERR_LIMIT beyond 64. After an error the context is as it was before.
enum err tls_context_add(struct tls_context *context, struct slice chain_pem,
                         const struct tls_key *key, bool is_tried, struct errinfo *info) MUST_USE;

// tls_context_certificate_count gives the number of certificates.
size_t tls_context_certificate_count(const struct tls_context *context);

// tls_context_describe gives the facts about the certificate at `index`, which is below the number of them. Borrowed until
// another certificate is added, or the context ends.
const struct tls_context_info *tls_context_describe(const struct tls_context *context,
                                                    size_t index);
