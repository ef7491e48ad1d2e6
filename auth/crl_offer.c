// The list is read into a revision of the profile that has no other, and then compared with those that are in force.
#include "auth/crl_offer.h"

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

// judge_order refuses what is older than the list in force that it would replace, by date or by number.
static enum err judge_order(const struct trust *alone, const struct trust *trust,
                            struct errinfo *info)
{
    const struct crl *crl = only_list(alone);
    const size_t like = revocation_find_like(&trust->revocation, crl);
    if (like == REVOCATION_MAX_CRLS)
        return ERR_OK;
    const struct crl *before = trust->revocation.lists[like].crl;
    if (crl->this_update_s >= before->this_update_s &&
        trust_crl_succession(alone, 0, trust) != TRUST_SUCCESSION_OLD)
        return ERR_OK;
    return errinfo_set(info, ERR_INPUT,
                       "the CRL of %.200s that is offered is older than the one in force: it would "
                       "take revocations back",
                       crl->issuer);
}

// judge_issuer compares with the list that the same place gave before. One that waits for its issuer says nothing of who
// made it: it may give way to one that counts, but not the other way round.
static enum err judge_issuer(const struct crl *crl, const struct crl *kept, struct errinfo *info)
{
    if (!crl->has_authority && !crl->is_waiting)
        return errinfo_set(info, ERR_INPUT,
                           "no CA of the profile has issued the CRL of %.200s, and its signature "
                           "is too weak",
                           crl->issuer);
    if (kept == NULL || (crl->has_authority && !kept->has_authority))
        return ERR_OK;
    const bool is_same_name = memcmp(crl->name, kept->name, sizeof crl->name) == 0;
    if (is_same_name && crl->has_authority == kept->has_authority)
        return ERR_OK;
    if (is_same_name)
        return errinfo_set(info, ERR_INPUT,
                           "no CA of the profile has signed the CRL of %.200s that is offered, as "
                           "one has the list before",
                           crl->issuer);
    return errinfo_set(info, ERR_INPUT,
                       "the CRL that is offered is of %.150s, and the one before was of %.150s",
                       crl->issuer, kept->issuer);
}

// judge_age refuses what is older than the list that the same place gave before. judge_order cannot tell of whom a list is
// that waits and has no key identifier, and the one that was kept may not be in force yet.
static enum err judge_age(const struct crl *crl, const struct crl *kept, struct errinfo *info)
{
    if (kept == NULL || crl->has_authority != kept->has_authority || !crl_is_older(crl, kept))
        return ERR_OK;
    return errinfo_set(info, ERR_INPUT,
                       "the CRL of %.200s that is offered is older than the one that the same "
                       "place gave before: it would take revocations back",
                       crl->issuer);
}

static enum err judge(const struct trust *alone, const struct trust *before,
                      const struct trust *trust, int64_t now_s, struct errinfo *info)
{
    const struct crl *crl = only_list(alone);
    if (crl == NULL)
        return errinfo_set(info, ERR_INPUT, "%zu CRLs are offered in one; expected is one",
                           alone->revocation.count);
    const struct crl *kept = before == NULL ? NULL : only_list(before);
    TRY(judge_times(crl, now_s, info));
    TRY(judge_issuer(crl, kept, info));
    TRY(judge_age(crl, kept, info));
    return judge_order(alone, trust, info);
}

enum err crl_offer_judge(const struct trust *trust, struct slice bytes, struct slice kept,
                         int64_t now_s, struct crl_offer *out, struct errinfo *info)
{
    struct trust *alone = NULL;
    struct trust *before = NULL;
    struct errinfo ignored;
    *out = (struct crl_offer){.is_same = kept.len > 0 && slice_equal(bytes, kept)};
    TRY(read_alone(trust, bytes, &alone, info));
    enum err error =
        kept.len > 0 && !out->is_same ? read_alone(trust, kept, &before, &ignored) : ERR_OK;
    if (error == ERR_MEMORY)
        (void)errinfo_set(info, error, "no memory to read a CRL");
    else
        error = judge(alone, before, trust, now_s, info);
    if (error == ERR_OK)
        out->next_update_s = only_list(alone)->next_update_s;
    trust_destroy(alone);
    trust_destroy(before);
    return error;
}
