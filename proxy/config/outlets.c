// An entry names one receiver, `syslog` or `lines`, as `unix:PATH` or `tcp:ADDRESS:PORT`. Records are not for everybody's
// eyes: over TCP they leave this machine by TLS alone, unless the entry says otherwise.
#include "proxy/config/outlets.h"

#include "auth/trust.h"
#include "proxy/config/endpoint_text.h"
#include "proxy/config/listeners.h"
#include "proxy/config/server_files.h"
#include "proxy/config/snapshot.h"

enum {
    UNIX_PATH_MAX_LEN = 107, // bytes (unix(7))
};

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
    KEY_KNOWN("tls", KEY_OPTIONAL),
};

static const struct key tls_keys[] = {
    KEY_KNOWN("ca", KEY_REQUIRED),
    KEY_KNOWN("certificate", KEY_OPTIONAL),
    KEY_KNOWN("name", KEY_OPTIONAL),
};

const struct section outlet_section = SECTION("an entry of `also`", keys);
const struct section outlet_tls_section = SECTION("`tls` of a sink", tls_keys);

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
                     bool has_tls, struct outlet_entry *out)
{
    struct errinfo info;
    struct endpoint *endpoint = &out->settings.endpoint;
    char text[ENDPOINT_TEXT_CAP];
    if (endpoint_parse(address, endpoint, &info) != ERR_OK)
        return reader_error(reader, node, "%s", info.text);
    if (endpoint->port == 0 || ip_addr_is_any(&endpoint->address))
        return reader_error(reader, node, "nothing receives at %s",
                            endpoint_format(endpoint, text));
    if (has_tls || ip_addr_is_loopback(&endpoint->address))
        return true;
    if (!out->is_clear)
        return reader_error(
            reader, node,
            "%s is not on this machine, and records would go there in the clear"
            "\nsay with `tls: {ca: FILE}` which CA its certificate is of, or `clear: true`",
            endpoint_format(endpoint, text));
    reader_warning(reader, node,
                   "records go to %s in the clear: everybody on the way can read and change them",
                   endpoint_format(endpoint, text));
    return true;
}

// place_read reads `unix:PATH` or `tcp:ADDRESS:PORT`.
static bool place_read(struct reader *reader, const struct node *node, bool has_tls,
                       struct outlet_entry *out)
{
    struct slice text;
    if (!reader_text(reader, node, "a sink", CONFIG_PATH_MAX, &text))
        return false;
    out->settings.label = reader_copy(reader, text);
    if (slice_starts_with(text, SLICE_LITERAL("unix:")))
        return unix_read(reader, node, slice_from(text, sizeof "unix:" - 1), &out->settings);
    if (slice_starts_with(text, SLICE_LITERAL("tcp:")))
        return tcp_read(reader, node, slice_from(text, sizeof "tcp:" - 1), has_tls, out);
    return reader_refuse(reader, node, "sink", "expected `unix:PATH` or `tcp:ADDRESS:PORT`", "");
}

// name_read reads the name that the receiver's certificate must have; without one it is the address.
static bool name_read(struct reader *reader, const struct node *node,
                      const struct endpoint *endpoint, struct target *out)
{
    struct slice text;
    *out = (struct target){.kind = TARGET_ADDRESS, .address = endpoint->address};
    if (node == NULL)
        return true;
    if (!reader_text(reader, node, "`name`", CONFIG_TEXT_MAX, &text))
        return false;
    return target_host_parse(text, out) == ERR_OK ||
           reader_refuse(reader, node, "`name`:", "it is neither a host name nor an address",
                         "it is what the receiver's certificate is for");
}

static bool tls_read(struct reader *reader, const struct node *node, struct outlet_entry *out)
{
    struct server_files files = {0};
    struct target name;
    if (!section_read(reader, node, &outlet_tls_section, NULL))
        return false;
    if (out->settings.unix_path != NULL)
        return reader_error(reader, node, "a Unix socket needs no `tls`: it leads nowhere else");
    if (out->is_clear)
        return reader_error(reader, node, "a sink has `tls` or `clear: true`, and not both");
    const bool has_name = name_read(reader, node_get(node, "name"), &out->settings.endpoint, &name);
    const bool has_files = server_files_read(reader, node, &certificate_section, false, &files);
    const bool is_good =
        has_name && has_files &&
        server_files_make(reader, node, &files, &name, "receiver", &out->settings.tls);
    server_files_deinit(&files);
    return is_good;
}

static bool entry_read(struct reader *reader, const struct node *node, void *out, void *arg)
{
    struct outlet_entry entry = {0};
    (void)arg;
    if (!section_read(reader, node, &outlet_section, &entry))
        return false;
    const struct node *syslog = node_get(node, "syslog");
    const struct node *lines = node_get(node, "lines");
    const struct node *tls = node_get(node, "tls");
    if ((syslog == NULL) == (lines == NULL))
        return reader_error(reader, node, "an entry of `also` has either `syslog` or `lines`");
    entry.settings.form = syslog != NULL ? OUTLET_SYSLOG : OUTLET_LINES;
    if (!place_read(reader, syslog != NULL ? syslog : lines, tls != NULL, &entry))
        return false;
    if (tls != NULL && !tls_read(reader, tls, &entry))
        return false;
    *(struct outlet_settings *)out = entry.settings;
    return true;
}

// refuse_twice refuses two entries for one receiver.
static void refuse_twice(struct reader *reader, const struct node *node,
                         const struct snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->audit_outlet_count; i++) {
        const struct outlet_settings *outlet = &snapshot->audit_outlets[i];
        for (size_t j = 0; j < i; j++) {
            if (outlet_settings_is_same_place(outlet, &snapshot->audit_outlets[j]))
                reader_error(reader, node, "`also` names %s twice", outlet->label);
        }
    }
}

void outlets_read(struct reader *reader, const struct node *node, struct snapshot *snapshot)
{
    static const struct items items = {.what = "`also`",
                                       .min = 1,
                                       .max = OUTLETS_MAX,
                                       .size = sizeof(struct outlet_settings),
                                       .read = entry_read};
    if (node == NULL)
        return;
    snapshot->audit_outlets = reader_items(reader, node, &items, &snapshot->audit_outlet_count);
    refuse_twice(reader, node, snapshot);
}
