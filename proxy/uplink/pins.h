// pins: a list of public keys. The proxy's certificate must have one of them, and pass every other check too.
//
// A pin is the SHA-256 of a SubjectPublicKeyInfo (RFC 5280 4.1), so that a certificate that is renewed for the same
// key keeps it. Pure.
#pragma once

#include "auth/base/text.h"

enum {
    PINS_MAX = 16,
    PIN_LEN = 32,
    PIN_TEXT_CAP = 56, // bytes of `sha256//` and base64, with the NUL
};

struct pins {
    uint8_t sha256[PINS_MAX][PIN_LEN];
    size_t count;
};

// pins_add adds a pin written as `sha256//BASE64`, like curl's --pinnedpubkey, or as 64 hexadecimal digits, like the
// audit's. ERR_INPUT, or ERR_LIMIT beyond PINS_MAX, with a sentence in `info`.
enum err pins_add(struct pins *pins, const char *written, struct errinfo *info) MUST_USE;

// pins_allow tells whether a key with this digest is allowed: it is one of the pins, or there are no pins.
bool pins_allow(const struct pins *pins, const uint8_t sha256[PIN_LEN]);

// pin_format writes a digest as `sha256//BASE64`, NUL-terminated, and returns `out`.
const char *pin_format(const uint8_t sha256[PIN_LEN], char out[PIN_TEXT_CAP]);

// pins_append appends the pins as text, at most a few of them.
void pins_append(const struct pins *pins, struct text *out);
