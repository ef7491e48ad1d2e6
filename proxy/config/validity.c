// Days, and a date in UTC.
#include "proxy/config/validity.h"

#include <inttypes.h>
#include <time.h>

enum { SECONDS_A_DAY = 24 * 60 * 60 };

const char *date_format(int64_t time_s, char out[DATE_TEXT_CAP])
{
    struct tm parts = {0};
    const time_t time = (time_t)time_s;
    if (gmtime_r(&time, &parts) == NULL || strftime(out, DATE_TEXT_CAP, "%Y-%m-%d", &parts) == 0)
        (void)string_copy(out, DATE_TEXT_CAP, SLICE_LITERAL("?"));
    return out;
}

int64_t days_left(int64_t now_s, int64_t not_after_s)
{
    const int64_t seconds = not_after_s - now_s;
    return seconds < 0 ? -1 - (-1 - seconds) / SECONDS_A_DAY : seconds / SECONDS_A_DAY;
}

void validity_report(struct reader *reader, const struct node *node, const char *what,
                     const char *subject, int64_t not_after_s)
{
    char date[DATE_TEXT_CAP];
    const int64_t days = days_left(reader->now_s, not_after_s);
    (void)date_format(not_after_s, date);
    if (days < 0) {
        (void)reader_warning(reader, node, "%s (%s) has expired on %s", what, subject, date);
    } else if (days <= CERTIFICATE_WARNING_DAYS) {
        diagnostic_set_hint(reader_warning(reader, node,
                                           "%s (%s) has %" PRId64 " days left, until %s", what,
                                           subject, days, date),
                            "renew it in time");
    } else {
        (void)reader_note(reader, node, "%s (%s) has %" PRId64 " days left, until %s", what,
                          subject, days, date);
    }
}
