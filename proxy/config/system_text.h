// system_text: the two files of a system that say where names lead: hosts(5) and resolv.conf(5).
//
// Pure: bytes in, values out, bounded. Both are written for other programs too, so a line that means nothing to us is
// passed over and counted, not refused. Opens nothing.
#pragma once

#include "auth/hostname.h"
#include "auth/ipaddr.h"

// hosts_text_line gets one name of a line and its address. False ends the reading.
typedef bool (*hosts_text_line)(void *arg, const struct ip_addr *address,
                                const struct hostname *name);

// hosts_text is what was seen while hosts(5) was read.
struct hosts_text {
    uint32_t line;          // where the reading ended, from 1; 0 for an empty text
    size_t skipped;         // lines that hold something that cannot be read
    uint32_t first_skipped; // the first of them; 0: none
};

// hosts_text_parse reads hosts(5) and calls `line` for every name.
struct hosts_text hosts_text_parse(struct slice text, hosts_text_line line, void *arg);

// resolv_conf_parse reads the `nameserver` lines of resolv.conf(5), at most `cap`; nothing else of it matters to us.
// Returns how many there are in `out`; `*out_skipped`: how many could not be read (a zone, as in fe80::1%eth0), or
// found no room.
size_t resolv_conf_parse(struct slice text, struct ip_addr *out, size_t cap, size_t *out_skipped);
