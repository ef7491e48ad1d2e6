// range_list: the hand-written list of special ranges (tests/data/special_ranges.list), and the
// addresses at the edges of a range. Shares no table with auth/iprange.c: it is its second opinion.
#pragma once

#include "auth/iprange.h"

enum { RANGE_LIST_MAX = 128, RANGE_EDGES = 5 };

struct range_row {
    enum ip_class ip_class;
    struct ip_prefix prefix;
    char name[64];
};

struct range_list {
    struct range_row rows[RANGE_LIST_MAX];
    size_t count;
};

// range_list_load reads the list at `path`; the test fails when it cannot.
void range_list_load(struct range_list *list, const char *path);

// range_list_find gives the row that decides about `addr`, or NULL for an ordinary address: closed
// and metadata before special, then the longest.
const struct range_row *range_list_find(const struct range_list *list, const struct ip_addr *addr);

// range_edges gives the first, last and a middle address of `prefix`, and the addresses just before
// and after it where there are any; returns how many.
size_t range_edges(const struct ip_prefix *prefix, struct ip_addr out[RANGE_EDGES]);
