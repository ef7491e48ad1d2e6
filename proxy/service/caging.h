// caging: what this process gives up before it hears the first byte of a stranger, by its configuration: user, capabilities, and
// the files that it can open.
#pragma once

#include "proxy/cage/sandbox.h"
#include "proxy/config/snapshot.h"

// caging is what is in force. Zeroed: nothing is. Private to caging.c but for reading.
struct caging {
    struct sandbox sandbox;
    int own_folder; // owned; /proc/self, so that its rule stays; -1: none
    char **
        written; // owned; whole paths of folders that can be written to, and names of devices and pipes
    size_t written_count;
};

// caging_begin is a process_hook: where `process.user` says so, the groups of that user are taken at once.
enum err caging_begin(void *arg, const struct process_settings *settings, struct errinfo *info);

// caging_try is the same for `check`: that somebody else than root runs it is no error.
enum err caging_try(void *arg, const struct process_settings *settings, struct errinfo *info);

// caging_check finds places that would open too much to the sandbox, and what the proxy could not do in its cage, where it goes in as root: it becomes who the proxy becomes, so that
// all that is looked at afterwards is seen with that one's eyes. ERR_INPUT where the proxy could not start.
enum err caging_check(const struct snapshot *snapshot, struct diagnostics *findings) MUST_USE;

// caging_print says on one line what of a sandbox this machine has.
void caging_print(const struct snapshot *snapshot);

// caging_enter gives up all rights but those that `snapshot` needs. Called by main before it starts a thread, and before it opens
// anything that it would have to open again later: what fails then shows now. ERR_INPUT or ERR_SYSTEM with a sentence.
enum err caging_enter(struct caging *caging, const struct snapshot *snapshot,
                      struct errinfo *info) MUST_USE;

// caging_may_write tells whether a later configuration can write where it wants to: ERR_INPUT with a sentence if not. What it reads
// it has read already; `control` stays where it is.
enum err caging_may_write(const struct caging *caging, const struct snapshot *snapshot,
                          struct errinfo *info) MUST_USE;

// caging_deinit frees; what is in force stays so.
void caging_deinit(struct caging *caging);
