// Times by the wall clock: one that was set back says it once more.
#include "proxy/service/crl_complaint.h"

#include <stdio.h>
#include <string.h>

enum { REMIND_EVERY_S = 60 * 60, OTHER_EVERY_S = 60 };

static bool is_due(const struct crl_complaint *said, const char *problem, bool is_urgent,
                   uint32_t failures, int64_t now_s)
{
    const int64_t age_s = now_s - said->said_at_s;
    const bool is_other = strcmp(said->problem, problem) != 0 || said->is_urgent != is_urgent;
    return failures <= 1 || age_s < 0 || age_s >= REMIND_EVERY_S ||
           (is_other && age_s >= OTHER_EVERY_S);
}

bool crl_complaint_note(struct crl_complaint *said, const char *problem, bool is_urgent,
                        uint32_t failures, int64_t now_s)
{
    if (!is_due(said, problem, is_urgent, failures, now_s))
        return false;
    said->said_at_s = now_s;
    said->is_urgent = is_urgent;
    (void)snprintf(said->problem, sizeof said->problem, "%s", problem);
    return true;
}
