// chart: rates of the last hour as an SVG drawing inside a page: areas upon each other, and a line where the
// configuration was changed.
//
// Pure. A drawing has a title for those who cannot see it, and colours by class, which the page's style gives.
#pragma once

#include "auth/base/text.h"
#include "proxy/page/history.h"

enum { CHART_SERIES_MAX = 4 };

// chart_series is one of the areas: a counter of the samples.
struct chart_series {
    const char *name;
    size_t offset; // in struct sample, of a uint64_t
};

struct chart {
    const char *title;
    const char *unit; // `B/s`: bytes for people; otherwise as it is
    struct chart_series series[CHART_SERIES_MAX];
    size_t series_count;
};

// chart_append draws `history` as a figure.
void chart_append(struct text *out, const struct chart *chart, const struct history *history);
