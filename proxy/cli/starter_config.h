// starter_config: the configuration that `quickstart` writes: YAML with comments for people.
//
// Pure. The loader of this version accepts what it writes.
#pragma once

#include "auth/base/text.h"
#include "auth/hostname.h"
#include "auth/ipaddr.h"
#include "proxy/config/endpoint_text.h"

#define STARTER_SOCKET "control.sock" // of `control`, beside the configuration

enum { STARTER_MAX_PREFIXES = 8, STARTER_MAX_ALLOWS = 64, STARTER_TEXT_CAP = 64 * 1024 };

// starter_allow is one --allow, which becomes one rule.
struct starter_allow {
    bool is_address;          // the host was written as an address: `prefixes` hold it
    struct host_pattern host; // unless is_address
    uint16_t port;            // 1-65535
    struct ip_prefix prefixes[STARTER_MAX_PREFIXES];
    size_t prefix_count;
};

// starter_allow_parse reads `HOST:PORT` or `HOST:PORT=CIDR[,CIDR]...`. HOST is a name, `*.name` or an address (IPv6 in
// brackets). With a name, the ranges are the addresses at which it is allowed. With an address, the ranges are what is
// allowed, and one of them must contain the address. ERR_INPUT or ERR_LIMIT with a sentence in `info`.
enum err starter_allow_parse(struct slice s, struct starter_allow *out,
                             struct errinfo *info) MUST_USE;

// starter_allow_format appends the rule as one item of a YAML list, without indent and line end.
void starter_allow_format(const struct starter_allow *allow, struct text *out);

struct starter_config {
    const char *trust_domain;
    struct endpoint listen;
    const struct starter_allow *allows;
    size_t allow_count;
    bool has_control;      // false: the path of the socket would be too long
    bool reads_hosts_file; // one of the names is in /etc/hosts
};

// starter_config_format appends the whole file. STARTER_TEXT_CAP bytes are enough.
void starter_config_format(const struct starter_config *config, struct text *out);
