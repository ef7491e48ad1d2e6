// server_files: the files by which TLS to a server of ours is made: `ca`, and `certificate` with `chain` and `key`. For every
// section that has both.
#pragma once

#include "proxy/config/file.h"
#include "proxy/config/section.h"

// Zeroed: none. Paths are in the reader's arena.
struct server_files {
    const char *ca_path;
    const char *chain_path; // NULL: no certificate is shown
    const char *key_path;
    struct file_content ca;
    struct file_content chain;
    struct file_content key;
};

// server_files_read reads what the map `node` names; `certificate` is the table of its key of that name. False, and reported,
// where one of them cannot be used. server_files_deinit follows in any case.
bool server_files_read(struct reader *reader, const struct node *node,
                       const struct section *certificate, struct server_files *out);

void server_files_deinit(struct server_files *files);
