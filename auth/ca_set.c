// The set of a profile's CAs: files of certificates taken apart, what could never be a CA refused, the
// rest sorted.
#include "auth/ca_set.h"

#include <openssl/bytestring.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/pool.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "auth/base/array.h"
#include "auth/spiffe_bundle.h"
#include "auth/strength.h"
#include "auth/verification.h"

enum { MAX_CERTIFICATES = 4096, MAX_PEM_BYTES = 16 * 1024 * 1024 };

struct ca_set *ca_set_create(void)
{
    struct ca_set *set = calloc(1, sizeof *set);
    if (set == NULL)
        return NULL;
    atomic_init(&set->refs, 1);
    set->helpers = sk_X509_new_null();
    set->store = X509_STORE_new();
    if (set->helpers != NULL && set->store != NULL)
        return set;
    ca_set_unref(set);
    return NULL;
}

struct ca_set *ca_set_ref(struct ca_set *set)
{
    (void)atomic_fetch_add_explicit(&set->refs, 1, memory_order_relaxed);
    return set;
}

void ca_set_unref(struct ca_set *set)
{
    if (set == NULL || atomic_fetch_sub_explicit(&set->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < set->count; i++) {
        X509_free(set->entries[i].cert);
        free(set->entries[i].subject);
    }
    free(set->entries);
    sk_X509_free(set->helpers);
    X509_STORE_free(set->store);
    free(set);
}

// format_subject gives the RFC 4514 text on the heap; NULL without memory.
static char *format_subject(X509 *cert)
{
    char buffer[DN_TEXT_CAP];
    struct text text;
    struct dn dn;
    text_init(&text, buffer, sizeof buffer);
    if (cert_id_read_name(X509_get_subject_name(cert), &dn) == ERR_OK)
        dn_format(&dn, &text);
    else
        text_append_string(&text, "(unreadable name)");
    return strdup(buffer);
}

// check_ca refuses what could never do its work as a CA here. It also fills the library's caches
// in the certificate, before any other thread sees it.
static enum err check_ca(const struct ca_entry *entry, size_t number, struct errinfo *info)
{
    const uint32_t flags = X509_get_extension_flags(entry->cert);
    if ((flags & EXFLAG_INVALID) != 0)
        return errinfo_set(info, ERR_INPUT, "certificate %zu (%.200s) has a malformed extension",
                           number, entry->subject);
    if ((flags & EXFLAG_BCONS) == 0 || (flags & EXFLAG_CA) == 0)
        return errinfo_set(info, ERR_INPUT,
                           "certificate %zu (%.200s) is not a CA: it needs basicConstraints with "
                           "CA:TRUE; did a client's or server's certificate get into this file?",
                           number, entry->subject);
    if (X509_NAME_entry_count(X509_get_subject_name(entry->cert)) == 0)
        return errinfo_set(
            info, ERR_INPUT,
            "certificate %zu is a CA without a name (RFC 5280 4.1.2.6), so its issued certificates cannot be found; have the CA make one with a subject",
            number);
    if (!X509_check_ca(entry->cert))
        return errinfo_set(info, ERR_INPUT,
                           "certificate %zu (%.200s) may not issue certificates: its key usage "
                           "leaves out keyCertSign",
                           number, entry->subject);
    if ((flags & EXFLAG_CRITICAL) != 0)
        return errinfo_set(info, ERR_INPUT,
                           "certificate %zu (%.200s) has a critical extension that is not "
                           "understood",
                           number, entry->subject);
    return ERR_OK;
}

static const char *find_warning(X509 *cert)
{
    const int index = X509_get_ext_by_NID(cert, NID_basic_constraints, -1);
    if (!strength_key_is_enough(cert))
        return "its key is too weak: no client will be accepted under it";
    if (index < 0 || !X509_EXTENSION_get_critical(X509_get_ext(cert, index)))
        return "its basicConstraints is not critical, as RFC 5280 wants it";
    return NULL;
}

static bool has_certificate(const struct ca_set *set, X509 *cert, bool is_ca_entry)
{
    for (size_t i = 0; i < set->count; i++) {
        if (set->entries[i].is_ca_entry == is_ca_entry && X509_cmp(set->entries[i].cert, cert) == 0)
            return true;
    }
    return false;
}

static enum err reserve_entry(struct ca_set *set, struct errinfo *info)
{
    if (set->count == MAX_CERTIFICATES)
        return errinfo_set(info, ERR_LIMIT, "more than %d certificates in one trust profile",
                           MAX_CERTIFICATES);
    struct ca_entry *entries =
        array_make_room(set->entries, set->count, &set->cap, sizeof *entries);
    if (entries == NULL)
        return errinfo_set(info, ERR_MEMORY, "no memory");
    set->entries = entries;
    return ERR_OK;
}

bool ca_entry_is_valid(const struct ca_entry *entry, int64_t now_s)
{
    return now_s >= entry->not_before_s && now_s <= entry->not_after_s;
}

// has_lost_key tells whether there was no memory for the key when the certificate was read. Newer versions of the library do
// not say so: such a certificate looks like one with a key of an unknown kind. So the key is read once more.
static bool has_lost_key(X509 *cert)
{
    EVP_PKEY *key = X509_get_pubkey(cert);
    const bool has_key = key != NULL;
    uint8_t *der = NULL;
    EVP_PKEY_free(key);
    if (has_key)
        return false;
    if (!verification_begin())
        return true;
    const int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);
    CBS cbs;
    CBS_init(&cbs, der, len < 0 ? 0 : (size_t)len);
    key = EVP_parse_public_key(&cbs);
    const enum verification again = verification_end(key != NULL);
    EVP_PKEY_free(key);
    OPENSSL_free(der);
    return again != VERIFICATION_BAD;
}

// read_entry reads one certificate; `number` is its place in the file, from 1. What it has made is the
// caller's, also on an error.
static enum err read_entry(struct slice der, size_t number, struct ca_entry *out,
                           struct errinfo *info)
{
    CRYPTO_BUFFER *buffer = CRYPTO_BUFFER_new(der.data, der.len, NULL);
    if (buffer == NULL)
        return errinfo_set(info, ERR_MEMORY, "no memory");
    out->cert = X509_parse_from_buffer(buffer);
    CRYPTO_BUFFER_free(buffer);
    if (out->cert == NULL)
        return errinfo_set(info, ERR_INPUT, "certificate %zu cannot be read: it is damaged",
                           number);
    out->subject = format_subject(out->cert);
    if (out->subject == NULL || has_lost_key(out->cert))
        return errinfo_set(info, ERR_MEMORY, "no memory");
    if (!cert_read_validity(out->cert, &out->not_before_s, &out->not_after_s))
        return errinfo_set(info, ERR_INPUT, "certificate %zu (%.200s) has a malformed date", number,
                           out->subject);
    TRY(check_ca(out, number, info));
    out->warning = find_warning(out->cert);
    SHA256(der.data, der.len, out->sha256);
    if (!cert_id_of_authority(out->cert, out->authority))
        return errinfo_set(info, ERR_MEMORY, "no memory");
    return ERR_OK;
}

static enum err add_der(const struct ca_addition *what, struct slice der, size_t number,
                        struct errinfo *info)
{
    struct ca_set *set = what->set;
    struct ca_entry entry = {.is_ca_entry = what->is_ca_entry, .is_lenient = what->is_lenient};
    TRY(reserve_entry(set, info));
    const enum err error = read_entry(der, number, &entry, info);
    if (error != ERR_OK || has_certificate(set, entry.cert, entry.is_ca_entry)) {
        const bool is_readable = entry.cert != NULL;
        X509_free(entry.cert);
        free(entry.subject);
        return error == ERR_INPUT && what->is_lenient && is_readable ? ERR_OK : error;
    }
    set->entries[set->count++] = entry;
    return ERR_OK;
}

static enum err add_block(void *arg, const char *kind, struct slice der, size_t number,
                          struct errinfo *info)
{
    const struct slice name = slice_of_string(kind);
    if (slice_ends_with(name, SLICE_LITERAL("PRIVATE KEY")))
        return errinfo_set(
            info, ERR_INPUT,
            "there is a private key in this file; a file of CA certificates is read by many and needs none: remove it");
    if (!slice_equal(name, SLICE_LITERAL("CERTIFICATE")) &&
        !slice_equal(name, SLICE_LITERAL("X509 CERTIFICATE")))
        return errinfo_set(info, ERR_INPUT,
                           "there is a block '%.40s' in this file; only CERTIFICATE is expected",
                           kind);
    return add_der(arg, der, number, info);
}

// add_readable adds block by block and notes in `out` what cannot be read. The number of the others goes to
// `*out_count`.
static enum err add_readable(struct ca_addition *what, struct slice pem, struct pem_left_out *out,
                             size_t *out_count, struct errinfo *info)
{
    struct pem_cursor cursor = {.rest = pem};
    struct slice block;
    uint32_t line = 0;
    *out = (struct pem_left_out){0};
    while (pem_next_block(&cursor, &block, &line)) {
        size_t count = 0;
        const enum err error = pem_read_blocks(block, add_block, what, &count, info);
        if (error != ERR_OK && error != ERR_INPUT)
            return error;
        *out_count += count;
        if (count == 0 && out->count++ == 0)
            out->first_line = line;
    }
    return ERR_OK;
}

enum err ca_set_add(struct ca_addition *what, struct slice pem, struct pem_left_out *out,
                    struct errinfo *info)
{
    size_t count = 0;
    ASSERT(!what->set->is_sorted);
    if (pem.len > MAX_PEM_BYTES)
        return errinfo_set(info, ERR_LIMIT, "more than %d bytes of certificates", MAX_PEM_BYTES);
    const bool is_bundle = !what->is_lenient && spiffe_bundle_is(pem);
    if (is_bundle && !what->is_ca_entry)
        return errinfo_set(info, ERR_INPUT, "a SPIFFE bundle holds anchors: name it under `ca`");
    if (is_bundle)
        TRY(spiffe_bundle_read(pem, add_block, what, &count, info));
    else if (what->is_lenient)
        TRY(add_readable(what, pem, out, &count, info));
    else
        TRY(pem_read_blocks(pem, add_block, what, &count, info));
    if (count == 0)
        return errinfo_set(info, ERR_INPUT,
                           "there is no certificate in it; PEM is expected, beginning with "
                           "-----BEGIN CERTIFICATE-----, or a SPIFFE bundle, beginning with {");
    return ERR_OK;
}

// issued_by tells whether `issuer` issued `cert`, signature included.
static enum verification issued_by(X509 *cert, X509 *issuer)
{
    if (X509_check_issued(issuer, cert) != X509_V_OK)
        return VERIFICATION_BAD;
    if (!verification_begin())
        return VERIFICATION_UNKNOWN;
    EVP_PKEY *key = X509_get_pubkey(issuer);
    const bool is_signed = key != NULL && X509_verify(cert, key) == 1;
    EVP_PKEY_free(key);
    return verification_end(is_signed);
}

// find_issuer looks for a certificate of the set that issued `cert`, and notes that it did. ERR_MEMORY: nobody knows,
// and a helper must not become an anchor for that.
static enum err find_issuer(struct ca_set *set, X509 *cert, bool *out_is_found)
{
    *out_is_found = false;
    for (size_t i = 0; i < set->count; i++) {
        struct ca_entry *entry = &set->entries[i];
        if (X509_cmp(entry->cert, cert) == 0)
            continue;
        const enum verification issued = issued_by(cert, entry->cert);
        if (issued == VERIFICATION_UNKNOWN)
            return ERR_MEMORY;
        entry->has_helpers |= issued == VERIFICATION_GOOD;
        *out_is_found |= issued == VERIFICATION_GOOD;
    }
    return ERR_OK;
}

enum err ca_set_sort(struct ca_set *set, bool trusts_every_ca)
{
    ASSERT(!set->is_sorted);
    set->is_sorted = true;
    for (size_t i = 0; i < set->count; i++) {
        struct ca_entry *entry = &set->entries[i];
        bool has_issuer = false;
        if (!cert_is_self_issued(entry->cert))
            TRY(find_issuer(set, entry->cert, &has_issuer));
        entry->is_anchor = entry->is_ca_entry && (trusts_every_ca || !has_issuer);
        if (!entry->is_anchor && !sk_X509_push(set->helpers, entry->cert))
            return ERR_MEMORY;
    }
    return ERR_OK;
}
