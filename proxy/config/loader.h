// loader: what the sections share that name files: the folder that paths are relative to, the time,
// and the snapshot that is being built.
#pragma once

#include "proxy/config/file.h"
#include "proxy/config/reader.h"
#include "proxy/config/sets.h"
#include "proxy/config/snapshot.h"

enum {
    CONFIG_PATH_MAX = 4095,             // bytes
    CERTIFICATE_FILE_MAX = 1024 * 1024, // bytes of a chain or key
    CA_FILE_MAX = 16 * 1024 * 1024,     // bytes of a bundle of CAs
    LIST_FILE_MAX = 256 * 1024 * 1024,  // bytes of a list of hosts or addresses
    CERTIFICATE_WARNING_DAYS = 14,      // a certificate with so few left is a warning
};

struct loader {
    struct reader *reader;     // borrowed
    struct snapshot *snapshot; // borrowed; under construction
    const char *folder;        // borrowed; of the configuration file
    int64_t now_s;             // Unix seconds
    bool is_early;             // something that takes trust away is good, but not valid at `now_s`
    const struct snapshot *
        in_force; // borrowed; made from the same text: what its profiles deny stays denied; NULL: none
};

// loader_path reads a path and resolves it against the folder of the configuration; arena.
bool loader_path(struct loader *loader, const struct node *node, const char *what,
                 const char **out);

// loader_file reads the file that `node` names. On `true` the content is the caller's.
bool loader_file(struct loader *loader, const struct node *node, const char *what, size_t max_len,
                 enum file_access access, const char **out_path, struct file_content *out);

// loader_list_files gives how list files are reached with this loader, which is borrowed.
struct list_files loader_list_files(struct loader *loader);

// loader_folder gives the folder that the paths of the configuration at `path` are relative to; arena. NULL
// without memory.
const char *loader_folder(struct arena *arena, const char *path) MUST_USE;

// loader_note_file notes for the snapshot that `path` was read and had this content; NULL `bytes.data`
// for a folder. Every file that the configuration names is noted, so that it can be watched.
void loader_note_file(struct loader *loader, const char *path, struct slice bytes);

enum { DATE_TEXT_CAP = 16 }; // bytes, with the NUL

// date_format writes `2026-11-22` for Unix seconds, NUL-terminated, and returns `out`.
const char *date_format(int64_t time_s, char out[DATE_TEXT_CAP]);

// days_left gives the whole days from `now_s` to `not_after_s`; negative when it has passed.
int64_t days_left(int64_t now_s, int64_t not_after_s);

// loader_validity notes how long the certificate `what` with `subject` is valid, or warns when that
// is not long.
void loader_validity(struct loader *loader, const struct node *node, const char *what,
                     const char *subject, int64_t not_after_s);

// trust_profiles_read reads `trust` and everything that it names into the snapshot, and gives the
// names of all profiles, in the order of the file, in the arena.
void trust_profiles_read(struct loader *loader, const struct node *node,
                         const char *const **out_names, size_t *out_count);

// What a listener tells its clients of the CAs that it trusts: `client_ca_names`.
enum ca_names {
    CA_NAMES_AUTO, // their names, unless they are many
    CA_NAMES_SEND,
    CA_NAMES_NONE,
};

// ca_names_read reads `client_ca_names`; NULL is left out.
void ca_names_read(struct loader *loader, const struct node *node, enum ca_names *out);

// ca_names_report says at `node` what comes of it with this profile: names not sent, or too many of them.
void ca_names_report(struct loader *loader, const struct node *node, enum ca_names mode,
                     const struct trust *trust);

// ca_names_choose gives the names to be sent, for tls_context_options; NULL for none, or without memory.
STACK_OF(CRYPTO_BUFFER) *ca_names_choose(enum ca_names mode, const struct trust *trust) MUST_USE;

// trust_profile_take makes a revision of the finished profile `current`, whose entry in the configuration is
// `node`: with each list that can be read now, without the CAs that are gone from its files, and with what is
// `denied` in `next`, the entry of another configuration, where all of that is good. ERR_MEMORY.
enum err trust_profile_take(struct loader *loader, const struct node *node, const struct node *next,
                            const struct trust *current, struct trust **out) MUST_USE;

// trust_replace puts a revision that has been added to in the place of `*trust`, finished for the loader's time;
// where it cannot be finished `*trust` stays, and the loader notes that it may be another time.
void trust_replace(struct loader *loader, struct trust *revision, struct trust **trust);

// crls_take puts a revision of `*trust` in its place for each file of the list `crl` that can be read.
void crls_take(struct loader *loader, const struct node *node, struct trust **trust);

// crls_read reads the list `crl` of a profile, files and directories, into `trust`, whose
// certificates are all there already. NULL is no list.
void crls_read(struct loader *loader, const struct node *node, struct trust *trust);

// crls_describe notes each list of a finished profile at `node`, warns of those that end soon or
// count for nobody, and says so when there is none.
void crls_describe(struct loader *loader, const struct node *node, const struct trust *trust);

// resolver_read reads `resolver` (NULL: all of it is left out), the system's list of servers and the hosts file into
// the snapshot.
void resolver_read(struct loader *loader, const struct node *node);

// tickets_init sets what holds without any `tickets`; tickets_read reads that of a listener (NULL: none)
// into the snapshot: the keys are the process's, so a second one has to say the same.
void tickets_init(struct snapshot *snapshot);
void tickets_read(struct loader *loader, const struct node *node);

// control_read reads `control` into the snapshot. NULL is none.
void control_read(struct loader *loader, const struct node *node);

// listeners_read reads `listeners` into the snapshot; trust profiles and their names come first.
void listeners_read(struct loader *loader, const struct node *node, const char *const *trust_names,
                    size_t trust_count);
