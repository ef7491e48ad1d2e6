// Thin: what is counted, the link counts.
#include "proxy/service/store_report.h"

void store_report_metrics(const struct store_facts *facts, struct exposition *out)
{
    static const struct family calls = {.name = "sallyport_store_calls",
                                        .kind = FAMILY_COUNTER,
                                        .help = "Questions to the store that the fleet shares."};
    static const struct family connects = {.name = "sallyport_store_connects",
                                           .kind = FAMILY_COUNTER,
                                           .help = "How often the store was reached."};
    static const struct family failures = {
        .name = "sallyport_store_failures",
        .kind = FAMILY_COUNTER,
        .help = "Questions to the store that were lost, late, or answered by an error."};
    static const struct family seconds = {.name = "sallyport_store_seconds",
                                          .kind = FAMILY_HISTOGRAM,
                                          .unit = "seconds",
                                          .help = "How long the store's answers took."};
    const bool is_shared = facts != NULL;
    exposition_add_single(out, &calls, is_shared, is_shared ? facts->calls : 0);
    exposition_add_single(out, &connects, is_shared, is_shared ? facts->connects : 0);
    exposition_add_single(out, &failures, is_shared, is_shared ? facts->failures : 0);
    exposition_add_family(out, &seconds);
    if (facts != NULL)
        exposition_add_histogram(out, &histogram_waits, &facts->latency);
}
