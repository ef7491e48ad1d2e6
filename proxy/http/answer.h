// answer: the answers that the proxy itself gives in HTTP/1.1 (RFC 9112 4; Proxy-Status: RFC 9209).
//
// Pure. Nothing in an answer comes from the request. The reason phrase has the rule or the reason, and the id of the
// audit records: many clients show their user nothing else.
#pragma once

#include "auth/base/text.h"
#include "auth/reason.h"

struct answer {
    uint16_t status;
    enum reason reason;
    const char *rule;      // the rule that decided, or NULL
    const char *client;    // name of the client entry, or NULL
    const char *detail;    // a few words in static memory, or NULL
    const char *help;      // a sentence for the body, borrowed for the call, or NULL
    const char *id;        // 16 hex digits
    const char *passed_on; // members of Proxy-Status of those further on; NULL or "": none
    uint16_t received;     // with a refusal of a parent: the status that it has sent; 0: none
    bool is_persistent;    // the connection goes on
    bool is_for_head;      // of a HEAD: no body follows, whatever Content-Length says
    uint32_t
        retry_after_s; // of a limit: asking again makes sense then; 0: it does not say, but with 429
};

enum {
    ANSWER_REASON_PHRASE_MAX = 80, // bytes
    ANSWER_CAP = 1408,             // bytes that always suffice, with the NUL
};

// answer_format appends the whole answer. A 200 is the start of a tunnel and has neither body nor
// Content-Length (RFC 9110 9.3.6).
void answer_format(const struct answer *answer, struct text *out);

// answer_format_json appends a 200 that is no tunnel, with `json`. What stands in `answer` beside the id and the two
// facts about the connection is not looked at.
void answer_format_json(const struct answer *answer, struct slice json, struct text *out);

// answer_plain_http appends what a client gets that speaks plain HTTP to a TLS port.
void answer_plain_http(struct text *out);
