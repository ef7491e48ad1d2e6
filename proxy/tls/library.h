// library: the BoringSSL in this program: where it is from, how old it is, and what it can do.
//
// What the build knows is in a header that it writes (tools/bazel/boringssl_origin.py); what the library can do it is asked.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "auth/base/text.h"

enum { TLS_LIBRARY_ADVICE_CAP = 512 }; // bytes of the longest advice, with the NUL

struct tls_library {
    const char *name;   // static memory: "Debian 14.0.0+r45"
    const char *commit; // static memory: hex; empty: not known
    int64_t date_s;     // Unix time of the commit; 0: not known
    uint32_t api;       // BORINGSSL_API_VERSION
    bool has_vaes;      // code for processors with VAES
    bool has_ml_kem;    // X25519MLKEM768 for TLS
};

// tls_library_describe gives what there is to know.
struct tls_library tls_library_describe(void);

// tls_library_is_old tells whether a library of `date_s` is older than two years; never where the date is not known.
bool tls_library_is_old(const struct tls_library *library, int64_t now_s);

// tls_library_append adds one line for people, without its end: name, commit, date, abilities.
void tls_library_append(const struct tls_library *library, struct text *out);

// tls_library_append_advice adds what it means that the library is old, and what to do: a sentence without an end of line.
void tls_library_append_advice(const struct tls_library *library, struct text *out);
