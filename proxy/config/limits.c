// Numbers, rates, sizes and durations with bounds. A limit of 0 is refused everywhere: it would deny all, and
// is written as having no rule, or meant as none, and is left out. Where leaving out means a default, `none` is
// written.
#include "proxy/config/limits.h"

#include <inttypes.h>

#include "auth/base/text.h"
#include "proxy/config/units.h"

enum {
    COUNT_MAX = 10000000,
    REFUSED_REQUESTS_DEFAULT = 200,  // a second
    FAILED_HANDSHAKES_DEFAULT = 100, // a second
    HALF_OPEN_DEFAULT = 2000,
};

#define SECOND_MS     INT64_C(1000)
#define DAY_MS        (24 * 60 * 60 * SECOND_MS)
#define BANDWIDTH_MIN UINT64_C(1000)
#define MEMORY_MIN    (UINT64_C(16) << 20)
#define MEMORY_MAX    (UINT64_C(1) << 50)
#define HEAD_MIN      (UINT32_C(16) << 10)
#define HEAD_DEFAULT  (UINT32_C(32) << 10)
#define NOT_ZERO_HINT "for no limit leave it out, or write `none` where there is a default"

typedef enum err quantity_parser(struct slice s, uint64_t *out, struct errinfo *info);

static void count_read(struct reader *reader, const struct node *node, const char *what,
                       uint32_t *out)
{
    int64_t value = 0;
    if (node != NULL && reader_integer(reader, node, what, 1, COUNT_MAX, &value))
        *out = (uint32_t)value;
}

static void duration_read(struct reader *reader, const struct node *node, const char *what,
                          int64_t max_ms, int64_t *out_ms)
{
    int64_t value_ms = 0;
    if (node != NULL && reader_duration(reader, node, what, 1, max_ms, &value_ms))
        *out_ms = value_ms;
}

// quantity_read reads a number with a unit, and refuses one below `min`.
static bool quantity_read(struct reader *reader, const struct node *node, const char *what,
                          quantity_parser *parse, uint64_t min, uint64_t *out)
{
    struct slice text = {0};
    struct errinfo info = {0};
    char quoted[CONFIG_QUOTE_CAP];
    char least[SIZE_TEXT_CAP];
    uint64_t value = 0;
    if (node == NULL || !reader_text(reader, node, what, CONFIG_TEXT_MAX, &text))
        return false;
    if (parse(text, &value, &info) != ERR_OK) {
        (void)reader_error(reader, node, "%s: %s", what, info.text);
        return false;
    }
    if (value < min) {
        diagnostic_set_hint(reader_error(reader, node, "%s is `%s`: expected at least %s%s", what,
                                         reader_quote(text, quoted),
                                         min == 1 ? "1" : size_format(min, least),
                                         parse == size_parse ? "" : "/s"),
                            NOT_ZERO_HINT);
        return false;
    }
    *out = value;
    return true;
}

void bounded_size_read(struct reader *reader, const struct node *node, const char *what,
                       uint32_t min, uint32_t max, uint32_t *out)
{
    struct slice text = {0};
    struct errinfo info = {0};
    char quoted[CONFIG_QUOTE_CAP];
    char least[SIZE_TEXT_CAP];
    char most[SIZE_TEXT_CAP];
    uint64_t value = 0;
    if (node == NULL || !reader_text(reader, node, what, CONFIG_TEXT_MAX, &text))
        return;
    if (size_parse(text, &value, &info) != ERR_OK)
        (void)reader_error(reader, node, "%s: %s", what, info.text);
    else if (value < min || value > max)
        (void)reader_error(reader, node, "%s is `%s`: expected %s to %s", what,
                           reader_quote(text, quoted), size_format(min, least),
                           size_format(max, most));
    else
        *out = (uint32_t)value;
}

static void rate_read(struct reader *reader, const struct node *node, const char *what,
                      uint32_t *out)
{
    uint64_t value = 0;
    if (quantity_read(reader, node, what, rate_parse, 1, &value))
        *out = (uint32_t)value;
}

// is_none tells whether a limit that has a default is switched off, and does so.
static bool is_none(const struct node *node, uint32_t *out)
{
    if (node == NULL || node->kind != NODE_SCALAR ||
        !slice_equal(node->text, SLICE_LITERAL("none")))
        return false;
    *out = 0;
    return true;
}

// rate_or_none_read reads a rate that has a default.
static void rate_or_none_read(struct reader *reader, const struct node *node, const char *what,
                              uint32_t *out)
{
    if (!is_none(node, out))
        rate_read(reader, node, what, out);
}

static void bandwidth_read(struct reader *reader, const struct node *node, const char *what,
                           uint64_t *out)
{
    (void)quantity_read(reader, node, what, bandwidth_parse, BANDWIDTH_MIN, out);
}

// burst_read reads how many tunnels may come at once after a rest: as many as a second has, unless it is said.
static void burst_read(struct reader *reader, const struct node *node, const struct node *rate,
                       struct client_limits *out)
{
    int64_t value = 0;
    out->burst = out->new_tunnels;
    if (node == NULL)
        return;
    if (rate == NULL)
        diagnostic_set_hint(reader_error(reader, node, "`burst` has no `new_tunnels` beside it"),
                            "add the rate that it belongs to: `new_tunnels: 50/s`");
    if (reader_integer(reader, node, "`burst`", 1, (int64_t)RATE_MAX_A_SECOND, &value))
        out->burst = (uint32_t)value;
}

void client_limits_read(struct reader *reader, const struct node *node, struct client_limits *out)
{
    static const struct key keys[] = {
        {"tunnels", KEY_OPTIONAL},      {"new_tunnels", KEY_OPTIONAL},    {"burst", KEY_OPTIONAL},
        {"bandwidth_up", KEY_OPTIONAL}, {"bandwidth_down", KEY_OPTIONAL}, {"age", KEY_OPTIONAL},
        {"idle", KEY_OPTIONAL},
    };
    *out = (struct client_limits){0};
    if (!reader_map(reader, node, "`limits`", keys, sizeof keys / sizeof keys[0]))
        return;
    const struct node *rate = node_get(node, "new_tunnels");
    count_read(reader, node_get(node, "tunnels"), "`tunnels`", &out->tunnels);
    rate_read(reader, rate, "`new_tunnels`", &out->new_tunnels);
    burst_read(reader, node_get(node, "burst"), rate, out);
    bandwidth_read(reader, node_get(node, "bandwidth_up"), "`bandwidth_up`", &out->bandwidth_up);
    bandwidth_read(reader, node_get(node, "bandwidth_down"), "`bandwidth_down`",
                   &out->bandwidth_down);
    duration_read(reader, node_get(node, "age"), "`age`", 3650 * DAY_MS, &out->age_ms);
    duration_read(reader, node_get(node, "idle"), "`idle`", 30 * DAY_MS, &out->idle_ms);
}

static void source_read(struct reader *reader, const struct node *node, struct source_limits *out)
{
    static const struct key keys[] = {
        {"failed_handshakes", KEY_OPTIONAL},
        {"half_open", KEY_OPTIONAL},
    };
    if (!reader_map(reader, node, "`source`", keys, sizeof keys / sizeof keys[0]))
        return;
    const struct node *half_open = node_get(node, "half_open");
    rate_or_none_read(reader, node_get(node, "failed_handshakes"), "`failed_handshakes`",
                      &out->failed_handshakes);
    if (!is_none(half_open, &out->half_open))
        count_read(reader, half_open, "`half_open`", &out->half_open);
}

void proxy_limits_read(struct reader *reader, const struct node *node, struct proxy_limits *out)
{
    static const struct key keys[] = {
        {"sessions", KEY_OPTIONAL},         {"tunnels", KEY_OPTIONAL}, {"memory", KEY_OPTIONAL},
        {"refused_requests", KEY_OPTIONAL}, {"head", KEY_OPTIONAL},    {"source", KEY_OPTIONAL},
    };
    *out = (struct proxy_limits){
        .refused_requests = REFUSED_REQUESTS_DEFAULT,
        .head = HEAD_DEFAULT,
        .source = {.failed_handshakes = FAILED_HANDSHAKES_DEFAULT, .half_open = HALF_OPEN_DEFAULT},
    };
    if (!reader_map(reader, node, "`limits`", keys, sizeof keys / sizeof keys[0]))
        return;
    count_read(reader, node_get(node, "sessions"), "`sessions`", &out->sessions);
    count_read(reader, node_get(node, "tunnels"), "`tunnels`", &out->tunnels);
    (void)quantity_read(reader, node_get(node, "memory"), "`memory`", size_parse, MEMORY_MIN,
                        &out->memory);
    rate_or_none_read(reader, node_get(node, "refused_requests"), "`refused_requests`",
                      &out->refused_requests);
    bounded_size_read(reader, node_get(node, "head"), "`head`", HEAD_MIN, LIMITS_HEAD_MAX,
                      &out->head);
    source_read(reader, node_get(node, "source"), &out->source);
}

static void append_count(struct text *text, const char *name, uint64_t count, const char *unit)
{
    if (count != 0)
        text_append_format(text, "%s%s %" PRIu64 "%s", text->len == 0 ? "" : ", ", name, count,
                           unit);
}

static void append_size(struct text *text, const char *name, uint64_t bytes, const char *unit)
{
    char size[SIZE_TEXT_CAP];
    if (bytes != 0)
        text_append_format(text, "%s%s %s%s", text->len == 0 ? "" : ", ", name,
                           size_format(bytes, size), unit);
}

static void append_duration(struct text *text, const char *name, int64_t ms)
{
    char duration[DURATION_TEXT_CAP];
    if (ms != 0)
        text_append_format(text, "%s%s %s", text->len == 0 ? "" : ", ", name,
                           duration_format(ms, duration));
}

const char *client_limits_format(const struct client_limits *limits, char out[LIMITS_TEXT_CAP])
{
    struct text text;
    text_init(&text, out, LIMITS_TEXT_CAP);
    append_count(&text, "tunnels", limits->tunnels, "");
    append_count(&text, "new_tunnels", limits->new_tunnels, "/s");
    append_count(&text, "burst", limits->burst, "");
    append_size(&text, "bandwidth_up", limits->bandwidth_up, "/s");
    append_size(&text, "bandwidth_down", limits->bandwidth_down, "/s");
    append_duration(&text, "age", limits->age_ms);
    append_duration(&text, "idle", limits->idle_ms);
    return out;
}

const char *proxy_limits_format(const struct proxy_limits *limits, char out[LIMITS_TEXT_CAP])
{
    struct text text;
    text_init(&text, out, LIMITS_TEXT_CAP);
    append_count(&text, "sessions", limits->sessions, "");
    append_count(&text, "tunnels", limits->tunnels, "");
    append_size(&text, "memory", limits->memory, "");
    append_count(&text, "refused_requests", limits->refused_requests, "/s");
    append_size(&text, "head", limits->head, "");
    append_count(&text, "source.failed_handshakes", limits->source.failed_handshakes, "/s");
    append_count(&text, "source.half_open", limits->source.half_open, "");
    return out;
}
