// Tables of keys with their bounds; the defaults are those of docs/CONFIG.md.
#include "proxy/config/settings.h"

#include <sched.h>
#include <unistd.h>

#include "proxy/config/limits.h"

enum { WORKERS_MAX = 256, CONFIG_VERSION = 1 };

#define SECOND_MS INT64_C(1000)
#define MINUTE_MS (60 * SECOND_MS)
#define HOUR_MS   (60 * MINUTE_MS)
#define DAY_MS    (24 * HOUR_MS)

static void version_read(struct reader *reader, const struct node *node)
{
    int64_t version = 0;
    if (node == NULL || !reader_integer(reader, node, "`version`", 0, INT32_MAX, &version))
        return;
    if (version != CONFIG_VERSION)
        diagnostic_set_hint(reader_error(reader, node, "`version` %lld is not known: expected %d",
                                         (long long)version, CONFIG_VERSION),
                            "a newer sallyport may be needed for this file");
}

// usable_cores counts the cores that this process may run on, at least one.
static uint32_t usable_cores(void)
{
    cpu_set_t set;
    long count = 0;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        count = CPU_COUNT(&set);
    else
        count = sysconf(_SC_NPROCESSORS_ONLN); // more cores than a cpu_set_t has bits
    if (count < 1)
        return 1;
    return count > WORKERS_MAX ? WORKERS_MAX : (uint32_t)count;
}

static void workers_read(struct reader *reader, const struct node *node, struct snapshot *snapshot)
{
    int64_t count = 1;
    snapshot->workers = usable_cores();
    if (node == NULL ||
        (node->kind == NODE_SCALAR && slice_equal(node->text, SLICE_LITERAL("auto"))))
        return;
    if (reader_integer(reader, node, "`workers` (a number, or auto)", 1, WORKERS_MAX, &count))
        snapshot->workers = (uint32_t)count;
}

struct duration_key {
    const char *name;
    int64_t *out_ms;
    int64_t default_ms;
    int64_t max_ms;
};

static void timeouts_read(struct reader *reader, const struct node *node, struct timeouts *out)
{
    static const struct key keys[] = {
        {"handshake", KEY_OPTIONAL}, {"request", KEY_OPTIONAL},     {"keepalive", KEY_OPTIONAL},
        {"resolve", KEY_OPTIONAL},   {"attempt", KEY_OPTIONAL},     {"connect", KEY_OPTIONAL},
        {"idle", KEY_OPTIONAL},      {"half_closed", KEY_OPTIONAL}, {"linger", KEY_OPTIONAL},
        {"drain", KEY_OPTIONAL},     {"body", KEY_OPTIONAL},
    };
    const struct duration_key durations[] = {
        {"handshake", &out->handshake_ms, 10 * SECOND_MS, HOUR_MS},
        {"request", &out->request_ms, 10 * SECOND_MS, HOUR_MS},
        {"keepalive", &out->keepalive_ms, 60 * SECOND_MS, DAY_MS},
        {"resolve", &out->resolve_ms, 5 * SECOND_MS, HOUR_MS},
        {"attempt", &out->attempt_ms, 3 * SECOND_MS, HOUR_MS},
        {"connect", &out->connect_ms, 10 * SECOND_MS, HOUR_MS},
        {"idle", &out->idle_ms, 5 * MINUTE_MS, 30 * DAY_MS},
        {"body", &out->body_ms, 60 * SECOND_MS, HOUR_MS},
        {"half_closed", &out->half_closed_ms, 60 * SECOND_MS, 30 * DAY_MS},
        {"linger", &out->linger_ms, 2 * SECOND_MS, HOUR_MS},
        {"drain", &out->drain_ms, 30 * SECOND_MS, 30 * DAY_MS},
    };
    const bool has_map = reader_map(reader, node, "`timeouts`", keys, sizeof keys / sizeof keys[0]);
    for (size_t i = 0; i < sizeof durations / sizeof durations[0]; i++) {
        const struct duration_key *duration = &durations[i];
        const struct node *value = has_map ? node_get(node, duration->name) : NULL;
        *duration->out_ms = duration->default_ms;
        if (value != NULL)
            (void)reader_duration(reader, value, duration->name, 1, duration->max_ms,
                                  duration->out_ms);
    }
    if (has_map && out->attempt_ms > out->connect_ms)
        (void)reader_warning(
            reader, node, "`attempt` is longer than `connect`, which ends all attempts together");
}

bool settings_read(struct reader *reader, const struct node *root, struct snapshot *snapshot)
{
    static const struct key keys[] = {
        {"version", KEY_REQUIRED}, {"workers", KEY_OPTIONAL},  {"listeners", KEY_REQUIRED},
        {"trust", KEY_REQUIRED},   {"sets", KEY_OPTIONAL},     {"clients", KEY_OPTIONAL},
        {"deny", KEY_OPTIONAL},    {"resolver", KEY_OPTIONAL}, {"timeouts", KEY_OPTIONAL},
        {"limits", KEY_OPTIONAL},  {"audit", KEY_REQUIRED},    {"control", KEY_OPTIONAL},
        {"admin", KEY_NOT_YET},
    };
    if (!reader_map(reader, root, "the configuration", keys, sizeof keys / sizeof keys[0]))
        return false;
    version_read(reader, node_get(root, "version"));
    workers_read(reader, node_get(root, "workers"), snapshot);
    timeouts_read(reader, node_get(root, "timeouts"), &snapshot->timeouts);
    proxy_limits_read(reader, node_get(root, "limits"), &snapshot->limits);
    return true;
}
