// index: what a CA has issued, revoked and published, one line a record in DIR/ca.index.
//
// Lines are only added. A line is on disk before the certificate or CRL that it records exists, so the index knows
// everything that was issued. A last line without its end is what a crash left of a record: it is not read, and is
// removed before the next line is added. A caller that adds lines holds a lock on the directory. Knows no certificates.
//
//   sallyport-ca-index 1
//   issue SERIAL KIND NAME NOT_BEFORE NOT_AFTER      times in Unix seconds
//   revoke SERIAL REASON AT
//   crl NUMBER AT
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "auth/base/err.h"
#include "auth/base/slice.h"

enum { INDEX_SERIAL_CAP = 2 * 32 + 1, INDEX_NAME_CAP = 32 + 1 };

#define INDEX_KIND_TABLE(X)                                                                        \
    X(INDEX_CLIENT, "client")                                                                      \
    X(INDEX_SERVER, "server")                                                                      \
    X(INDEX_CA, "ca")           /* an issuing CA, signed by the root beside it */                  \
    X(INDEX_UNKNOWN, "unknown") /* revoked by a serial that was never seen */

enum index_kind {
#define X(symbol, name) symbol,
    INDEX_KIND_TABLE(X)
#undef X
};

// RFC 5280 5.3.1, without those that end a revocation: here it is for good.
#define REVOCATION_TABLE(X)                                                                        \
    X(REVOCATION_UNSPECIFIED, "unspecified", 0)                                                    \
    X(REVOCATION_KEY_COMPROMISE, "keyCompromise", 1)                                               \
    X(REVOCATION_CA_COMPROMISE, "cACompromise", 2)                                                 \
    X(REVOCATION_AFFILIATION_CHANGED, "affiliationChanged", 3)                                     \
    X(REVOCATION_SUPERSEDED, "superseded", 4)                                                      \
    X(REVOCATION_CESSATION, "cessationOfOperation", 5)                                             \
    X(REVOCATION_PRIVILEGE_WITHDRAWN, "privilegeWithdrawn", 9)                                     \
    X(REVOCATION_AA_COMPROMISE, "aACompromise", 10)

enum revocation {
#define X(symbol, name, code) symbol,
    REVOCATION_TABLE(X)
#undef X
};

// index_entry is one certificate.
struct index_entry {
    char serial[INDEX_SERIAL_CAP]; // lower hex without leading zeros; "0" for zero
    char name[INDEX_NAME_CAP];     // "" when unknown
    enum index_kind kind;
    int64_t not_before_s; // Unix seconds
    int64_t not_after_s;
    bool is_revoked;
    enum revocation reason;
    int64_t revoked_s;
};

struct index {
    struct index_entry *entries; // owned; in the order of the file
    size_t count;
    size_t cap;
    uint32_t *slots;     // owned; hash table: place of an entry + 1, 0: empty
    size_t slot_count;   // a power of two
    uint64_t crl_number; // of the last CRL; 0: none yet
    char *path;          // owned
    int fd;              // open for adding, or -1
    int lock_fd;         // the directory, locked; or -1
    bool is_missing;     // there is no file yet
};

// index_open reads the index of `directory`; with `is_writing` it waits for the lock, so that
// records can be added until index_deinit. A file that is not there leaves `is_missing` set, and
// index_create must come before the first record. ERR_INPUT names file and line.
enum err index_open(const char *directory, bool is_writing, struct index *out,
                    struct errinfo *info) MUST_USE;

// index_read takes every whole line of `bytes` and tells how many bytes they are. Pure, but for memory.
// ERR_INPUT names the line of `index->path`.
enum err index_read(struct index *index, struct slice bytes, size_t *out_len,
                    struct errinfo *info) MUST_USE;

// index_deinit frees it and gives the lock back. For what index_open gave only.
void index_deinit(struct index *index);

// index_adopt adds an entry to memory alone: for what is found in a directory without an index.
// ERR_MEMORY.
enum err index_adopt(struct index *index, const struct index_entry *entry,
                     struct errinfo *info) MUST_USE;

// index_create writes the file that is missing, with all entries so far, and makes it ready for
// more.
enum err index_create(struct index *index, struct errinfo *info) MUST_USE;

// index_add_issue, index_add_revocation and index_add_crl add a record, on disk when they return.
// A revocation of a serial that is not there makes an entry of INDEX_UNKNOWN. ERR_SYSTEM.
enum err index_add_issue(struct index *index, const struct index_entry *entry,
                         struct errinfo *info) MUST_USE;
enum err index_add_revocation(struct index *index, const char *serial, enum revocation reason,
                              int64_t at_s, struct errinfo *info) MUST_USE;
enum err index_add_crl(struct index *index, uint64_t number, int64_t at_s,
                       struct errinfo *info) MUST_USE;

// index_find gives the entry of a serial, borrowed until something is added; NULL when there is
// none.
struct index_entry *index_find(const struct index *index, const char *serial);

// index_parse_serial reads hex in either case, with colons or without, into the form of an entry.
bool index_parse_serial(const char *text, char out[INDEX_SERIAL_CAP]);

const char *index_kind_name(enum index_kind kind);
const char *revocation_name(enum revocation reason);
unsigned revocation_code(enum revocation reason);
bool revocation_parse(struct slice name, enum revocation *out);
