// page_ends: the part of the page that says which certificates and lists end next.
#pragma once

#include "auth/base/text.h"
#include "proxy/config/snapshot.h"
#include "proxy/session/session_tops.h"

// page_ends_append_left adds how long something is still good, in red or amber where that is soon.
void page_ends_append_left(struct text *out, int64_t left_s);

// page_ends_write adds the table; `ends` counts handshakes by how long the client's certificate was still good.
void page_ends_write(const struct snapshot *snapshot, const uint64_t ends[ENDS_COUNT],
                     int64_t now_s, struct text *out);
