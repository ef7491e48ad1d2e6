// authorization: what the authorizer is asked about a request, and what its answer means: JSON in the shape of the data API of
// Open Policy Agent (openpolicyagent.org, "REST API": POST of `{"input": ...}`, an answer `{"result": ...}`).
//
// Pure. The answer is a stranger's text: whatever is not exactly a yes or a no is neither, and counts as no answer. Members
// that nobody asked for are ignored; one that appears twice makes it no answer.
#pragma once

#include "auth/base/text.h"
#include "auth/ipaddr.h"
#include "auth/target.h"

enum {
    AUTHORIZATION_ANSWER_MAX = 64 * 1024, // bytes of an answer
    AUTHORIZATION_ADDRESSES_MAX = 32,     // of a question
    AUTHORIZATION_EXTRA_CAP = 4096,       // bytes of a question, beside the client's part
    AUTHORIZATION_TTL_MAX_S = 365 * 24 * 3600,
    AUTHORIZATION_DIGEST_LEN = 32, // SHA-256
};

enum authorizer_answer {
    AUTHORIZER_NONE, // no usable answer
    AUTHORIZER_NO,
    AUTHORIZER_YES,
};

// authorizer_answer_name gives `none`, `no` or `yes`.
const char *authorizer_answer_name(enum authorizer_answer answer);

// Where an answer comes from.
enum authorizer_origin {
    AUTHORIZER_UNASKED, // nobody was asked: there is no answer
    AUTHORIZER_ASKED,   // it was asked about this request
    AUTHORIZER_SHARED,  // it was asked about an equal one at the same time
    AUTHORIZER_KEPT,    // it was asked about an equal one before
};

// authorizer_origin_name gives `nobody`, `asked`, `shared` or `kept`.
const char *authorizer_origin_name(enum authorizer_origin origin);

// A question. All borrowed.
struct authorization_question {
    const char *id;                  // of the request, as the audit has it
    const char *session;             // of the connection
    const char *listener;            // its name
    struct slice client_json;        // an object, JSON already: the audit's `client`
    struct slice via_client_json;    // likewise, the audit's `via_client`; empty: there is none
    bool is_http2;                   // what the client speaks
    struct slice method;             // of at most 32 bytes
    const struct target *target;     // what was asked for
    const struct ip_addr *addresses; // that would be dialled, or the one that is
    size_t address_count;
    const char *rule;   // that has it asked
    const char *config; // id of the configuration
    bool is_again;      // about a tunnel that is open
};

// authorization_question_append writes the question as JSON: at most AUTHORIZATION_EXTRA_CAP bytes and both objects.
void authorization_question_append(const struct authorization_question *question, struct text *out);

// authorization_scope gives a digest of what a question is about, beside its addresses: the client without its port, what it
// speaks, listener, method, target and rule. Two questions of the same scope differ in what an answer must not depend on, `id`,
// `session`, `config` and `again`, and in their addresses.
void authorization_scope(const struct authorization_question *question,
                         uint8_t out[AUTHORIZATION_DIGEST_LEN]);

// authorization_key gives a digest of everything that an answer may depend on: the scope, the addresses in their order, and
// whether it is about a tunnel that is open.
void authorization_key(const struct authorization_question *question,
                       uint8_t out[AUTHORIZATION_DIGEST_LEN]);

// authorization_answer_read reads the body of an answer. `*out_ttl_s` is for how many seconds a yes holds, 1 to
// AUTHORIZATION_TTL_MAX_S; 0: it does not say. `*out_why` says what is wrong where it is AUTHORIZER_NONE; static memory.
enum authorizer_answer authorization_answer_read(struct slice body, int64_t *out_ttl_s,
                                                 const char **out_why);
