// asker: who asks, in a question of `sallyport explain`: a certificate that is judged as a listener would, or what is
// said of one.
#pragma once

#include "proxy/config/snapshot.h"

enum { ASKER_CLAIMS_MAX = 16, ASKER_REFUSAL_CAP = 640, ASKER_SUMMARY_CAP = DN_TEXT_CAP + 128 };

struct asker_options {
    const char *chain_path;               // PEM, the leaf first; or NULL
    const char *claims[ASKER_CLAIMS_MAX]; // `KIND:VALUE`, or `anonymous`
    size_t claim_count;
    const char *trust; // name of the profile; NULL: the only one
};

struct asker {
    struct identity *identity;       // owned; NULL: a client without certificate
    char summary[ASKER_SUMMARY_CAP]; // a line for people
    bool is_refused;                 // by the trust profile: there is no question left
    char refusal[ASKER_REFUSAL_CAP];
};

// asker_load finds out who asks. ERR_INPUT, ERR_LIMIT, ERR_SYSTEM or ERR_MEMORY with the sentence in `info`, when a
// file or a claim cannot be read. The caller ends it with asker_deinit after ERR_OK.
enum err asker_load(const struct asker_options *options, const struct snapshot *snapshot,
                    int64_t now_s, struct asker *out, struct errinfo *info) MUST_USE;

void asker_deinit(struct asker *asker);
