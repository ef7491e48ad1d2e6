// Four bounds. What all streams may be sent at first must fit into the connection's memory.
#include "proxy/config/http2.h"

#include "proxy/config/units.h"

enum { KIB = 1024, MIB = 1024 * KIB };

#define OPTION(key, kind, field, ...) KEY_ROW(key, kind, struct http2_options, field, __VA_ARGS__)

static const struct key keys[] = {
    OPTION("streams", KEY_NUMBER, streams, .min = 1, .max = 10000, .fallback = 256),
    OPTION("window", KEY_SIZE, window, .min = HTTP2_FIRST_WINDOW, .max = 16 * MIB, .fallback = MIB),
    OPTION("memory", KEY_SIZE, memory, .min = 64 * KIB, .max = 256 * MIB, .fallback = 8 * MIB),
    OPTION("age", KEY_DURATION, age_ms, .min = SECOND_MS, .max = 7 * DAY_MS, .fallback = HOUR_MS),
};

const struct section http2_section = SECTION("`http2`", keys);

void http2_read(struct reader *reader, const struct node *node, struct http2_options *out)
{
    bool is_on = true;
    (void)section_read(reader, NULL, &http2_section, out);
    if (node == NULL)
        return;
    if (node->kind == NODE_SCALAR) {
        (void)reader_boolean(reader, node, "`http2`", &is_on);
        out->streams = is_on ? out->streams : 0;
        return;
    }
    if (section_read(reader, node, &http2_section, out) &&
        (uint64_t)out->streams * HTTP2_FIRST_WINDOW > out->memory)
        reader_error(reader, node,
                     "%u streams of 16KiB each are more than `memory`"
                     "\nlower `streams`, or raise `memory`",
                     (unsigned)out->streams);
}
