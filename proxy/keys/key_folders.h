// key_folders: the folders below which the key holder opens files. Until they are sealed each file that is opened adds its
// folder, or itself alone where much else is in that folder (/etc, say); afterwards only what lies below them is opened, wherever
// symbolic links lead.
//
// Only the holder's first thread adds. Any of its threads may open once they are sealed.
#pragma once

#include "auth/base/err.h"
#include "auth/base/slice.h"
#include "proxy/keys/key_groups.h"

enum { KEY_FOLDERS_MAX = 256, KEY_SECRET_LEN = 32 };

struct key_folders {
    char *paths[KEY_FOLDERS_MAX]; // owned; without links, and without a slash at the end
    size_t count;
    uint8_t secret[KEY_SECRET_LEN]; // random; part of what is told of a file's content (key_file.h)
    bool is_sealed;
};

// key_folders_init makes an empty one with a secret.
void key_folders_init(struct key_folders *folders);

// key_folders_allow adds a folder, or the folder of a file. Errors with a sentence in `info`.
enum err key_folders_allow(struct key_folders *folders, const char *path,
                           struct errinfo *info) MUST_USE;

// key_folders_open opens the file for reading; the descriptor is the caller's. Errors with a sentence in `info`; once they are sealed,
// the same for all that lies elsewhere, whether it is there or not.
enum err key_folders_open(struct key_folders *folders, const char *path, int *out_fd,
                          struct errinfo *info) MUST_USE;

// key_folders_save writes the folders, the secret, and the groups that count, into a file in memory, which nobody can change afterwards.
// False with errno set.
bool key_folders_save(const struct key_folders *folders, const struct key_groups *groups, int fd);

// key_folders_load reads what key_folders_save has written, and seals. False: the file was never written, or is not whole.
bool key_folders_load(struct key_folders *folders, struct key_groups *out_groups, int fd);

// key_folders_hold tells whether the path, which has no links, is one of them, or lies below. Pure.
bool key_folders_hold(const struct key_folders *folders, const char *path);

void key_folders_deinit(struct key_folders *folders);
