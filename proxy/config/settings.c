// Tables of keys with their bounds and defaults.
#include "proxy/config/settings.h"

#include <sched.h>
#include <unistd.h>

#include "proxy/config/audit_chain.h"
#include "proxy/config/limits.h"
#include "proxy/config/outlets.h"

enum { BUSY_POLL_MAX_US = 1000 };

enum { WORKERS_MAX = 256, CONFIG_VERSION = 1 };

#define TIMEOUT(key, default_ms, most_ms)                                                          \
    KEY_ROW(#key, KEY_DURATION, struct timeouts, key##_ms, .min = 1, .max = (most_ms),             \
            .fallback = (default_ms))

static const struct key timeout_keys[] = {
    TIMEOUT(handshake, 10 * SECOND_MS, HOUR_MS),       TIMEOUT(request, 10 * SECOND_MS, HOUR_MS),
    TIMEOUT(keepalive, 60 * SECOND_MS, DAY_MS),        TIMEOUT(resolve, 5 * SECOND_MS, HOUR_MS),
    TIMEOUT(attempt, 3 * SECOND_MS, HOUR_MS),          TIMEOUT(connect, 10 * SECOND_MS, HOUR_MS),
    TIMEOUT(idle, 5 * MINUTE_MS, 30 * DAY_MS),         TIMEOUT(body, 60 * SECOND_MS, HOUR_MS),
    TIMEOUT(half_closed, 60 * SECOND_MS, 30 * DAY_MS), TIMEOUT(linger, 2 * SECOND_MS, HOUR_MS),
    TIMEOUT(drain, 30 * SECOND_MS, 30 * DAY_MS),       TIMEOUT(inner, 5 * SECOND_MS, HOUR_MS),
};

static const char *const on_full_words[] = {[AUDIT_REFUSE] = "refuse", [AUDIT_DROP] = "drop", NULL};

static void version_read(struct reader *reader, const struct node *node)
{
    int64_t version = 0;
    if (node == NULL || !reader_integer(reader, node, "`version`", 0, INT32_MAX, &version))
        return;
    if (version != CONFIG_VERSION)
        reader_error(reader, node,
                     "`version` %lld is not known: expected %d"
                     "\na newer sallyport may be needed for this file",
                     (long long)version, CONFIG_VERSION);
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

static void workers_read(struct reader *reader, const struct node *node, const char *what,
                         void *field)
{
    uint32_t *out = field;
    int64_t count = 0;
    (void)what;
    if (node->kind == NODE_SCALAR && slice_equal(node->text, SLICE_LITERAL("auto")))
        return;
    if (reader_integer(reader, node, "`workers` (a number, or auto)", 1, WORKERS_MAX, &count))
        *out = (uint32_t)count;
}

static void audit_file_read(struct reader *reader, const struct node *node, const char *what,
                            void *field)
{
    const char **out = field;
    if (slice_equal(node->text, SLICE_LITERAL("-")))
        *out = "-";
    else
        (void)reader_path(reader, node, what, out);
}

static const struct key audit_keys[] = {
    KEY_ROW("file", KEY_READ, struct snapshot, audit_path, .read = audit_file_read,
            .support = KEY_REQUIRED),
    KEY_ROW("on_full", KEY_CHOICE, struct snapshot, audit_on_full, .words = on_full_words),
    KEY_KNOWN("also", KEY_OPTIONAL),
    KEY_OF("chain", audit_chain_read, struct snapshot, audit_chain),
};

static const char *const level_words[] = {
    [LOG_LEVEL_ERROR] = "error", [LOG_LEVEL_WARNING] = "warning", [LOG_LEVEL_INFO] = "info", NULL};
static const char *const format_words[] = {
    [LOG_FORMAT_TEXT] = "text", [LOG_FORMAT_JSON] = "json", NULL};

static const struct key log_keys[] = {
    KEY_ROW("level", KEY_CHOICE, struct log_options, level, .words = level_words,
            .fallback = LOG_LEVEL_INFO),
    KEY_ROW("format", KEY_CHOICE, struct log_options, format, .words = format_words,
            .fallback = LOG_FORMAT_TEXT),
};

const struct section timeouts_section = SECTION("`timeouts`", timeout_keys);
const struct section audit_section = SECTION("`audit`", audit_keys);
const struct section log_section = SECTION("`log`", log_keys);

static const struct key top_keys[] = {
    KEY_KNOWN("version", KEY_REQUIRED),
    KEY_OF("workers", workers_read, struct snapshot, workers),
    KEY_ROW("busy_poll", KEY_MOMENT, struct snapshot, busy_poll_us, .max = BUSY_POLL_MAX_US),
    KEY_KNOWN("listeners", KEY_REQUIRED),
    KEY_KNOWN("trust", KEY_REQUIRED),
    KEY_KNOWN("sets", KEY_OPTIONAL),
    KEY_KNOWN("include", KEY_OPTIONAL),
    KEY_KNOWN("parents", KEY_OPTIONAL),
    KEY_KNOWN("authorizer", KEY_OPTIONAL),
    KEY_KNOWN("shared", KEY_OPTIONAL),
    KEY_KNOWN("clients", KEY_OPTIONAL),
    KEY_KNOWN("deny", KEY_OPTIONAL),
    KEY_KNOWN("resolver", KEY_OPTIONAL),
    KEY_ROW("timeouts", KEY_SECTION, struct snapshot, timeouts, .section = &timeouts_section),
    KEY_ROW("limits", KEY_SECTION, struct snapshot, limits, .section = &proxy_limits_section),
    KEY_KNOWN("audit", KEY_REQUIRED),
    KEY_ROW("log", KEY_SECTION, struct snapshot, log, .section = &log_section),
    KEY_KNOWN("control", KEY_OPTIONAL),
    KEY_KNOWN("admin", KEY_OPTIONAL),
    KEY_KNOWN("process", KEY_OPTIONAL),
};

const struct section top_section = SECTION("the configuration", top_keys);

bool settings_read(struct reader *reader, const struct node *root, struct snapshot *snapshot)
{
    const struct timeouts *timeouts = &snapshot->timeouts;
    snapshot->workers = usable_cores();
    if (!section_read(reader, root, &top_section, snapshot))
        return false;
    version_read(reader, node_get(root, "version"));
    if (section_read(reader, node_get(root, "audit"), &audit_section, snapshot))
        outlets_read(reader, node_get(node_get(root, "audit"), "also"), snapshot);
    if (timeouts->attempt_ms > timeouts->connect_ms)
        reader_warning(reader, node_get(root, "timeouts"),
                       "`attempt` is longer than `connect`, which ends all attempts together");
    proxy_limits_check(reader, node_get(root, "limits"), &snapshot->limits, snapshot->workers);
    return true;
}
