// Tables of numbers, rates, sizes and durations. 0 is rejected: to deny everything write no rule; for no
// limit leave the key out, or write `none` where the key has a default.
#include "proxy/config/limits.h"

#include <inttypes.h>

#include "auth/base/text.h"
#include "proxy/config/units.h"

enum { COUNT_MAX = 10000000 };

#define BANDWIDTH_MIN INT64_C(1000)
#define KIB           INT64_C(1024)
#define MIB           (1024 * KIB)

// What a process keeps after a crowd, with room for a few tunnels, and half a MiB for each worker: 10 to 15 MiB were measured
// with up to 16 workers, 25 with 64.
enum { MEMORY_LEAST_MIB = 24 };

#define CLIENT(key, kind, field, ...)                                                              \
    KEY_ROW(key, kind, struct client_limits, field, .min = __VA_ARGS__)
#define PROXY(key, kind, field, ...)                                                               \
    KEY_ROW(key, kind, struct proxy_limits, field, .min = __VA_ARGS__)
#define SOURCE(key, kind, field, ...)                                                              \
    KEY_ROW(key, kind, struct source_limits, field, .min = __VA_ARGS__)

static const char *const scope_words[] = {"machine", "fleet", NULL};

static const struct key client_keys[] = {
    CLIENT("tunnels", KEY_NUMBER, tunnels, 1, .max = COUNT_MAX),
    CLIENT("new_tunnels", KEY_RATE, new_tunnels, 1),
    CLIENT("burst", KEY_NUMBER, burst, 1, .max = (int64_t)RATE_MAX_A_SECOND),
    CLIENT("requests", KEY_RATE, requests, 1),
    CLIENT("requests_burst", KEY_NUMBER, requests_burst, 1, .max = (int64_t)RATE_MAX_A_SECOND),
    KEY_ROW("scope", KEY_CHOICE, struct client_limits, scope, .words = scope_words),
    CLIENT("bandwidth_up", KEY_BANDWIDTH, bandwidth_up, BANDWIDTH_MIN),
    CLIENT("bandwidth_down", KEY_BANDWIDTH, bandwidth_down, BANDWIDTH_MIN),
    CLIENT("age", KEY_DURATION, age_ms, 1, .max = 3650 * DAY_MS),
    CLIENT("idle", KEY_DURATION, idle_ms, 1, .max = 30 * DAY_MS),
};

static const struct key source_keys[] = {
    SOURCE("failed_handshakes", KEY_RATE, failed_handshakes, 1, .fallback = 100,
           .takes_none = true),
    SOURCE("half_open", KEY_NUMBER, half_open, 1, .max = COUNT_MAX, .fallback = 2000,
           .takes_none = true),
};

const struct section source_limits_section = SECTION("`source`", source_keys);

static const struct key proxy_keys[] = {
    PROXY("sessions", KEY_NUMBER, sessions, 1, .max = COUNT_MAX),
    PROXY("tunnels", KEY_NUMBER, tunnels, 1, .max = COUNT_MAX),
    PROXY("memory", KEY_SIZE, memory, 16 * MIB),
    PROXY("refused_requests", KEY_RATE, refused_requests, 1, .fallback = 200, .takes_none = true),
    PROXY("head", KEY_SIZE, head, 16 * KIB, .max = LIMITS_HEAD_MAX, .fallback = 32 * KIB),
    KEY_ROW("source", KEY_SECTION, struct proxy_limits, source, .section = &source_limits_section),
};

const struct section client_limits_section = SECTION("`limits`", client_keys);
const struct section proxy_limits_section = SECTION("`limits`", proxy_keys);

void client_limits_read(struct reader *reader, const struct node *node, struct client_limits *out)
{
    const struct node *burst = node_get(node, "burst");
    (void)section_read(reader, node, &client_limits_section, out);
    if (out->burst == 0) // as many at once as a second may have
        out->burst = out->new_tunnels;
    if (out->requests_burst == 0)
        out->requests_burst = out->requests;
    const struct node *requests_burst = node_get(node, "requests_burst");
    if (requests_burst != NULL && node_get(node, "requests") == NULL)
        reader_error(reader, requests_burst,
                     "`requests_burst` needs `requests`"
                     "\nadd the rate that it belongs to: `requests: 200/s`");
    if (burst != NULL && node_get(node, "new_tunnels") == NULL)
        reader_error(reader, burst,
                     "`burst` needs `new_tunnels`"
                     "\nadd the rate that it belongs to: `new_tunnels: 50/s`");
}

void proxy_limits_check(struct reader *reader, const struct node *node,
                        const struct proxy_limits *limits, uint32_t workers)
{
    const uint64_t least_mib = MEMORY_LEAST_MIB + (workers + 1) / 2;
    if (limits->memory != 0 && limits->memory < least_mib * MIB)
        reader_warning(reader, node_get(node, "memory"),
                       "`memory`: as much may stay in use after a crowd, when nobody is there any "
                       "more: then everything new is refused for good"
                       "\nwrite %" PRIu64 "MiB at least with %" PRIu32 " workers, and more where "
                       "revocation lists or other files are large",
                       least_mib, workers);
}

// append_limits adds each limit of a section that is set, as the configuration writes it.
static void append_limits(struct text *text, const struct section *section, const char *prefix,
                          const void *limits)
{
    for (size_t i = 0; i < section->count; i++) {
        const struct key *key = &section->keys[i];
        const int64_t value = key_value(key, limits);
        char formatted[KEY_VALUE_CAP];
        if (value != 0)
            text_append_format(text, "%s%s%s %s", text->len == 0 ? "" : ", ", prefix, key->name,
                               key_format_value(key, value, formatted));
    }
}

const char *client_limits_format(const struct client_limits *limits, char out[LIMITS_TEXT_CAP])
{
    struct text text;
    text_init(&text, out, LIMITS_TEXT_CAP);
    append_limits(&text, &client_limits_section, "", limits);
    return out;
}

const char *proxy_limits_format(const struct proxy_limits *limits, char out[LIMITS_TEXT_CAP])
{
    struct text text;
    text_init(&text, out, LIMITS_TEXT_CAP);
    append_limits(&text, &proxy_limits_section, "", limits);
    append_limits(&text, &source_limits_section, "source.", &limits->source);
    return out;
}
