// rule_names: the names of a rule, one after the other. Private to proxy/lint.
#pragma once

#include "proxy/lint/findings.h"

// name_walk is a walk through the names of a rule; zeroed at its begin.
struct name_walk {
    size_t set;
    size_t cursor;
    struct host_record record; // the name that it is at
};

// rule_names_next goes on to the next name. False after the last one, and when the budget for listing is used up.
bool rule_names_next(struct lint *lint, const struct rule *rule, struct name_walk *walk);
