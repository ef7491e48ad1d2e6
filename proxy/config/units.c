// Numbers with units: digits, then a word from a table, nothing between and nothing after.
#include "proxy/config/units.h"

#include <stdbool.h>
#include <stdio.h>

struct unit {
    const char *name;
    uint64_t factor; // in milliseconds or bytes
};

// The largest first, as duration_format needs it.
static const struct unit duration_units[] = {
    {"d", 24 * 60 * 60 * 1000}, {"h", 60 * 60 * 1000}, {"m", 60 * 1000}, {"s", 1000}, {"ms", 1},
};

static const struct unit size_units[] = {
    {"B", 1},
    {"KB", 1000},
    {"MB", 1000 * 1000},
    {"GB", UINT64_C(1000) * 1000 * 1000},
    {"TB", UINT64_C(1000) * 1000 * 1000 * 1000},
    {"KiB", UINT64_C(1) << 10},
    {"MiB", UINT64_C(1) << 20},
    {"GiB", UINT64_C(1) << 30},
    {"TiB", UINT64_C(1) << 40},
};

enum { UNITS_QUOTED_MAX = 40 }; // bytes of a wrong value that a message repeats

struct unit_kind {
    const struct unit *units;
    size_t count;
    uint64_t max;
    const char *what;     // for messages
    const char *expected; // for messages
};

// split_number takes the digits at the front of `s` off into `*out`, bounded by `max`.
static enum err split_number(struct slice *s, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;
    size_t count = 0;
    while (count < s->len && s->data[count] >= '0' && s->data[count] <= '9') {
        if (value > max / 10)
            return ERR_LIMIT; // 10 * value would already be more
        value = value * 10 + (uint64_t)(s->data[count] - '0');
        count++;
    }
    if (count == 0 || (count > 1 && s->data[0] == '0'))
        return ERR_INPUT;
    *s = slice_from(*s, count);
    *out = value;
    return ERR_OK;
}

static enum err quantity_parse(struct slice s, const struct unit_kind *kind, uint64_t *out,
                               struct errinfo *info)
{
    const int quoted_len = (int)(s.len < UNITS_QUOTED_MAX ? s.len : UNITS_QUOTED_MAX);
    const char *quoted = s.len == 0 ? "" : (const char *)s.data;
    struct slice rest = s;
    uint64_t value = 0;
    const enum err number = split_number(&rest, kind->max, &value);
    if (number == ERR_LIMIT)
        return errinfo_set(info, ERR_LIMIT, "`%.*s` is too large", quoted_len, quoted);
    if (number != ERR_OK)
        return errinfo_set(info, ERR_INPUT, "`%.*s` is not a %s: expected %s", quoted_len, quoted,
                           kind->what, kind->expected);
    if (rest.len == 0)
        return errinfo_set(info, ERR_INPUT, "`%.*s` has no unit: expected %s", quoted_len, quoted,
                           kind->expected);
    for (size_t i = 0; i < kind->count; i++) {
        if (!slice_equal(rest, slice_of_string(kind->units[i].name)))
            continue;
        if (value > kind->max / kind->units[i].factor)
            return errinfo_set(info, ERR_LIMIT, "`%.*s` is too large", quoted_len, quoted);
        *out = value * kind->units[i].factor;
        return ERR_OK;
    }
    return errinfo_set(info, ERR_INPUT, "`%.*s` has a unit that is not known here: expected %s",
                       quoted_len, quoted, kind->expected);
}

enum err duration_parse(struct slice s, int64_t *out_ms, struct errinfo *info)
{
    const struct unit_kind kind = {
        .units = duration_units,
        .count = sizeof duration_units / sizeof duration_units[0],
        .max = (uint64_t)DURATION_MAX_MS,
        .what = "duration",
        .expected = "a whole number with ms, s, m, h or d, such as 500ms, 10s, 5m, 12h or 90d",
    };
    uint64_t value = 0;
    TRY(quantity_parse(s, &kind, &value, info));
    *out_ms = (int64_t)value;
    return ERR_OK;
}

enum err size_parse(struct slice s, uint64_t *out_bytes, struct errinfo *info)
{
    const struct unit_kind kind = {
        .units = size_units,
        .count = sizeof size_units / sizeof size_units[0],
        .max = SIZE_MAX_BYTES,
        .what = "size",
        .expected = "a whole number with B, KB, MB, GB, TB, KiB, MiB, GiB or TiB, such as 16KiB or "
                    "50MB",
    };
    return quantity_parse(s, &kind, out_bytes, info);
}

// The unit of a rate is always a second, so that nothing has to be worked out when two are compared.
static const struct unit rate_units[] = {{"/s", 1}};

static const struct unit bandwidth_units[] = {
    {"B/s", 1},
    {"KB/s", 1000},
    {"MB/s", 1000 * 1000},
    {"GB/s", UINT64_C(1000) * 1000 * 1000},
    {"KiB/s", UINT64_C(1) << 10},
    {"MiB/s", UINT64_C(1) << 20},
    {"GiB/s", UINT64_C(1) << 30},
};

enum err rate_parse(struct slice s, uint64_t *out, struct errinfo *info)
{
    const struct unit_kind kind = {
        .units = rate_units,
        .count = sizeof rate_units / sizeof rate_units[0],
        .max = RATE_MAX_A_SECOND,
        .what = "rate",
        .expected = "a whole number a second, such as 50/s",
    };
    return quantity_parse(s, &kind, out, info);
}

enum err bandwidth_parse(struct slice s, uint64_t *out_bytes, struct errinfo *info)
{
    const struct unit_kind kind = {
        .units = bandwidth_units,
        .count = sizeof bandwidth_units / sizeof bandwidth_units[0],
        .max = BANDWIDTH_MAX_A_SECOND,
        .what = "bandwidth",
        .expected = "bytes a second with B/s, KB/s, MB/s, GB/s, KiB/s, MiB/s or GiB/s, such as "
                    "10MB/s",
    };
    return quantity_parse(s, &kind, out_bytes, info);
}

const char *size_format(uint64_t bytes, char out[SIZE_TEXT_CAP])
{
    const struct unit *unit = &size_units[0];
    for (size_t i = 0; i < sizeof size_units / sizeof size_units[0] && bytes > 0; i++) {
        const struct unit *larger = &size_units[i];
        if (bytes % larger->factor == 0 && larger->factor > unit->factor)
            unit = larger;
    }
    (void)snprintf(out, SIZE_TEXT_CAP, "%llu%s", (unsigned long long)(bytes / unit->factor),
                   unit->name);
    return out;
}

const char *duration_format(int64_t ms, char out[DURATION_TEXT_CAP])
{
    const size_t count = sizeof duration_units / sizeof duration_units[0];
    const struct unit *unit = &duration_units[count - 1];
    for (size_t i = 0; i < count && ms > 0; i++) {
        if (ms % (int64_t)duration_units[i].factor == 0) {
            unit = &duration_units[i];
            break;
        }
    }
    (void)snprintf(out, DURATION_TEXT_CAP, "%lld%s", (long long)(ms / (int64_t)unit->factor),
                   unit->name);
    return out;
}
