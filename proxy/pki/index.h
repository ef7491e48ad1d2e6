// index: what a CA has issued, revoked and published: one line for each record in DIR/ca.index.
//
// Lines are only added. A line is on disk before the certificate or CRL that it records exists, so the index knows
// everything that was issued. A last line without its end is the rest of a record that a crash interrupted: it is
// ignored, and removed before the next line is added. A caller that adds lines holds a lock on the directory. Knows no
// certificates.
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
#include "proxy/pki/names.h"

enum { INDEX_SERIAL_CAP = 2 * 32 + 1, INDEX_NAME_CAP = AUTHORITY_NAME_MAX + 1 };

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

// RFC 5280 5.3.1, without the reasons of a revocation that can end: here a revocation is permanent.
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
    size_t cap;          // a power of two
    uint32_t *slots;     // owned; hash table, 2 * cap: place of an entry + 1, 0: empty
    uint64_t crl_number; // of the last CRL; 0: none yet
    char path[PATH_CAP];
    int fd;          // open for adding, or -1
    int lock_fd;     // the directory, locked; or -1
    bool is_missing; // there is no file yet
};

// index_open reads the index of `directory`. With `is_writing` it waits for the lock on the directory; then records can be
// added until index_deinit. If there is no file, `is_missing` is set, and index_create must be called before the first
// record is added. ERR_INPUT names file and line; ERR_SYSTEM, ERR_MEMORY.
enum err index_open(const char *directory, bool is_writing, struct index *out,
                    struct errinfo *info) MUST_USE;

// index_read reads every complete line of `bytes` and gives their length. Pure, except that it allocates. ERR_INPUT names
// the line of `index->path`; ERR_MEMORY.
enum err index_read(struct index *index, struct slice bytes, size_t *out_len,
                    struct errinfo *info) MUST_USE;

// index_deinit frees the index and releases the lock. Only for an index that index_open has opened, or one with `fd` and
// `lock_fd` -1.
void index_deinit(struct index *index);

// index_adopt adds an entry in memory only, for certificates that are found in a directory without an index. ERR_MEMORY.
enum err index_adopt(struct index *index, const struct index_entry *entry,
                     struct errinfo *info) MUST_USE;

// index_create writes the missing file with all entries so far. After that records can be added. ERR_SYSTEM, ERR_MEMORY.
enum err index_create(struct index *index, struct errinfo *info) MUST_USE;

// index_add_issue, index_add_revocation and index_add_crl add one record. It is on disk when they return. A revocation of
// an unknown serial adds an entry of INDEX_UNKNOWN. ERR_SYSTEM, ERR_MEMORY.
enum err index_add_issue(struct index *index, const struct index_entry *entry,
                         struct errinfo *info) MUST_USE;
enum err index_add_revocation(struct index *index, const char *serial, enum revocation reason,
                              int64_t at_s, struct errinfo *info) MUST_USE;
enum err index_add_crl(struct index *index, uint64_t number, int64_t at_s,
                       struct errinfo *info) MUST_USE;

// index_find gives the entry with this serial, borrowed until something is added; NULL when there is none.
struct index_entry *index_find(const struct index *index, const char *serial);

// index_parse_serial reads hexadecimal digits in either case, with or without colons, into the form that an entry has.
bool index_parse_serial(const char *text, char out[INDEX_SERIAL_CAP]);

// INDEX_KIND_NAMES and REVOCATIONS are the tables above, by their enums. revocation_parse reads a name, in any case; false:
// there is no such reason.
extern const char *const INDEX_KIND_NAMES[];
extern const struct revocation_info {
    const char *name;
    unsigned code;
} REVOCATIONS[];
bool revocation_parse(struct slice name, enum revocation *out);
