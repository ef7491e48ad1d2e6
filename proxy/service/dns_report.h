// dns_report: what `status` and the metrics say about each DNS server of the resolver.
#pragma once

#include "proxy/metrics/exposition.h"
#include "proxy/net/resolver_options.h"

// dns_report_status adds the array `dns`, in the order in which the servers are asked.
void dns_report_status(const struct resolver_options *resolver, struct text *out);

// dns_report_metrics adds the families about them.
void dns_report_metrics(const struct resolver_options *resolver, struct exposition *out);
