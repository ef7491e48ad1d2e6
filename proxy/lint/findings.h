// findings: the state of one run of the lint, and how its checks report findings. Private to proxy/lint. Knows no check.
#pragma once

#include "proxy/config/snapshot.h"
#include "proxy/lint/cover.h"
#include "proxy/lint/places.h"

struct lint {
    const struct snapshot *snapshot; // borrowed
    struct diagnostics *diagnostics; // borrowed
    struct places places;
    // owned; the public suffixes; NULL: this machine has no list of them
    struct psl_ctx_st *suffixes;
    struct budget budget;  // for comparing rules with rules
    struct budget listing; // for looking at entries: many rules may share one long list
};

// lint_find reports a finding at a node (NULL: about the whole file). `format` is the message, and after a line break
// the hint, as with diagnostics_add.
void lint_find(struct lint *lint, enum severity severity, const struct node *node,
               const char *format, ...) PRINTF_LIKE(4, 5);
