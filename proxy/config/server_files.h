// server_files: the files by which TLS to a server of ours is made: `ca`, and `certificate` with `chain` and `key`; and what is
// made of them. For every section that has both.
#pragma once

#include "proxy/config/pair_files.h"
#include "proxy/config/section.h"
#include "proxy/tls/server_trust.h"

// Zeroed: none. Paths are in the reader's arena.
struct server_files {
    const char *ca_path;
    bool is_system; // the CAs are those of the system
    struct file_content ca;
    struct pair_files own; // without a path: no certificate is shown
};

// server_files_read reads what the map `node` names; `certificate` is the table of its key of that name. With `is_system` the CAs
// are those of the system, and not of `ca`. False, and reported, where one of them cannot be used. server_files_deinit follows
// in any case.
bool server_files_read(struct reader *reader, const struct node *node,
                       const struct section *certificate, bool is_system, struct server_files *out);

// server_files_make makes what TLS to `server` (NULL: see server_trust.h) needs of the files, and reports how long they are good,
// and whether the certificate that is shown is one for clients. `peer` is a word for the other side. False, and reported, where
// they are no good. The caller owns a reference to `*out`.
bool server_files_make(struct reader *reader, const struct node *node,
                       const struct server_files *files, const struct target *server,
                       const char *peer, struct server_trust **out);

void server_files_deinit(struct server_files *files);
