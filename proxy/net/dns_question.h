// dns_question: one question under way, and what can come of asking one server.
#pragma once

#include <sys/queue.h>

#include "proxy/net/dns_answer.h"
#include "proxy/net/resolver_options.h"

// Embedded by its owner, who sets `name` and `type`; the other fields are private to those who ask.
struct dns_question {
    char name[DNS_NAME_MAX + 1]; // canonical, without a final dot
    enum dns_type type;
    struct dns_client *client;        // borrowed
    struct upstream *asked;           // borrowed; the server that is asked now
    uint8_t tried[DNS_MAX_SERVERS];   // how often; `tries`: used up
    bool has_lacked_memory;           // at some try
    enum resolve_result worst_result; // TIMED_OUT until a server has failed in another way
    struct dns_channel *channel;      // borrowed; that asks it now, where one does
    TAILQ_ENTRY(dns_question) link;   // in a list of the link that asks it now, where one does
    int64_t due_ms;                   // loop time; when that link gives it up
    uint16_t slot;                    // of that link, once it is sent
};

enum dns_reply {
    DNS_REPLY_MESSAGE,   // a message, not judged yet
    DNS_REPLY_SILENT,    // nothing came in time
    DNS_REPLY_LATE,      // likewise, but the server answers others
    DNS_REPLY_NOBODY,    // nobody is there, for now, or nobody whom we may ask
    DNS_REPLY_BAD,       // what came is no answer
    DNS_REPLY_NO_MEMORY, // ours
};

// dns_reply_function gets what came of one try, exactly once. `message` is borrowed for the call, and empty but for
// DNS_REPLY_MESSAGE. It may ask again, the same server too.
typedef void dns_reply_function(struct dns_question *question, enum dns_reply reply,
                                struct slice message);
