// key_confinement: what the key holder gives up, in two steps: at its start all that it never needs, and once its folders are settled
// all else. What the kernel does not have is left out, and told.
#pragma once

#include "proxy/cage/sandbox.h"
#include "proxy/keys/key_folders.h"

// key_confinement_hide keeps the process's memory from others: no core, no ptrace, no /proc/PID/mem but for root, no swap
// where the limits allow that.
void key_confinement_hide(void);

// key_confinement_begin leaves what is needed to find out whose groups count, to read keys anywhere, and to settle the folders: from
// now on there is no network, no other program or process, and nothing is written but what is open. Called before a byte is
// heard. `*out` is what the kernel has of a sandbox. ERR_SYSTEM with a sentence in `info` where it fails.
enum err key_confinement_begin(struct sandbox *out, struct errinfo *info) MUST_USE;

// key_confinement_finish takes away everything that is not needed to open files below the folders and to sign. Before there are
// other threads. Errors likewise.
enum err key_confinement_finish(const struct sandbox *sandbox, const struct key_folders *folders,
                                struct errinfo *info) MUST_USE;
