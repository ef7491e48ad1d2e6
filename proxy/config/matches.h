// matches: the entries of a client's `match`, which say what its certificate holds.
#pragma once

#include "auth/policy.h"
#include "proxy/config/section.h"

enum { CLIENT_MATCHES_MAX = 10000 }; // in one `match`

extern const struct section match_section;
extern const struct section extension_section;

// name_list is the names of all trust profiles, for entries that name one.
struct name_list {
    const char *const *names; // borrowed
    size_t count;
};

// trust_reference_read reads the name of a trust profile and sets its index among `trusts`.
bool trust_reference_read(struct reader *reader, const struct node *node,
                          const struct name_list *trusts, size_t *out);

// matches_read reads the list `node` into the reader's arena. Every part of an entry is checked: a part
// that can never fit, or that fits more than was meant, is worse than an error.
void matches_read(struct reader *reader, const struct node *node, const struct name_list *trusts,
                  const struct match_entry **out, size_t *out_count);

// match_read_digest reads a digest of 32 bytes, 64 hexadecimal digits, into the arena; the field is a const uint8_t *.
// These three are key_reads, for `denied` of a trust profile too.
key_read match_read_digest;

// match_read_serial reads a serial without leading zeros into a struct slice; zero is empty, with data that is not NULL.
key_read match_read_serial;

// match_read_name reads RFC 4514 text into a struct slice: the bytes of the dn.
key_read match_read_name;
