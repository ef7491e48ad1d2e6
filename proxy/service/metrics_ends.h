// metrics_ends: when the certificates and lists of a configuration end, as metrics.
#pragma once

#include "proxy/config/snapshot.h"
#include "proxy/metrics/exposition.h"

// metrics_ends_write adds their families to `out`.
void metrics_ends_write(const struct snapshot *snapshot, struct exposition *out, int64_t now_s);
