// An entry names one receiver, `syslog` or `lines`, as `unix:PATH` or `tcp:ADDRESS:PORT`. Records are not for everybody's
// eyes: over TCP, in the clear, they stay on this machine unless the entry says otherwise.
#include "proxy/config/outlets.h"

#include "proxy/config/endpoint_text.h"
#include "proxy/config/snapshot.h"

enum { UNIX_PATH_MAX_LEN = 107 }; // bytes (unix(7))

// outlet_entry is an entry as it is written.
struct outlet_entry {
    struct outlet_settings settings;
    bool is_clear;
};

static const struct key keys[] = {
    KEY_KNOWN("syslog", KEY_OPTIONAL),
    KEY_KNOWN("lines", KEY_OPTIONAL),
    KEY_ROW("required", KEY_BOOL, struct outlet_entry, settings.is_required),
    KEY_ROW("clear", KEY_BOOL, struct outlet_entry, is_clear),
    KEY_KNOWN("tls", KEY_NOT_YET),
};

const struct section outlet_section = SECTION("an entry of `also`", keys);

static bool is_loopback(const struct ip_addr *addr)
{
    static const struct ip_prefix v6 = {.addr = {.family = IP_V6, .bytes = {[15] = 1}},
                                        .length = 128};
    static const struct ip_prefix v4 = {.addr = {.family = IP_V4, .bytes = {127}}, .length = 8};
    return ip_prefix_contains(&v4, addr) || ip_prefix_contains(&v6, addr);
}

static bool unix_read(struct reader *reader, const struct node *node, struct slice path,
                      struct outlet_settings *out)
{
    struct node shown = *node;
    shown.text = path;
    if (!reader_path(reader, &shown, "the path", &out->unix_path))
        return false;
    return strlen(out->unix_path) <= UNIX_PATH_MAX_LEN ||
           reader_error(reader, node, "the path of a Unix socket has at most %d bytes",
                        UNIX_PATH_MAX_LEN);
}

static bool tcp_read(struct reader *reader, const struct node *node, struct slice address,
                     struct outlet_entry *out)
{
    struct errinfo info;
    struct endpoint *endpoint = &out->settings.endpoint;
    char text[ENDPOINT_TEXT_CAP];
    if (endpoint_parse(address, endpoint, &info) != ERR_OK)
        return reader_error(reader, node, "%s", info.text);
    if (endpoint->port == 0 || endpoint_is_any_address(endpoint))
        return reader_error(reader, node, "nothing receives at %s",
                            endpoint_format(endpoint, text));
    if (is_loopback(&endpoint->address))
        return true;
    if (!out->is_clear)
        return reader_error(
            reader, node,
            "%s is not on this machine, and records go there in the clear: TLS for sinks is not supported yet"
            "\nsend them to a syslog daemon of this machine that speaks TLS, or say `clear: true` here",
            endpoint_format(endpoint, text));
    reader_warning(reader, node,
                   "records go to %s in the clear: everybody on the way can read and change them",
                   endpoint_format(endpoint, text));
    return true;
}

// place_read reads `unix:PATH` or `tcp:ADDRESS:PORT`.
static bool place_read(struct reader *reader, const struct node *node, struct outlet_entry *out)
{
    struct slice text;
    if (!reader_text(reader, node, "a sink", CONFIG_PATH_MAX, &text))
        return false;
    out->settings.label = reader_copy(reader, text);
    if (slice_starts_with(text, SLICE_LITERAL("unix:")))
        return unix_read(reader, node, slice_from(text, sizeof "unix:" - 1), &out->settings);
    if (slice_starts_with(text, SLICE_LITERAL("tcp:")))
        return tcp_read(reader, node, slice_from(text, sizeof "tcp:" - 1), out);
    return reader_refuse(reader, node, "sink", "expected `unix:PATH` or `tcp:ADDRESS:PORT`", "");
}

static bool entry_read(struct reader *reader, const struct node *node, void *out, void *arg)
{
    struct outlet_entry entry = {0};
    (void)arg;
    if (!section_read(reader, node, &outlet_section, &entry))
        return false;
    const struct node *syslog = node_get(node, "syslog");
    const struct node *lines = node_get(node, "lines");
    if ((syslog == NULL) == (lines == NULL))
        return reader_error(reader, node, "an entry of `also` has either `syslog` or `lines`");
    entry.settings.form = syslog != NULL ? OUTLET_SYSLOG : OUTLET_LINES;
    if (!place_read(reader, syslog != NULL ? syslog : lines, &entry))
        return false;
    *(struct outlet_settings *)out = entry.settings;
    return true;
}

void outlets_read(struct reader *reader, const struct node *node, struct snapshot *snapshot)
{
    static const struct items items = {.what = "`also`",
                                       .min = 1,
                                       .max = OUTLETS_MAX,
                                       .size = sizeof(struct outlet_settings),
                                       .read = entry_read};
    if (node != NULL)
        snapshot->audit_outlets = reader_items(reader, node, &items, &snapshot->audit_outlet_count);
}
