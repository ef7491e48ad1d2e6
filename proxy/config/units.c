// Numbers with units: digits, then a word from a table, nothing between and nothing after.
#include "proxy/config/units.h"

#include <stdbool.h>

#include "auth/base/text.h"

enum { UNITS_QUOTED_MAX = 40 }; // bytes of a wrong value that a message repeats

struct unit {
    const char *name;
    int64_t factor; // in milliseconds, microseconds, bytes or events
};

// The first unit of each has factor 1.
static const struct unit duration_units[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {"h", 60 * 60 * 1000}, {"d", 24 * 60 * 60 * 1000},
};

static const struct unit moment_units[] = {{"us", 1}, {"ms", 1000}};

// Bandwidths have all but the last two.
static const struct unit size_units[] = {
    {"B", 1},
    {"KB", 1000},
    {"MB", 1000 * 1000},
    {"GB", INT64_C(1000) * 1000 * 1000},
    {"KiB", INT64_C(1) << 10},
    {"MiB", INT64_C(1) << 20},
    {"GiB", INT64_C(1) << 30},
    {"TB", INT64_C(1000) * 1000 * 1000 * 1000},
    {"TiB", INT64_C(1) << 40},
};

static const struct unit rate_units[] = {{"", 1}};

enum { SIZE_UNITS = sizeof size_units / sizeof size_units[0] };

static const struct kind {
    const struct unit *units;
    size_t count;
    int64_t max;
    const char *suffix;   // of every unit; always a second, so that rates can be compared at sight
    const char *what;     // for messages
    const char *expected; // for messages
} kinds[] = {
    [QUANTITY_DURATION] =
        {duration_units, sizeof duration_units / sizeof duration_units[0], DURATION_MAX_MS, "",
         "duration", "a whole number with ms, s, m, h or d, such as 500ms, 10s, 5m, 12h or 90d"},
    [QUANTITY_MOMENT] = {moment_units, sizeof moment_units / sizeof moment_units[0], MOMENT_MAX_US,
                         "", "duration", "a whole number with us or ms, such as 50us"},
    [QUANTITY_SIZE] =
        {size_units, SIZE_UNITS, SIZE_MAX_BYTES, "", "size",
         "a whole number with B, KB, MB, GB, TB, KiB, MiB, GiB or TiB, such as 16KiB or 50MB"},
    [QUANTITY_RATE] = {rate_units, 1, RATE_MAX_A_SECOND, "/s", "rate",
                       "a whole number a second, such as 50/s"},
    [QUANTITY_BANDWIDTH] = {size_units, SIZE_UNITS - 2, BANDWIDTH_MAX_A_SECOND, "/s", "bandwidth",
                            "bytes a second with B/s, KB/s, MB/s, GB/s, KiB/s, MiB/s or GiB/s, "
                            "such as 10MB/s"},
};

// split_number takes the digits at the front of `s` off into `*out`, bounded by `max`.
static enum err split_number(struct slice *s, int64_t max, int64_t *out)
{
    int64_t value = 0;
    size_t count = 0;
    while (count < s->len && s->data[count] >= '0' && s->data[count] <= '9') {
        if (value > max / 10)
            return ERR_LIMIT; // 10 * value would already be more
        value = value * 10 + (s->data[count] - '0');
        count++;
    }
    if (count == 0 || (count > 1 && s->data[0] == '0'))
        return ERR_INPUT;
    *s = slice_from(*s, count);
    *out = value;
    return ERR_OK;
}

// is_unit tells whether `s` is this unit with its suffix.
static bool is_unit(struct slice s, const struct unit *unit, const struct kind *kind)
{
    const struct slice suffix = slice_of_string(kind->suffix);
    return slice_ends_with(s, suffix) &&
           slice_equal(slice_first(s, s.len - suffix.len), slice_of_string(unit->name));
}

enum err quantity_parse(enum quantity quantity, struct slice s, int64_t *out, struct errinfo *info)
{
    const struct kind *kind = &kinds[quantity];
    const int quoted_len = (int)(s.len < UNITS_QUOTED_MAX ? s.len : UNITS_QUOTED_MAX);
    const char *quoted = s.len == 0 ? "" : (const char *)s.data;
    struct slice rest = s;
    int64_t value = 0;
    const enum err number = split_number(&rest, kind->max, &value);
    if (number == ERR_INPUT)
        return errinfo_set(info, ERR_INPUT, "`%.*s` is not a %s: expected %s", quoted_len, quoted,
                           kind->what, kind->expected);
    if (number == ERR_OK && rest.len == 0)
        return errinfo_set(info, ERR_INPUT, "`%.*s` has no unit: expected %s", quoted_len, quoted,
                           kind->expected);
    size_t i = 0;
    while (number == ERR_OK && i < kind->count && !is_unit(rest, &kind->units[i], kind))
        i++;
    if (i == kind->count)
        return errinfo_set(info, ERR_INPUT, "`%.*s` has a unit that is not known here: expected %s",
                           quoted_len, quoted, kind->expected);
    if (number == ERR_LIMIT || value > kind->max / kind->units[i].factor)
        return errinfo_set(info, ERR_LIMIT, "`%.*s` is too large", quoted_len, quoted);
    *out = value * kind->units[i].factor;
    return ERR_OK;
}

const char *quantity_format(enum quantity quantity, int64_t value, char out[QUANTITY_TEXT_CAP])
{
    const struct kind *kind = &kinds[quantity];
    const struct unit *unit = kind->units;
    struct text text;
    for (size_t i = 1; i < kind->count && value > 0; i++) {
        if (value % kind->units[i].factor == 0 && kind->units[i].factor > unit->factor)
            unit = &kind->units[i];
    }
    text_init(&text, out, QUANTITY_TEXT_CAP);
    text_append_format(&text, "%lld%s%s", (long long)(value / unit->factor), unit->name,
                       kind->suffix);
    return out;
}
