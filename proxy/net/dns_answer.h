// dns_answer: what DNS says about one name and one type of address, or about the places of a service, as a value read from a
// server's message.
//
// Pure: no sockets, no clock, bounded work for any message. Only records that belong to the question count; records of
// other names are ignored wherever they stand. Knows nothing of servers, caches and policy.
#pragma once

#include "auth/ipaddr.h"
#include "proxy/net/srv_list.h"

#define RESOLVE_RESULT_TABLE(X)                                                                    \
    X(RESOLVE_OK, "ok")                    /* at least one address */                              \
    X(RESOLVE_NOT_FOUND, "name_not_found") /* the name does not exist */                           \
    X(RESOLVE_NO_DATA, "no_address")       /* it exists and has no address */                      \
    X(RESOLVE_TIMED_OUT, "dns_timeout")    /* no server answered */                                \
    X(RESOLVE_FAILED, "dns_error")         /* servers answered with a failure, or not sensibly */  \
    X(RESOLVE_TOO_MANY, "too_many_questions") /* not asked: too many are under way */

enum resolve_result {
#define X(symbol, name) symbol,
    RESOLVE_RESULT_TABLE(X)
#undef X
};

enum {
    RESOLVE_RESULT_COUNT = 0
#define X(symbol, name) +1
    RESOLVE_RESULT_TABLE(X)
#undef X
};

// resolve_result_name gives a stable snake_case name; static memory.
const char *resolve_result_name(enum resolve_result result);

enum dns_type { DNS_TYPE_A = 1, DNS_TYPE_AAAA = 28, DNS_TYPE_SRV = 33 };

enum {
    DNS_NAME_MAX = 253,     // bytes of a name as text, without a final dot
    DNS_MAX_ADDRESSES = 16, // of one type; further ones are ignored
    DNS_MAX_RECORDS = 256,  // of a message; further ones are ignored
    DNS_MAX_CHAIN = 12,     // CNAMEs from the asked name to the last; a longer chain is an error
    DNS_ALIASES_CAP = 512,  // bytes
};

// dns_aliases is the chain of CNAMEs, for the audit and never for policy. It ends before the first name that does not fit.
struct dns_aliases {
    uint16_t len;  // bytes of text
    uint8_t count; // names that stand in it
    bool is_cut;
    // names one after the other, each with a NUL; bytes that do not belong
    // into a host name as \DDD (RFC 1035 5.1)
    char text[DNS_ALIASES_CAP];
};

struct dns_answer {
    enum resolve_result result;
    uint32_t ttl_s; // how long it may be kept; of a negative answer by its SOA (RFC 2308 5), else 0
    bool is_local;  // the failure is our own, for want of memory, and says nothing about the name
    uint8_t count;
    struct ip_addr addresses[DNS_MAX_ADDRESSES]; // each once, in the message's order
    struct dns_aliases aliases;
    // Of DNS_TYPE_SRV: the places, borrowed for the call in which the answer is handed over; NULL: there are none.
    const struct srv_list *places;
};

// dns_answer_parse reads a whole message as the answer to the question for `type` of `name` (canonical text). ERR_INPUT if
// it is not: it answers another question, is malformed or truncated, or its chain of CNAMEs does not end. A failure that
// the server reports is ERR_OK with RESOLVE_FAILED (RFC 1035 4).
enum err dns_answer_parse(struct slice message, struct slice name, enum dns_type type,
                          struct dns_answer *out) MUST_USE;

// dns_failure_name gives a word for what is wrong with a message that is no answer; static memory.
const char *dns_failure_name(struct slice message);

// srv_answer_parse does the same for DNS_TYPE_SRV (RFC 2782), and writes the places, to which `out` then points. RESOLVE_OK:
// there is at least one, or it is said that the service is not available. A record is passed by whose target is an address or
// no host name, or whose port is 0, or whose target is `.` beside others.
enum err srv_answer_parse(struct slice message, struct slice name, struct srv_list *places,
                          struct dns_answer *out) MUST_USE;
