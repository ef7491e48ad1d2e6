// Set by set. Each name costs one of the budget, because many rules may share one long list.
#include "proxy/lint/rule_names.h"

bool rule_names_next(struct lint *lint, const struct rule *rule, struct name_walk *walk)
{
    while (lint->listing.left > 0 && walk->set < rule->hosts.count) {
        if (host_set_next(rule->hosts.items[walk->set], &walk->cursor, &walk->record)) {
            lint->listing.left--;
            return true;
        }
        walk->set++;
        walk->cursor = 0;
    }
    return false;
}
