// proxy_board: which proxies are down, as checks have found. One thread writes, others read.
//
// They are found by host and port, for threads that have asked DNS for their places need not have the same list. A board lives
// as long as somebody refers to it. Knows no checks.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "auth/target.h"

enum { BOARD_PROXIES_MAX = 8 };

struct proxy_board; // opaque

// proxy_board_create makes a board on which nothing is down, with one reference. NULL without memory.
struct proxy_board *proxy_board_create(void) MUST_USE;

// proxy_board_ref takes another reference and returns its argument, proxy_board_unref gives one back; the last one frees.
// NULL is allowed for both. Any thread.
struct proxy_board *proxy_board_ref(struct proxy_board *board);
void proxy_board_unref(struct proxy_board *board);

// proxy_board_set says in slot `at` (below BOARD_PROXIES_MAX), which is one proxy's, whether it is down.
void proxy_board_set(struct proxy_board *board, size_t at, const struct target *proxy,
                     bool is_down);

// proxy_board_clear says that nothing is down.
void proxy_board_clear(struct proxy_board *board);

// proxy_board_is_down tells whether a proxy is. NULL: nothing is. Any thread.
bool proxy_board_is_down(const struct proxy_board *board, const struct target *proxy);

// proxy_board_has_up tells whether one of these is not down. Any thread.
bool proxy_board_has_up(const struct proxy_board *board, const struct target *proxies,
                        size_t count);
