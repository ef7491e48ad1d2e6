// Opens what the checks need, and runs all of them.
#include "proxy/lint/lint.h"

#include <libpsl.h>

#include "proxy/lint/parts.h"

// Comparing a thousand rules of a thousand names with one another would take minutes.
enum { WORK_MAX = 20 * 1000 * 1000 };

enum err lint_policy(const struct snapshot *snapshot, struct diagnostics *diagnostics)
{
    struct lint lint = {
        .snapshot = snapshot,
        .diagnostics = diagnostics,
        .budget = {.left = WORK_MAX},
        .listing = {.left = WORK_MAX},
    };
    TRY(places_open(snapshot, &lint.places));
    lint.suffixes = psl_latest(NULL);
    if (lint.suffixes == NULL)
        lint_find(
            &lint, SEVERITY_NOTE, NULL,
            "wildcards are not compared with the list of public suffixes: it is not on this machine (Debian: apt-get install publicsuffix)");
    lint_clients(&lint);
    lint_speakers(&lint);
    lint_rules(&lint);
    lint_inner(&lint);
    lint_forgery(&lint);
    lint_start(&lint);
    if (lint.budget.left == 0 || lint.listing.left == 0)
        lint_find(&lint, SEVERITY_NOTE, NULL,
                  "not everything was looked at: there are too many rules with long lists");
    psl_free(lint.suffixes);
    places_close(&lint.places);
    return diagnostics->error_count > diagnostics->included_count ? ERR_INPUT : ERR_OK;
}
