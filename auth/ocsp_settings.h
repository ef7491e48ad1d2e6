// ocsp_settings: what a trust profile asks of OCSP (`ocsp`). Immutable, counted by reference: a question may outlive the
// configuration that it comes from.
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "auth/http_url.h"
#include "auth/ocsp_verdict.h"

enum {
    OCSP_MAX_PREFIXES = 16, // in one `aia`
};

struct ocsp_settings {
    atomic_size_t refs;
    enum ocsp_mode mode; // not OCSP_OFF
    bool is_for_leaves;  // CA certificates are not asked about
    bool has_nonce;      // questions have one, and the answers must have it too
    int64_t timeout_ms;  // of one question, and how long a handshake waits for all of its
    bool has_responder;  // asked about everybody; else whom the certificate names
    struct http_url responder;
    size_t prefix_count; // below which a certificate may name a responder
    struct http_url prefixes[];
};

// ocsp_settings_create makes zeroed settings with one reference and room for `prefix_cap` prefixes. NULL without memory.
struct ocsp_settings *ocsp_settings_create(size_t prefix_cap) MUST_USE;

// ocsp_settings_ref takes another reference and returns its argument; NULL is allowed. Any thread.
struct ocsp_settings *ocsp_settings_ref(struct ocsp_settings *settings);

// ocsp_settings_unref gives one back; the last one frees it. NULL is allowed. Any thread.
void ocsp_settings_unref(struct ocsp_settings *settings);

// ocsp_settings_find_url gives whom to ask about a certificate that names `urls` (see chain_record.h): false where there is
// nobody.
bool ocsp_settings_find_url(const struct ocsp_settings *settings, struct slice urls,
                            struct http_url *out);
