// What is written is what Prometheus reads, byte for byte, whatever a label holds.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka wants the four above first
#include <cmocka.h>

#include "proxy/metrics/exposition.h"

enum { TEXT_CAP = 8192 };

static const struct family counter = {"sallyport_bytes", FAMILY_COUNTER, "bytes", "Bytes."};
static const struct family gauge = {"sallyport_open", FAMILY_GAUGE, NULL, "Open ones."};
static const struct family info = {"sallyport_build", FAMILY_INFO, NULL, "The program."};
static const struct family times = {"sallyport_took_seconds", FAMILY_HISTOGRAM, "seconds", "Time."};

// write_all writes one family of each kind.
static void write_all(enum exposition_format format, struct text *out)
{
    static const struct label labels[] = {{"direction", "up"}, {"of", NULL}};
    struct exposition exposition;
    struct histogram histogram = {0};
    histogram_note(&histogram, &histogram_lives, 50);
    histogram_note(&histogram, &histogram_lives, 2500);
    exposition_begin(&exposition, format, out);
    exposition_add_family(&exposition, &counter);
    exposition_add_count(&exposition, labels, 2, UINT64_MAX);
    exposition_add_family(&exposition, &gauge);
    exposition_add_number(&exposition, NULL, 0, -3);
    exposition_add_family(&exposition, &info);
    exposition_add_count(&exposition, labels, 1, 1);
    exposition_add_family(&exposition, &times);
    exposition_add_histogram(&exposition, &histogram_lives, &histogram);
    exposition_end(&exposition);
}

#define BUCKETS                                                                                    \
    "sallyport_took_seconds_bucket{le=\"0.1\"} 1\n"                                                \
    "sallyport_took_seconds_bucket{le=\"1.0\"} 1\n"                                                \
    "sallyport_took_seconds_bucket{le=\"5.0\"} 2\n"                                                \
    "sallyport_took_seconds_bucket{le=\"30.0\"} 2\n"                                               \
    "sallyport_took_seconds_bucket{le=\"60.0\"} 2\n"                                               \
    "sallyport_took_seconds_bucket{le=\"300.0\"} 2\n"                                              \
    "sallyport_took_seconds_bucket{le=\"1800.0\"} 2\n"                                             \
    "sallyport_took_seconds_bucket{le=\"3600.0\"} 2\n"                                             \
    "sallyport_took_seconds_bucket{le=\"21600.0\"} 2\n"                                            \
    "sallyport_took_seconds_bucket{le=\"86400.0\"} 2\n"                                            \
    "sallyport_took_seconds_bucket{le=\"+Inf\"} 2\n"                                               \
    "sallyport_took_seconds_sum 2.550\n"                                                           \
    "sallyport_took_seconds_count 2\n"

static void writes_prometheus_text(void **state)
{
    (void)state;
    char data[TEXT_CAP];
    struct text text;
    text_init(&text, data, sizeof data);
    write_all(EXPOSITION_PROMETHEUS, &text);
    assert_string_equal(text.data,
                        "# HELP sallyport_bytes_total Bytes.\n"
                        "# TYPE sallyport_bytes_total counter\n"
                        "sallyport_bytes_total{direction=\"up\",of=\"\"} 18446744073709551615\n"
                        "# HELP sallyport_open Open ones.\n"
                        "# TYPE sallyport_open gauge\n"
                        "sallyport_open -3\n"
                        "# HELP sallyport_build_info The program.\n"
                        "# TYPE sallyport_build_info gauge\n"
                        "sallyport_build_info{direction=\"up\"} 1\n"
                        "# HELP sallyport_took_seconds Time.\n"
                        "# TYPE sallyport_took_seconds histogram\n" BUCKETS);
}

// Without a value the family is there all the same: who asks for it finds that there is none.
static void writes_a_family_of_one_number_or_of_none(void **state)
{
    (void)state;
    char data[TEXT_CAP];
    struct text text;
    struct exposition exposition;
    text_init(&text, data, sizeof data);
    exposition_begin(&exposition, EXPOSITION_PROMETHEUS, &text);
    exposition_add_single(&exposition, &counter, false, 7);
    exposition_add_single(&exposition, &gauge, true, 7);
    assert_string_equal(text.data, "# HELP sallyport_bytes_total Bytes.\n"
                                   "# TYPE sallyport_bytes_total counter\n"
                                   "# HELP sallyport_open Open ones.\n"
                                   "# TYPE sallyport_open gauge\n"
                                   "sallyport_open 7\n");
}

static void writes_openmetrics(void **state)
{
    (void)state;
    char data[TEXT_CAP];
    struct text text;
    text_init(&text, data, sizeof data);
    write_all(EXPOSITION_OPENMETRICS, &text);
    assert_string_equal(text.data,
                        "# HELP sallyport_bytes Bytes.\n"
                        "# TYPE sallyport_bytes counter\n"
                        "# UNIT sallyport_bytes bytes\n"
                        "sallyport_bytes_total{direction=\"up\",of=\"\"} 18446744073709551615\n"
                        "# HELP sallyport_open Open ones.\n"
                        "# TYPE sallyport_open gauge\n"
                        "sallyport_open -3\n"
                        "# HELP sallyport_build The program.\n"
                        "# TYPE sallyport_build info\n"
                        "sallyport_build_info{direction=\"up\"} 1\n"
                        "# HELP sallyport_took_seconds Time.\n"
                        "# TYPE sallyport_took_seconds histogram\n"
                        "# UNIT sallyport_took_seconds seconds\n" BUCKETS "# EOF\n");
}

// written gives the sample of a gauge whose label has this value.
static const char *written(const char *value, char data[TEXT_CAP])
{
    const struct label label = {"of", value};
    struct exposition exposition;
    struct text text;
    text_init(&text, data, TEXT_CAP);
    exposition_begin(&exposition, EXPOSITION_PROMETHEUS, &text);
    exposition_add_family(&exposition, &gauge);
    const size_t start = text.len;
    exposition_add_ms(&exposition, &label, 1, 1005);
    return text.data + start;
}

static void escapes_what_a_label_may_hold(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        const char *text;
    } rows[] = {
        {"", ""},
        {"CN=a", "CN=a"},
        {"a\"b\\c\nd", "a\\\"b\\\\c\\nd"},
        {"} 1\nevil 2", "} 1\\nevil 2"},
        {"<b>&", "<b>&"},
        {"\xC3\xA9\xE2\x82\xAC", "\xC3\xA9\xE2\x82\xAC"},
        {"a\xFF\xC0\x80z", "a\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBDz"},
        {"cut \xE2\x82", "cut \xEF\xBF\xBD\xEF\xBF\xBD"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char data[TEXT_CAP];
        char wanted[TEXT_CAP];
        struct text text;
        text_init(&text, wanted, sizeof wanted);
        text_append_format(&text, "sallyport_open{of=\"%s\"} 1.005\n", rows[i].text);
        assert_string_equal(written(rows[i].value, data), wanted);
    }
}

static void cuts_a_long_label_between_characters(void **state)
{
    (void)state;
    char data[TEXT_CAP];
    char value[1000];
    for (size_t i = 0; i < sizeof value - 1; i++)
        value[i] = "\xE2\x82\xAC"[i % 3];
    value[sizeof value - 1] = '\0';
    const struct slice sample = slice_of_string(written(value, data));
    const size_t start = strlen("sallyport_open{of=\"");
    const size_t len = slice_find(slice_from(sample, start), '"');
    assert_int_equal(len, LABEL_VALUE_MAX / 3 * 3);
}

static void chooses_openmetrics_for_those_alone_who_name_it(void **state)
{
    (void)state;
    static const char *const named[] = {
        "application/openmetrics-text",
        "application/openmetrics-text; version=1.0.0; charset=utf-8",
        "text/plain;q=0.5, Application/OpenMetrics-Text;version=1.0.0;q=0.01",
        ("application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
         "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"),
    };
    static const char *const others[] = {
        "",
        "*/*",
        "text/plain",
        "application/openmetrics",
        "application/openmetrics-textual",
        "application/openmetrics-text;q=0",
        "application/openmetrics-text; q=0.000, text/plain",
        "x application/openmetrics-text",
        ",,;,",
    };
    for (size_t i = 0; i < sizeof named / sizeof named[0]; i++)
        assert_int_equal(exposition_choose(slice_of_string(named[i])), EXPOSITION_OPENMETRICS);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_int_equal(exposition_choose(slice_of_string(others[i])), EXPOSITION_PROMETHEUS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_prometheus_text),
        cmocka_unit_test(writes_a_family_of_one_number_or_of_none),
        cmocka_unit_test(writes_openmetrics),
        cmocka_unit_test(escapes_what_a_label_may_hold),
        cmocka_unit_test(cuts_a_long_label_between_characters),
        cmocka_unit_test(chooses_openmetrics_for_those_alone_who_name_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
