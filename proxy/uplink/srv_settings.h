// srv_settings: a service of which DNS says where its proxies are (RFC 2782), and whom its records may name. Plain values, pure.
#pragma once

#include "auth/hostname.h"

enum { SRV_TARGETS_MAX = 8 };

// srv_name is a name `_service._tcp.domain`.
struct srv_name {
    struct hostname name; // all of it, canonical
    struct hostname
        domain; // what follows `_service._tcp.`: whom the service belongs to (the source domain of RFC 9525)
};

// srv_name_parse reads such a name. ERR_INPUT, with the reason and a way out in `info`: it is no host name, its first two
// labels do not begin with `_`, the second is not `_tcp`, or no domain follows.
enum err srv_name_parse(struct slice text, struct srv_name *out, struct errinfo *info) MUST_USE;

// srv_settings say which service, and whom its records may name. A plain value.
struct srv_settings {
    struct srv_name service;
    struct host_pattern targets[SRV_TARGETS_MAX]; // the names that places may have
    size_t target_count; // 0: any, for the certificates are checked for the service's domain
};

// srv_settings_equal tells whether both are the same.
bool srv_settings_equal(const struct srv_settings *a, const struct srv_settings *b);

// srv_settings_allow tells whether a place may have this name.
bool srv_settings_allow(const struct srv_settings *settings, const struct hostname *target);
