// metrics: everything that the process knows about itself, in the text that Prometheus reads.
//
// No label has a value that a client can choose: names are of the configuration, words of our tables, subjects of
// certificates that the operator has installed.
#pragma once

#include "proxy/metrics/exposition.h"
#include "proxy/service/state.h"

// metrics_write adds all families to `out`. `scan` is what the workers have answered to SCAN_METRICS or SCAN_TOTALS; series
// of clients are written where the configuration in force has them.
void metrics_write(const struct service *service, const struct scan *scan,
                   enum exposition_format format, struct text *out);
