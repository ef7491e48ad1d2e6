// ip_set: many address ranges as one value that is asked by binary search.
//
// Compiled once while a configuration is loaded, then immutable and shared by every rule that names
// it: sorted ranges that do not touch, and beside them what an allow with these prefixes opens of
// the special ranges (see ip_prefix_opens). Fields are private to ip_set.c.
#pragma once

#include "auth/base/arena.h"
#include "auth/iprange.h"

struct ip_set; // opaque; lives in the arena that it was built in

// ip_set_builder collects prefixes on the heap. A zeroed one is empty; the others are private.
struct ip_set_builder {
    struct ip_prefix *prefixes; // owned
    size_t count;
    size_t cap;
    bool has_public; // to be set for the word `public`: every ordinary address
};

// ip_set_builder_add takes one prefix; repeats and overlaps are allowed.
enum err ip_set_builder_add(struct ip_set_builder *builder,
                            const struct ip_prefix *prefix) MUST_USE;

// ip_set_builder_finish compiles what was added into `arena` and empties the builder. An empty set
// is a set. NULL without memory.
const struct ip_set *ip_set_builder_finish(struct ip_set_builder *builder,
                                           struct arena *arena) MUST_USE;

// ip_set_builder_deinit frees what an abandoned builder holds. A zeroed one is allowed.
void ip_set_builder_deinit(struct ip_set_builder *builder);

// ip_set_holds tells whether the address lies in the set, special or not: how sources and denials
// read it. `ip_class` is that of `addr`.
bool ip_set_holds(const struct ip_set *set, const struct ip_addr *addr, enum ip_class ip_class);

// ip_set_opens tells whether the set admits the address: how an allow reads it. An ordinary address
// has to lie in it; a special one in one of its prefixes that ip_prefix_opens it; others never.
bool ip_set_opens(const struct ip_set *set, const struct ip_addr *addr, enum ip_class ip_class);

// ip_set_has_public tells whether `public` is in it; ip_set_count gives the number of its ranges.
bool ip_set_has_public(const struct ip_set *set);
size_t ip_set_count(const struct ip_set *set);

// ip_set_range gives a range of the set, in order, IPv4 first: `first` to `last`, both in it.
void ip_set_range(const struct ip_set *set, size_t index, struct ip_addr *first,
                  struct ip_addr *last);
