// control: the section that says where the running proxy can be asked, for those who only want to ask.
#pragma once

#include <stddef.h>

#include "auth/base/err.h"

// control_find_socket reads nothing of a configuration but the path of its control socket, resolved against
// the folder of the file, into `out` of `cap` bytes: no key has to be readable and no rule right. Any error
// comes with a sentence in `info`.
enum err control_find_socket(const char *config_path, char *out, size_t cap,
                             struct errinfo *info) MUST_USE;
