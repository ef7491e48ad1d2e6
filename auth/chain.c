// Paths from a presented leaf to an anchor: parsed, searched, judged. The search proposes paths,
// the library verifies them: a path is good only when X509_verify_cert says so.
#include "auth/chain.h"

#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/pool.h>
#include <openssl/x509v3.h>

#include "auth/constraints.h"
#include "auth/critical.h"
#include "auth/strength.h"
#include "auth/strict.h"
#include "auth/usages.h"

_Static_assert((CHAIN_MAX_PATH - 1) * STRENGTH_MAX_COST <= CHAIN_MAX_COST,
               "the longest path can always be paid for");

static enum err deny(struct chain_finding *out, enum reason reason, const char *detail)
{
    *out = (struct chain_finding){.reason = reason, .detail = detail};
    return ERR_DENIED;
}

// parse_buffer reads one certificate. The library tolerates other spellings of a few lengths; one
// certificate must have one spelling, for it is known by its digest.
static X509 *parse_buffer(const CRYPTO_BUFFER *buffer)
{
    X509 *cert = X509_parse_from_buffer((CRYPTO_BUFFER *)buffer);
    if (cert == NULL)
        return NULL;
    uint8_t *der = NULL;
    const int len = i2d_X509(cert, &der);
    const struct slice given = slice_of(CRYPTO_BUFFER_data(buffer), CRYPTO_BUFFER_len(buffer));
    const bool is_same = len > 0 && slice_equal(slice_of(der, (size_t)len), given);
    OPENSSL_free(der);
    if (is_same)
        return cert;
    X509_free(cert);
    return NULL;
}

enum err chain_parse(const STACK_OF(CRYPTO_BUFFER) *buffers, struct presented_chain *out,
                     struct chain_finding *out_finding)
{
    *out = (struct presented_chain){0};
    const size_t count = buffers == NULL ? 0 : sk_CRYPTO_BUFFER_num(buffers);
    if (count == 0)
        return deny(out_finding, REASON_NO_CERTIFICATE, "the client sent no certificate");
    size_t total_len = 0;
    for (size_t i = 0; i < count && count <= CHAIN_MAX_CERTIFICATES; i++)
        total_len += CRYPTO_BUFFER_len(sk_CRYPTO_BUFFER_value(buffers, i));
    if (count > CHAIN_MAX_CERTIFICATES || total_len > CHAIN_MAX_BYTES)
        return deny(out_finding, REASON_WORK_LIMIT,
                    "the client sent more than 16 certificates or 64 KiB of them");
    for (size_t i = 0; i < count; i++) {
        X509 *cert = parse_buffer(sk_CRYPTO_BUFFER_value(buffers, i));
        if (cert == NULL)
            return deny(out_finding, REASON_BAD_CERTIFICATE,
                        "a presented certificate cannot be read (malformed, or not DER)");
        out->certs[out->count++] = cert;
    }
    // This also fills the library's caches while nobody else has the certificate.
    if ((X509_get_extension_flags(out->certs[0]) & EXFLAG_INVALID) != 0)
        return deny(out_finding, REASON_BAD_CERTIFICATE,
                    "an extension of the client's certificate is malformed or appears twice");
    return ERR_OK;
}

void chain_deinit(struct presented_chain *chain)
{
    for (size_t i = 0; i < chain->count; i++)
        X509_free(chain->certs[i]);
    *chain = (struct presented_chain){0};
}

// path is a run of certificates, each the issuer of the one before it; the last is an anchor once
// the path is complete.
struct path {
    X509 *certs[CHAIN_MAX_PATH]; // borrowed
    size_t len;
};

// search is the state of the walk over all paths of one chain.
struct search {
    const struct chain_set *set;
    const struct presented_chain *chain;
    bool is_anchor[CHAIN_MAX_CERTIFICATES]; // this presented one is an anchor itself
    int64_t now_s;
    struct path path; // without the anchor
    size_t comparison_count;
    size_t signature_count;
    size_t signature_cost;
    size_t constraint_count;
    bool has_finding;
    bool is_cut;  // a path was given up for its length
    bool is_done; // accepted, out of work or out of memory
    enum err error;
    struct chain_finding finding;
    X509 *dead_end;      // the certificate farthest up for which no issuer was found
    size_t dead_end_len; // certificates up to it
};

// What the errors of X509_verify_cert mean. Those not in the table are bad_certificate.
static const struct {
    int error;
    enum reason reason;
    const char *detail;
} LIBRARY_ERRORS[] = {
    {X509_V_ERR_CERT_SIGNATURE_FAILURE, REASON_BAD_SIGNATURE,
     "a signature in the chain does not fit its issuer's key"},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, REASON_UNKNOWN_CA, "the chain ends at no trusted CA"},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, REASON_UNKNOWN_CA,
     "the chain ends at no trusted CA"},
    {X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, REASON_UNKNOWN_CA,
     "the certificate is self-signed and not trusted itself"},
    {X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, REASON_UNKNOWN_CA, "the chain ends at no trusted CA"},
    {X509_V_ERR_INVALID_PURPOSE, REASON_BAD_PURPOSE,
     "a certificate of the chain is not for this purpose (key usage or extended key usage)"},
    {X509_V_ERR_INVALID_CA, REASON_BAD_PURPOSE, "an issuer in the chain is not a CA"},
    {X509_V_ERR_PATH_LENGTH_EXCEEDED, REASON_CHAIN_TOO_LONG,
     "a CA of the chain allows fewer intermediates below it (pathlen)"},
    {X509_V_ERR_CERT_CHAIN_TOO_LONG, REASON_CHAIN_TOO_LONG, "the chain is too long"},
    {X509_V_ERR_PERMITTED_VIOLATION, REASON_NAME_CONSTRAINT,
     "a name is outside what a CA of the chain may name"},
    {X509_V_ERR_EXCLUDED_VIOLATION, REASON_NAME_CONSTRAINT,
     "a name is one that a CA of the chain must not name"},
    {X509_V_ERR_SUBTREE_MINMAX, REASON_NAME_CONSTRAINT,
     "a name constraint of the chain cannot be applied"},
    {X509_V_ERR_UNSUPPORTED_CONSTRAINT_TYPE, REASON_NAME_CONSTRAINT,
     "a name constraint of the chain cannot be applied"},
    {X509_V_ERR_UNSUPPORTED_CONSTRAINT_SYNTAX, REASON_NAME_CONSTRAINT,
     "a name constraint of the chain cannot be applied"},
    {X509_V_ERR_UNSUPPORTED_NAME_SYNTAX, REASON_NAME_CONSTRAINT,
     "a name under a constraint cannot be understood"},
    {X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION, REASON_BAD_CERTIFICATE,
     "a critical extension in the chain is not understood"},
    {X509_V_ERR_UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY, REASON_WEAK_KEY,
     "a public key of the chain cannot be read"},
};

static enum err deny_library_error(int error, struct chain_finding *out)
{
    if (error == X509_V_ERR_OUT_OF_MEM) {
        (void)deny(out, REASON_NO_MEMORY, "no memory");
        return ERR_MEMORY;
    }
    for (size_t i = 0; i < sizeof LIBRARY_ERRORS / sizeof LIBRARY_ERRORS[0]; i++) {
        if (LIBRARY_ERRORS[i].error == error)
            return deny(out, LIBRARY_ERRORS[i].reason, LIBRARY_ERRORS[i].detail);
    }
    return deny(out, REASON_BAD_CERTIFICATE, "a certificate of the chain is not well formed");
}

// check_strength applies the floor to every key of the path and to every signature but the
// anchor's own, which proves nothing.
static enum err check_strength(const struct path *path, struct chain_finding *out)
{
    for (size_t i = 0; i < path->len; i++) {
        if (!strength_key_is_enough(path->certs[i]))
            return deny(out, REASON_WEAK_KEY,
                        "a key of the chain is too weak (needed: RSA 2048 bits, P-256, P-384, "
                        "P-521, Ed25519)");
        if (i + 1 < path->len &&
            !strength_algorithm_is_enough(X509_get_signature_nid(path->certs[i])))
            return deny(out, REASON_WEAK_KEY,
                        "a signature in the chain is too weak (needed: SHA-256)");
    }
    return ERR_OK;
}

// purpose_of gives what the library is to look at. It knows one usage at a time, so that it looks at none where
// `usages` has more than it would take.
static int purpose_of(const struct chain_set *set)
{
    const uint32_t own =
        set->options->purpose == TRUST_SERVERS ? USAGE_SERVER_AUTH : USAGE_CLIENT_AUTH;
    if ((set->options->usages & ~(own | USAGE_NONE)) != 0)
        return X509_PURPOSE_ANY;
    return set->options->purpose == TRUST_SERVERS ? X509_PURPOSE_SSL_SERVER
                                                  : X509_PURPOSE_SSL_CLIENT;
}

// check_usages applies the profile's usages to every certificate of the path.
static enum err check_usages(const struct chain_set *set, const struct path *path,
                             struct chain_finding *out)
{
    for (size_t i = path->len; i > 0; i--) {
        const bool is_issuer = i > 1;
        if (usages_fit(usages_of(path->certs[i - 1]), set->options->usages, is_issuer))
            continue;
        if (is_issuer)
            return deny(out, REASON_BAD_PURPOSE,
                        set->options->purpose == TRUST_SERVERS
                            ? "a CA of the chain is not for TLS servers"
                            : "a CA of the chain is not for TLS clients");
        return deny(
            out, REASON_BAD_PURPOSE,
            set->options->purpose == TRUST_SERVERS
                ? "the server's certificate is not for TLS servers (serverAuth)"
                : "the client's certificate has no extended key usage that this profile accepts (clientAuth, unless `purposes` says otherwise)");
    }
    return ERR_OK;
}

// check_issuers looks at what stands above the leaf. The library leaves the anchor's own pathlen
// and extended key usage out, but a CA means them.
static enum err check_issuers(const struct chain_set *set, const struct path *path,
                              struct chain_finding *out)
{
    long below = 0; // intermediates that are not self-issued (RFC 5280 6.1.4 l)
    for (size_t i = 1; i + 1 < path->len; i++) {
        if (!X509_check_ca(path->certs[i]))
            return deny(out, REASON_BAD_PURPOSE, "an issuer in the chain is not a CA");
        if (X509_NAME_entry_count(X509_get_subject_name(path->certs[i])) == 0)
            return deny(out, REASON_BAD_CERTIFICATE,
                        "a CA of the chain has no name (RFC 5280 4.1.2.6)");
        below += cert_is_self_issued(path->certs[i]) ? 0 : 1;
    }
    X509 *anchor = path->certs[path->len - 1];
    const long limit = X509_get_pathlen(anchor);
    if (limit >= 0 && below > limit)
        return deny(out, REASON_CHAIN_TOO_LONG,
                    "the trusted CA allows fewer intermediates below it (pathlen)");
    if (X509_check_purpose(anchor, purpose_of(set), 1) != 1)
        return deny(out, REASON_BAD_PURPOSE,
                    set->options->purpose == TRUST_SERVERS
                        ? "the trusted CA is not for TLS servers"
                        : "the trusted CA is not for TLS clients");
    return ERR_OK;
}

static enum err check_leaf(const struct chain_set *set, X509 *leaf, struct chain_finding *out)
{
    if (X509_check_purpose(leaf, purpose_of(set), 0) != 1 ||
        (X509_get_key_usage(leaf) & KU_DIGITAL_SIGNATURE) == 0)
        return deny(
            out, REASON_BAD_PURPOSE,
            set->options->purpose == TRUST_SERVERS
                ? "the server's certificate is not for TLS servers (serverAuth, digitalSignature)"
                : "the client's certificate is not for TLS clients (clientAuth, digitalSignature)");
    const char *hole = strict_find_hole(leaf);
    if (hole != NULL)
        return deny(out, REASON_BAD_CERTIFICATE, hole);
    return ERR_OK;
}

static void note_subtrees(const STACK_OF(GENERAL_SUBTREE) *subtrees, struct chain_finding *out)
{
    for (size_t i = 0; i < sk_GENERAL_SUBTREE_num(subtrees); i++) {
        const int type = sk_GENERAL_SUBTREE_value(subtrees, i)->base->type;
        out->has_dns_constraint |= type == GEN_DNS;
        out->has_email_constraint |= type == GEN_EMAIL;
        out->has_uri_constraint |= type == GEN_URI;
    }
}

// check_dates applies the validity of every certificate, from the anchor down: from the first second
// through the last (RFC 5280 4.1.2.5), which the library takes for too late.
static enum err check_dates(const struct path *path, int64_t now_s, struct chain_finding *out)
{
    for (size_t i = path->len; i > 0; i--) {
        int64_t not_before_s = 0;
        int64_t not_after_s = 0;
        if (!cert_read_validity(path->certs[i - 1], &not_before_s, &not_after_s))
            return deny(out, REASON_BAD_CERTIFICATE, "a certificate's validity cannot be read");
        if (now_s < not_before_s)
            return deny(out, REASON_NOT_YET_VALID, "a certificate of the chain is not valid yet");
        if (now_s > not_after_s)
            return deny(out, REASON_EXPIRED, "a certificate of the chain has expired");
    }
    return ERR_OK;
}

// on_library_error lets those errors pass that constraints_check_rest judges.
static int on_library_error(int is_good, X509_STORE_CTX *ctx)
{
    return is_good || constraints_is_left(X509_STORE_CTX_get_error(ctx));
}

// on_error_of_understood lets a critical extension of the leaf pass too, where all of them are understood.
static int on_error_of_understood(int is_good, X509_STORE_CTX *ctx)
{
    const bool is_of_leaf =
        X509_STORE_CTX_get_error(ctx) == X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION &&
        X509_STORE_CTX_get_error_depth(ctx) == 0;
    return is_of_leaf || on_library_error(is_good, ctx);
}

// take_path goes on with the path that the library found good: constraints that are left, and which kinds of names
// are constrained.
static enum err take_path(const STACK_OF(X509) *certs, struct chain_finding *out)
{
    X509 *path[CHAIN_MAX_PATH];
    const size_t count = sk_X509_num(certs);
    ASSERT(count >= 1 && count <= CHAIN_MAX_PATH);
    for (size_t i = 0; i < count; i++)
        path[i] = sk_X509_value(certs, i);
    const int error = constraints_check_rest(path, count);
    if (error != X509_V_OK)
        return deny_library_error(error, out);
    *out = (struct chain_finding){.reason = REASON_NONE, .detail = ""};
    for (size_t i = 1; i < count; i++) {
        if (!cert_has_extension(path[i], NID_name_constraints))
            continue;
        NAME_CONSTRAINTS *constraints = X509_get_ext_d2i(path[i], NID_name_constraints, NULL, NULL);
        if (constraints == NULL)
            return deny(out, REASON_NAME_CONSTRAINT, "a name constraint cannot be read");
        note_subtrees(constraints->permittedSubtrees, out);
        note_subtrees(constraints->excludedSubtrees, out);
        NAME_CONSTRAINTS_free(constraints);
    }
    return ERR_OK;
}

// verify_path gives one complete path to the library: the leaf, what stands between as untrusted,
// and the anchor as all that is trusted. PARTIAL_CHAIN lets an anchor be one that is not
// self-issued; the store is empty, so that nothing else becomes trusted by it.
static enum err verify_path(const struct search *search, const struct path *path,
                            struct chain_finding *out)
{
    const int purpose = purpose_of(search->set);
    enum err error = ERR_MEMORY;
    (void)deny(out, REASON_NO_MEMORY, "no memory");
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    STACK_OF(X509) *between = sk_X509_new_null();
    STACK_OF(X509) *trusted = sk_X509_new_null();
    if (ctx == NULL || between == NULL || trusted == NULL ||
        !sk_X509_push(trusted, path->certs[path->len - 1]))
        goto out;
    for (size_t i = 1; i + 1 < path->len; i++) {
        if (!sk_X509_push(between, path->certs[i]))
            goto out;
    }
    if (!X509_STORE_CTX_init(ctx, search->set->store, path->certs[0], between) ||
        (purpose != X509_PURPOSE_ANY && !X509_STORE_CTX_set_purpose(ctx, purpose)))
        goto out;
    X509_STORE_CTX_set0_trusted_stack(ctx, trusted);
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);
    X509_VERIFY_PARAM_set_depth(param, (int)path->len);
    X509_STORE_CTX_set_verify_cb(ctx,
                                 critical_are_understood(path->certs[0], search->set->understood)
                                     ? on_error_of_understood
                                     : on_library_error);
    X509_STORE_CTX_set_flags(
        ctx, X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_TRUSTED_FIRST | X509_V_FLAG_NO_CHECK_TIME |
                 (search->set->options->is_strict ? X509_V_FLAG_POLICY_CHECK : 0));
    if (X509_verify_cert(ctx) == 1)
        error = take_path(X509_STORE_CTX_get0_chain(ctx), out);
    else
        error = deny_library_error(X509_STORE_CTX_get_error(ctx), out);
out:
    X509_STORE_CTX_free(ctx);
    sk_X509_free(between); // the certificates are borrowed
    sk_X509_free(trusted);
    return error;
}

// note_wishes notes where the lists of a verified path are published; the anchor needs none.
static void note_wishes(const struct search *search, const struct path *path,
                        const struct chain_record *record)
{
    for (size_t i = 0; i + 1 < path->len; i++)
        crl_wishes_note(search->set->wishes, path->certs[i], record->links[i].authority,
                        search->now_s);
}

// check_record makes the record of a path that is good so far, and judges what is left: the leaf's lifetime, the
// letter of RFC 5280 and revocation, in this order. The record is the caller's.
static enum err check_record(const struct search *search, const struct path *path,
                             struct chain_finding *out)
{
    const struct chain_set *set = search->set;
    const char *detail = "";
    const enum err error = chain_record_create(path->certs, path->len, &out->record);
    if (error == ERR_MEMORY) {
        (void)deny(out, REASON_NO_MEMORY, "no memory");
        return error;
    }
    if (error != ERR_OK)
        return deny(out, REASON_BAD_CERTIFICATE, "a certificate's validity cannot be read");
    struct chain_record *record = out->record;
    enum reason reason =
        revocation_judge(set->revocation, record, search->now_s, set->options, &detail);
    if (revocation_may_change(reason))
        note_wishes(search, path, record);
    crl_issuers_note(set->revocation->issuers, record);
    if (set->options->is_strict && !record->is_strict) {
        reason = REASON_BAD_CERTIFICATE;
        detail = strict_find_fault(path->certs, path->len);
    }
    if (set->options->max_lifetime_s > 0 && record->lifetime_s > set->options->max_lifetime_s) {
        reason = REASON_TOO_LONG_LIVED;
        detail = "the client's certificate was issued for longer than max_lifetime";
    }
    if (reason == REASON_NONE)
        return ERR_OK;
    chain_record_destroy(record);
    (void)deny(out, reason, detail);
    return reason == REASON_NO_MEMORY ? ERR_MEMORY : ERR_DENIED;
}

static enum err judge_path(const struct search *search, const struct path *path,
                           struct chain_finding *out)
{
    const size_t depth = path->len < 2 ? 0 : path->len - 2;
    if (depth > search->set->options->max_depth)
        return deny(out, REASON_CHAIN_TOO_LONG, "more intermediates than max_depth allows");
    TRY(check_strength(path, out));
    TRY(check_issuers(search->set, path, out));
    TRY(check_usages(search->set, path, out));
    const enum err verified = verify_path(search, path, out);
    if (verified == ERR_OK || out->reason == REASON_NAME_CONSTRAINT)
        TRY(check_dates(path, search->now_s, out));
    TRY(verified);
    TRY(check_leaf(search->set, path->certs[0], out));
    return check_record(search, path, out);
}

static void stop_for_work(struct search *search)
{
    search->is_done = true;
    search->error =
        deny(&search->finding, REASON_WORK_LIMIT,
             "too many ways from the certificate to a CA, or too many names under constraints");
}

// try_anchor judges the path that ends in `anchor`.
static void try_anchor(struct search *search, X509 *anchor)
{
    struct path path = search->path;
    if (path.len > 1 || X509_cmp(path.certs[0], anchor) != 0)
        path.certs[path.len++] = anchor;
    search->signature_count += path.len - 1;
    for (size_t i = 1; i < path.len; i++)
        search->signature_cost += strength_verification_cost(path.certs[i]);
    search->constraint_count +=
        constraints_count_comparisons(path.certs, path.len, CHAIN_MAX_CONSTRAINTS);
    if (search->signature_count > CHAIN_MAX_SIGNATURES || search->signature_cost > CHAIN_MAX_COST ||
        search->constraint_count > CHAIN_MAX_CONSTRAINTS) {
        stop_for_work(search);
        return;
    }
    struct chain_finding finding;
    const enum err error = judge_path(search, &path, &finding);
    search->is_done = error != ERR_DENIED;
    if (search->is_done || !search->has_finding || search->finding.reason == REASON_BAD_SIGNATURE) {
        search->finding = finding;
        search->error = error;
    }
    search->has_finding = true;
}

// is_issued tells whether names and key identifiers say that `issuer` issued `cert`. A key usage
// that does not allow it is left to judge_path, which has a better word for it.
static bool is_issued(struct search *search, X509 *cert, X509 *issuer)
{
    if (++search->comparison_count > CHAIN_MAX_COMPARISONS) {
        stop_for_work(search);
        return false;
    }
    const int result = X509_check_issued(issuer, cert);
    return result == X509_V_OK || result == X509_V_ERR_KEYUSAGE_NO_CERTSIGN;
}

static bool path_has(const struct path *path, const X509 *cert)
{
    for (size_t i = 0; i < path->len; i++) {
        if (path->certs[i] == cert || X509_cmp(path->certs[i], cert) == 0)
            return true;
    }
    return false;
}

static void search_upwards(struct search *search);

// try_between goes on with `cert` above the path, if it may stand there.
static bool try_between(struct search *search, X509 *cert)
{
    struct path *path = &search->path;
    if (!is_issued(search, path->certs[path->len - 1], cert) || path_has(path, cert))
        return false;
    if (path->len + 1 < CHAIN_MAX_PATH) {
        path->certs[path->len++] = cert;
        search_upwards(search);
        path->len--;
    } else {
        search->is_cut = true;
    }
    return true;
}

// search_upwards tries every way on from the top of the path: anchors first, then what the client
// sent, then helpers. It calls itself at most CHAIN_MAX_PATH deep.
static void search_upwards(struct search *search)
{
    const struct chain_set *set = search->set;
    X509 *top = search->path.certs[search->path.len - 1];
    bool has_issuer = false;
    for (size_t i = 0; i < sk_X509_num(set->anchors) && !search->is_done; i++) {
        X509 *anchor = sk_X509_value(set->anchors, i);
        if (is_issued(search, top, anchor)) {
            has_issuer = true;
            try_anchor(search, anchor);
        }
    }
    for (size_t i = 1; i < search->chain->count && !search->is_done; i++) {
        if (!search->is_anchor[i])
            has_issuer |= try_between(search, search->chain->certs[i]);
    }
    for (size_t i = 0; i < sk_X509_num(set->helpers) && !search->is_done; i++)
        has_issuer |= try_between(search, sk_X509_value(set->helpers, i));
    if (!has_issuer && search->path.len > search->dead_end_len) {
        search->dead_end = top;
        search->dead_end_len = search->path.len;
    }
}

// authority_names tells whether the authority key identifier of `cert` says that its issuer was
// issued by `anchor`.
static bool authority_names(X509 *cert, X509 *anchor)
{
    const GENERAL_NAMES *names = X509_get0_authority_issuer(cert);
    for (size_t i = 0; names != NULL && i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type == GEN_DIRNAME &&
            X509_NAME_cmp(name->d.directoryName, X509_get_subject_name(anchor)) == 0)
            return true;
    }
    return false;
}

// lacks_intermediate tells whether the missing issuer of `cert` is probably an intermediate below
// an anchor that the client forgot to send: the authority key identifier names the anchor as the
// issuer's issuer, or the issuer's name is an anchor's but for the CN. A hint for a person and no
// more: nothing here is verified, and the chain is refused either way.
static bool lacks_intermediate(const struct chain_set *set, X509 *cert)
{
    struct dn issuer;
    if (cert_is_self_issued(cert) ||
        cert_id_read_name(X509_get_issuer_name(cert), &issuer) != ERR_OK)
        return false;
    bool is_akin = false;
    for (size_t i = 0; i < sk_X509_num(set->anchors); i++) {
        X509 *anchor = sk_X509_value(set->anchors, i);
        struct dn subject;
        if (cert_id_read_name(X509_get_subject_name(anchor), &subject) != ERR_OK)
            continue;
        if (dn_equal(&issuer, &subject))
            return false; // the name is known, but the key is another
        is_akin |= authority_names(cert, anchor) || dn_equal_but_common_name(&issuer, &subject);
    }
    return is_akin;
}

// is_below_left_out tells whether the names say that an anchor which was left out issued `cert`: a hint too.
static bool is_below_left_out(const struct chain_set *set, X509 *cert)
{
    for (size_t i = 0; i < sk_X509_num(set->left_out); i++) {
        if (X509_check_issued(sk_X509_value(set->left_out, i), cert) == X509_V_OK)
            return true;
    }
    return false;
}

static enum err deny_no_anchor(const struct search *search, struct chain_finding *out)
{
    X509 *top = search->dead_end;
    if (search->is_cut)
        return deny(out, REASON_CHAIN_TOO_LONG, "the chain is too long");
    if (top != NULL && is_below_left_out(search->set, top))
        return deny(out, REASON_UNKNOWN_CA,
                    "the CA that the chain ends at has expired, or is not valid yet, and is left "
                    "out until it is renewed");
    if (top != NULL && lacks_intermediate(search->set, top))
        return deny(out, REASON_MISSING_INTERMEDIATE,
                    "the chain ends below a trusted CA: send the intermediate certificates with "
                    "the leaf, or list them under intermediates");
    if (top != NULL && cert_is_self_issued(top))
        return deny(out, REASON_UNKNOWN_CA,
                    "the chain ends at a self-signed certificate that is "
                    "not one of the trusted CAs");
    return deny(out, REASON_UNKNOWN_CA,
                "the issuer is not one of the trusted CAs (or an intermediate was not sent)");
}

enum err chain_judge(const struct chain_set *set, const struct presented_chain *chain,
                     int64_t now_s, struct chain_finding *out)
{
    struct search search = {.set = set, .chain = chain, .now_s = now_s, .error = ERR_DENIED};
    search.path.certs[search.path.len++] = chain->certs[0];
    for (size_t i = 0; i < sk_X509_num(set->anchors); i++) {
        X509 *anchor = sk_X509_value(set->anchors, i);
        for (size_t k = 0; k < chain->count; k++)
            search.is_anchor[k] |= X509_cmp(chain->certs[k], anchor) == 0;
    }
    search_upwards(&search);
    if (!search.is_done && !search.has_finding)
        return deny_no_anchor(&search, out);
    *out = search.finding;
    return search.error;
}
