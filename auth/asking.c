// The first admitted candidate gives the way, the first one of that way whose rule asks gives the question.
#include "auth/asking.h"

static const struct candidate *find_first(const struct candidate *candidates, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (candidates[i].is_admitted)
            return &candidates[i];
    }
    return NULL;
}

bool asking_takes_way(const struct candidate *candidates, size_t count,
                      const struct candidate *candidate)
{
    return candidate->is_admitted && via_equal(candidate->via, find_first(candidates, count)->via);
}

const struct candidate *asking_find(const struct candidate *candidates, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (candidates[i].asks && asking_takes_way(candidates, count, &candidates[i]))
            return &candidates[i];
    }
    return NULL;
}

bool asking_is_dialled(const struct candidate *candidates, size_t count,
                       const struct candidate *candidate)
{
    return asking_takes_way(candidates, count, candidate) &&
           (!candidate->asks || candidate->rule == asking_find(candidates, count)->rule);
}
