// Trust profiles: their certificates loaded from PEM and sorted into anchors and helpers, and the
// verdict on a presented chain put together. How a chain is judged is in auth/chain.
#include "auth/trust.h"

#include <openssl/err.h>
#include <openssl/pool.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "auth/chain.h"
#include "auth/pem.h"
#include "auth/strength.h"
#include "auth/trust_internal.h"

enum { TRUST_MAX_CERTIFICATES = 4096, TRUST_MAX_PEM_BYTES = 16 * 1024 * 1024 };

enum err trust_create(const struct trust_options *options, struct trust **out)
{
    *out = NULL;
    struct trust *trust = calloc(1, sizeof *trust);
    if (trust == NULL)
        return ERR_MEMORY;
    trust->name = strdup(options->name);
    trust->max_depth = options->max_depth;
    trust->max_lifetime_s = options->max_lifetime_s;
    trust->anchors = sk_X509_new_null();
    trust->helpers = sk_X509_new_null();
    trust->store = X509_STORE_new();
    trust->crl_signers = sk_X509_new_null();
    trust->revocation = revocation_create();
    trust->is_strict = options->is_strict;
    trust->keeps_expired_crls = options->keeps_expired_crls;
    trust->trusts_every_ca = options->trusts_every_ca;
    trust->purpose = options->purpose;
    if (trust->name == NULL || trust->anchors == NULL || trust->helpers == NULL ||
        trust->store == NULL || trust->crl_signers == NULL || trust->revocation == NULL) {
        trust_destroy(trust);
        return ERR_MEMORY;
    }
    *out = trust;
    return ERR_OK;
}

void trust_destroy(struct trust *trust)
{
    if (trust == NULL)
        return;
    for (size_t i = 0; i < trust->entry_count; i++) {
        X509_free(trust->entries[i].cert);
        free(trust->entries[i].subject);
    }
    free(trust->entries);
    sk_X509_free(trust->anchors);
    sk_X509_free(trust->helpers);
    X509_STORE_free(trust->store);
    sk_X509_pop_free(trust->crl_signers, X509_free);
    revocation_destroy(trust->revocation);
    free(trust->name);
    free(trust);
}

static bool name_to_dn(X509_NAME *name, struct dn *out)
{
    const uint8_t *der = NULL;
    size_t len = 0;
    return X509_NAME_get0_der(name, &der, &len) == 1 &&
           dn_from_der(slice_of(der, len), out) == ERR_OK;
}

// format_subject gives the RFC 4514 text on the heap; NULL without memory.
static char *format_subject(X509 *cert)
{
    char buffer[DN_TEXT_CAP];
    struct text text;
    struct dn dn;
    text_init(&text, buffer, sizeof buffer);
    if (name_to_dn(X509_get_subject_name(cert), &dn))
        dn_format(&dn, &text);
    else
        text_append_string(&text, "(unreadable name)");
    return strdup(buffer);
}

static bool is_self_issued(X509 *cert)
{
    return (X509_get_extension_flags(cert) & EXFLAG_SI) != 0;
}

// check_ca refuses what could never do its work as a CA here. It also fills the library's caches
// in the certificate, before any other thread sees it.
static enum err check_ca(const struct trust_entry *entry, size_t number, struct errinfo *info)
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
        return "its key is below the floor: no client will be accepted under it";
    if (X509_check_purpose(cert, X509_PURPOSE_SSL_CLIENT, 1) != 1)
        return "its extended key usage leaves out clientAuth: no client will be accepted under it";
    if (index < 0 || !X509_EXTENSION_get_critical(X509_get_ext(cert, index)))
        return "its basicConstraints is not critical, as RFC 5280 wants it";
    return NULL;
}

static bool has_certificate(const struct trust *trust, X509 *cert, bool is_ca_entry)
{
    for (size_t i = 0; i < trust->entry_count; i++) {
        if (trust->entries[i].is_ca_entry == is_ca_entry &&
            X509_cmp(trust->entries[i].cert, cert) == 0)
            return true;
    }
    return false;
}

static enum err reserve_entry(struct trust *trust, struct errinfo *info)
{
    if (trust->entry_count == TRUST_MAX_CERTIFICATES)
        return errinfo_set(info, ERR_LIMIT, "more than %d certificates in one trust profile",
                           TRUST_MAX_CERTIFICATES);
    if (trust->entry_count < trust->entry_capacity)
        return ERR_OK;
    const size_t capacity = trust->entry_capacity == 0 ? 8 : trust->entry_capacity * 2;
    struct trust_entry *grown = reallocarray(trust->entries, capacity, sizeof *grown);
    if (grown == NULL)
        return errinfo_set(info, ERR_MEMORY, "no memory");
    trust->entries = grown;
    trust->entry_capacity = capacity;
    return ERR_OK;
}

// addition is what add_block needs to know of a file of certificates.
struct addition {
    struct trust *trust; // borrowed
    bool is_ca_entry;
    bool is_lenient; // leave out what cannot be used at `now_s`
    int64_t now_s;
};

static enum err check_validity(const struct trust_entry *entry, int64_t now_s, struct errinfo *info)
{
    int64_t not_before_s = 0;
    if (!ASN1_TIME_to_posix(X509_get0_notBefore(entry->cert), &not_before_s))
        return errinfo_set(info, ERR_INPUT, "the CA %.200s has a malformed date", entry->subject);
    if (now_s > entry->not_after_s)
        return errinfo_set(info, ERR_INPUT, "the CA %.200s has expired: renew it, or take it out",
                           entry->subject);
    if (now_s < not_before_s)
        return errinfo_set(info, ERR_INPUT,
                           "the CA %.200s is not valid yet: is the clock of this machine right?",
                           entry->subject);
    return ERR_OK;
}

// add_der adds one certificate; `number` is its place in the file, from 1.
static enum err add_der(const struct addition *addition, struct slice der, size_t number,
                        struct errinfo *info)
{
    struct trust *trust = addition->trust;
    const bool is_ca_entry = addition->is_ca_entry;
    TRY(reserve_entry(trust, info));
    CRYPTO_BUFFER *buffer = CRYPTO_BUFFER_new(der.data, der.len, NULL);
    if (buffer == NULL)
        return errinfo_set(info, ERR_MEMORY, "no memory");
    struct trust_entry entry = {.cert = X509_parse_from_buffer(buffer), .is_ca_entry = is_ca_entry};
    CRYPTO_BUFFER_free(buffer);
    if (entry.cert == NULL)
        return errinfo_set(info, ERR_INPUT, "certificate %zu cannot be read: it is damaged",
                           number);
    enum err error = ERR_OK;
    entry.subject = format_subject(entry.cert);
    if (entry.subject == NULL)
        error = errinfo_set(info, ERR_MEMORY, "no memory");
    else if (!ASN1_TIME_to_posix(X509_get0_notAfter(entry.cert), &entry.not_after_s))
        error = errinfo_set(info, ERR_INPUT, "certificate %zu (%.200s) has a malformed date",
                            number, entry.subject);
    else
        error = check_ca(&entry, number, info);
    if (error == ERR_OK && addition->is_lenient)
        error = check_validity(&entry, addition->now_s, info);
    if (error != ERR_OK || has_certificate(trust, entry.cert, is_ca_entry)) {
        X509_free(entry.cert);
        free(entry.subject);
        return error == ERR_INPUT && addition->is_lenient ? ERR_OK : error;
    }
    entry.warning = find_warning(entry.cert);
    SHA256(der.data, der.len, entry.sha256);
    trust->entries[trust->entry_count++] = entry;
    return ERR_OK;
}

static enum err add_block(void *arg, const char *kind, struct slice der, size_t number,
                          struct errinfo *info)
{
    const struct addition *addition = arg;
    const struct slice name = slice_of_string(kind);
    if (slice_ends_with(name, SLICE_LITERAL("PRIVATE KEY")))
        return errinfo_set(info, ERR_INPUT,
                           "there is a private key in this file; a file of CA certificates is "
                           "read by many and needs none: take it out");
    if (!slice_equal(name, SLICE_LITERAL("CERTIFICATE")) &&
        !slice_equal(name, SLICE_LITERAL("X509 CERTIFICATE")))
        return errinfo_set(info, ERR_INPUT,
                           "there is a block '%.40s' in this file; only CERTIFICATE is expected",
                           kind);
    return add_der(addition, der, number, info);
}

static enum err add_pem(struct addition addition, struct slice pem, struct errinfo *info)
{
    ASSERT(!addition.trust->is_finished);
    size_t count = 0;
    if (pem.len > TRUST_MAX_PEM_BYTES)
        return errinfo_set(info, ERR_LIMIT, "more than %d bytes of certificates",
                           TRUST_MAX_PEM_BYTES);
    TRY(pem_read_blocks(pem, add_block, &addition, &count, info));
    if (count == 0)
        return errinfo_set(info, ERR_INPUT,
                           "there is no certificate in it; PEM is expected, beginning with "
                           "-----BEGIN CERTIFICATE-----");
    return ERR_OK;
}

enum err trust_add_ca(struct trust *trust, struct slice pem, struct errinfo *info)
{
    return add_pem((struct addition){.trust = trust, .is_ca_entry = true}, pem, info);
}

enum err trust_add_system_cas(struct trust *trust, struct slice pem, int64_t now_s,
                              struct errinfo *info)
{
    const struct addition addition = {
        .trust = trust, .is_ca_entry = true, .is_lenient = true, .now_s = now_s};
    return add_pem(addition, pem, info);
}

enum err trust_add_intermediates(struct trust *trust, struct slice pem, struct errinfo *info)
{
    return add_pem((struct addition){.trust = trust}, pem, info);
}

// issued_by tells whether `issuer` issued `cert`, signature included.
static bool issued_by(X509 *cert, X509 *issuer)
{
    if (X509_check_issued(issuer, cert) != X509_V_OK)
        return false;
    EVP_PKEY *key = X509_get_pubkey(issuer);
    const bool is_signed = key != NULL && X509_verify(cert, key) == 1;
    EVP_PKEY_free(key);
    ERR_clear_error();
    return is_signed;
}

static bool has_issuer(const struct trust *trust, X509 *cert)
{
    for (size_t i = 0; i < trust->entry_count; i++) {
        if (X509_cmp(trust->entries[i].cert, cert) != 0 && issued_by(cert, trust->entries[i].cert))
            return true;
    }
    return false;
}

// sort_entry makes `entry` an anchor or a helper.
static enum err sort_entry(struct trust *trust, struct trust_entry *entry, int64_t now_s,
                           struct errinfo *info)
{
    entry->is_anchor =
        entry->is_ca_entry &&
        (trust->trusts_every_ca || is_self_issued(entry->cert) || !has_issuer(trust, entry->cert));
    if (entry->is_anchor)
        TRY(check_validity(entry, now_s, info));
    else if (entry->warning == NULL && now_s > entry->not_after_s)
        entry->warning = "it has expired: no client will be accepted under it";
    if (!sk_X509_push(entry->is_anchor ? trust->anchors : trust->helpers, entry->cert))
        return errinfo_set(info, ERR_MEMORY, "no memory");
    return ERR_OK;
}

enum err trust_finish(struct trust *trust, int64_t now_s, struct errinfo *info)
{
    ASSERT(!trust->is_finished);
    trust->is_finished = true;
    for (size_t i = 0; i < trust->entry_count; i++)
        TRY(sort_entry(trust, &trust->entries[i], now_s, info));
    if (sk_X509_num(trust->anchors) == 0)
        return errinfo_set(info, ERR_INPUT,
                           "the trust profile '%s' has no anchor: put the certificate of at least "
                           "one CA into a file under ca",
                           trust->name);
    return revocation_finish(trust->revocation, now_s, info);
}

size_t trust_certificate_count(const struct trust *trust)
{
    return trust->entry_count;
}

struct trust_certificate trust_certificate_at(const struct trust *trust, size_t index)
{
    ASSERT(index < trust->entry_count);
    const struct trust_entry *entry = &trust->entries[index];
    return (struct trust_certificate){.subject = entry->subject,
                                      .is_anchor = entry->is_anchor,
                                      .not_after_s = entry->not_after_s,
                                      .warning = entry->warning};
}

const char *trust_name(const struct trust *trust)
{
    return trust->name;
}

static bool has_name(const STACK_OF(CRYPTO_BUFFER) *names, struct slice der)
{
    for (size_t i = 0; i < sk_CRYPTO_BUFFER_num(names); i++) {
        const CRYPTO_BUFFER *name = sk_CRYPTO_BUFFER_value(names, i);
        if (slice_equal(slice_of(CRYPTO_BUFFER_data(name), CRYPTO_BUFFER_len(name)), der))
            return true;
    }
    return false;
}

static bool push_name(STACK_OF(CRYPTO_BUFFER) *names, X509_NAME *name)
{
    struct slice der = {0};
    if (X509_NAME_get0_der(name, &der.data, &der.len) != 1)
        return false;
    if (has_name(names, der))
        return true;
    CRYPTO_BUFFER *buffer = CRYPTO_BUFFER_new(der.data, der.len, NULL);
    if (buffer != NULL && sk_CRYPTO_BUFFER_push(names, buffer) != 0)
        return true;
    CRYPTO_BUFFER_free(buffer);
    return false;
}

STACK_OF(CRYPTO_BUFFER) *trust_client_ca_names(const struct trust *trust)
{
    STACK_OF(CRYPTO_BUFFER) *names = sk_CRYPTO_BUFFER_new_null();
    for (size_t i = 0; names != NULL && i < sk_X509_num(trust->anchors); i++) {
        if (!push_name(names, X509_get_subject_name(sk_X509_value(trust->anchors, i)))) {
            sk_CRYPTO_BUFFER_pop_free(names, CRYPTO_BUFFER_free);
            return NULL;
        }
    }
    return names;
}

// uri_is_plain tells whether every reader takes the same part of a URI for its host: nothing but a
// name between `//` and the next `/`, and no `:` `@` `?` or `#` anywhere behind. The library's name
// constraints look for a port before they look for the path.
static bool uri_is_plain(struct slice uri)
{
    const struct slice rest = slice_from(uri, slice_find(uri, ':') + 1);
    if (!slice_starts_with(rest, SLICE_LITERAL("//")))
        return false;
    for (size_t i = 0; i < rest.len; i++) {
        if (strchr(":@?#", rest.data[i]) != NULL)
            return false;
    }
    return true;
}

// has_doubtful_name tells whether a name of the leaf, of a kind that its CAs constrain, could be
// read in two ways: one by the constraint, another by a rule.
static bool has_doubtful_name(const struct identity *identity, const struct chain_finding *finding)
{
    for (size_t i = 0; i < identity_san_count(identity); i++) {
        const struct san *san = identity_san(identity, i);
        switch (san->kind) {
        case SAN_DNS:
            if (finding->has_dns_constraint && !san->is_usable)
                return true;
            break;
        case SAN_EMAIL:
            if (finding->has_email_constraint && !san->is_usable)
                return true;
            break;
        case SAN_URI:
            if (finding->has_uri_constraint && !(san->is_usable && uri_is_plain(san->value)))
                return true;
            break;
        case SAN_IP:
            break; // four or sixteen bytes can be read in one way only
        }
    }
    return false;
}

// has_malformed_name tells whether a name of the leaf is none of its kind; a wildcard in front of a
// host name is one, though no rule can name it.
static bool has_malformed_name(const struct identity *identity)
{
    for (size_t i = 0; i < identity_san_count(identity); i++) {
        const struct san *san = identity_san(identity, i);
        const bool is_wildcard =
            san->kind == SAN_DNS && slice_starts_with(san->value, SLICE_LITERAL("*."));
        if (!san_is_strict(san->kind, is_wildcard ? slice_from(san->value, 2) : san->value))
            return true;
    }
    return false;
}

static enum err refuse(enum reason reason, const char *detail, struct trust_verdict *out)
{
    out->reason = reason;
    out->detail = detail;
    return reason == REASON_NO_MEMORY ? ERR_MEMORY : ERR_DENIED;
}

// accept takes the identity of a chain that was found good.
static enum err accept(const struct trust *trust, X509 *leaf, struct chain_finding *finding,
                       struct trust_verdict *out)
{
    struct identity *identity = NULL;
    const enum err error = identity_create(leaf, trust->name, &identity);
    if (error == ERR_MEMORY)
        return refuse(REASON_NO_MEMORY, "no memory", out);
    if (error != ERR_OK)
        return refuse(REASON_BAD_CERTIFICATE,
                      "a name or the serial of the client's certificate cannot be read", out);
    const bool is_doubtful = has_doubtful_name(identity, finding);
    const bool is_malformed = has_malformed_name(identity);
    if (is_doubtful || (trust->is_strict && is_malformed)) {
        identity_destroy(identity);
        return refuse(is_doubtful ? REASON_NAME_CONSTRAINT : REASON_BAD_CERTIFICATE,
                      is_doubtful ? "a name under a constraint can be read in two ways"
                                  : "a name of the client's certificate is malformed (RFC 5280 "
                                    "4.2.1.6)",
                      out);
    }
    finding->record->is_strict = finding->record->is_strict && !is_malformed;
    identity_take_record(identity, finding->record);
    finding->record = NULL;
    *out = (struct trust_verdict){.reason = REASON_NONE,
                                  .detail = "",
                                  .identity = identity,
                                  .not_after_s = finding->not_after_s,
                                  .depth = finding->depth};
    return ERR_OK;
}

static enum err verify_chain(const struct trust *trust, const struct presented_chain *chain,
                             int64_t now_s, struct trust_verdict *out)
{
    const struct chain_set set = {.anchors = trust->anchors,
                                  .helpers = trust->helpers,
                                  .store = trust->store,
                                  .max_depth = trust->max_depth,
                                  .max_lifetime_s = trust->max_lifetime_s,
                                  .revocation = trust->revocation,
                                  .keeps_expired_crls = trust->keeps_expired_crls,
                                  .is_strict = trust->is_strict,
                                  .is_for_servers = trust->purpose == TRUST_SERVERS};
    struct chain_finding finding;
    if (chain_judge(&set, chain, now_s, &finding) != ERR_OK)
        return refuse(finding.reason, finding.detail, out);
    const enum err error = accept(trust, chain->certs[0], &finding, out);
    chain_record_destroy(finding.record);
    return error;
}

enum err trust_verify(const struct trust *trust, const STACK_OF(CRYPTO_BUFFER) *chain,
                      int64_t now_s, struct trust_verdict *out)
{
    ASSERT(trust->is_finished);
    *out = (struct trust_verdict){.detail = ""};
    struct presented_chain presented;
    struct chain_finding finding;
    enum err error = chain_parse(chain, &presented, &finding);
    if (error == ERR_OK)
        error = verify_chain(trust, &presented, now_s, out);
    else
        (void)refuse(finding.reason, finding.detail, out);
    if (error != ERR_OK && presented.count > 0 &&
        identity_create(presented.certs[0], NULL, &out->presented) != ERR_OK)
        out->presented = NULL; // it claims nothing that can be read
    chain_deinit(&presented);
    ERR_clear_error(); // nobody may take it for an error of the TLS session
    return error;
}
