// parts: the checks of the lint, one file each. Private to proxy/lint.
#pragma once

#include "proxy/lint/findings.h"

// lint_clients checks which clients and entries of `match` can ever match.
void lint_clients(struct lint *lint);

// lint_forgery checks who can write a PROXY header of its own to a target that gets ours.
void lint_forgery(struct lint *lint);

// lint_inner checks what is written about the inside of tunnels, and what is not.
void lint_inner(struct lint *lint);

// lint_start checks what `serve` would find on this machine. Errors are findings that would end it.
void lint_start(struct lint *lint);

// lint_is_listened_to tells whether a listener takes certificates of this trust profile; NULL: of the only one.
bool lint_is_listened_to(const struct snapshot *snapshot, const char *trust);

// lint_speakers checks the clients with `speaks_for`, and those that are spoken for.
void lint_speakers(struct lint *lint);

// lint_rules checks every list of rules.
void lint_rules(struct lint *lint);
