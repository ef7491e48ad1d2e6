// keeper_holder: the key holder of one version of the program (proxy/keys), as the keeper starts it: again, where it has ended.
//
// With each holder goes a file in memory that the version does not have: in it the first one writes down where keys may be,
// and all after it go by that. Before a version hears strangers it is settled whether it has any: later on it gets a holder only if
// the file was sealed then. So a version that strangers have taken over gets none that opens more.
#pragma once

#include <sys/types.h>

#include "auth/base/err.h"
#include "auth/base/slice.h"

// All holders of a keeper have a second file in memory in common, that no version has: in it they write down what the keys of audit logs
// have signed last (proxy/keys/key_history.h).

// The descriptors that a holder gets, as SOCKET:FILE:HISTORY.
#define KEY_HOLDER_VARIABLE "SALLYPORT_KEY_HOLDER"

// The command that it is started with; see proxy/main.c.
#define KEY_HOLDER_COMMAND "key-holder"

enum { KEEPER_HISTORY_LEN = 512 * 1024 }; // bytes

// keeper_holder is that of one version. Zeroed but for the descriptors, which are -1 then: none yet.
struct keeper_holder {
    pid_t pid;      // 0: none runs
    int program_fd; // owned; the file that the version runs
    int notes_fd;   // owned; where keys may be
    bool is_settled;
    bool is_refused; // settled: its version has no key apart
};

// keeper_holder_init is for a version that is started from the file at `path`; a file that cannot be opened shows in
// keeper_holder_start.
void keeper_holder_init(struct keeper_holder *holder, const char *path);

// keeper_holder_make_history makes that file, empty, and of a size that nobody changes. -1 with errno set.
int keeper_holder_make_history(void);

// keeper_holder_start starts one that speaks over `socket`, in the place of one that may still run, and has the file `history`.
// ERR_DENIED: it was settled that there is none. Errors with a sentence in `info`. The descriptors stay the caller's.
enum err keeper_holder_start(struct keeper_holder *holder, int socket, int history,
                             struct errinfo *info) MUST_USE;

// keeper_holder_settle settles, for good, whether there may be further ones: where one has noted, in the file that nobody can change
// any more, where keys may be. One that runs and has not is ended.
void keeper_holder_settle(struct keeper_holder *holder);

// keeper_holder_note_end tells whether the process that has ended was this one.
bool keeper_holder_note_end(struct keeper_holder *holder, pid_t pid);

// keeper_holder_deinit ends it.
void keeper_holder_deinit(struct keeper_holder *holder);
