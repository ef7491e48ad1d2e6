// resolver_options: the settings of a resolver as plain values. The configuration fills them, the worker reads them. Knows
// no loop and no library.
#pragma once

#include "proxy/net/dns_standing.h"
#include "proxy/net/host_table.h"
#include "proxy/net/stream_guard.h"

enum { DNS_MAX_SERVERS = 8 };

enum resolver_family {
    RESOLVER_ANY, // both; IPv6 first (RFC 8305 4)
    RESOLVER_IPV4,
    RESOLVER_IPV6,
    RESOLVER_PREFER_IPV4, // both; IPv4 first
};

struct dns_server {
    struct ip_addr address;
    uint16_t port;
    // ref of the holder of the options; the server is asked through it and in no other way. NULL: in the clear
    struct stream_guard *guard;
    struct dns_standing *standing; // ref, likewise; NULL: nobody wants to know how it does
};

struct resolver_options {
    struct dns_server servers[DNS_MAX_SERVERS];
    size_t server_count; // at least 1
    int64_t timeout_ms;  // of one try at one server
    uint32_t tries;      // at each server that is silent
    enum resolver_family family;
    struct host_table *hosts; // ref of the holder of these options; NULL: none
    size_t cache_entries;     // 0: no cache
    size_t cache_bytes;
    int64_t min_ttl_ms; // an address is kept at least so long
    int64_t max_ttl_ms; // and at most so long
};

// dns_server_equal tells whether both are the same server, asked in the same way.
static inline bool dns_server_equal(const struct dns_server *a, const struct dns_server *b)
{
    return a->port == b->port && ip_addr_equal(&a->address, &b->address) &&
           stream_guard_equal(a->guard, b->guard);
}

// resolver_options_carry has what is known of the servers of `before` go on in `options`, where they are the same.
static inline void resolver_options_carry(struct resolver_options *options,
                                          const struct resolver_options *before)
{
    for (size_t i = 0; i < options->server_count; i++) {
        for (size_t j = 0; j < before->server_count; j++) {
            if (!dns_server_equal(&options->servers[i], &before->servers[j]))
                continue;
            struct dns_standing *fresh = options->servers[i].standing;
            options->servers[i].standing = dns_standing_ref(before->servers[j].standing);
            dns_standing_unref(fresh);
            break;
        }
    }
}

// resolver_options_equal tells whether two resolvers with these settings would behave alike.
static inline bool resolver_options_equal(const struct resolver_options *a,
                                          const struct resolver_options *b)
{
    for (size_t i = 0; i < a->server_count && i < b->server_count; i++) {
        if (!dns_server_equal(&a->servers[i], &b->servers[i]))
            return false;
    }
    return a->server_count == b->server_count && a->timeout_ms == b->timeout_ms &&
           a->tries == b->tries && a->family == b->family && a->cache_entries == b->cache_entries &&
           a->cache_bytes == b->cache_bytes && a->min_ttl_ms == b->min_ttl_ms &&
           a->max_ttl_ms == b->max_ttl_ms && host_table_equal(a->hosts, b->hosts);
}
