// matches: the entries of a client's `match`, which say what its certificate holds.
#pragma once

#include "proxy/config/clients.h"

// matches_read reads the list `node` into the reader's arena. Every part of an entry is checked,
// for a part that can never fit, or that fits more than was meant, is worse than an error.
void matches_read(struct reader *reader, const struct node *node, const struct name_list *trusts,
                  const struct match_entry **out, size_t *out_count);

// How an entry names a certificate, also for a profile's `denied`: `*out` is set, in the arena, when
// `node` is there and good. A digest is 32 bytes, written as 64 hexadecimal digits.
void match_read_digest(struct reader *reader, const struct node *node, const char *what,
                       const uint8_t **out);

// match_read_serial gives it without leading zeros; zero is empty with data that is not NULL.
void match_read_serial(struct reader *reader, const struct node *node, struct slice *out);

// match_read_name reads RFC 4514 text and gives the bytes of the dn, with data that is not NULL.
void match_read_name(struct reader *reader, const struct node *node, const char *what,
                     struct slice *out);
