// lists: sets of host names, addresses and ports as an import needs them: what two of them share, and whether they do.
//
// Pure. All memory is of the notes' arena. Bounded: where a comparison would take too long the answer is the careful one,
// which says so in its comment.
#pragma once

#include "auth/hostname.h"
#include "auth/ipaddr.h"
#include "auth/rules.h"
#include "proxy/import/notes.h"

// import_host is a name, or with `is_suffix` all names below it (`*.name`).
struct import_host {
    struct slice name; // canonical; arena
    bool is_suffix;
};

struct import_hosts {
    struct import_host *items;
    size_t count;
    size_t cap;
};

struct import_prefixes {
    struct ip_prefix *items;
    size_t count;
    size_t cap;
};

enum { IMPORT_PORTS = 65536 };

// import_ports is a set of ports.
struct import_ports {
    uint64_t bits[IMPORT_PORTS / 64];
};

// import_hosts_add adds a name. import_prefixes_add adds a prefix. Without memory the notes say so.
void import_hosts_add(struct import_notes *notes, struct import_hosts *hosts, struct slice name,
                      bool is_suffix);
void import_prefixes_add(struct import_notes *notes, struct import_prefixes *prefixes,
                         const struct ip_prefix *prefix);

// import_hosts_meet gives the names that are in both. False where the lists are too long for it.
bool import_hosts_meet(struct import_notes *notes, const struct import_hosts *a,
                       const struct import_hosts *b, struct import_hosts *out) MUST_USE;

// import_hosts_overlap tells whether a name may be in both; true where the lists are too long to tell.
bool import_hosts_overlap(const struct import_hosts *a, const struct import_hosts *b);

// import_hosts_drop gives the names of `hosts` that no entry of `dropped` covers altogether; all of them where the lists are too long.
void import_hosts_drop(struct import_notes *notes, const struct import_hosts *hosts,
                       const struct import_hosts *dropped, struct import_hosts *out);

// import_prefixes_cover tells whether each prefix of `inner` is inside one of `outer`; false where they are too long.
bool import_prefixes_cover(const struct import_prefixes *outer,
                           const struct import_prefixes *inner);

// import_prefixes_overlap tells whether an address may be in both; true where the lists are too long to tell.
bool import_prefixes_overlap(const struct import_prefixes *a, const struct import_prefixes *b);

// import_prefix_parse reads an address, with `/LENGTH` or `/NETMASK` if there is one; bits after the prefix are cleared.
bool import_prefix_parse(struct slice text, struct ip_prefix *out);

// import_range_add reads a range of IPv4 addresses, `FIRST-LAST`, and adds the prefixes that it consists of.
bool import_range_add(struct import_notes *notes, struct import_prefixes *prefixes,
                      struct slice text);

// import_prefixes_are_wide tells whether one of them is a large part of all addresses of its family.
bool import_prefixes_are_wide(const struct import_prefixes *prefixes);

// import_ports_add adds a range; import_ports_has looks up a port.
void import_ports_add(struct import_ports *ports, uint32_t first, uint32_t last);
bool import_ports_has(const struct import_ports *ports, uint32_t port);

// import_ports_fill makes it all ports from 1 on.
void import_ports_fill(struct import_ports *ports);

// import_ports_keep keeps those that are in `kept` too; import_ports_drop those that are not in `dropped`.
void import_ports_keep(struct import_ports *ports, const struct import_ports *kept);
void import_ports_drop(struct import_ports *ports, const struct import_ports *dropped);

// import_ports_overlap tells whether a port is in both; import_ports_are_empty whether there is none.
bool import_ports_overlap(const struct import_ports *a, const struct import_ports *b);
bool import_ports_are_empty(const struct import_ports *ports);

// import_ports_next gives the next range from `*port` on, which begins with 0 and is kept; false after the last.
bool import_ports_next(const struct import_ports *ports, uint32_t *port, struct port_range *out);
