// neighbours: what `check` says of those that the proxy speaks with beside clients and targets: resolvers, parents, receivers
// of the audit log, OCSP responders, and who watches it.
#pragma once

#include "proxy/config/snapshot.h"

// neighbours_print prints a line on stdout for each resolver that is asked over TLS, each parent, each receiver of records, and
// for `admin`.
void neighbours_print(const struct snapshot *snapshot);

// neighbours_print_ocsp prints whom a trust profile asks about its clients; nothing where it asks nobody.
void neighbours_print_ocsp(const struct trust *trust);
