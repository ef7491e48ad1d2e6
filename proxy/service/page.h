// page: the proxy on one page, for people: what it does now and has done in the last hour, who is refused and why, and what
// ends next.
#pragma once

#include "proxy/page/history.h"
#include "proxy/service/state.h"

// page_sample takes what the workers have answered to SCAN_TOTALS into the history.
void page_sample(const struct service *service, const struct scan *scan, struct history *history);

// page_write adds the whole document to `out`, which hands on pieces of 8 KiB. `scan` is what the workers have answered to
// SCAN_PAGE, and is sorted by this.
void page_write(const struct service *service, const struct history *history, struct scan *scan,
                struct text *out);
