// system_cas: the CAs that this machine's administrator believes for servers: one file that the system keeps.
#pragma once

#include "proxy/config/file.h"
#include "proxy/config/reader.h"

extern const char SYSTEM_CAS_PATH[];

// system_cas_read reads the file, which is watched from then on. False, and reported at `node` as a mistake of `what`, where it
// cannot be read. file_content_deinit follows in any case.
bool system_cas_read(struct reader *reader, const struct node *node, const char *what,
                     struct file_content *out);
