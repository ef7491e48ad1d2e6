// A finding by the days that are left.
#include "proxy/config/validity.h"

#include <inttypes.h>

#include "auth/base/date.h"

void validity_report(struct reader *reader, const struct node *node, const char *what,
                     const char *subject, int64_t not_after_s)
{
    char date[DATE_TEXT_CAP];
    const int64_t days = date_days_left(reader->now_s, not_after_s);
    (void)date_format(not_after_s, DATE_DAY, date);
    if (days < 0) {
        reader_warning(reader, node, "%s (%s) has expired on %s", what, subject, date);
    } else if (days <= CERTIFICATE_WARNING_DAYS) {
        reader_warning(reader, node,
                       "%s (%s) has %" PRId64 " days left, until %s\nrenew it in time", what,
                       subject, days, date);
    } else {
        reader_note(reader, node, "%s (%s) has %" PRId64 " days left, until %s", what, subject,
                    days, date);
    }
}
