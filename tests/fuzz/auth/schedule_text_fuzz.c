// Fuzzes times as a configuration writes them. A moment is one of the years 1970 to 9999, and as it is written again.

#include "auth/base/date.h"
#include "auth/schedule_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct slice input = slice_of(data, size);
    struct moment moment;
    uint8_t days = 0;
    int32_t clock_s = 0;
    if (moment_parse(input, &moment)) {
        char text[DATE_TEXT_CAP];
        (void)date_format(moment.wall_s, DATE_SECOND, text);
        ASSERT(slice_starts_with(input, slice_first(slice_of_string(text), size < 16 ? 10 : 16)));
        ASSERT(moment.ahead_s > -SCHEDULE_DAY_S && moment.ahead_s < SCHEDULE_DAY_S);
        struct moment again;
        ASSERT(moment_parse(slice_of_string(text), &again) && again.wall_s == moment.wall_s);
    }
    if (days_parse(input, &days))
        ASSERT(days > 0 && days <= SCHEDULE_ALL_DAYS);
    if (clock_parse(input, &clock_s))
        ASSERT(clock_s >= 0 && clock_s <= SCHEDULE_DAY_S && size == 5);
    return 0;
}
