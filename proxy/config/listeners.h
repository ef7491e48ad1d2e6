// listeners: the entries of `listeners`: where to listen, with which certificates, for which trust profile.
#pragma once

#include "proxy/config/matches.h"
#include "proxy/config/section.h"
#include "proxy/config/snapshot.h"

extern const struct section listener_section;
extern const struct section tls_section;
extern const struct section certificate_section;
extern const struct section sni_section;

// listeners_read reads `listeners` into the snapshot, which has its trust profiles already; `trusts`
// holds their names, in the same order. Reads certificates and keys. NULL: the missing key has been reported.
void listeners_read(struct reader *reader, const struct node *node, const struct name_list *trusts,
                    struct snapshot *snapshot);

// listeners_read_site reads `certificates` and `trust` of the map `node` of another section, as a listener has them, into
// `out`, which is zeroed: `tls` is the caller's, and NULL where a certificate cannot be used.
void listeners_read_site(struct reader *reader, const struct node *node,
                         const struct name_list *trusts, struct snapshot *snapshot,
                         bool is_certificate_optional, struct site *out);

// listeners_check_trusts warns of profiles that no listener uses, no `speaks_for`, and not `admin` either. After the clients. `node` is the list of listeners.
void listeners_check_trusts(struct reader *reader, const struct node *node,
                            const struct name_list *trusts, const struct snapshot *snapshot);
