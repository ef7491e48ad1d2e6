// requester: the client in a question of `sallyport explain`, or the proxy that speaks for it. It has a certificate, which is verified as a listener would;
// or it is described by the command line; or it is anonymous.
#pragma once

#include "proxy/config/snapshot.h"

enum {
    REQUESTER_CLAIMS_MAX = 16,
    REQUESTER_REFUSAL_CAP = 640,
    REQUESTER_SUMMARY_CAP = DN_TEXT_CAP + 4096
};

struct requester_options {
    const char *chain_path;                   // PEM, the leaf first; or NULL
    const char *claims[REQUESTER_CLAIMS_MAX]; // `KIND:VALUE`, or `anonymous`
    size_t claim_count;
    const char *trust;  // name of the profile; NULL: the only one
    const char *option; // by which the claims were given
};

struct requester {
    struct identity *identity;           // owned; NULL: a client without certificate
    char summary[REQUESTER_SUMMARY_CAP]; // a line for people
    bool is_refused; // the trust profile rejects the certificate; `reason` and `refusal` say why
    enum reason reason;
    char refusal[REQUESTER_REFUSAL_CAP];
};

// requester_is_anonymous tells whether the claims are `anonymous`: a client without certificate.
bool requester_is_anonymous(const struct requester_options *options);

// requester_load reads the certificate or the claims of `options`. The caller ends it with requester_deinit after ERR_OK.
// ERR_INPUT, ERR_LIMIT, ERR_SYSTEM or ERR_MEMORY with a sentence in `info`.
enum err requester_load(const struct requester_options *options, const struct snapshot *snapshot,
                        int64_t now_s, struct requester *out, struct errinfo *info) MUST_USE;

// requester_deinit frees what it owns and zeroes the struct.
void requester_deinit(struct requester *requester);
