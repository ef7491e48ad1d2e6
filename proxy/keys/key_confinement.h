// key_confinement: what the key holder gives up.
#pragma once

#include "proxy/keys/key_folders.h"

// key_confinement_hide keeps the process's memory from others: no core, no ptrace, no /proc/PID/mem but for root, no swap
// where the limits allow that.
void key_confinement_hide(void);

// key_confinement_begin takes away everything that is not needed to open files below the folders and to sign. Before there are
// other threads. What the kernel does not have is left out. ERR_SYSTEM with a sentence in `info` where it fails.
enum err key_confinement_begin(const struct key_folders *folders, struct errinfo *info) MUST_USE;
