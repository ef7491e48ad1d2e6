// guest: the client of a request that is not connected itself: a proxy (its *edge*, with `speaks_for`) passes on the
// certificates that the client has shown there (RFC 9440).
//
// It is judged as if it had come by itself, with the profile that `speaks_for` names, and it is the client of the request:
// rules, limits and records are its own. Its address is the edge's. What ends either of them ends the request.
#pragma once

#include "proxy/http/head.h"
#include "proxy/session/verdict.h"
#include "proxy/session/revalidation.h"

// guest_introduce reads whose request a head is. Go: `*out` is the guest, owned by the caller, or NULL where the edge asks for
// itself. Otherwise the verdict says why it is refused, and `*out_presented`, owned by the caller, what the certificate
// claims, or NULL. OCSP has been asked, and is not waited for: that is peer_revalidate's to judge. The edge has been judged again.
struct verdict guest_introduce(struct peer *edge, const struct message_head *head,
                               struct peer **out, struct identity **out_presented);

// guest_has_turn tells whether a request of this edge may be looked at in this pass of the loop: a signature takes as long as a
// hundred small messages of tunnels, which are waiting, too. Always true of who speaks for nobody.
bool guest_has_turn(const struct peer *edge);

// guest_waits tells whether an answer about it is still to come, and guest_wait_ms how long that may take.
bool guest_waits(const struct peer *guest);
int64_t guest_wait_ms(const struct peer *guest);

// guest_settle takes note of what OCSP has said by now, also for the records: after a wait. False without memory.
bool guest_settle(struct peer *guest);

// guest_destroy frees one. NULL is allowed.
void guest_destroy(struct peer *guest);
