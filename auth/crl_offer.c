// The list is read into a revision of the profile that has no other, and then compared with those that are in force.
#include "auth/crl_offer.h"

#include <openssl/sha.h>

#include "auth/base/date.h"
#include "auth/trust_internal.h"

// read_alone makes a profile like `trust` with the lists in `bytes` and no others. The caller owns `*out`, which is set with
// ERR_OK only.
static enum err read_alone(const struct trust *trust, struct slice bytes, struct trust **out,
                           struct errinfo *info)
{
    struct trust *alone = NULL;
    if (trust_revise(trust, &alone) != ERR_OK)
        return errinfo_set(info, ERR_MEMORY, "no memory to read a CRL");
    for (size_t i = 0; i < alone->revocation.count; i++)
        crl_unref(alone->revocation.lists[i].crl);
    alone->revocation.count = 0;
    const enum err error = trust_add_crl(alone, bytes, info);
    if (error == ERR_OK)
        *out = alone;
    else
        trust_destroy(alone);
    return error;
}

static const struct crl *only_list(const struct trust *alone)
{
    return alone->revocation.count == 1 ? alone->revocation.lists[0].crl : NULL;
}

static enum err judge_times(const struct crl *crl, int64_t now_s, struct errinfo *info)
{
    char date[DATE_TEXT_CAP];
    if (crl->this_update_s > now_s + REVOCATION_SKEW_S)
        return errinfo_set(info, ERR_INPUT,
                           "the CRL of %.200s begins in the future: is the clock of this machine "
                           "right?",
                           crl->issuer);
    if (crl->next_update_s >= now_s)
        return ERR_OK;
    (void)date_format(crl->next_update_s, DATE_DAY, date);
    return errinfo_set(info, ERR_INPUT, "the CRL of %.200s that is offered has expired on %s",
                       crl->issuer, date);
}

// offered is what is to be known of a list to compare it with another.
struct offered {
    const struct crl *crl;
    bool has_signer; // it is known who has signed it
    uint8_t signer[CERT_DIGEST_LEN];
};

static struct offered look_at(const struct trust *alone)
{
    struct offered found = {.crl = only_list(alone)};
    if (found.crl != NULL)
        found.has_signer = revocation_signer(&alone->revocation, found.crl, found.signer);
    return found;
}

static enum err refuse_older(const struct crl *crl, const char *other, struct errinfo *info)
{
    return errinfo_set(info, ERR_INPUT,
                       "the CRL of %.200s that is offered is older than the one %s: it would take "
                       "revocations back",
                       crl->issuer, other);
}

// judge_successor refuses what is older than the list of the same signer that it would replace, by date or by number: a CA that
// counts again from the beginning, as one restored from a backup, may have forgotten revocations.
static enum err judge_successor(const struct crl *crl, const struct crl *other, const char *which,
                                struct errinfo *info)
{
    if (crl_is_older(crl, other))
        return refuse_older(crl, which, info);
    if (!crl_has_lower_number(crl, other))
        return ERR_OK;
    return errinfo_set(
        info, ERR_INPUT,
        "the CRL of %.200s that is offered is newer by its date than the one %s, and "
        "older by its number: it may take revocations back; if the CA counts from 1 again, "
        "remove the file of the old one from `crl_cache`",
        crl->issuer, which);
}

// judge_order refuses what is older than the list in force that it would replace, by date or by number; where nobody knows
// who has signed it, older than any that says it is of the same issuer.
static enum err judge_order(const struct offered *offer, const struct trust *trust,
                            struct errinfo *info)
{
    static const char in_force[] = "in force";
    const struct crl *crl = offer->crl;
    const struct revocation *now = &trust->revocation;
    const size_t like = revocation_find_like(now, crl, offer->has_signer ? offer->signer : NULL);
    if (like < REVOCATION_MAX_CRLS)
        return judge_successor(crl, now->lists[like].crl, in_force, info);
    size_t at = offer->has_signer ? REVOCATION_MAX_CRLS : revocation_find_claim(now, crl, 0);
    for (; at < REVOCATION_MAX_CRLS; at = revocation_find_claim(now, crl, at + 1)) {
        if (crl_is_older(crl, now->lists[at].crl))
            return refuse_older(crl, in_force, info);
    }
    return ERR_OK;
}

// is_list_of_url tells whether the URL is one of the distribution points of a list.
static bool is_list_of_url(const struct crl *crl, struct slice url)
{
    struct crl_point point;
    SHA256(url.data, url.len, point.digest);
    return url.len > 0 && crl_points_have_common(crl->points.points, crl->points.count, &point, 1);
}

// judge_place refuses the first list of a place where anybody could put the list of another distribution point.
static enum err judge_place(const struct crl *crl, const struct crl_kept *kept,
                            struct errinfo *info)
{
    if (!kept->is_open || !crl->points.is_there || is_list_of_url(crl, kept->url))
        return ERR_OK;
    return errinfo_set(
        info, ERR_INPUT,
        "the CRL of %.150s that is offered is that of another distribution point than %.*s, and "
        "over http:// anybody may have put it there: write the URL that the CRL names "
        "(`openssl crl -text`), or fetch it over https://",
        crl->issuer, (int)kept->url.len, (const char *)kept->url.data);
}

// judge_scope refuses what would leave certificates without a list that had one: of fewer of them, or others. A list that names
// the URL itself is where it belongs, so a CA may begin to write that.
static enum err judge_scope(const struct crl *crl, const struct crl *other, struct slice url,
                            struct errinfo *info)
{
    if (crl_covers_kinds_of(crl, other) &&
        (crl_covers_points_of(crl, other) || is_list_of_url(crl, url)))
        return ERR_OK;
    return errinfo_set(
        info, ERR_INPUT,
        "the CRL of %.200s that is offered speaks for other certificates than the one that the "
        "same place gave before (its distribution point, or CAs only, or others only); if the CA "
        "has changed that on purpose, remove the old file from `crl_cache`",
        crl->issuer);
}

// judge_kept compares with the list that the same place gave before. One of which it is known who has signed it gives way to a newer
// one of the same key only. One of which nobody knows that was taken because there was nothing else, and may be forged: it
// gives way to any that was verified, whatever its name and age, and to no other.
static enum err judge_kept(const struct offered *offer, const struct offered *kept,
                           const struct crl_kept *place, struct errinfo *info)
{
    const struct crl *crl = offer->crl;
    if (kept->crl != NULL && crl_is_same(crl, kept->crl))
        return ERR_OK;
    if (kept->crl == NULL || (offer->has_signer && !kept->has_signer))
        return judge_place(crl, place, info);
    if (memcmp(crl->name, kept->crl->name, sizeof crl->name) != 0)
        return errinfo_set(info, ERR_INPUT,
                           "the CRL that is offered is of %.150s, and the one before was of %.150s",
                           crl->issuer, kept->crl->issuer);
    if (!offer->has_signer)
        return errinfo_set(info, ERR_INPUT,
                           "nobody knows yet whether %.200s has signed the CRL that is offered: it "
                           "takes the place of the one that is kept once a client has sent this "
                           "CA along, or `intermediates` has it",
                           crl->issuer);
    if (memcmp(offer->signer, kept->signer, CERT_DIGEST_LEN) != 0)
        return errinfo_set(info, ERR_INPUT,
                           "the CRL of %.200s that is offered is signed by another key than the "
                           "one that the same place gave before",
                           crl->issuer);
    TRY(judge_scope(crl, kept->crl, place->url, info));
    return judge_successor(crl, kept->crl, "that the same place gave before", info);
}

// look_at_kept looks at the list that was kept, or none. It was signed by `signer` (NULL: not known) also where the profile has
// not seen that CA yet.
static struct offered look_at_kept(const struct trust *before, const uint8_t *signer)
{
    struct offered kept = before == NULL ? (struct offered){0} : look_at(before);
    if (kept.crl != NULL && !kept.has_signer && signer != NULL) {
        kept.has_signer = true;
        ASSERT(bytes_copy(kept.signer, CERT_DIGEST_LEN, slice_of(signer, CERT_DIGEST_LEN)));
    }
    return kept;
}

// describe puts into `out` what is known of the one list of `alone`. False: it has not exactly one.
static bool describe(const struct trust *alone, struct crl_offer *out)
{
    const struct offered found = look_at(alone);
    if (found.crl == NULL)
        return false;
    out->next_update_s = found.crl->next_update_s;
    out->has_signer = found.has_signer;
    ASSERT(bytes_copy(out->signer, CERT_DIGEST_LEN, slice_of(found.signer, CERT_DIGEST_LEN)));
    return true;
}

static enum err refuse_count(const struct trust *alone, struct errinfo *info)
{
    return errinfo_set(info, ERR_INPUT, "%zu CRLs are offered in one; expected is one",
                       alone->revocation.count);
}

// comparison is what an offer is compared with.
struct comparison {
    const struct trust *trust;    // in force
    const struct crl_kept *place; // where it comes from
    const struct offered *before; // what was kept from there
};

static enum err judge(const struct trust *alone, const struct comparison *with, int64_t now_s,
                      struct errinfo *info)
{
    const struct crl *crl = only_list(alone);
    if (crl == NULL)
        return refuse_count(alone, info);
    const struct offered offer = look_at(alone);
    TRY(judge_times(crl, now_s, info));
    if (!crl->has_authority && !crl->is_waiting)
        return errinfo_set(info, ERR_INPUT,
                           "no CA of the profile has issued the CRL of %.200s, and its signature "
                           "is too weak",
                           crl->issuer);
    TRY(judge_kept(&offer, with->before, with->place, info));
    return judge_order(&offer, with->trust, info);
}

enum err crl_offer_judge(const struct trust *trust, struct slice bytes, const struct crl_kept *kept,
                         int64_t now_s, struct crl_offer *out, struct errinfo *info)
{
    struct trust *alone = NULL;
    struct trust *before = NULL;
    struct errinfo ignored;
    const bool has_kept = kept->bytes.len > 0;
    *out = (struct crl_offer){.is_same = has_kept && slice_equal(bytes, kept->bytes)};
    TRY(read_alone(trust, bytes, &alone, info));
    enum err error =
        has_kept && !out->is_same ? read_alone(trust, kept->bytes, &before, &ignored) : ERR_OK;
    if (error == ERR_MEMORY) {
        (void)errinfo_set(info, error, "no memory to read a CRL");
    } else {
        const struct offered known = look_at_kept(before, kept->signer);
        const struct comparison with = {.trust = trust, .place = kept, .before = &known};
        error = judge(alone, &with, now_s, info);
    }
    if (error == ERR_OK)
        (void)describe(alone, out);
    trust_destroy(alone);
    trust_destroy(before);
    return error;
}

enum err crl_offer_look(const struct trust *trust, struct slice bytes, struct crl_offer *out,
                        struct errinfo *info)
{
    struct trust *alone = NULL;
    *out = (struct crl_offer){0};
    TRY(read_alone(trust, bytes, &alone, info));
    const enum err error = describe(alone, out) ? ERR_OK : refuse_count(alone, info);
    trust_destroy(alone);
    return error;
}
