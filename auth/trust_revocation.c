// A trust profile over time: revocation lists and denied certificates put in, lists described and
// compared with those in force, and verified chains judged again.
#include "auth/trust.h"

#include <openssl/err.h>
#include <openssl/pool.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "auth/ocsp_answer.h"
#include "auth/pem.h"
#include "auth/trust_internal.h"
#include "auth/usages.h"

enum { CRL_MAX_BYTES = 1 << 30 };

// crl_addition is what add_crl_block needs to know of a file of lists.
struct crl_addition {
    struct trust *trust; // borrowed
    struct crl_signers signers;
    bool is_learned;
};

static enum err add_crl(const struct crl_addition *addition, struct slice der, struct errinfo *info)
{
    struct crl *crl = NULL;
    TRY(crl_create(der, &addition->signers, &crl, info));
    return revocation_take_crl(&addition->trust->revocation, crl, addition->is_learned, info);
}

static enum err add_crl_block(void *arg, const char *kind, struct slice der, size_t number,
                              struct errinfo *info)
{
    struct errinfo inner;
    if (!slice_equal(slice_of_string(kind), SLICE_LITERAL("X509 CRL")))
        return errinfo_set(info, ERR_INPUT,
                           "there is a block '%.40s' in this file; only X509 CRL is expected",
                           kind);
    const enum err error = add_crl(arg, der, &inner);
    if (error == ERR_OK)
        return ERR_OK;
    return errinfo_set(info, error, "CRL %zu: %s", number, inner.text);
}

static enum err add_crls(struct trust *trust, struct slice bytes, bool is_learned,
                         struct errinfo *info)
{
    ASSERT(!trust->is_finished);
    if (bytes.len > CRL_MAX_BYTES)
        return errinfo_set(info, ERR_LIMIT, "more than %d bytes of CRLs", CRL_MAX_BYTES);
    X509 **certs = calloc(trust->cas->count + 1, sizeof *certs);
    if (certs == NULL)
        return errinfo_set(info, ERR_MEMORY, "no memory");
    for (size_t i = 0; i < trust->cas->count; i++)
        certs[i] = trust->cas->entries[i].cert;
    struct crl_addition addition = {.trust = trust,
                                    .is_learned = is_learned,
                                    .signers = {.certs = certs,
                                                .count = trust->cas->count,
                                                .is_strict = trust->options.is_strict}};
    size_t count = 1;
    // A SEQUENCE with a long length; no text has such a second byte after a zero.
    const bool is_der = bytes.len > 1 && bytes.data[0] == 0x30 && bytes.data[1] >= 0x80;
    enum err error = is_der ? add_crl(&addition, bytes, info)
                            : pem_read_blocks(bytes, add_crl_block, &addition, &count, info);
    if (error == ERR_OK && count == 0)
        error = errinfo_set(info, ERR_INPUT,
                            "there is no CRL in it; DER is expected, or PEM that begins with "
                            "-----BEGIN X509 CRL-----");
    free(certs);
    return error;
}

enum err trust_add_crl(struct trust *trust, struct slice bytes, struct errinfo *info)
{
    return add_crls(trust, bytes, false, info);
}

enum err trust_add_learned_crl(struct trust *trust, struct slice bytes, struct errinfo *info)
{
    return add_crls(trust, bytes, true, info);
}

void trust_await_crl(struct trust *trust)
{
    ASSERT(!trust->is_finished);
    trust->revocation.is_partial = true;
}

enum err trust_deny_sha256(struct trust *trust, const uint8_t *sha256)
{
    ASSERT(!trust->is_finished);
    return revocation_deny(&trust->revocation, sha256);
}

enum err trust_deny_serial(struct trust *trust, const struct dn *issuer, struct slice serial)
{
    uint8_t digest[CERT_DIGEST_LEN];
    ASSERT(!trust->is_finished);
    cert_id_of_serial(issuer, serial, digest);
    return revocation_deny(&trust->revocation, digest);
}

enum err trust_keep_denied(struct trust *trust, const struct trust *before)
{
    ASSERT(!trust->is_finished && before->is_finished);
    return revocation_keep_denied(&trust->revocation, &before->revocation);
}

// is_same_list tells whether both, of one issuer and scope, have the same number, time and entries.
static bool is_same_list(const struct crl *a, const struct crl *b)
{
    return a->this_update_s == b->this_update_s && a->next_update_s == b->next_update_s &&
           slice_equal(slice_of(a->number, a->number_len), slice_of(b->number, b->number_len)) &&
           slice_equal(slice_of(a->serials, a->count * a->width),
                       slice_of(b->serials, b->count * b->width));
}

bool trust_takes_more(const struct trust *trust, const struct trust *base)
{
    const struct revocation *now = &trust->revocation;
    const struct revocation *before = &base->revocation;
    bool is_same = sk_X509_num(trust->dropped) == sk_X509_num(base->dropped) &&
                   now->denied_count == before->denied_count && now->count == before->count;
    for (size_t i = 0; i < now->count && is_same; i++)
        is_same = is_same_list(now->lists[i].crl, before->lists[i].crl);
    return !is_same;
}

size_t trust_crl_count(const struct trust *trust)
{
    return trust->revocation.count;
}

enum err trust_allow_wishes(struct trust *trust, const struct http_url *prefixes, size_t count)
{
    ASSERT(!trust->is_finished);
    crl_wishes_unref(trust->wishes);
    trust->wishes = crl_wishes_create(prefixes, count);
    return trust->wishes == NULL ? ERR_MEMORY : ERR_OK;
}

bool trust_read_wishes(const struct trust *trust, int64_t now_s, struct http_url *out,
                       size_t *out_count)
{
    return crl_wishes_read(trust->wishes, now_s, out, out_count);
}

bool trust_read_unlisted(const struct trust *trust, bool is_said, struct http_url *out,
                         size_t *out_count, size_t *out_news)
{
    return crl_wishes_read_unlisted(trust->wishes, is_said, out, out_count, out_news);
}

bool trust_goes_by_crls(const struct trust *trust)
{
    return trust->revocation.count > 0 || trust->options.requires_crls;
}

bool trust_keeps_expired_crls(const struct trust *trust)
{
    return trust->options.keeps_expired_crls;
}

static enum trust_crl_state state_of(const struct crl *crl)
{
    if (crl->has_authority)
        return TRUST_CRL_COUNTS;
    return crl->is_waiting ? TRUST_CRL_WAITS : TRUST_CRL_IDLE;
}

struct trust_crl trust_crl_at(const struct trust *trust, size_t index)
{
    const struct crl *crl = trust->revocation.lists[index].crl;
    struct trust_crl found = {.issuer = crl->issuer,
                              .state = state_of(crl),
                              .entry_count = crl->count,
                              .next_update_s = crl->next_update_s,
                              .soon_s = crl_soon_s(crl->this_update_s, crl->next_update_s)};
    struct text text;
    text_init(&text, found.number, sizeof found.number);
    crl_format_number(crl, &text);
    if (found.state == TRUST_CRL_IDLE)
        found.warning =
            "no CA of this profile issued it, and its signature is too weak, so it is ignored: have it signed with SHA-256, or remove it";
    else if (trust->revocation.lists[index].goes_back)
        found.warning =
            "its number is lower than that of the earlier list of the same CA that it replaces: was the CA restored from a backup? Certificates that "
            "were revoked in between may be good again";
    return found;
}

bool trust_lacks_crl(const struct trust *trust, size_t index)
{
    const struct ca_set *cas = trust->cas;
    ASSERT(index < cas->count);
    const struct ca_entry *entry = &cas->entries[index];
    if (!trust_goes_by_crls(trust) || !ca_entry_is_valid(entry, trust->finished_s) ||
        trust_has_dropped(trust, entry) ||
        revocation_has_list_of(&trust->revocation, entry->authority))
        return false;
    return !trust->options.is_crl_for_leaves || !entry->has_helpers;
}

// succession_of compares two lists of one issuer.
static enum trust_succession succession_of(const struct crl *now, const struct crl *before)
{
    const int64_t later_s = now->this_update_s - before->this_update_s;
    const bool has_numbers = now->has_number && before->has_number;
    if (!crl_has_lower_number(now, before)) // what went back by date needs a number that did not
        return later_s >= 0 || has_numbers ? TRUST_SUCCESSION_GOOD : TRUST_SUCCESSION_OLD;
    return later_s > 0 ? TRUST_SUCCESSION_LOWER : TRUST_SUCCESSION_OLD;
}

enum trust_succession trust_crl_succession(const struct trust *trust, size_t index,
                                           const struct trust *old)
{
    const struct crl *now = trust->revocation.lists[index].crl;
    const struct revocation *before = &old->revocation;
    uint8_t signer[CERT_DIGEST_LEN];
    const bool is_known = revocation_signer(&trust->revocation, now, signer);
    const size_t like = revocation_find_like(before, now, is_known ? signer : NULL);
    if (like < REVOCATION_MAX_CRLS)
        return succession_of(now, before->lists[like].crl);
    if (is_known)
        return TRUST_SUCCESSION_GOOD;
    // Of several that only say that they are of this issuer, one may have been put there to be the newest.
    size_t at = revocation_find_claim(before, now, 0);
    enum trust_succession best =
        at == REVOCATION_MAX_CRLS ? TRUST_SUCCESSION_GOOD : TRUST_SUCCESSION_OLD;
    for (; at < REVOCATION_MAX_CRLS; at = revocation_find_claim(before, now, at + 1)) {
        const enum trust_succession one = succession_of(now, before->lists[at].crl);
        best = one < best ? one : best;
    }
    return best;
}

enum err trust_check_crls_succeed(const struct trust *trust, const struct trust *old,
                                  struct errinfo *info)
{
    for (size_t i = 0; i < trust->revocation.count; i++) {
        if (trust_crl_succession(trust, i, old) == TRUST_SUCCESSION_OLD)
            return errinfo_set(info, ERR_INPUT,
                               "the CRL of %.200s is older than the one in force, by date and "
                               "number: an old file, which would take revocations back",
                               trust->revocation.lists[i].crl->issuer);
    }
    return ERR_OK;
}

static bool has_ca(const void *arg, const uint8_t *sha256)
{
    const struct ca_set *cas = ((const struct trust *)arg)->cas;
    size_t i = 0;
    while (i < cas->count && !(cas->entries[i].is_ca_entry &&
                               memcmp(cas->entries[i].sha256, sha256, CERT_DIGEST_LEN) == 0))
        i++;
    return i < cas->count;
}

void trust_keep_seen(struct trust *trust, const struct trust *before)
{
    ASSERT(trust->is_finished && before->is_finished);
    crl_issuers_inherit(trust->revocation.issuers, before->revocation.issuers, has_ca, trust);
    crl_wishes_inherit(trust->wishes, before->wishes);
}

static const struct ca_entry *find_authority(const struct trust *trust, const uint8_t *authority)
{
    for (size_t i = 0; i < trust->cas->count; i++) {
        if (memcmp(trust->cas->entries[i].authority, authority, CERT_DIGEST_LEN) == 0)
            return &trust->cas->entries[i];
    }
    return NULL;
}

// has_left tells whether an anchor of `old` is no CA of the profile any more: nobody below it asks for its list.
static bool has_left(const struct trust *trust, const struct trust *old, const struct crl *crl)
{
    const struct ca_entry *before = crl->has_authority ? find_authority(old, crl->authority) : NULL;
    return before != NULL && before->is_anchor && find_authority(trust, crl->authority) == NULL;
}

// has_list_like tells whether something is in the place of a list of `old`.
static bool has_list_like(const struct trust *trust, const struct trust *old,
                          const struct crl *before)
{
    uint8_t signer[CERT_DIGEST_LEN];
    const bool is_known = revocation_signer(&old->revocation, before, signer);
    return revocation_find_like(&trust->revocation, before, is_known ? signer : NULL) <
               REVOCATION_MAX_CRLS ||
           revocation_find_claim(&trust->revocation, before, 0) < REVOCATION_MAX_CRLS;
}

const char *trust_lost_crl(const struct trust *trust, const struct trust *old, size_t *index)
{
    if (!trust_goes_by_crls(trust))
        return NULL; // it goes by lists no more
    while (*index < old->revocation.count) {
        const struct crl *before = old->revocation.lists[(*index)++].crl;
        const bool counted = before->has_authority || before->is_waiting;
        if (counted && !has_left(trust, old, before) && !has_list_like(trust, old, before))
            return before->issuer;
    }
    return NULL;
}

// has_anchor tells whether the certificate is an anchor, left out for its validity or not: that is judged
// by the record's dates.
static bool has_anchor(const struct trust *trust, const uint8_t *sha256)
{
    for (size_t i = 0; i < trust->cas->count; i++) {
        if (trust->cas->entries[i].is_anchor &&
            !trust_has_dropped(trust, &trust->cas->entries[i]) &&
            memcmp(trust->cas->entries[i].sha256, sha256, CERT_DIGEST_LEN) == 0)
            return true;
    }
    return false;
}

static enum reason because(enum reason reason, const char *detail, const char **out_detail)
{
    *out_detail = detail;
    return reason;
}

enum reason trust_recheck(const struct trust *trust, const struct identity *identity, int64_t now_s,
                          const char **out_detail)
{
    const struct chain_record *record = identity->record;
    ASSERT(trust->is_finished && record->count >= 1);
    if (!has_anchor(trust, record->links[record->count - 1].sha256)) {
        struct trust_options options = trust->options;
        options.keeps_expired_crls = true;
        const enum reason reason =
            revocation_judge(&trust->revocation, record, now_s, &options, out_detail);
        if (reason == REASON_REVOKED || reason == REASON_DENIED_CERTIFICATE)
            return reason; // whatever else may be trusted, this one is not
        return because(REASON_UNKNOWN_CA, "the CA that the chain ends at is no longer trusted",
                       out_detail);
    }
    if (record->depth > trust->options.max_depth)
        return because(REASON_CHAIN_TOO_LONG, "more intermediates than max_depth allows",
                       out_detail);
    for (size_t i = 0; i < record->count; i++) {
        if (!usages_fit(record->links[i].usages, trust->options.usages, i > 0))
            return because(REASON_BAD_PURPOSE,
                           "a certificate of the chain is not for this purpose (`purposes`)",
                           out_detail);
    }
    struct slice critical = slice_of(record->critical, record->critical_len);
    struct slice oid = {0};
    while (oid_set_next(&critical, &oid)) {
        if (!oid_set_has(slice_of(trust->understood, trust->understood_len), oid))
            return because(REASON_BAD_CERTIFICATE,
                           "a critical extension in the chain is not understood", out_detail);
    }
    if (now_s < record->not_before_s)
        return because(REASON_NOT_YET_VALID, "a certificate of the chain is not valid yet",
                       out_detail);
    if (now_s > record->not_after_s) // through the last second (RFC 5280 4.1.2.5)
        return because(REASON_EXPIRED, "a certificate of the chain has expired", out_detail);
    if (trust->options.max_lifetime_s > 0 && record->lifetime_s > trust->options.max_lifetime_s)
        return because(REASON_TOO_LONG_LIVED,
                       "the client's certificate was issued for longer than max_lifetime",
                       out_detail);
    if (trust->options.is_strict && !record->is_strict)
        return because(REASON_BAD_CERTIFICATE,
                       "a certificate of the chain is against the letter of RFC 5280", out_detail);
    crl_issuers_note(trust->revocation.issuers, record);
    // Before the lists: a live tunnel goes on without them, but not under another trust domain.
    const enum reason reason = trust_judge_names(trust, identity, out_detail);
    if (reason != REASON_NONE)
        return reason;
    const enum reason verdict =
        revocation_judge(&trust->revocation, record, now_s, &trust->options, out_detail);
    if (revocation_may_change(verdict))
        crl_wishes_renew(trust->wishes, record, now_s);
    return verdict;
}

bool trust_denies_delegate(const struct trust *trust, const struct chain_record *record,
                           size_t index, const struct ocsp_delegate *delegate, int64_t now_s)
{
    return delegate->is_there &&
           revocation_denies(&trust->revocation, &record->links[index], &record->links[index + 1],
                             slice_of(delegate->serial, delegate->serial_len), delegate->sha256,
                             now_s);
}
