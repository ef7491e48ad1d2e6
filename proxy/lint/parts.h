// parts: what the lint looks at, a file each. Private to proxy/lint.
#pragma once

#include "proxy/lint/findings.h"

// lint_clients looks at who is matched by what. ERR_MEMORY.
enum err lint_clients(struct lint *lint) MUST_USE;

// lint_start looks at what a start would meet on this machine: errors where `serve` would end.
void lint_start(struct lint *lint);

// lint_rules looks at every list of rules.
void lint_rules(struct lint *lint);
