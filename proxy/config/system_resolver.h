// system_resolver: the names and servers of this machine, for programs on the client's side that have no
// configuration: what the machine's other programs would ask and find.
#pragma once

#include "proxy/net/resolver_options.h"

// system_servers_add adds the servers of a resolv.conf's text, and returns how many cannot be used: with a zone, at an
// address where no server can be, or more than there is room for.
size_t system_servers_add(struct resolver_options *options, struct slice text);

// system_servers_default asks this machine, as libc would, where there is no server. Tells whether that was so.
bool system_servers_default(struct resolver_options *options);

// system_resolver_fill sets servers, hosts and bounds in `options`, which is zeroed but for servers that
// are there already; there is no cache, for such a program remembers by itself. Without servers they are
// those of /etc/resolv.conf (as libc: 127.0.0.1 where it names none); the hosts are those of /etc/hosts,
// with `localhost`. Files that cannot be read count as empty. ERR_MEMORY. `options->hosts` is a reference
// of the caller's. Blocking.
enum err system_resolver_fill(struct resolver_options *options) MUST_USE;
