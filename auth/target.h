// target: where a request wants to go: a host name or an address, and a port, canonical.
//
// The one place where the authority of a request (RFC 9110 7.2, 9.3.6; RFC 3986 3.2) becomes a
// value. Strict: what could be read in two ways is refused before anything could resolve it.
#pragma once

#include "auth/hostname.h"
#include "auth/ipaddr.h"

enum target_kind { TARGET_NAME, TARGET_ADDRESS };

struct target {
    enum target_kind kind;
    uint16_t port;          // 1-65535
    struct hostname name;   // with TARGET_NAME
    struct ip_addr address; // with TARGET_ADDRESS
};

enum { TARGET_TEXT_CAP = HOSTNAME_MAX_LEN + 1 + 8 }; // "host:port" with brackets and NUL

// target_parse reads authority-form `host:port`: a host name, a strict dotted quad, or a bracketed
// IPv6 address without zone; the port in decimal without leading zeros, sign or suffix. ERR_INPUT
// for everything else: userinfo, paths, missing port, other spellings of addresses, IPv4-mapped
// addresses (they are written as IPv4), brackets round anything else.
enum err target_parse(struct slice authority, struct target *out) MUST_USE;

// target_host_parse reads the host alone, as in a Host field without port; `out->port` is 0.
enum err target_host_parse(struct slice host, struct target *out) MUST_USE;

// target_equal_host tells whether both name the same host, whatever the ports.
bool target_equal_host(const struct target *a, const struct target *b);

// target_equal tells whether both name the same port of the same host.
bool target_equal(const struct target *a, const struct target *b);

// target_is_loopback tells whether it is a loopback address. A name is none, `localhost` too: what it means is for
// others to say.
bool target_is_loopback(const struct target *target);

// target_keep copies a target into as little memory as its name needs, for what lives long. The caller frees it with
// `free`. NULL without memory. kept_target_read gives the target.
struct kept_target;
struct kept_target *target_keep(const struct target *target) MUST_USE;
struct target kept_target_read(const struct kept_target *kept);

// target_format_host writes the canonical host (IPv6 without brackets), NUL-terminated, and
// returns `out`.
const char *target_format_host(const struct target *target, char out[TARGET_TEXT_CAP]);

// port_parse reads 1-65535 in decimal, without sign, blanks or leading zeros.
enum err port_parse(struct slice s, uint16_t *out) MUST_USE;
