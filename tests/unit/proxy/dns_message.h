// dns_message: messages of DNS put together byte by byte, right ones and wrong ones, for tests.
#pragma once

#include "auth/base/slice.h"

enum { DNS_MESSAGE_CAP = 65536 };

struct dns_message {
    uint8_t data[DNS_MESSAGE_CAP];
    size_t len;
};

static inline void dns_put_u8(struct dns_message *message, unsigned value)
{
    if (message->len < DNS_MESSAGE_CAP)
        message->data[message->len++] = (uint8_t)value;
}

static inline void dns_put_u16(struct dns_message *message, unsigned value)
{
    dns_put_u8(message, value >> 8);
    dns_put_u8(message, value & 0xFF);
}

static inline void dns_put_u32(struct dns_message *message, uint32_t value)
{
    dns_put_u16(message, value >> 16);
    dns_put_u16(message, value & 0xFFFF);
}

// dns_put_name writes dotted text as labels, uncompressed.
static inline void dns_put_name(struct dns_message *message, const char *text)
{
    struct slice rest = slice_of_string(text);
    while (rest.len > 0) {
        const size_t len = slice_find(rest, '.');
        dns_put_u8(message, (unsigned)len);
        for (size_t i = 0; i < len; i++)
            dns_put_u8(message, rest.data[i]);
        rest = slice_from(rest, len + 1);
    }
    dns_put_u8(message, 0);
}

// dns_begin writes header and question of an answer; counts of records are added by those that follow.
static inline void dns_begin(struct dns_message *message, const char *name, unsigned type,
                             unsigned flags)
{
    message->len = 0;
    dns_put_u16(message, 0x1234);
    dns_put_u16(message, flags);
    dns_put_u16(message, 1);
    dns_put_u16(message, 0);
    dns_put_u16(message, 0);
    dns_put_u16(message, 0);
    dns_put_name(message, name);
    dns_put_u16(message, type);
    dns_put_u16(message, 1);
}

// dns_count adds one to the count at `at` of the header: 6 the answer's, 8 the authority's, 10 the additional one.
static inline void dns_count(struct dns_message *message, size_t at)
{
    const unsigned count = (unsigned)(message->data[at] << 8 | message->data[at + 1]) + 1;
    message->data[at] = (uint8_t)(count >> 8);
    message->data[at + 1] = (uint8_t)count;
}

// dns_head writes a record up to its data, of which `len` bytes have to follow.
static inline void dns_head(struct dns_message *message, size_t section, const char *owner,
                            unsigned type, uint32_t ttl_s, unsigned len)
{
    dns_count(message, section);
    dns_put_name(message, owner);
    dns_put_u16(message, type);
    dns_put_u16(message, 1);
    dns_put_u32(message, ttl_s);
    dns_put_u16(message, len);
}

enum { DNS_ANSWERS = 6, DNS_AUTHORITY = 8, DNS_ADDITIONAL = 10 };

// dns_put_a writes 192.0.x.y of `number`; dns_put_aaaa 2001::x:y.
static inline void dns_put_a(struct dns_message *message, const char *owner, uint32_t ttl_s,
                             unsigned number)
{
    dns_head(message, DNS_ANSWERS, owner, 1, ttl_s, 4);
    dns_put_u16(message, 0xC000);
    dns_put_u16(message, number);
}

static inline void dns_put_aaaa(struct dns_message *message, const char *owner, uint32_t ttl_s,
                                unsigned number)
{
    dns_head(message, DNS_ANSWERS, owner, 28, ttl_s, 16);
    dns_put_u32(message, 0x20010000);
    dns_put_u32(message, 0);
    dns_put_u32(message, 0);
    dns_put_u32(message, number);
}

// dns_put_cname writes an alias.
static inline void dns_put_cname(struct dns_message *message, const char *owner, uint32_t ttl_s,
                                 const char *target)
{
    const size_t len = target[0] == '\0' ? 1 : strlen(target) + 2;
    dns_head(message, DNS_ANSWERS, owner, 5, ttl_s, (unsigned)len);
    dns_put_name(message, target);
}

// dns_put_srv writes a place of a service; dns_put_srv_raw one with a target of any bytes, as labels with their lengths.
static inline void dns_put_srv_raw(struct dns_message *message, const char *owner, uint32_t ttl_s,
                                   unsigned priority, unsigned weight, unsigned port,
                                   struct slice target)
{
    dns_head(message, DNS_ANSWERS, owner, 33, ttl_s, (unsigned)(6 + target.len));
    dns_put_u16(message, priority);
    dns_put_u16(message, weight);
    dns_put_u16(message, port);
    for (size_t i = 0; i < target.len; i++)
        dns_put_u8(message, target.data[i]);
}

static inline void dns_put_srv(struct dns_message *message, const char *owner, uint32_t ttl_s,
                               unsigned priority, unsigned weight, unsigned port,
                               const char *target)
{
    const size_t len = target[0] == '\0' ? 1 : strlen(target) + 2;
    dns_head(message, DNS_ANSWERS, owner, 33, ttl_s, (unsigned)(6 + len));
    dns_put_u16(message, priority);
    dns_put_u16(message, weight);
    dns_put_u16(message, port);
    dns_put_name(message, target);
}

// dns_put_soa writes the record that says how long "no" may be believed.
static inline void dns_put_soa(struct dns_message *message, uint32_t ttl_s, uint32_t minimum_s)
{
    dns_head(message, DNS_AUTHORITY, "example", 6, ttl_s, 2 + 20);
    dns_put_u8(message, 0);
    dns_put_u8(message, 0);
    for (unsigned i = 0; i < 4; i++)
        dns_put_u32(message, i);
    dns_put_u32(message, minimum_s);
}

static inline struct slice dns_slice(const struct dns_message *message)
{
    return slice_of(message->data, message->len);
}
