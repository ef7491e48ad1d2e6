// exposition: metrics as text that Prometheus reads: its own format 0.0.4, or OpenMetrics 1.0.
//
// Pure: values in, text out, a family after the other. Names and help are of the program and written as they are. Values
// of labels may be anything: they are escaped, cut, and what is no UTF-8 is replaced, for one bad byte would make
// Prometheus refuse the whole answer.
#pragma once

#include "auth/base/text.h"
#include "proxy/metrics/histogram.h"

enum exposition_format {
    EXPOSITION_PROMETHEUS,
    EXPOSITION_OPENMETRICS,
};

enum family_kind {
    FAMILY_COUNTER,   // `_total` is appended to its samples
    FAMILY_GAUGE,     //
    FAMILY_INFO,      // always 1; `_info` is appended
    FAMILY_HISTOGRAM, // of seconds
};

// family is metrics of one name. All strings are static memory.
struct family {
    const char
        *name; // with the unit as its last word where it has one, without `_total` and `_info`
    enum family_kind kind;
    const char *unit; // `seconds`, `bytes`; NULL: none
    const char *help; // one sentence without a backslash or a line break
};

struct label {
    const char *name;  // static memory
    const char *value; // borrowed for the call; NULL: empty
};

enum { LABEL_VALUE_MAX = 200 }; // bytes of a value that are taken, cut between characters

// exposition is a text under construction. Its fields are private to exposition.c.
struct exposition {
    struct text *out; // borrowed
    enum exposition_format format;
    const struct family *family; // borrowed; the one that is being written
};

// exposition_content_type gives the media type of a format. Static memory.
const char *exposition_content_type(enum exposition_format format);

// exposition_choose gives the format that an Accept field (empty: there was none) asks for: OpenMetrics where it is
// named and not refused (`q=0`), otherwise Prometheus's own. Pure.
enum exposition_format exposition_choose(struct slice accept);

// exposition_begin begins a text in `out`, exposition_end ends it.
void exposition_begin(struct exposition *exposition, enum exposition_format format,
                      struct text *out);
void exposition_end(struct exposition *exposition);

// exposition_add_family begins a family, which is borrowed until the next one: its head is written. Samples are to follow.
void exposition_add_family(struct exposition *exposition, const struct family *family);

// exposition_add_single adds a family of one number, without a sample where there is none (`has_value`).
void exposition_add_single(struct exposition *exposition, const struct family *family,
                           bool has_value, uint64_t value);

// exposition_add_count adds a sample of the family with these labels; exposition_add_number one that may be negative;
// exposition_add_ms one of seconds, given in milliseconds; exposition_add_histogram all samples of a histogram.
void exposition_add_count(struct exposition *exposition, const struct label *labels, size_t count,
                          uint64_t value);
void exposition_add_number(struct exposition *exposition, const struct label *labels, size_t count,
                           int64_t value);
void exposition_add_ms(struct exposition *exposition, const struct label *labels, size_t count,
                       uint64_t value_ms);
void exposition_add_histogram(struct exposition *exposition, const struct histogram_bounds *bounds,
                              const struct histogram *histogram);
