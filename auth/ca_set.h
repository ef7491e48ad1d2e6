// ca_set: the certificates of a trust profile, read from PEM or a SPIFFE bundle and sorted into anchors and helpers. Private
// to auth.
//
// Built once, then immutable and counted by reference, so that profiles which differ only in their
// revocation share one. Knows no files; time is an argument.
#pragma once

#include <openssl/x509.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "auth/base/err.h"
#include "auth/base/slice.h"
#include "auth/cert_id.h"
#include "auth/pem.h"

// ca_entry is one certificate of the set.
struct ca_entry {
    X509 *cert;          // owned
    char *subject;       // owned; RFC 4514
    const char *warning; // static memory, or NULL
    int64_t not_before_s;
    int64_t not_after_s;
    uint8_t sha256[CERT_DIGEST_LEN];
    uint8_t authority[CERT_DIGEST_LEN]; // cert_id_of_authority
    bool is_ca_entry;                   // came as a CA, else as an intermediate
    bool is_lenient;                    // came with a bundle that others keep
    bool is_anchor;                     // known once sorted, whatever its validity
    bool has_helpers;                   // known once sorted: another one of the set is below it
};

struct ca_set {
    atomic_size_t refs;
    struct ca_entry *entries; // owned
    size_t count;
    size_t cap;
    STACK_OF(X509) *helpers; // owned; the certificates are the entries'
    X509_STORE *store;       // owned; empty for ever, see chain.h
    bool is_sorted;
};

// ca_addition says how a file of certificates is read.
struct ca_addition {
    struct ca_set *set; // borrowed; what they are added to
    bool is_ca_entry;   // they may become anchors
    bool is_lenient;    // what is no CA, or is damaged, is left out
};

// ca_set_create makes an empty set with one reference. NULL without memory.
struct ca_set *ca_set_create(void) MUST_USE;

// ca_set_ref takes another reference and returns its argument. Any thread.
struct ca_set *ca_set_ref(struct ca_set *set);

// ca_set_unref gives one back; the last one frees the set. NULL is allowed. Any thread.
void ca_set_unref(struct ca_set *set);

// ca_set_add reads every certificate in `pem` as `addition` says. ERR_INPUT, ERR_LIMIT or ERR_MEMORY with
// the sentence in `info`; see trust_add_ca. The same certificate twice counts once. `*out` says what a lenient addition
// could not read; NULL for others.
enum err ca_set_add(struct ca_addition *addition, struct slice pem, struct pem_left_out *out,
                    struct errinfo *info) MUST_USE;

// ca_set_sort decides which are anchors, over everything added and whatever the validity, so that no
// helper becomes an anchor because its issuer has expired. Nothing is added afterwards. ERR_MEMORY.
enum err ca_set_sort(struct ca_set *set, bool trusts_every_ca) MUST_USE;

// ca_entry_is_valid tells whether `now_s`, Unix seconds, is within its validity, the last second included.
bool ca_entry_is_valid(const struct ca_entry *entry, int64_t now_s);
