// authorizer: `authorizer`: whom the proxy asks where a rule says `ask: true`.
#pragma once

#include "proxy/config/section.h"

struct snapshot;

extern const struct section authorizer_section;
extern const struct section authorizer_certificate_section;

// authorizer_read reads the section (NULL: left out) into the snapshot, which owns what is made, also where the rest is wrong.
void authorizer_read(struct reader *reader, const struct node *node, struct snapshot *snapshot);

// authorizer_check reports rules that ask nobody, and an authorizer that no rule asks, once the policy is read.
void authorizer_check(struct reader *reader, const struct node *root,
                      const struct snapshot *snapshot);
