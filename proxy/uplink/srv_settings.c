// Names of services as text, and the patterns of their places. Knows no DNS.
#include "proxy/uplink/srv_settings.h"

enum { SERVICE_MIN = 2, SERVICE_MAX = 16 }; // bytes of the first label, with `_` (RFC 6335 5.1)

enum err srv_name_parse(struct slice text, struct srv_name *out, struct errinfo *info)
{
    const struct slice protocol = SLICE_LITERAL("_tcp.");
    if (hostname_parse(text, &out->name) != ERR_OK)
        return errinfo_set(info, ERR_INPUT,
                           "it is no name of DNS\nwrite _SERVICE._tcp.DOMAIN, such as "
                           "_proxy._tcp.example.org");
    const struct slice name = hostname_slice(&out->name);
    const size_t service_len = slice_find(name, '.');
    const struct slice rest = slice_from(name, service_len + 1);
    if (name.data[0] != '_' || service_len < SERVICE_MIN || service_len > SERVICE_MAX)
        return errinfo_set(info, ERR_INPUT,
                           "its first label is no service\nwrite _SERVICE._tcp.DOMAIN, such as "
                           "_proxy._tcp.example.org");
    if (!slice_equal(slice_first(rest, protocol.len), protocol))
        return errinfo_set(info, ERR_INPUT,
                           "its second label is not _tcp\nwrite _SERVICE._tcp.DOMAIN, such as "
                           "_proxy._tcp.example.org");
    if (hostname_parse(slice_from(rest, protocol.len), &out->domain) == ERR_OK)
        return ERR_OK;
    return errinfo_set(info, ERR_INPUT,
                       "no domain follows _tcp\nwrite _SERVICE._tcp.DOMAIN, such as "
                       "_proxy._tcp.example.org");
}

bool srv_settings_equal(const struct srv_settings *a, const struct srv_settings *b)
{
    bool is_equal =
        slice_equal(hostname_slice(&a->service.name), hostname_slice(&b->service.name)) &&
        a->target_count == b->target_count;
    for (size_t i = 0; is_equal && i < a->target_count; i++)
        is_equal =
            a->targets[i].kind == b->targets[i].kind &&
            slice_equal(hostname_slice(&a->targets[i].name), hostname_slice(&b->targets[i].name));
    return is_equal;
}

bool srv_settings_allow(const struct srv_settings *settings, const struct hostname *target)
{
    for (size_t i = 0; i < settings->target_count; i++) {
        if (host_pattern_matches(&settings->targets[i], target))
            return true;
    }
    return settings->target_count == 0;
}
