// Trust profiles: their certificates loaded from PEM and sorted into anchors and helpers, and the
// verdict on a presented chain put together. How a chain is judged is in auth/chain.
#include "auth/trust.h"

#include <openssl/err.h>
#include <openssl/pool.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

#include "auth/chain.h"
#include "auth/ocsp_settings.h"
#include "auth/spiffe_id.h"
#include "auth/trust_internal.h"

_Static_assert(TRUST_MAX_DEPTH + 2 == CHAIN_MAX_PATH,
               "a path holds a leaf, an anchor, and what may be between");

// bind_domain binds the profile to the trust domain of its options.
static enum err bind_domain(struct trust *trust)
{
    static const char format[] =
        "the certificate's SPIFFE ID is not a well-formed one of the trust "
        "domain %s, which the profile is bound to (`spiffe`), or not its only URI";
    const char *domain = trust->options.trust_domain;
    if (domain == NULL)
        return ERR_OK;
    const size_t cap = sizeof format + strlen(domain);
    trust->trust_domain = strdup(domain);
    trust->options.trust_domain = trust->trust_domain;
    trust->domain_detail = malloc(cap);
    if (trust->trust_domain == NULL || trust->domain_detail == NULL)
        return ERR_MEMORY;
    (void)snprintf(trust->domain_detail, cap, format, domain);
    return ERR_OK;
}

// create makes a profile with these certificates, of which it takes the reference, also on an error.
static enum err create(const struct trust_options *options, struct ca_set *cas, struct trust **out)
{
    *out = NULL;
    struct trust *trust = calloc(1, sizeof *trust);
    if (trust == NULL) {
        ca_set_unref(cas);
        return ERR_MEMORY;
    }
    trust->name = strdup(options->name);
    trust->options = *options;
    if (options->usages == 0)
        trust->options.usages =
            USAGE_NONE |
            (options->purpose == TRUST_SERVERS ? USAGE_SERVER_AUTH : USAGE_CLIENT_AUTH);
    trust->options.name = trust->name;
    trust->anchors = sk_X509_new_null();
    trust->left_out = sk_X509_new_null();
    trust->dropped = sk_X509_new_null();
    trust->cas = cas;
    if (trust->name == NULL || trust->anchors == NULL || trust->left_out == NULL ||
        trust->dropped == NULL || cas == NULL || bind_domain(trust) != ERR_OK) {
        trust_destroy(trust);
        return ERR_MEMORY;
    }
    *out = trust;
    return ERR_OK;
}

enum err trust_create(const struct trust_options *options, struct trust **out)
{
    return create(options, ca_set_create(), out);
}

enum err trust_revise(const struct trust *base, struct trust **out)
{
    ASSERT(base->is_finished);
    struct trust *trust = NULL;
    *out = NULL;
    TRY(create(&base->options, ca_set_ref(base->cas), &trust));
    trust_set_ocsp(trust, base->ocsp);
    enum err error = trust_understand(trust, slice_of(base->understood, base->understood_len));
    if (error == ERR_OK)
        error = revocation_copy(&base->revocation, &trust->revocation);
    trust->wishes = crl_wishes_ref(base->wishes);
    for (size_t i = 0; i < sk_X509_num(base->dropped) && error == ERR_OK; i++)
        error = sk_X509_push(trust->dropped, sk_X509_value(base->dropped, i)) ? ERR_OK : ERR_MEMORY;
    if (error == ERR_OK)
        *out = trust;
    else
        trust_destroy(trust);
    return error;
}

void trust_set_ocsp(struct trust *trust, struct ocsp_settings *settings)
{
    ASSERT(!trust->is_finished && trust->ocsp == NULL);
    trust->ocsp = ocsp_settings_ref(settings);
}

struct ocsp_settings *trust_ocsp(const struct trust *trust)
{
    return trust->ocsp;
}

enum err trust_understand(struct trust *trust, struct slice oids)
{
    uint8_t *copy = malloc(oids.len + 1);
    if (copy == NULL)
        return ERR_MEMORY;
    ASSERT(bytes_copy(copy, oids.len, oids));
    free(trust->understood);
    trust->understood = copy;
    trust->understood_len = oids.len;
    return ERR_OK;
}

bool trust_has_dropped(const struct trust *trust, const struct ca_entry *entry)
{
    for (size_t i = 0; i < sk_X509_num(trust->dropped); i++) {
        if (sk_X509_value(trust->dropped, i) == entry->cert)
            return true;
    }
    return false;
}

// is_same_ca tells whether both are certificates of one CA: the same name and key.
static bool is_same_ca(X509 *a, X509 *b)
{
    if (X509_NAME_cmp(X509_get_subject_name(a), X509_get_subject_name(b)) != 0)
        return false;
    EVP_PKEY *key_a = X509_get_pubkey(a);
    EVP_PKEY *key_b = X509_get_pubkey(b);
    const bool is_same = key_a != NULL && key_b != NULL && EVP_PKEY_cmp(key_a, key_b) == 1;
    EVP_PKEY_free(key_a);
    EVP_PKEY_free(key_b);
    ERR_clear_error();
    return is_same;
}

static bool has_ca(const struct ca_set *set, X509 *cert)
{
    for (size_t i = 0; i < set->count; i++) {
        if (set->entries[i].is_ca_entry && is_same_ca(set->entries[i].cert, cert))
            return true;
    }
    return false;
}

enum err trust_drop_absent(struct trust *trust, const struct trust *present)
{
    ASSERT(!trust->is_finished);
    for (size_t i = 0; i < trust->cas->count; i++) {
        const struct ca_entry *entry = &trust->cas->entries[i];
        if (!entry->is_anchor || trust_has_dropped(trust, entry) ||
            has_ca(present->cas, entry->cert))
            continue;
        if (!sk_X509_push(trust->dropped, entry->cert))
            return ERR_MEMORY;
    }
    return ERR_OK;
}

void trust_destroy(struct trust *trust)
{
    if (trust == NULL)
        return;
    sk_X509_free(trust->anchors);
    sk_X509_free(trust->left_out);
    sk_X509_free(trust->dropped);
    free(trust->understood);
    ca_set_unref(trust->cas);
    crl_wishes_unref(trust->wishes);
    revocation_deinit(&trust->revocation);
    ocsp_settings_unref(trust->ocsp);
    free(trust->name);
    free(trust->trust_domain);
    free(trust->domain_detail);
    free(trust);
}

enum err trust_add_ca(struct trust *trust, struct slice pem, struct errinfo *info)
{
    ASSERT(!trust->is_finished);
    return ca_set_add(&(struct ca_addition){.set = trust->cas, .is_ca_entry = true}, pem, NULL,
                      info);
}

enum err trust_add_system_cas(struct trust *trust, struct slice pem, struct pem_left_out *out,
                              struct errinfo *info)
{
    ASSERT(!trust->is_finished);
    return ca_set_add(
        &(struct ca_addition){.set = trust->cas, .is_ca_entry = true, .is_lenient = true}, pem, out,
        info);
}

enum err trust_add_intermediates(struct trust *trust, struct slice pem, struct errinfo *info)
{
    ASSERT(!trust->is_finished);
    return ca_set_add(&(struct ca_addition){.set = trust->cas}, pem, NULL, info);
}

// pick_anchors takes the anchors that are valid now. One that is not is left out as an anchor and as
// nothing else: what is anchor or helper has been decided as if it counted.
static enum err pick_anchors(struct trust *trust, struct errinfo *info)
{
    const struct ca_entry *ended = NULL;
    for (size_t i = 0; i < trust->cas->count; i++) {
        const struct ca_entry *entry = &trust->cas->entries[i];
        const bool is_valid = ca_entry_is_valid(entry, trust->finished_s);
        if (!entry->is_anchor || trust_has_dropped(trust, entry))
            continue;
        if (!sk_X509_push(is_valid ? trust->anchors : trust->left_out, entry->cert))
            return errinfo_set(info, ERR_MEMORY, "no memory");
        if (!is_valid)
            ended = entry;
    }
    if (sk_X509_num(trust->anchors) > 0 || sk_X509_num(trust->dropped) > 0)
        return ERR_OK; // the last one may be taken away, too
    if (ended == NULL)
        return errinfo_set(info, ERR_INPUT,
                           "the trust profile '%s' has no anchor: put the certificate of at least "
                           "one CA into a file under ca",
                           trust->name);
    return errinfo_set(info, ERR_INPUT,
                       "no anchor of the trust profile '%s' is valid: the CA %.200s %s",
                       trust->name, ended->subject,
                       trust->finished_s > ended->not_after_s
                           ? "has expired: renew it"
                           : "is not valid yet: is the clock of this machine right?");
}

enum err trust_finish(struct trust *trust, int64_t now_s, struct errinfo *info)
{
    ASSERT(!trust->is_finished);
    trust->is_finished = true;
    trust->finished_s = now_s;
    if (!trust->cas->is_sorted && ca_set_sort(trust->cas, trust->options.trusts_every_ca) != ERR_OK)
        return errinfo_set(info, ERR_MEMORY, "no memory");
    TRY(pick_anchors(trust, info));
    const bool goes_by_lists = trust->revocation.count > 0 || trust->options.requires_crls;
    if (goes_by_lists && trust->revocation.issuers == NULL)
        trust->revocation.issuers = crl_issuers_create(); // without memory lists wait for longer
    return revocation_finish(&trust->revocation, now_s, info);
}

bool trust_has_same_cas(const struct trust *a, const struct trust *b)
{
    if (a->cas->count != b->cas->count)
        return false;
    for (size_t i = 0; i < a->cas->count; i++) {
        if (memcmp(a->cas->entries[i].sha256, b->cas->entries[i].sha256, CERT_DIGEST_LEN) != 0)
            return false;
    }
    return true;
}

bool trust_has_anchor(const struct trust *trust)
{
    return sk_X509_num(trust->anchors) > 0;
}

size_t trust_certificate_count(const struct trust *trust)
{
    return trust->cas->count;
}

// warning_of gives the sentence about a certificate at the time for which the profile was made.
static const char *warning_of(const struct trust *trust, const struct ca_entry *entry)
{
    if (trust_has_dropped(trust, entry))
        return "it was removed from the file: nobody is accepted under it";
    if (entry->is_lenient)
        return NULL; // a bundle that others keep
    if (trust->finished_s > entry->not_after_s)
        return entry->is_anchor
                   ? "it has expired and is left out: nobody is accepted under it; renew it, or remove it"
                   : "it has expired: no client will be accepted under it";
    if (entry->is_anchor && trust->finished_s < entry->not_before_s)
        return "it is not valid yet and is left out: nobody is accepted under it; is the clock of "
               "this machine right?";
    if (!usages_fit(usages_of(entry->cert), trust->options.usages, true))
        return "its extended key usage leaves out what this profile asks for (clientAuth, unless "
               "`purposes` says otherwise): no client will be accepted under it";
    return entry->warning;
}

struct trust_certificate trust_certificate_at(const struct trust *trust, size_t index)
{
    ASSERT(index < trust->cas->count);
    const struct ca_entry *entry = &trust->cas->entries[index];
    return (struct trust_certificate){
        .subject = entry->subject,
        .is_anchor = entry->is_anchor,
        .is_left_out = entry->is_anchor && (!ca_entry_is_valid(entry, trust->finished_s) ||
                                            trust_has_dropped(trust, entry)),
        .not_before_s = entry->not_before_s,
        .not_after_s = entry->not_after_s,
        .warning = warning_of(trust, entry)};
}

int64_t trust_finished_s(const struct trust *trust)
{
    return trust->finished_s;
}

uint32_t trust_usages(const struct trust *trust)
{
    return trust->options.usages;
}

const char *trust_domain(const struct trust *trust)
{
    return trust->trust_domain;
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
    for (size_t i = 0; i < identity->san_count; i++) {
        const struct san *san = &identity->sans[i];
        switch (san->kind) {
        case SAN_DNS:
            if (finding->has_dns_constraint && !san->is_usable)
                return true;
            break;
        case SAN_EMAIL:
            if (finding->has_email_constraint && !san_is_mailbox(san->value))
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
    for (size_t i = 0; i < identity->san_count; i++) {
        const struct san *san = &identity->sans[i];
        const bool is_wildcard =
            san->kind == SAN_DNS && slice_starts_with(san->value, SLICE_LITERAL("*."));
        const struct slice value = is_wildcard ? slice_from(san->value, 2) : san->value;
        if (!(san->kind == SAN_EMAIL ? san_is_mailbox(value) : san_is_strict(san->kind, value)))
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

enum reason trust_judge_names(const struct trust *trust, const struct identity *identity,
                              const char **out_detail)
{
    const bool fits = trust->trust_domain == NULL ||
                      spiffe_names_fit_domain(identity, slice_of_string(trust->trust_domain));
    *out_detail = fits ? "" : trust->domain_detail;
    return fits ? REASON_NONE : REASON_WRONG_TRUST_DOMAIN;
}

// accept takes the identity of a chain that was found good.
static enum err accept(const struct trust *trust, X509 *leaf, struct chain_finding *finding,
                       struct trust_verdict *out)
{
    struct identity *identity = NULL;
    const enum err error = identity_create(leaf, trust->name, &identity);
    if (error == ERR_MEMORY)
        return refuse(REASON_NO_MEMORY, "no memory", out);
    if (error == ERR_LIMIT)
        return refuse(
            REASON_BAD_CERTIFICATE,
            "the client's certificate has more than 1,024 names, more than 32 extensions that RFC 5280 does "
            "not define, or one of these of an unreasonable size",
            out);
    if (error != ERR_OK)
        return refuse(REASON_BAD_CERTIFICATE,
                      "a name or the serial of the client's certificate cannot be read", out);
    const bool is_doubtful = has_doubtful_name(identity, finding);
    const bool is_malformed = has_malformed_name(identity);
    if (is_doubtful || (trust->options.is_strict && is_malformed)) {
        identity_destroy(identity);
        return refuse(is_doubtful ? REASON_NAME_CONSTRAINT : REASON_BAD_CERTIFICATE,
                      is_doubtful ? "a name under a constraint can be read in two ways"
                                  : "a name of the client's certificate is malformed (RFC 5280 "
                                    "4.2.1.6)",
                      out);
    }
    const char *detail = NULL;
    const enum reason reason = trust_judge_names(trust, identity, &detail);
    if (reason != REASON_NONE) {
        identity_destroy(identity);
        return refuse(reason, detail, out);
    }
    finding->record->is_strict = finding->record->is_strict && !is_malformed;
    identity->record = finding->record;
    identity->policies = finding->record->policies;
    finding->record->policies = (struct cert_policies){0};
    finding->record = NULL;
    *out = (struct trust_verdict){.reason = REASON_NONE,
                                  .detail = "",
                                  .identity = identity,
                                  .not_after_s = identity->record->not_after_s,
                                  .depth = identity->record->depth};
    return ERR_OK;
}

static enum err verify_chain(const struct trust *trust, const struct presented_chain *chain,
                             int64_t now_s, struct trust_verdict *out)
{
    const struct chain_set set = {.anchors = trust->anchors,
                                  .left_out = trust->left_out,
                                  .helpers = trust->cas->helpers,
                                  .store = trust->cas->store,
                                  .revocation = &trust->revocation,
                                  .options = &trust->options,
                                  .wishes = trust->wishes,
                                  .understood = slice_of(trust->understood, trust->understood_len)};
    struct chain_finding finding;
    if (chain_judge(&set, chain, now_s, &finding) != ERR_OK)
        return refuse(finding.reason, finding.detail, out);
    const enum err error = accept(trust, chain->certs[0], &finding, out);
    chain_record_destroy(finding.record);
    return error;
}

enum err trust_check_size(const STACK_OF(CRYPTO_BUFFER) *chain, size_t max_bytes,
                          struct trust_verdict *out)
{
    size_t total_len = 0;
    for (size_t i = 0; i < sk_CRYPTO_BUFFER_num(chain); i++)
        total_len += CRYPTO_BUFFER_len(sk_CRYPTO_BUFFER_value(chain, i));
    if (total_len <= max_bytes)
        return ERR_OK;
    *out = (struct trust_verdict){
        .reason = REASON_WORK_LIMIT,
        .detail = "the certificates have more bytes than the listener's max_chain allows",
    };
    return ERR_DENIED;
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
