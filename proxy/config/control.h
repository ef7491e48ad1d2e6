// control: the section that says where the running proxy can be asked, and where blocks are kept.
#pragma once

#include "proxy/config/section.h"
#include "proxy/config/snapshot.h"

extern const struct section control_section;

// control_read reads `control` into the snapshot. NULL: there is none.
void control_read(struct reader *reader, const struct node *node, struct snapshot *snapshot);

// control_find_socket reads nothing of a configuration but the path of its control socket, resolved
// against the folder of the file, into `out` of `cap` bytes: no other key has to be readable and no rule
// right. `*out_is_broken`: the file is no YAML, and the path is from what looks like its `control`
// (section_text). Each error sets a sentence in `info`.
enum err control_find_socket(const char *config_path, char *out, size_t cap, bool *out_is_broken,
                             struct errinfo *info) MUST_USE;
