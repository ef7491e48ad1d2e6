// system_resolver: the servers and hosts of this machine, for programs on the client's side. They have no configuration,
// and resolve names as the other programs of the machine do.
#pragma once

#include "proxy/net/resolver_options.h"

// system_servers_add adds the servers of a resolv.conf's text, and returns how many cannot be used: with a zone, at an
// address where no server can be, or more than there is room for.
size_t system_servers_add(struct resolver_options *options, struct slice text);

// system_servers_default asks this machine, as libc would, where there is no server. Tells whether that was so.
bool system_servers_default(struct resolver_options *options);

// system_resolver_fill sets servers, hosts and bounds in `options`, which must be zeroed but for servers. It keeps
// servers that are there; otherwise it takes those of /etc/resolv.conf, or 127.0.0.1 if there is none. Hosts are those of
// /etc/hosts, and `localhost`. A file that cannot be read counts as empty. There is no cache: such a program keeps what
// it has resolved. `options->hosts` is a reference of the caller's. ERR_MEMORY. Blocking.
enum err system_resolver_fill(struct resolver_options *options) MUST_USE;
