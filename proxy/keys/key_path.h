// key_path: the paths of a configuration as the key holder takes them: whole ones. Private to proxy/keys.
#pragma once

#include "proxy/keys/key_message.h"

// key_path_whole writes `path` to `out`, with the working directory before it where it is relative. ERR_INPUT with a sentence: it
// is too long; ERR_SYSTEM: the working directory cannot be found.
enum err key_path_whole(const char *path, char out[KEY_PATH_MAX + 1],
                        struct errinfo *info) MUST_USE;
