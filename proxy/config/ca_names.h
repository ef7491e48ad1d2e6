// ca_names: `client_ca_names` of a listener: the names of CAs that a handshake tells the client. No
// client needs them: one that has one certificate shows it.
#pragma once

#include "proxy/config/reader.h"
#include "proxy/config/snapshot.h"

// ca_names_report reports at `node` what `mode` leads to with this profile: names that are not sent, or
// more than a handshake or Java can take.
void ca_names_report(struct reader *reader, const struct node *node, enum ca_names mode,
                     const struct trust *trust);

// ca_names_choose returns the names to send, owned by the caller; NULL: none, or no memory.
STACK_OF(CRYPTO_BUFFER) *ca_names_choose(enum ca_names mode, const struct trust *trust) MUST_USE;
