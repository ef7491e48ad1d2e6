// system_resolver: the names and servers of this machine, for programs on the client's side that have no
// configuration: what the machine's other programs would ask and find.
#pragma once

#include "proxy/net/resolver_options.h"

// system_resolver_fill sets servers, hosts and bounds in `options`, which is zeroed but for servers that
// are there already; there is no cache, for such a program remembers by itself. Without servers they are
// those of /etc/resolv.conf (as libc: 127.0.0.1 where it names none); the hosts are those of /etc/hosts,
// with `localhost`. Files that cannot be read count as empty. ERR_MEMORY. `options->hosts` is a reference
// of the caller's. Blocking.
enum err system_resolver_fill(struct resolver_options *options) MUST_USE;
