// ticket_keys: the keys that session tickets are sealed with (RFC 5077, RFC 8446 4.6.1). The process has one set for all
// workers, which outlives every configuration.
//
// Without secrets each key is random. It seals for one period and opens for one more. With secrets (a file that several
// proxies share) the keys of each period are derived from them, so that all proxies with the file change keys at the same
// time. Does not decide whether a ticket is accepted.
#pragma once

#include "auth/base/err.h"
#include "auth/base/slice.h"

enum {
    TICKET_SECRET_LEN = 32,  // bytes
    TICKET_SECRETS_MAX = 3,  // the first one seals, all of them open
    TICKET_BINDING_LEN = 32, // bytes; what a ticket is good for
    TICKET_OVERHEAD = 56,    // bytes that a ticket is longer than what is in it
    TICKET_EXPORT_CAP = 112, // bytes of all random keys
};

struct ticket_settings {
    uint8_t secrets[TICKET_SECRETS_MAX][TICKET_SECRET_LEN];
    size_t secret_count; // 0: random keys
    int64_t rotate_s;    // length of a period
};

struct ticket_keys;

// ticket_keys_create makes the keys; owned by the caller. NULL without memory.
struct ticket_keys *ticket_keys_create(const struct ticket_settings *settings) MUST_USE;

// ticket_keys_destroy wipes and frees them. NULL is allowed.
void ticket_keys_destroy(struct ticket_keys *keys);

// ticket_keys_configure changes the settings; random keys stay. Any thread, like the functions below.
void ticket_keys_configure(struct ticket_keys *keys, const struct ticket_settings *settings);

// ticket_keys_export writes the random keys to `out` of TICKET_EXPORT_CAP bytes, for another process that goes on with them,
// and gives the length. The caller wipes them. 0: there are none, for they come from secrets, or are not made yet.
size_t ticket_keys_export(struct ticket_keys *keys, uint8_t *out);

// ticket_keys_import takes what another process has exported in the place of its own random keys; where there are secrets it
// changes nothing. False: these are no exported keys.
bool ticket_keys_import(struct ticket_keys *keys, struct slice exported) MUST_USE;

// ticket_keys_seal encrypts `plain` into `out` (may be the same memory) with TICKET_OVERHEAD more bytes. The ticket opens
// only with the same `binding` (TICKET_BINDING_LEN bytes). `now_s` is Unix seconds. False when it fails.
bool ticket_keys_seal(struct ticket_keys *keys, int64_t now_s, const uint8_t *binding,
                      struct slice plain, uint8_t *out, size_t cap, size_t *out_len);

// ticket_keys_open decrypts what was sealed; false for anything else.
bool ticket_keys_open(struct ticket_keys *keys, int64_t now_s, const uint8_t *binding,
                      struct slice ticket, uint8_t *out, size_t cap, size_t *out_len);
