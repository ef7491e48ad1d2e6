// Revocation lists: parsed with cursors, never into the library's objects, which take some 300
// bytes an entry.
#include "auth/crl.h"

#include <inttypes.h>
#include <openssl/bytestring.h>
#include <openssl/mem.h>
#include <openssl/obj.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "auth/dn.h"
#include "auth/strength.h"

// parts is a CertificateList taken apart (RFC 5280 5.1). All cursors are into the given DER.
struct parts {
    CBS tbs;             // the element, as it was signed
    CBS algorithm;       // the element outside
    CBS inner_algorithm; // and the one that is signed along
    CBS signature;       // the element, a BIT STRING
    CBS issuer;          // the element, a Name
    CBS this_update;     // the element, a Time
    CBS next_update;     // the element, a Time
    CBS entries;         // what is in revokedCertificates; may be empty
    CBS extensions;      // what is in crlExtensions; may be empty
    bool is_v2;
    bool has_authority_key_id;
    CBS key_id; // of the authority key identifier; empty without one
};

// The last byte of 2.5.29.x.
enum {
    ID_CRL_NUMBER = 20,
    ID_REASON = 21,
    ID_INVALIDITY_DATE = 24,
    ID_DELTA = 27,
    ID_DISTRIBUTION_POINT = 28,
    ID_CERTIFICATE_ISSUER = 29,
    ID_AUTHORITY_KEY_ID = 35,
    ID_FRESHEST = 46,
    ID_OTHER = 255,
};

enum { REASON_CODE_REMOVE_FROM_CRL = 8 }; // RFC 5280 5.3.1

static struct slice slice_of_cbs(const CBS *cbs)
{
    return slice_of(CBS_data(cbs), CBS_len(cbs));
}

static enum err damaged(struct errinfo *info)
{
    return errinfo_set(info, ERR_INPUT, "it is not a CRL, or a damaged one");
}

static bool peek_is_time(const CBS *cbs)
{
    return CBS_peek_asn1_tag(cbs, CBS_ASN1_UTCTIME) ||
           CBS_peek_asn1_tag(cbs, CBS_ASN1_GENERALIZEDTIME);
}

static bool get_time(CBS *cbs, CBS *out)
{
    return peek_is_time(cbs) && CBS_get_any_asn1_element(cbs, out, NULL, NULL);
}

// split_tbs reads TBSCertList; the missing nextUpdate has a sentence of its own.
static enum err split_tbs(CBS tbs, struct parts *out, struct errinfo *info)
{
    uint64_t version = 0;
    CBS list;
    if (!CBS_get_asn1(&tbs, &tbs, CBS_ASN1_SEQUENCE))
        return damaged(info);
    if (CBS_peek_asn1_tag(&tbs, CBS_ASN1_INTEGER)) {
        if (!CBS_get_asn1_uint64(&tbs, &version) || version != 1)
            return errinfo_set(info, ERR_INPUT, "it is a CRL of an unknown version");
        out->is_v2 = true;
    }
    if (!CBS_get_asn1_element(&tbs, &out->inner_algorithm, CBS_ASN1_SEQUENCE) ||
        !CBS_get_asn1_element(&tbs, &out->issuer, CBS_ASN1_SEQUENCE) ||
        !get_time(&tbs, &out->this_update))
        return damaged(info);
    if (!peek_is_time(&tbs))
        return errinfo_set(
            info, ERR_INPUT,
            "it has no nextUpdate, so nobody can tell when it is too old: have it issued with one");
    if (!get_time(&tbs, &out->next_update))
        return damaged(info);
    CBS_init(&out->entries, NULL, 0);
    CBS_init(&out->extensions, NULL, 0);
    if (CBS_peek_asn1_tag(&tbs, CBS_ASN1_SEQUENCE) &&
        !CBS_get_asn1(&tbs, &out->entries, CBS_ASN1_SEQUENCE))
        return damaged(info);
    if (CBS_len(&tbs) == 0)
        return ERR_OK;
    if (!out->is_v2 ||
        !CBS_get_asn1(&tbs, &list, CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 0) ||
        !CBS_get_asn1(&list, &out->extensions, CBS_ASN1_SEQUENCE) || CBS_len(&list) != 0 ||
        CBS_len(&out->extensions) == 0 || CBS_len(&tbs) != 0)
        return damaged(info);
    return ERR_OK;
}

static enum err split(struct slice der, struct parts *out, struct errinfo *info)
{
    CBS cbs;
    CBS list;
    CBS_init(&cbs, der.data, der.len);
    *out = (struct parts){.is_v2 = false};
    if (!CBS_get_asn1(&cbs, &list, CBS_ASN1_SEQUENCE))
        return errinfo_set(info, ERR_INPUT, "it is not a CRL, or it is cut off");
    if (CBS_len(&cbs) != 0)
        return errinfo_set(info, ERR_INPUT, "there are bytes after the CRL");
    if (!CBS_get_asn1_element(&list, &out->tbs, CBS_ASN1_SEQUENCE) ||
        !CBS_get_asn1_element(&list, &out->algorithm, CBS_ASN1_SEQUENCE) ||
        !CBS_get_asn1_element(&list, &out->signature, CBS_ASN1_BITSTRING) || CBS_len(&list) != 0)
        return damaged(info);
    TRY(split_tbs(out->tbs, out, info));
    if (!CBS_mem_equal(&out->algorithm, CBS_data(&out->inner_algorithm),
                       CBS_len(&out->inner_algorithm)))
        return errinfo_set(info, ERR_INPUT, "the CRL's two signature algorithms differ");
    return ERR_OK;
}

// extension is one Extension; `id` is the last byte of 2.5.29.x, or ID_OTHER.
struct crl_extension {
    uint8_t id;
    bool is_critical;
    CBS value; // what is in the OCTET STRING
};

static bool extension_next(CBS *list, struct crl_extension *out)
{
    CBS sequence;
    CBS oid;
    int is_critical = 0;
    if (!CBS_get_asn1(list, &sequence, CBS_ASN1_SEQUENCE) ||
        !CBS_get_asn1(&sequence, &oid, CBS_ASN1_OBJECT))
        return false;
    if (CBS_peek_asn1_tag(&sequence, CBS_ASN1_BOOLEAN) &&
        !CBS_get_asn1_bool(&sequence, &is_critical))
        return false;
    if (!CBS_get_asn1(&sequence, &out->value, CBS_ASN1_OCTETSTRING) || CBS_len(&sequence) != 0)
        return false;
    const uint8_t *bytes = CBS_data(&oid);
    const bool is_known_arc = CBS_len(&oid) == 3 && bytes[0] == 0x55 && bytes[1] == 0x1D;
    out->id = is_known_arc ? bytes[2] : ID_OTHER;
    out->is_critical = is_critical != 0;
    return true;
}

static bool read_number(CBS value, struct crl *crl)
{
    CBS number;
    if (!CBS_get_asn1(&value, &number, CBS_ASN1_INTEGER) || CBS_len(&value) != 0 ||
        !CBS_is_unsigned_asn1_integer(&number) || crl->has_number)
        return false;
    const struct slice bytes = cert_id_trim_serial(slice_of_cbs(&number));
    crl->has_number = bytes_copy(crl->number, sizeof crl->number, bytes);
    crl->number_len = bytes.len;
    return crl->has_number;
}

// read_flag takes one of the BOOLEANs of an IssuingDistributionPoint off the front, if it is there.
static bool read_flag(CBS *cbs, unsigned number, bool *out)
{
    CBS flag;
    int is_there = 0;
    *out = false;
    if (!CBS_get_optional_asn1(cbs, &flag, &is_there, CBS_ASN1_CONTEXT_SPECIFIC | number))
        return false;
    if (!is_there)
        return true;
    *out = CBS_len(&flag) == 1 && CBS_data(&flag)[0] == 0xFF;
    return *out; // FALSE is the default, which DER leaves out
}

// read_point takes the name of the distribution point that a list belongs to.
static enum err read_point(CBS name, struct crl *crl, struct errinfo *info)
{
    if (!crl_points_add_name(name, &crl->points))
        return damaged(info);
    if (crl->points.is_cut)
        return errinfo_set(info, ERR_LIMIT, "its distribution point has more than %d URIs",
                           CRL_POINTS_MAX);
    if (crl->points.count == 0)
        return errinfo_set(info, ERR_INPUT,
                           "it is a CRL of one distribution point that has no URI, so nobody can "
                           "tell which certificates it leaves out: not supported; use the CA's "
                           "complete CRL");
    return ERR_OK;
}

// read_distribution_point takes what narrows a list (RFC 5280 5.2.5): to one kind of certificates, or to
// those that name the same URI. Every other part of a list cannot be told from the whole and is refused.
static enum err read_distribution_point(CBS value, struct crl *crl, struct errinfo *info)
{
    CBS list;
    CBS name;
    CBS part;
    int has_name = 0;
    int has_reasons = 0;
    bool only_leaves = false;
    bool only_cas = false;
    bool is_indirect = false;
    bool only_attributes = false;
    if (!CBS_get_asn1(&value, &list, CBS_ASN1_SEQUENCE) || CBS_len(&value) != 0 ||
        !CBS_get_optional_asn1(&list, &name, &has_name,
                               CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 0) ||
        !read_flag(&list, 1, &only_leaves) || !read_flag(&list, 2, &only_cas) ||
        !CBS_get_optional_asn1(&list, &part, &has_reasons, CBS_ASN1_CONTEXT_SPECIFIC | 3) ||
        !read_flag(&list, 4, &is_indirect) || !read_flag(&list, 5, &only_attributes) ||
        CBS_len(&list) != 0)
        return damaged(info);
    if (is_indirect)
        return errinfo_set(info, ERR_INPUT,
                           "it is an indirect CRL, which speaks for other CAs too: not supported; "
                           "use each CA's own CRL");
    if (has_reasons)
        return errinfo_set(
            info, ERR_INPUT,
            "it is a CRL for some reasons only: not supported; use the CA's complete "
            "CRL");
    if (only_attributes || (only_leaves && only_cas))
        return errinfo_set(info, ERR_INPUT, "it is a CRL for no public key certificates");
    crl->covers_leaves = !only_cas;
    crl->covers_cas = !only_leaves;
    return has_name ? read_point(name, crl, info) : ERR_OK;
}

// read_key_id takes the keyIdentifier of an authority key identifier, where there is one.
static enum err read_key_id(CBS value, struct parts *parts, struct crl *crl, struct errinfo *info)
{
    CBS list;
    int is_there = 0;
    parts->has_authority_key_id = true;
    if (!CBS_get_asn1(&value, &list, CBS_ASN1_SEQUENCE) || CBS_len(&value) != 0 ||
        !CBS_get_optional_asn1(&list, &parts->key_id, &is_there, CBS_ASN1_CONTEXT_SPECIFIC | 0))
        return damaged(info);
    if (is_there)
        SHA256(CBS_data(&parts->key_id), CBS_len(&parts->key_id), crl->key_id);
    else
        CBS_init(&parts->key_id, NULL, 0);
    return ERR_OK;
}

static enum err read_extension(const struct crl_extension *extension, struct parts *parts,
                               struct crl *crl, struct errinfo *info)
{
    switch (extension->id) {
    case ID_CRL_NUMBER:
        if (extension->is_critical)
            return errinfo_set(info, ERR_INPUT,
                               "its CRL number is critical, which RFC 5280 5.2.3 forbids: nobody "
                               "can tell what its issuer means by that");
        return read_number(extension->value, crl) ? ERR_OK : damaged(info);
    case ID_DELTA:
        return errinfo_set(info, ERR_INPUT,
                           "it is a delta CRL, which only tells what has changed: not supported; "
                           "use the CA's complete CRL");
    case ID_DISTRIBUTION_POINT:
        return read_distribution_point(extension->value, crl, info);
    case ID_AUTHORITY_KEY_ID:
        return read_key_id(extension->value, parts, crl, info);
    default: // a number from outside, no enum of ours
        break;
    }
    if (extension->is_critical)
        return errinfo_set(info, ERR_INPUT,
                           "it has a critical extension that is not understood, so it may mean "
                           "something else than it seems");
    return ERR_OK;
}

static enum err read_extensions(struct parts *parts, struct crl *crl, struct errinfo *info)
{
    CBS list = parts->extensions;
    uint64_t seen[4] = {0}; // by id
    while (CBS_len(&list) > 0) {
        struct crl_extension extension;
        if (!extension_next(&list, &extension))
            return damaged(info);
        const uint64_t bit = UINT64_C(1) << (extension.id % 64);
        if (extension.id != ID_OTHER && (seen[extension.id / 64] & bit) != 0)
            return errinfo_set(info, ERR_INPUT, "an extension appears twice in it");
        seen[extension.id / 64] |= bit;
        TRY(read_extension(&extension, parts, crl, info));
    }
    return ERR_OK;
}

// entry is one of revokedCertificates.
struct entry {
    struct slice serial; // no leading zeros
    bool is_ignored;     // removeFromCRL, or a negative serial, which nobody is let in with
};

static enum err read_entry_extensions(CBS list, struct entry *out, struct errinfo *info)
{
    CBS extensions;
    if (!CBS_get_asn1(&list, &extensions, CBS_ASN1_SEQUENCE) || CBS_len(&list) != 0)
        return damaged(info);
    while (CBS_len(&extensions) > 0) {
        struct crl_extension extension;
        CBS code;
        if (!extension_next(&extensions, &extension))
            return damaged(info);
        if (extension.id == ID_CERTIFICATE_ISSUER)
            return errinfo_set(
                info, ERR_INPUT,
                "an entry names another issuer (an indirect CRL): not supported; use "
                "each CA's own CRL");
        if (extension.id == ID_REASON) {
            if (!CBS_get_asn1(&extension.value, &code, CBS_ASN1_ENUMERATED) ||
                CBS_len(&extension.value) != 0 || CBS_len(&code) != 1)
                return damaged(info);
            out->is_ignored |= CBS_data(&code)[0] == REASON_CODE_REMOVE_FROM_CRL;
        } else if (extension.is_critical && extension.id != ID_INVALIDITY_DATE) {
            return errinfo_set(info, ERR_INPUT,
                               "an entry has a critical extension that is not understood");
        }
    }
    return ERR_OK;
}

static enum err entry_next(CBS *list, struct entry *out, struct errinfo *info)
{
    CBS sequence;
    CBS serial;
    CBS date;
    int is_negative = 0;
    if (!CBS_get_asn1(list, &sequence, CBS_ASN1_SEQUENCE) ||
        !CBS_get_asn1(&sequence, &serial, CBS_ASN1_INTEGER) ||
        !CBS_is_valid_asn1_integer(&serial, &is_negative) || !get_time(&sequence, &date))
        return damaged(info);
    const struct slice bytes = cert_id_trim_serial(slice_of_cbs(&serial));
    *out = (struct entry){.serial = bytes, .is_ignored = is_negative != 0};
    if (bytes.len > CRL_SERIAL_MAX && !out->is_ignored)
        return errinfo_set(info, ERR_LIMIT, "a serial in it is longer than %d bytes",
                           CRL_SERIAL_MAX);
    return CBS_len(&sequence) == 0 ? ERR_OK : read_entry_extensions(sequence, out, info);
}

static int compare_serials(const void *a, const void *b, void *width)
{
    return memcmp(a, b, *(const size_t *)width);
}

static bool is_sorted(const struct crl *crl)
{
    for (size_t i = 1; i < crl->count; i++) {
        if (memcmp(crl->serials + (i - 1) * crl->width, crl->serials + i * crl->width, crl->width) >
            0)
            return false;
    }
    return true;
}

// measure finds how many entries there are and how wide the widest is.
static enum err measure(CBS entries, struct crl *crl, struct errinfo *info)
{
    crl->width = 1;
    while (CBS_len(&entries) > 0) {
        struct entry entry;
        TRY(entry_next(&entries, &entry, info));
        if (entry.is_ignored)
            continue;
        if (++crl->count > CRL_MAX_ENTRIES)
            return errinfo_set(info, ERR_LIMIT, "more than %d entries in it", CRL_MAX_ENTRIES);
        if (entry.serial.len > crl->width)
            crl->width = entry.serial.len;
    }
    return ERR_OK;
}

static enum err index_entries(CBS entries, struct crl *crl, struct errinfo *info)
{
    TRY(measure(entries, crl, info));
    if (crl->count == 0)
        return ERR_OK;
    crl->serials = calloc(crl->count, crl->width);
    if (crl->serials == NULL)
        return errinfo_set(info, ERR_MEMORY, "no memory for %zu entries", crl->count);
    uint8_t *at = crl->serials;
    while (CBS_len(&entries) > 0) {
        struct entry entry;
        TRY(entry_next(&entries, &entry, info));
        if (entry.is_ignored)
            continue;
        const size_t zeros = crl->width - entry.serial.len;
        ASSERT(bytes_copy(at + zeros, crl->width - zeros, entry.serial));
        at += crl->width;
    }
    if (!is_sorted(crl))
        qsort_r(crl->serials, crl->count, crl->width, compare_serials, &crl->width);
    return ERR_OK;
}

static bool read_time(const CBS *element, int64_t *out_s)
{
    const uint8_t *at = CBS_data(element);
    ASN1_TIME *time = d2i_ASN1_TIME(NULL, &at, (long)CBS_len(element));
    const bool is_read = time != NULL && ASN1_TIME_to_posix(time, out_s) == 1;
    ASN1_TIME_free(time);
    return is_read;
}

static enum err read_fields(struct parts *parts, struct crl *crl, struct errinfo *info)
{
    char buffer[DN_TEXT_CAP];
    struct text text;
    struct dn dn;
    text_init(&text, buffer, sizeof buffer);
    if (dn_from_der(slice_of_cbs(&parts->issuer), &dn) != ERR_OK)
        return errinfo_set(info, ERR_INPUT, "the name of its issuer cannot be read");
    dn_format(&dn, &text);
    SHA256(dn.bytes, dn.len, crl->name);
    crl->issuer = strdup(buffer);
    if (crl->issuer == NULL)
        return errinfo_set(info, ERR_MEMORY, "no memory");
    if (!read_time(&parts->this_update, &crl->this_update_s) ||
        !read_time(&parts->next_update, &crl->next_update_s) ||
        crl->next_update_s < crl->this_update_s)
        return errinfo_set(info, ERR_INPUT, "its dates cannot be right");
    return read_extensions(parts, crl, info);
}

static enum verification verify_signer(const struct crl_signature *signature, X509 *signer)
{
    if (!verification_begin())
        return VERIFICATION_UNKNOWN;
    EVP_PKEY *key = X509_get_pubkey(signer);
    const bool is_good = key != NULL && crl_signature_is_by(signature, key);
    EVP_PKEY_free(key);
    return verification_end(is_good);
}

// is_other_key tells whether the list's authority key identifier says that a namesake of `signer` signed it.
static bool is_other_key(const struct parts *parts, X509 *signer)
{
    const ASN1_OCTET_STRING *id = X509_get0_subject_key_id(signer);
    return id != NULL && CBS_len(&parts->key_id) > 0 &&
           !slice_equal(slice_of_cbs(&parts->key_id), asn1_slice(id));
}

// search is what is found out about the signers of one list.
struct search {
    bool is_known; // a signer has the issuer's name, and the key identifiers do not say otherwise
    bool may_sign; // one of these may sign lists
};

static enum err try_signer(const struct parts *parts, X509 *signer, bool is_readable,
                           struct crl *crl, struct search *search)
{
    const bool may_sign = (X509_get_key_usage(signer) & KU_CRL_SIGN) != 0; // all bits without one
    enum verification verified = VERIFICATION_BAD;
    if (may_sign && is_readable && strength_key_is_enough(signer))
        verified = verify_signer(&crl->signature, signer);
    if (verified == VERIFICATION_UNKNOWN)
        return ERR_MEMORY;
    if (verified == VERIFICATION_GOOD) {
        crl->has_authority = true;
        // The name as its certificate spells it, for that is what chains are made of.
        cert_id_of_name(X509_get_subject_name(signer), crl->name);
        return cert_id_of_authority(signer, crl->authority) ? ERR_OK : ERR_MEMORY;
    }
    if (is_other_key(parts, signer))
        return ERR_OK;
    search->is_known = true;
    search->may_sign |= may_sign;
    return ERR_OK;
}

// keep_signature lets a list wait for its issuer, if its algorithm is one that can ever count.
static enum err keep_signature(bool is_readable, struct crl *crl, struct errinfo *info)
{
    if (!is_readable)
        return ERR_OK;
    const enum err error = crl_signature_keep(&crl->signature);
    if (error == ERR_LIMIT)
        return errinfo_set(info, ERR_LIMIT,
                           "it is signed with Ed25519 and larger than 1 MiB, and no CA of this "
                           "profile has the name %.200s: put the CA's certificate under "
                           "`intermediates`, so that the list can be checked now",
                           crl->issuer);
    if (error != ERR_OK)
        return errinfo_set(info, error, "no memory");
    crl->is_waiting = true;
    return ERR_OK;
}

// find_signer looks for the certificate that has the issuer's name and signed the list; without one the
// list waits.
static enum err find_signer(const struct parts *parts, const struct crl_signers *signers,
                            struct crl *crl, struct errinfo *info)
{
    const uint8_t *at = CBS_data(&parts->issuer);
    X509_NAME *issuer = d2i_X509_NAME(NULL, &at, (long)CBS_len(&parts->issuer));
    if (issuer == NULL)
        return errinfo_set(info, ERR_INPUT, "the name of its issuer cannot be read");
    enum err error = crl_signature_read(slice_of_cbs(&parts->tbs), slice_of_cbs(&parts->algorithm),
                                        slice_of_cbs(&parts->signature), &crl->signature);
    const bool is_readable = error == ERR_OK;
    if (is_readable)
        crl_signature_digest(&crl->signature, crl->digest);
    struct search search = {.is_known = false};
    for (size_t i = 0; i < signers->count && !crl->has_authority && error != ERR_MEMORY; i++) {
        if (X509_NAME_cmp(X509_get_subject_name(signers->certs[i]), issuer) == 0)
            error = try_signer(parts, signers->certs[i], is_readable, crl, &search);
    }
    X509_NAME_free(issuer);
    if (error == ERR_MEMORY)
        return errinfo_set(info, error, "no memory");
    if (crl->has_authority)
        return ERR_OK;
    if (search.is_known && !search.may_sign)
        return errinfo_set(info, ERR_INPUT,
                           "the CA %.200s may not sign CRLs: its key usage leaves out cRLSign",
                           crl->issuer);
    if (search.is_known)
        return errinfo_set(info, ERR_INPUT,
                           "it was not signed by the CA %.200s that this profile knows (another "
                           "key, damaged, or a signature weaker than SHA-256)",
                           crl->issuer);
    return keep_signature(is_readable, crl, info);
}

static enum err crl_read(struct slice der, const struct crl_signers *signers, struct crl *crl,
                         struct errinfo *info)
{
    struct parts parts;
    TRY(split(der, &parts, info));
    TRY(read_fields(&parts, crl, info));
    if (signers->is_strict && (!parts.is_v2 || !crl->has_number || !parts.has_authority_key_id))
        return errinfo_set(info, ERR_INPUT,
                           "`strict` wants a CRL of version 2 with a CRL number and an authority "
                           "key identifier (RFC 5280 5.2)");
    TRY(index_entries(parts.entries, crl, info));
    TRY(find_signer(&parts, signers, crl, info));
    if (crl->is_waiting)
        return ERR_OK;
    crl_signature_deinit(&crl->signature); // it has done its work, and is into `der`
    if (!crl->has_authority) {             // nobody will ever ask it
        free(crl->serials);
        crl->serials = NULL;
        crl->count = 0;
    }
    return ERR_OK;
}

enum err crl_create(struct slice der, const struct crl_signers *signers, struct crl **out,
                    struct errinfo *info)
{
    *out = NULL;
    struct crl *crl = calloc(1, sizeof *crl);
    if (crl == NULL || !verification_begin()) {
        free(crl);
        return errinfo_set(info, ERR_MEMORY, "no memory");
    }
    atomic_init(&crl->refs, 1);
    crl->covers_leaves = true;
    crl->covers_cas = true;
    const enum err error = verification_error(crl_read(der, signers, crl, info));
    if (error != ERR_OK) {
        crl_unref(crl);
        return error;
    }
    *out = crl;
    return ERR_OK;
}

struct crl *crl_ref(struct crl *crl)
{
    (void)atomic_fetch_add_explicit(&crl->refs, 1, memory_order_relaxed);
    return crl;
}

void crl_unref(struct crl *crl)
{
    if (crl == NULL || atomic_fetch_sub_explicit(&crl->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (crl->is_waiting)
        crl_signature_deinit(&crl->signature);
    free(crl->issuer);
    free(crl->serials);
    free(crl);
}

bool crl_has_serial(const struct crl *crl, struct slice serial)
{
    uint8_t wanted[CRL_SERIAL_MAX] = {0};
    if (serial.len > crl->width)
        return false;
    const size_t zeros = crl->width - serial.len;
    ASSERT(bytes_copy(wanted + zeros, sizeof wanted - zeros, serial));
    size_t low = 0;
    size_t high = crl->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order = memcmp(wanted, crl->serials + middle * crl->width, crl->width);
        if (order == 0)
            return true;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return false;
}

enum verification crl_verify(const struct crl *crl, struct slice key)
{
    CBS cbs;
    if (!verification_begin())
        return VERIFICATION_UNKNOWN;
    CBS_init(&cbs, key.data, key.len);
    EVP_PKEY *parsed = EVP_parse_public_key(&cbs);
    const bool is_good =
        crl->is_waiting && parsed != NULL && crl_signature_is_by(&crl->signature, parsed);
    EVP_PKEY_free(parsed);
    return verification_end(is_good);
}

static int compare_points(const struct crl *a, const struct crl *b)
{
    if (a->points.count != b->points.count)
        return a->points.count < b->points.count ? -1 : 1;
    return memcmp(a->points.points, b->points.points, a->points.count * sizeof a->points.points[0]);
}

bool crl_has_same_points(const struct crl *a, const struct crl *b)
{
    return a->points.is_there == b->points.is_there && compare_points(a, b) == 0;
}

bool crl_covers_kinds_of(const struct crl *crl, const struct crl *other)
{
    return (crl->covers_leaves || !other->covers_leaves) && (crl->covers_cas || !other->covers_cas);
}

bool crl_covers_points_of(const struct crl *crl, const struct crl *other)
{
    if (!crl->points.is_there || !other->points.is_there)
        return !crl->points.is_there;
    for (size_t i = 0; i < other->points.count; i++) {
        if (!crl_points_have_common(crl->points.points, crl->points.count, &other->points.points[i],
                                    1))
            return false;
    }
    return true;
}

int crl_compare_scope(const struct crl *a, const struct crl *b)
{
    if (a->covers_cas != b->covers_cas)
        return a->covers_cas ? -1 : 1;
    if (a->covers_leaves != b->covers_leaves)
        return a->covers_leaves ? -1 : 1;
    return compare_points(a, b);
}

int64_t crl_soon_s(int64_t this_update_s, int64_t next_update_s)
{
    enum { WEEK_S = 7 * 24 * 60 * 60 };
    const int64_t life_s = next_update_s > this_update_s ? next_update_s - this_update_s : 0;
    return next_update_s - (life_s / 4 < WEEK_S ? life_s / 4 : WEEK_S);
}

bool crl_is_same(const struct crl *a, const struct crl *b)
{
    return (a->has_authority || a->is_waiting) && (b->has_authority || b->is_waiting) &&
           memcmp(a->digest, b->digest, CERT_DIGEST_LEN) == 0;
}

bool crl_claims_same_issuer(const struct crl *a, const struct crl *b)
{
    static const uint8_t none[CERT_DIGEST_LEN];
    return (a->has_authority || a->is_waiting) && (b->has_authority || b->is_waiting) &&
           memcmp(a->name, b->name, CERT_DIGEST_LEN) == 0 &&
           memcmp(a->key_id, b->key_id, CERT_DIGEST_LEN) == 0 &&
           memcmp(a->key_id, none, CERT_DIGEST_LEN) != 0;
}

static int compare_numbers(const struct crl *a, const struct crl *b)
{
    if (a->number_len != b->number_len)
        return a->number_len < b->number_len ? -1 : 1;
    return memcmp(a->number, b->number, a->number_len);
}

bool crl_has_lower_number(const struct crl *crl, const struct crl *other)
{
    return crl->has_number && other->has_number && compare_numbers(crl, other) < 0;
}

bool crl_is_older(const struct crl *crl, const struct crl *other)
{
    if (crl->this_update_s != other->this_update_s)
        return crl->this_update_s < other->this_update_s;
    return crl_has_lower_number(crl, other);
}

void crl_format_number(const struct crl *crl, struct text *out)
{
    uint64_t number = 0;
    if (!crl->has_number) {
        text_append_string(out, "none");
        return;
    }
    if (crl->number_len > sizeof number) {
        text_append_string(out, "0x");
        text_append_hex(out, slice_of(crl->number, crl->number_len));
        return;
    }
    for (size_t i = 0; i < crl->number_len; i++)
        number = number << 8 | crl->number[i];
    text_append_format(out, "%" PRIu64, number);
}
