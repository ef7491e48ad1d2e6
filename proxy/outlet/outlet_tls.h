// outlet_tls: what a connection to a receiver of records needs for TLS: the CAs and the name that its certificate is judged
// by, and the certificate that we show it. Complete once made, immutable, counted, shared by all threads.
//
// Knows no file and no socket.
#pragma once

#include "auth/target.h"
#include "proxy/tls/tls_client.h"

struct outlet_tls;

struct outlet_tls_options {
    struct target
        name; // that the receiver's certificate must have; a host name is also asked for (SNI)
    struct slice ca_pem;    // the CAs that its certificate may be of
    struct slice chain_pem; // our certificate and its intermediates; empty: none is shown
    struct slice key_pem;   // its private key, unencrypted
    int64_t now_s;          // Unix seconds
};

// What is wrong with the options, when something is.
enum outlet_tls_part { OUTLET_TLS_CA, OUTLET_TLS_CERTIFICATE };

// outlet_tls_create makes one; the caller owns a reference. ERR_INPUT, ERR_LIMIT or ERR_MEMORY with the sentence in `info`,
// which names no file, and with whose fault it is in `*out_part`.
enum err outlet_tls_create(const struct outlet_tls_options *options, struct outlet_tls **out,
                           enum outlet_tls_part *out_part, struct errinfo *info) MUST_USE;

// outlet_tls_ref takes another reference and returns its argument, outlet_tls_unref gives one back; the last one frees. NULL
// is allowed for both. Any thread.
struct outlet_tls *outlet_tls_ref(struct outlet_tls *tls);
void outlet_tls_unref(struct outlet_tls *tls);

// outlet_tls_equal tells whether both were made from the same name and the same bytes. NULL is equal to NULL alone.
bool outlet_tls_equal(const struct outlet_tls *a, const struct outlet_tls *b);

// outlet_tls_trust gives the profile of the CAs, borrowed.
const struct trust *outlet_tls_trust(const struct outlet_tls *tls);

// outlet_tls_own gives the facts about the certificate that is shown, borrowed; NULL: none is.
const struct tls_context_info *outlet_tls_own(const struct outlet_tls *tls);

// outlet_tls_judge judges the receiver's chain (leaf first) at `now_s`, Unix seconds: ERR_OK, or an error with the sentence
// in `info` and the alert to send.
enum err outlet_tls_judge(const struct outlet_tls *tls, const STACK_OF(CRYPTO_BUFFER) *chain,
                          int64_t now_s, enum tls_alert *out_alert, struct errinfo *info) MUST_USE;

// outlet_tls_stream_create makes the client's end over `below`, as tls_client_stream_create does. NULL without memory.
struct tls_stream *outlet_tls_stream_create(struct outlet_tls *tls, struct stream *below,
                                            struct buffer_pool *pool, tls_verify_fn verify,
                                            void *verify_arg) MUST_USE;
