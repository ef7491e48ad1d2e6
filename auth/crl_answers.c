// A table of sets, as large as it will ever be: the list and the key pick the set, and its places are used
// in turn.
#include "auth/crl_answers.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "auth/base/hash.h"

struct answer {
    const struct crl *crl; // borrowed; NULL: free
    uint8_t authority[CERT_DIGEST_LEN];
    bool is_signed;
};

struct set {
    atomic_bool is_busy; // somebody reads or writes it; the others do without
    struct answer ways[CRL_ANSWERS_WAYS];
    size_t next; // to be used again
};

struct crl_answers {
    struct set sets[CRL_ANSWERS_SETS];
};

struct crl_answers *crl_answers_create(void)
{
    struct crl_answers *answers = calloc(1, sizeof *answers);
    for (size_t i = 0; answers != NULL && i < CRL_ANSWERS_SETS; i++)
        atomic_init(&answers->sets[i].is_busy, false);
    return answers;
}

void crl_answers_destroy(struct crl_answers *answers)
{
    free(answers);
}

// begin takes a set for this thread, if nobody else has it.
static bool begin(struct set *set)
{
    return !atomic_exchange_explicit(&set->is_busy, true, memory_order_acquire);
}

static void end(struct set *set)
{
    atomic_store_explicit(&set->is_busy, false, memory_order_release);
}

// set_of spreads lists and keys. Addresses alone would not do: allocators put large things at even distances.
static struct set *set_of(struct crl_answers *answers, const struct crl *crl,
                          const uint8_t *authority)
{
    uint64_t mix = hash_end(hash_begin() ^ (uintptr_t)crl);
    for (size_t i = 0; i < sizeof mix; i++)
        mix = hash_add(mix, authority[i]);
    return &answers->sets[hash_end(mix) % CRL_ANSWERS_SETS];
}

static struct answer *find(struct set *set, const struct crl *crl, const uint8_t *authority)
{
    for (size_t i = 0; i < CRL_ANSWERS_WAYS; i++) {
        if (set->ways[i].crl == crl &&
            memcmp(set->ways[i].authority, authority, CERT_DIGEST_LEN) == 0)
            return &set->ways[i];
    }
    return NULL;
}

bool crl_answers_find(struct crl_answers *answers, const struct crl *crl,
                      const uint8_t authority[CERT_DIGEST_LEN], bool *out)
{
    struct set *set = set_of(answers, crl, authority);
    *out = false;
    if (!begin(set))
        return false;
    const struct answer *found = find(set, crl, authority);
    const bool is_known = found != NULL;
    *out = is_known && found->is_signed;
    end(set);
    return is_known;
}

void crl_answers_add(struct crl_answers *answers, const struct crl *crl,
                     const uint8_t authority[CERT_DIGEST_LEN], bool is_signed)
{
    struct set *set = set_of(answers, crl, authority);
    if (!begin(set))
        return;                              // the next one finds it out again
    if (find(set, crl, authority) == NULL) { // else another thread was quicker
        struct answer *place = &set->ways[set->next];
        set->next = (set->next + 1) % CRL_ANSWERS_WAYS;
        *place = (struct answer){.crl = crl, .is_signed = is_signed};
        ASSERT(bytes_copy(place->authority, sizeof place->authority,
                          slice_of(authority, CERT_DIGEST_LEN)));
    }
    end(set);
}
