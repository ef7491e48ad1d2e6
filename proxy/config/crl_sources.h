// crl_sources: the entries of a profile's `crl` that are a server and not a file, or those servers that certificates name, and
// where each list that came is kept.
//
// A list that came is a file of `crl_cache` like any other. Knows no network.
#pragma once

#include "auth/http_url.h"
#include "proxy/config/section.h"

enum {
    CRL_FILE_MAX = 256 * 1024 * 1024
}; // bytes of a list, from wherever; a million entries are some 40 MiB

// crl_source is one of them; all is in the snapshot's arena.
struct crl_source {
    const char *trust;         // name of the profile
    bool is_learned;           // `from: cdp`: the URLs are those that verified certificates name
    struct http_url url;       // unless it is learned
    const char *path;          // of the file that keeps the list; of a learned one the folder
    int64_t every_ms;          // how often a server is asked
    uint32_t max_size;         // bytes of a list that is fetched
    struct http_url *prefixes; // of a learned one: what its URLs must be under
    size_t prefix_count;
};

extern const struct section crl_source_section;

// crl_source_read reads one entry, a map, of the `crl` of the profile `profile`. NULL: there is something wrong with it,
// which was reported.
const struct crl_source *crl_source_read(struct reader *reader, const struct node *profile,
                                         const struct node *entry);

// crl_source_learned_path makes the path of the file that keeps the list of `url` for a learned source. False: it is too long.
bool crl_source_learned_path(const struct crl_source *source, const struct http_url *url,
                             char out[CONFIG_PATH_MAX + 1]);

// crl_source_owns tells whether a name in the folder of a learned source is that of a file of its own.
bool crl_source_owns(const struct crl_source *source, const char *name);

// crl_sources_check reports a `crl_cache` that nothing uses.
void crl_sources_check(struct reader *reader, const struct node *profile);

// crl_sources_has tells whether the `crl` of a profile has such an entry.
bool crl_sources_has(const struct node *profile);
