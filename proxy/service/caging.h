// caging: what this process gives up before it hears the first byte of a stranger, by its configuration.
#pragma once

#include "proxy/config/snapshot.h"

// caging_begin is a process_hook: where `process.user` says so, the groups of that user are taken at once.
enum err caging_begin(void *arg, const struct process_settings *settings, struct errinfo *info);

// caging_try is the same for `check`: that somebody else than root runs it is no error.
enum err caging_try(void *arg, const struct process_settings *settings, struct errinfo *info);

// caging_check finds what the proxy could not do in its cage, where it goes in as root: it becomes who the proxy becomes, so that
// all that is looked at afterwards is seen with that one's eyes. ERR_INPUT where the proxy could not start.
enum err caging_check(const struct snapshot *snapshot, struct diagnostics *findings) MUST_USE;

// caging_enter gives up all rights but those that `snapshot` needs. Called by main before it starts a thread, and before it opens
// anything that it would have to open again later: what fails then shows now. ERR_INPUT or ERR_SYSTEM with a sentence.
enum err caging_enter(const struct snapshot *snapshot, struct errinfo *info) MUST_USE;
