// ipaddr: IPv4 and IPv6 addresses and prefixes as values, and the strict text forms of both.
//
// One spelling for one address: dotted quads without leading zeros (RFC 6943, 3.1.1), IPv6 as
// RFC 4291 2.2 allows it, written as RFC 5952 wants it. Zone ids are refused. Nothing here knows
// sockets; proxy/net turns these into sockaddrs.
#pragma once

#include "auth/base/err.h"
#include "auth/base/slice.h"

enum ip_family { IP_NONE = 0, IP_V4 = 4, IP_V6 = 6 };

struct ip_addr {
    uint8_t family;    // enum ip_family; IP_NONE in a zeroed value
    uint8_t bytes[16]; // network order; the first 4 for IPv4, the rest zero
};

// ip_prefix is an address range: the first `length` bits of `addr` count, the others are zero.
struct ip_prefix {
    struct ip_addr addr;
    uint8_t length; // bits: 0-32 or 0-128
};

enum { IP_TEXT_CAP = 46, IP_PREFIX_TEXT_CAP = 50 }; // bytes, with the NUL

// decimal_parse reads 1-19 digits without sign, blanks or leading zeros, up to `max`.
bool decimal_parse(struct slice s, uint64_t max, uint64_t *out);

// ip_addr_parse reads exactly one IPv4 dotted quad or one IPv6 address (without brackets) that
// fills `s`. Everything else is ERR_INPUT: other bases, short forms, leading zeros, zones, blanks.
enum err ip_addr_parse(struct slice s, struct ip_addr *out) MUST_USE;

// ip_addr_format writes the RFC 5952 text, NUL-terminated, and returns `out`.
const char *ip_addr_format(const struct ip_addr *addr, char out[IP_TEXT_CAP]);

// ip_addr_equal compares family and bytes.
bool ip_addr_equal(const struct ip_addr *a, const struct ip_addr *b);

// ip_addr_is_loopback tells whether the address is of this machine on every machine (RFC 1122 3.2.1.3, RFC 4291
// 2.5.3): all of 127.0.0.0/8, although most have 127.0.0.1 alone, and ::1. An IPv4-mapped one is none of them: who
// may see one asks about its canonical form.
bool ip_addr_is_loopback(const struct ip_addr *addr);

// ip_addr_is_any tells whether it is 0.0.0.0 or ::, which stand for every local address, or no address at all.
bool ip_addr_is_any(const struct ip_addr *addr);

// ip_addr_slice gives the 4 or 16 bytes of an address, borrowed from `addr`.
struct slice ip_addr_slice(const struct ip_addr *addr);

// ip_addr_canonical gives the IPv4 address inside an IPv4-mapped one, and any other as it is. For
// the addresses of peers on sockets that speak both families; never for targets.
struct ip_addr ip_addr_canonical(const struct ip_addr *addr);

// ip_prefix_parse reads `ADDRESS/LENGTH`, or an address alone as the prefix of its full length.
// Bits after the prefix must be zero (`10.0.0.1/8` is ERR_INPUT with a hint in `info`), and an
// IPv4-mapped prefix is ERR_INPUT: rules are written in plain IPv4.
enum err ip_prefix_parse(struct slice s, struct ip_prefix *out, struct errinfo *info) MUST_USE;

// ip_prefix_format writes `ADDRESS/LENGTH`, NUL-terminated, and returns `out`.
const char *ip_prefix_format(const struct ip_prefix *prefix, char out[IP_PREFIX_TEXT_CAP]);

// ip_prefix_contains tells whether `addr` is of the prefix's family and inside it.
bool ip_prefix_contains(const struct ip_prefix *prefix, const struct ip_addr *addr);

// ip_prefix_covers tells whether all of `inner` lies inside `outer`.
bool ip_prefix_covers(const struct ip_prefix *outer, const struct ip_prefix *inner);
