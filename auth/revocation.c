// Lists by who signed them, denied certificates by digest, and the verdict on a record.
#include "auth/revocation.h"

#include <stdlib.h>

#include "auth/base/array.h"
#include "auth/crl_answers.h"

enum err revocation_copy(const struct revocation *base, struct revocation *out)
{
    for (size_t i = 0; i < base->count; i++) {
        out->lists[i] = base->lists[i];
        out->lists[i].is_copied = true;
        (void)crl_ref(out->lists[i].crl);
    }
    out->count = base->count;
    out->is_partial = base->is_partial;
    out->issuers = crl_issuers_ref(base->issuers);
    return revocation_keep_denied(out, base);
}

void revocation_deinit(struct revocation *revocation)
{
    for (size_t i = 0; i < revocation->count; i++)
        crl_unref(revocation->lists[i].crl);
    crl_answers_destroy(revocation->answers);
    crl_issuers_unref(revocation->issuers);
    free(revocation->denied);
}

bool revocation_signer(const struct revocation *revocation, const struct crl *crl,
                       uint8_t out[CERT_DIGEST_LEN])
{
    if (!crl->has_authority)
        return crl_issuers_find(revocation->issuers, crl, out);
    ASSERT(bytes_copy(out, CERT_DIGEST_LEN, slice_of(crl->authority, CERT_DIGEST_LEN)));
    return true;
}

// is_like looks for the signer only where all else fits: that may cost a verification.
static bool is_like(const struct revocation *revocation, const struct crl *one,
                    const struct crl *crl, const uint8_t *signer)
{
    uint8_t other[CERT_DIGEST_LEN];
    if (crl_compare_scope(one, crl) != 0)
        return false;
    return crl_is_same(one, crl) ||
           (signer != NULL && memcmp(one->name, crl->name, CERT_DIGEST_LEN) == 0 &&
            revocation_signer(revocation, one, other) &&
            memcmp(other, signer, CERT_DIGEST_LEN) == 0);
}

size_t revocation_find_like(const struct revocation *revocation, const struct crl *crl,
                            const uint8_t *signer)
{
    size_t i = 0;
    while (i < revocation->count && !is_like(revocation, revocation->lists[i].crl, crl, signer))
        i++;
    return i < revocation->count ? i : REVOCATION_MAX_CRLS;
}

size_t revocation_find_claim(const struct revocation *revocation, const struct crl *crl,
                             size_t from)
{
    uint8_t ignored[CERT_DIGEST_LEN];
    for (size_t i = from; i < revocation->count; i++) {
        const struct crl *one = revocation->lists[i].crl;
        if (crl_claims_same_issuer(one, crl) && crl_compare_scope(one, crl) == 0 &&
            !revocation_signer(revocation, one, ignored))
            return i;
    }
    return REVOCATION_MAX_CRLS;
}

// replace keeps the newer one of two lists of one issuer and scope; of equals the one that came later.
static void replace(struct revocation_list *list, struct crl *crl)
{
    struct crl *other = list->crl;
    const bool is_older = crl_is_older(crl, other);
    struct crl *newer = is_older ? other : crl;
    struct crl *older = is_older ? crl : other;
    list->goes_back = crl_has_lower_number(newer, older) || (is_older && list->goes_back);
    list->crl = newer;
    list->is_copied &= is_older;
    crl_unref(older);
}

enum err revocation_take_crl(struct revocation *revocation, struct crl *crl, bool is_learned,
                             struct errinfo *info)
{
    uint8_t signer[CERT_DIGEST_LEN];
    const bool is_known = revocation_signer(revocation, crl, signer);
    const size_t like = revocation_find_like(revocation, crl, is_known ? signer : NULL);
    if (like < REVOCATION_MAX_CRLS) {
        replace(&revocation->lists[like], crl);
        revocation->lists[like].is_learned &= is_learned; // either list is of this scope
        return ERR_OK;
    }
    if (revocation->count == REVOCATION_MAX_CRLS) {
        crl_unref(crl);
        return errinfo_set(info, ERR_LIMIT, "more than %d CRLs in one trust profile",
                           REVOCATION_MAX_CRLS);
    }
    revocation->lists[revocation->count++] =
        (struct revocation_list){.crl = crl, .is_learned = is_learned};
    return ERR_OK;
}

static int compare_digests(const void *a, const void *b)
{
    return memcmp(a, b, CERT_DIGEST_LEN);
}

// is_denied looks among those that are sorted, which are all of them once it is finished.
static bool is_denied(const struct revocation *revocation, const uint8_t *digest)
{
    return revocation->sorted_count > 0 &&
           bsearch(digest, revocation->denied, revocation->sorted_count, sizeof *revocation->denied,
                   compare_digests) != NULL;
}

enum err revocation_deny(struct revocation *revocation, const uint8_t digest[CERT_DIGEST_LEN])
{
    if (is_denied(revocation, digest))
        return ERR_OK;
    if (revocation->denied_count == REVOCATION_MAX_DENIED)
        return ERR_LIMIT;
    uint8_t(*denied)[CERT_DIGEST_LEN] = array_make_room(
        revocation->denied, revocation->denied_count, &revocation->denied_cap, sizeof *denied);
    if (denied == NULL)
        return ERR_MEMORY;
    revocation->denied = denied;
    ASSERT(bytes_copy(denied[revocation->denied_count++], CERT_DIGEST_LEN,
                      slice_of(digest, CERT_DIGEST_LEN)));
    return ERR_OK;
}

enum err revocation_keep_denied(struct revocation *revocation, const struct revocation *before)
{
    ASSERT(revocation->denied_count == 0);
    for (size_t i = 0; i < before->denied_count; i++)
        TRY(revocation_deny(revocation, before->denied[i]));
    revocation->sorted_count = revocation->denied_count;
    return ERR_OK;
}

// compare_lists orders by name, then scope, then the newest first.
static int compare_lists(const void *a, const void *b)
{
    const struct crl *one = *(const struct crl *const *)a;
    const struct crl *other = *(const struct crl *const *)b;
    int order = compare_digests(one->name, other->name);
    if (order == 0)
        order = crl_compare_scope(one, other);
    if (order == 0)
        order = crl_is_older(one, other) ? 1 : crl_is_older(other, one) ? -1 : 0;
    return order;
}

enum err revocation_finish(struct revocation *revocation, int64_t now_s, struct errinfo *info)
{
    bool has_waiting = false;
    for (size_t i = 0; i < revocation->count; i++) {
        const struct crl *crl = revocation->lists[i].crl;
        if (!revocation->lists[i].is_copied && crl->this_update_s > now_s + REVOCATION_SKEW_S)
            return errinfo_set(info, ERR_INPUT,
                               "the CRL of %.200s begins in the future: is the clock of this "
                               "machine right?",
                               crl->issuer);
        has_waiting |= crl->is_waiting;
        revocation->by_name[i] = crl;
    }
    if (has_waiting && (revocation->answers = crl_answers_create()) == NULL)
        return errinfo_set(info, ERR_MEMORY, "no memory");
    if (revocation->count > 1)
        qsort(revocation->by_name, revocation->count, sizeof revocation->by_name[0], compare_lists);
    if (revocation->denied_count > 1)
        qsort(revocation->denied, revocation->denied_count, sizeof *revocation->denied,
              compare_digests);
    revocation->sorted_count = revocation->denied_count;
    return ERR_OK;
}

// inquiry is what is asked about one certificate, and what has been found out.
struct inquiry {
    const struct revocation *revocation;
    const struct chain_link *link;
    const struct chain_link *issuer;
    int64_t now_s;
    size_t *checks_left; // shared by the inquiries of one chain
    bool is_revoked;
    bool is_covered;        // by a list that has begun
    bool is_current;        // by one that has not expired either
    bool is_cut;            // no checks were left for a list: nobody knows what it says
    bool has_lacked_memory; // likewise, and this time only
};

// is_of_issuer tells whether the certificate's issuer has signed the list. A list that could not be verified counts as
// not signed, and cuts the inquiry, so that nobody is let in for it. Only what is certain is remembered.
static bool is_of_issuer(struct inquiry *inquiry, const struct crl *crl)
{
    const uint8_t *authority = inquiry->link->authority;
    bool is_signed = false;
    if (crl->has_authority)
        return memcmp(crl->authority, authority, CERT_DIGEST_LEN) == 0;
    if (!crl->is_waiting || !inquiry->issuer->signs_lists)
        return false;
    struct crl_answers *answers = inquiry->revocation->answers;
    if (crl_answers_find(answers, crl, authority, &is_signed))
        return is_signed;
    if (*inquiry->checks_left == 0) {
        inquiry->is_cut = true;
        return false;
    }
    (*inquiry->checks_left)--;
    const enum verification verified = crl_verify(crl, inquiry->issuer->key);
    if (verified == VERIFICATION_UNKNOWN) {
        inquiry->has_lacked_memory = true;
        return false;
    }
    is_signed = verified == VERIFICATION_GOOD;
    crl_answers_add(answers, crl, authority, is_signed);
    return is_signed;
}

// run is a part of `by_name`.
struct run {
    const struct crl *const *lists;
    size_t count;
};

// find_name gives the lists that have a name.
static struct run find_name(const struct revocation *revocation, const uint8_t *name)
{
    size_t low = 0;
    size_t high = revocation->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (compare_digests(revocation->by_name[middle]->name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    struct run run = {.lists = &revocation->by_name[low]};
    while (low + run.count < revocation->count &&
           compare_digests(run.lists[run.count]->name, name) == 0)
        run.count++;
    return run;
}

// take_scope takes the lists of one scope off the front.
static struct run take_scope(struct run *rest)
{
    struct run scope = {.lists = rest->lists, .count = 1};
    while (scope.count < rest->count &&
           crl_compare_scope(scope.lists[0], scope.lists[scope.count]) == 0)
        scope.count++;
    rest->lists += scope.count;
    rest->count -= scope.count;
    return scope;
}

// has_one_point tells whether all lists of the issuer are of the same distribution point as `like`.
static bool has_one_point(struct inquiry *inquiry, struct run all, const struct crl *like)
{
    for (size_t i = 0; i < all.count; i++) {
        if (!crl_has_same_points(all.lists[i], like) && is_of_issuer(inquiry, all.lists[i]))
            return false;
    }
    return true;
}

// is_named_by_profile tells whether somebody has written that the CA's list is this one, or where it is.
static bool is_named_by_profile(const struct revocation *revocation, const struct crl *crl)
{
    for (size_t i = 0; i < revocation->count; i++) {
        if (revocation->lists[i].crl == crl)
            return !revocation->lists[i].is_learned;
    }
    return false;
}

static bool is_in_scope(struct inquiry *inquiry, struct run all, const struct crl *crl)
{
    const struct chain_link *link = inquiry->link;
    if (!(link->is_ca ? crl->covers_cas : crl->covers_leaves))
        return false;
    if (!crl->points.is_there)
        return true;
    if (!link->names_points)
        return !inquiry->revocation->is_partial && is_named_by_profile(inquiry->revocation, crl) &&
               has_one_point(inquiry, all, crl);
    return crl_points_have_common(crl->points.points, crl->points.count, link->points,
                                  link->point_count);
}

static bool names_link(const struct crl *crl, const struct chain_link *link)
{
    return link->has_serial && crl_has_serial(crl, slice_of(link->serial, link->serial_len));
}

// ask_scope asks the newest list of the issuer among those of one scope. Signatures are only looked at
// where the answer could matter.
static void ask_scope(struct inquiry *inquiry, struct run all, struct run scope)
{
    const bool is_covering = is_in_scope(inquiry, all, scope.lists[0]);
    bool is_named = false;
    for (size_t i = 0; i < scope.count; i++)
        is_named |= names_link(scope.lists[i], inquiry->link);
    size_t at = 0;
    while (at < scope.count && (is_covering || is_named) && !is_of_issuer(inquiry, scope.lists[at]))
        at++;
    if (at == scope.count || !(is_covering || is_named))
        return;
    const struct crl *crl = scope.lists[at];
    // an old list too: nobody comes back from it
    inquiry->is_revoked |= names_link(crl, inquiry->link);
    if (!is_covering || inquiry->now_s + REVOCATION_SKEW_S < crl->this_update_s)
        return;
    inquiry->is_covered = true;
    inquiry->is_current |= inquiry->now_s <= crl->next_update_s;
}

// judge_link gives what the lists of a certificate's issuer say of it.
static enum reason judge_link(struct inquiry *inquiry, bool keeps_expired)
{
    const struct run all = find_name(inquiry->revocation, inquiry->issuer->name);
    struct run rest = all;
    while (rest.count > 0 && !inquiry->is_revoked)
        ask_scope(inquiry, all, take_scope(&rest));
    if (inquiry->is_revoked)
        return REASON_REVOKED;
    if (inquiry->has_lacked_memory)
        return REASON_NO_MEMORY;
    if (!inquiry->is_covered || !inquiry->link->has_serial || inquiry->is_cut)
        return REASON_CRL_MISSING;
    return inquiry->is_current || keeps_expired ? REASON_NONE : REASON_CRL_EXPIRED;
}

static bool has_denied(const struct revocation *revocation, const struct chain_record *record)
{
    for (size_t i = 0; i < record->count; i++) {
        if (is_denied(revocation, record->links[i].sha256) ||
            is_denied(revocation, record->links[i].issuer_serial))
            return true;
    }
    return false;
}

// judge_lists gives the worst that lists say of a path, and in `*out_index` of which certificate.
static enum reason judge_lists(const struct revocation *revocation,
                               const struct chain_record *record, int64_t now_s,
                               const struct trust_options *options, size_t *out_index)
{
    size_t checks_left = REVOCATION_MAX_CHECKS;
    enum reason worst = REASON_NONE;
    for (size_t i = 0; i + 1 < record->count; i++) {
        struct inquiry inquiry = {.revocation = revocation,
                                  .link = &record->links[i],
                                  .issuer = &record->links[i + 1],
                                  .now_s = now_s,
                                  .checks_left = &checks_left};
        const enum reason reason = judge_link(&inquiry, options->keeps_expired_crls);
        *out_index = i;
        if (reason == REASON_REVOKED)
            return reason;
        const bool is_unknown = inquiry.is_cut || inquiry.has_lacked_memory;
        if (reason == REASON_NONE || (i > 0 && options->is_crl_for_leaves && !is_unknown))
            continue;
        if (worst != REASON_NO_MEMORY &&
            (worst != REASON_CRL_MISSING || reason == REASON_NO_MEMORY))
            worst = reason;
    }
    return worst;
}

enum reason revocation_judge(const struct revocation *revocation, const struct chain_record *record,
                             int64_t now_s, const struct trust_options *options,
                             const char **out_detail)
{
    size_t index = 0;
    *out_detail = "";
    if (has_denied(revocation, record)) {
        *out_detail = "a certificate of the chain is on the profile's list `denied`";
        return REASON_DENIED_CERTIFICATE;
    }
    if (revocation->count == 0 && !options->requires_crls)
        return REASON_NONE;
    const enum reason reason = judge_lists(revocation, record, now_s, options, &index);
    if (reason == REASON_REVOKED)
        *out_detail = index == 0 ? "the client's certificate has been revoked"
                                 : "a CA certificate of the chain has been revoked";
    else if (reason == REASON_CRL_MISSING)
        *out_detail =
            "there is no CRL for a certificate of the chain (none of its CA, or none that "
            "covers it), so nobody knows whether it has been revoked";
    else if (reason == REASON_CRL_EXPIRED)
        *out_detail = "the CRL of a CA of the chain has expired";
    else if (reason == REASON_NO_MEMORY)
        *out_detail = "there was no memory to verify the signature of a CRL";
    return reason;
}

// is_serial_denied tells whether the issuer of `link` and this serial are on the list `denied`.
static bool is_serial_denied(const struct revocation *revocation, const struct chain_link *link,
                             struct slice serial)
{
    struct dn issuer;
    uint8_t digest[CERT_DIGEST_LEN];
    if (revocation->denied_count == 0 || dn_from_der(link->issuer_name, &issuer) != ERR_OK)
        return false;
    cert_id_of_serial(&issuer, serial, digest);
    return is_denied(revocation, digest);
}

bool revocation_denies(const struct revocation *revocation, const struct chain_link *link,
                       const struct chain_link *issuer, struct slice serial,
                       const uint8_t sha256[CERT_DIGEST_LEN], int64_t now_s)
{
    size_t checks_left = REVOCATION_MAX_CHECKS;
    struct chain_link other = {.has_serial = true, .serial_len = (uint8_t)serial.len};
    struct inquiry inquiry = {.revocation = revocation,
                              .link = &other,
                              .issuer = issuer,
                              .now_s = now_s,
                              .checks_left = &checks_left};
    ASSERT(bytes_copy(other.serial, sizeof other.serial, serial) &&
           bytes_copy(other.authority, sizeof other.authority,
                      slice_of(link->authority, CERT_DIGEST_LEN)));
    if (is_denied(revocation, sha256) || is_serial_denied(revocation, link, serial))
        return true;
    if (revocation->count == 0)
        return false;
    (void)judge_link(&inquiry, true);
    return inquiry.is_revoked || inquiry.is_cut || inquiry.has_lacked_memory;
}

bool revocation_has_list_of(const struct revocation *revocation,
                            const uint8_t authority[CERT_DIGEST_LEN])
{
    for (size_t i = 0; i < revocation->count; i++) {
        const struct crl *crl = revocation->lists[i].crl;
        if (crl->has_authority && memcmp(crl->authority, authority, CERT_DIGEST_LEN) == 0)
            return true;
    }
    return false;
}
