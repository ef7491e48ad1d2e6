// <PRI>VERSION SP TIMESTAMP SP HOSTNAME SP APP-NAME SP PROCID SP MSGID SP STRUCTURED-DATA SP MSG
#include "proxy/outlet/syslog_header.h"

enum {
    PRIORITY = 13 * 8 + 6, // facility 13 (log audit), severity 6
    MSGID_MAX = 32,
};

// value_after gives the string that stands after `begin` in a record, if it has only what a header may have.
static struct slice value_after(struct slice record, struct slice begin, size_t max)
{
    const void *hit =
        record.len == 0 ? NULL : memmem(record.data, record.len, begin.data, begin.len);
    if (hit == NULL)
        return SLICE_LITERAL("-");
    const struct slice rest =
        slice_from(record, (size_t)((const uint8_t *)hit - record.data) + begin.len);
    const struct slice value = slice_first(rest, slice_find(rest, '"'));
    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] <= ' ' || value.data[i] >= 0x7f)
            return SLICE_LITERAL("-");
    }
    return value.len == 0 || value.len > max ? SLICE_LITERAL("-") : value;
}

static bool is_host(const char *host)
{
    const struct slice name = slice_of_string(host);
    for (size_t i = 0; i < name.len; i++) {
        if (name.data[i] <= ' ' || name.data[i] >= 0x7f)
            return false;
    }
    return name.len > 0 && name.len <= SYSLOG_HOST_MAX;
}

void syslog_header_append(struct text *out, struct slice record, const char *host, int pid)
{
    text_append_format(out, "<%d>1 ", PRIORITY);
    text_append(out, value_after(record, SLICE_LITERAL("\"ts\":\""), MSGID_MAX));
    text_append_format(out, " %s sallyport %d ", is_host(host) ? host : "-", pid);
    text_append(out, value_after(record, SLICE_LITERAL("\"event\":\""), MSGID_MAX));
    text_append_string(out, " - ");
}
