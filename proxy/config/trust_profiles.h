// trust_profiles: the entries of `trust`: names, files of certificates and lists, and bounds, into the
// profiles of auth/trust.
#pragma once

#include "auth/trust.h"
#include "proxy/config/matches.h"
#include "proxy/config/section.h"
#include "proxy/config/snapshot.h"

extern const struct section profile_section;
extern const struct section denied_section;

// trust_profiles_read reads `trust` and everything that it names into the snapshot, and sets `*out_names`
// to the names of all profiles, in the order of the file, in the arena. What the profiles of `in_force`
// (NULL: none) deny stays denied.
void trust_profiles_read(struct reader *reader, const struct node *node,
                         const struct snapshot *in_force, struct snapshot *snapshot,
                         struct name_list *out_names);

// profile_add_cas adds the certificates under `ca` of the profile `node`, and with `system_cas: true` those of the system.
void profile_add_cas(struct reader *reader, const struct node *node, struct trust *trust);

// profile_add_system_cas adds those of the system alone; a mistake is reported at `node`.
void profile_add_system_cas(struct reader *reader, const struct node *node, struct trust *trust);

// profile_read_denied denies what the list `node` names. NULL: nothing.
void profile_read_denied(struct reader *reader, const struct node *node, struct trust *trust);
