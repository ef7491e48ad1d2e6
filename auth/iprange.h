// iprange: which addresses are ordinary, special or always closed, and which hide an IPv4 address.
//
// The tables follow IANA's special-purpose registries for IPv4 and IPv6 (RFC 6890 and its updates);
// `ordinary` is globally routable unicast and nothing else. Pure: no configuration enters here.
#pragma once

#include "auth/ipaddr.h"

enum ip_class {
    IP_CLASS_ORDINARY, // globally routable unicast
    IP_CLASS_SPECIAL,  // in a special-purpose range: closed unless a rule opens it
    IP_CLASS_CLOSED,   // unspecified, multicast, broadcast: never reachable
    IP_CLASS_METADATA, // a cloud's metadata service: never reachable
};

// ip_addr_classify tells the class of this form of the address alone; an embedded IPv4 address is
// not looked at (see ip_addr_embedded).
enum ip_class ip_addr_classify(const struct ip_addr *addr);

// ip_addr_special_name gives a short text for the range that makes `addr` special or closed
// (`private use`, `loopback`, `6to4`, ...); NULL for an ordinary address. Static memory.
const char *ip_addr_special_name(const struct ip_addr *addr);

// nat64_list is the NAT64 prefixes of the site (`resolver.nat64`), as nat64_prefix_parse gives them.
struct nat64_list {
    const struct ip_prefix *prefixes; // borrowed
    size_t count;
};

enum { NAT64_PREFIXES_MAX = 64 }; // that a configuration may name

// nat64_prefix_parse reads a prefix under which a translator puts IPv4 addresses (RFC 6052 2.2):
// IPv6, of length 32, 40, 48, 56, 64 or 96, bits 64 to 71 zero. Otherwise ERR_INPUT, with the
// sentence in `info`.
enum err nat64_prefix_parse(struct slice s, struct ip_prefix *out, struct errinfo *info) MUST_USE;

// The readings that one address may have: 4 of the tables, one of each length of RFC 6052, ISATAP.
enum { IP_EMBEDDED_MAX = 4 + 6 + 1 };

// ip_addr_embedded gives the IPv4 addresses that the IPv6 address `addr` carries: mapped,
// compatible, translated (::ffff:0:0:0/96), NAT64 (64:ff9b::/96, those of `nat64`, and
// 64:ff9b:1::/48 read in each of the four lengths of RFC 6052 that fit), 6to4, Teredo (server and
// client), ISATAP. `out` has room for IP_EMBEDDED_MAX; returns how many were found. An IPv4 address
// carries none. :: and ::1 carry none. Only its site knows which length a local NAT64 address has:
// all four readings count, so that in practice such an address stays closed, until a prefix of
// `nat64` inside that range holds the address and so names its length.
size_t ip_addr_embedded(const struct ip_addr *addr, struct nat64_list nat64,
                        struct ip_addr out[IP_EMBEDDED_MAX]);

// ip_prefix_opens tells whether a rule's `prefix` admits this form of `addr`: an ordinary address
// that it contains; or a special one that it contains while lying wholly inside the special range
// of that address (where ranges nest, the narrowest: ::/8 does not open ::1). A wider prefix
// (0.0.0.0/0, 10.0.0.0/7) covers only its ordinary part. Closed and metadata addresses are never
// opened.
bool ip_prefix_opens(const struct ip_prefix *prefix, const struct ip_addr *addr);

// ip_prefix_opens_special tells whether `prefix` lies wholly inside a special range, so that it
// opens some of it: a finding of the lint. False for one that is always closed altogether.
bool ip_prefix_opens_special(const struct ip_prefix *prefix);

// ip_special_range_at gives the special ranges one by one, static memory; NULL after the last.
const struct ip_prefix *ip_special_range_at(size_t index);
