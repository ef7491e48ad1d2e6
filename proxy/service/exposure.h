// exposure: private keys that are apart (`process.keys`), and that the process that serves could read all the same. Whether it could is
// found by opening them: rules of files, links, groups and modes then all count as they do for an attacker. Nothing is read.
#pragma once

#include "proxy/config/snapshot.h"

// exposure_judge warns of such keys, and of such folders of `process.key_paths`, in `findings` (NULL: in the log), as this very process can
// open them. ERR_INPUT with a sentence in `info`: there is one, and the configuration wants no less than a whole sandbox. Folders are
// judged only where `has_rules`: else modes alone count, which those who write later keys there choose.
enum err exposure_judge(const struct snapshot *snapshot, bool has_rules,
                        struct diagnostics *findings, struct errinfo *info) MUST_USE;

// exposure_confine makes of a process what the one that serves will be, and tells whether it now has rules of files.
typedef enum err exposure_confine(const struct snapshot *snapshot, bool *out_has_rules,
                                  struct errinfo *info);

// exposure_foresee is exposure_judge as the process that serves will be: a process that is begun for it becomes that, and looks. Without
// other threads. ERR_SYSTEM: there can be no such process.
enum err exposure_foresee(const struct snapshot *snapshot, exposure_confine *confine,
                          struct diagnostics *findings, struct errinfo *info) MUST_USE;
