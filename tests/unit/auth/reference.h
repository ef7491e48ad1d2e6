// reference: policies as plain lists, decided one by one: what the indexed policy has to agree with.
#pragma once

#include "auth/policy.h"

struct ref_set {
    struct ip_prefix *prefixes;
    size_t prefix_count;
    bool has_public;
};

struct ref_rule {
    const char *name;
    struct host_pattern *hosts;
    size_t host_count;
    bool has_hosts;
    struct ref_set addresses;
    bool has_addresses;
    struct port_range *ports;
    size_t port_count;
    const struct schedule *schedule;
};

struct ref_client {
    const char *name;
    struct ref_set sources;
    bool has_sources;
    enum policy_mode mode;
    const struct schedule *schedule;
    struct ref_rule *allow;
    size_t allow_count;
    struct ref_rule *deny;
    size_t deny_count;
};

struct ref_policy {
    struct ref_rule *deny;
    size_t deny_count;
    struct endpoint *own;
    size_t own_count;
    struct nat64_list nat64;
};

// ref_pattern_matches compares label by label, from the last one on, as host_pattern_matches should.
bool ref_pattern_matches(const struct host_pattern *pattern, const struct hostname *name);

// These decide as those of policy.h with the similar names.
void ref_decide_target(const struct ref_policy *policy, const struct ref_client *client,
                       const struct ip_addr *source, int64_t now_s, const struct target *target,
                       struct decision *out);
void ref_decide_addresses(const struct ref_policy *policy, const struct ref_client *client,
                          const struct ip_addr *source, int64_t now_s, const struct target *target,
                          struct candidate *candidates, size_t count, struct decision *out);
