// crls: the `crl` of a trust profile: files and folders of revocation lists, and the lists that were fetched from a server.
#pragma once

#include "auth/trust.h"
#include "proxy/config/crl_sources.h"
#include "proxy/config/reader.h"

// crl_take gets the bytes of one file of a `crl`; `node` is the entry that names it, its folder, or the server (a map) that it
// came from.
typedef void crl_take(struct reader *reader, const struct node *node, const char *path,
                      struct slice bytes, void *arg);

// crl_add adds the lists in the bytes of a file to a profile, as of the entry `node` that it comes from. Errors as of
// trust_add_crl.
enum err crl_add(struct trust *trust, const struct node *node, struct slice bytes,
                 struct errinfo *info) MUST_USE;

// crl_note gets each entry that is a server, whether its list is there or not.
typedef void crl_note(struct reader *reader, const struct node *node,
                      const struct crl_source *source, void *arg);

// crl_visitor is who is told; `arg` is borrowed.
struct crl_visitor {
    crl_take *take;
    crl_note *note; // NULL: nobody wants to know
    void *arg;
};

// crls_walk gives every file of the `crl` of the profile `profile` to the visitor; what cannot be read is reported. A list
// that has not been fetched yet is left out. No `crl`: nothing.
void crls_walk(struct reader *reader, const struct node *profile,
               const struct crl_visitor *visitor);

// crls_describe notes each list of a finished profile at `node`, warns of those that end soon or do
// not count for anybody, and says so when there is none.
void crls_describe(struct reader *reader, const struct node *node, const struct trust *trust);
