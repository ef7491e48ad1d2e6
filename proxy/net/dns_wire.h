// dns_wire: a question as a message of DNS (RFC 1035 4), for servers that are asked over TLS.
//
// Pure.
#pragma once

#include "proxy/net/dns_answer.h"

enum {
    DNS_WIRE_BLOCK = 128, // bytes; a question is as long as some of these (RFC 8467 4.1)
    DNS_WIRE_CAP = 2 + 3 * DNS_WIRE_BLOCK // bytes of the longest one, with its length before it
};

// dns_wire_question writes the question for `type` of `name` (canonical text), with its length in two bytes before it
// (RFC 7766 8), and gives the bytes written; 0 where the text is no name of DNS. It asks for recursion, and is padded so that
// its length says little about the name (RFC 7830, RFC 8467).
size_t dns_wire_question(struct slice name, enum dns_type type, uint16_t id,
                         uint8_t out[DNS_WIRE_CAP]);
