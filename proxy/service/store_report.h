// store_report: the connection to the store that a fleet shares, as metrics tell of it.
//
// Knows nothing of what is asked over it.
#pragma once

#include "proxy/metrics/exposition.h"
#include "proxy/store/store_link.h"

// store_report_metrics adds families; without samples for NULL, so where nothing is shared.
void store_report_metrics(const struct store_facts *facts, struct exposition *out);
