// findings: one run of the lint, and how its parts report what they find. Private to proxy/lint. Knows no part.
#pragma once

#include "proxy/config/snapshot.h"
#include "proxy/lint/cover.h"
#include "proxy/lint/places.h"
#include "proxy/lint/public_suffix.h"

struct lint {
    const struct snapshot *snapshot; // borrowed
    struct diagnostics *diagnostics; // borrowed
    struct places places;
    struct public_suffix_list *list; // owned; NULL: this machine has none
    struct budget budget;            // for comparing rules with rules
    struct budget listing;           // for looking at entries: many rules may share one long list
};

// lint_find reports a finding at a node (NULL: about the whole file). `format` is the message, and after a line break
// the hint, as with diagnostics_add.
void lint_find(struct lint *lint, enum severity severity, const struct node *node,
               const char *format, ...) PRINTF_LIKE(4, 5);

// lint_line gives the line of a client, for a finding about another one.
uint32_t lint_line(const struct lint *lint, size_t client);
