// Authority to target. One split, two strict parsers; whatever neither of them takes is refused.
#include "auth/target.h"

#include <stdlib.h>

enum err port_parse(struct slice s, uint16_t *out)
{
    uint64_t value = 0;
    *out = 0;
    if (!decimal_parse(s, UINT16_MAX, &value) || value == 0)
        return ERR_INPUT;
    *out = (uint16_t)value;
    return ERR_OK;
}

// parse_bracketed reads the inside of `[...]`: an IPv6 address and nothing else (RFC 3986 3.2.2). A
// mapped one is a second spelling of an IPv4 address and refused.
static enum err parse_bracketed(struct slice s, struct target *out)
{
    TRY(ip_addr_parse(s, &out->address));
    const struct ip_addr canonical = ip_addr_canonical(&out->address);
    if (canonical.family != IP_V6)
        return ERR_INPUT;
    out->kind = TARGET_ADDRESS;
    return ERR_OK;
}

// parse_host reads a host into a zeroed target.
static enum err parse_host(struct slice s, struct target *out)
{
    if (s.len >= 2 && s.data[0] == '[' && s.data[s.len - 1] == ']')
        return parse_bracketed(slice_of(s.data + 1, s.len - 2), out);
    if (slice_find(s, ':') != s.len) // an IPv6 address without brackets, or a second port
        return ERR_INPUT;
    if (ip_addr_parse(s, &out->address) == ERR_OK) {
        out->kind = TARGET_ADDRESS;
        return ERR_OK;
    }
    out->kind = TARGET_NAME;
    return hostname_parse(s, &out->name);
}

enum err target_parse(struct slice authority, struct target *out)
{
    *out = (struct target){0};
    struct target target = {0};
    // The port stands after the last colon; a colon in front of it is parse_host's to refuse.
    size_t colon = authority.len;
    for (size_t i = 0; i < authority.len; i++) {
        if (authority.data[i] == ':')
            colon = i;
    }
    if (colon == authority.len)
        return ERR_INPUT;
    TRY(port_parse(slice_from(authority, colon + 1), &target.port));
    TRY(parse_host(slice_first(authority, colon), &target));
    *out = target;
    return ERR_OK;
}

enum err target_host_parse(struct slice host, struct target *out)
{
    *out = (struct target){0};
    struct target target = {0};
    TRY(parse_host(host, &target));
    *out = target;
    return ERR_OK;
}

bool target_equal_host(const struct target *a, const struct target *b)
{
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case TARGET_NAME:
        return slice_equal(hostname_slice(&a->name), hostname_slice(&b->name));
    case TARGET_ADDRESS:
        return ip_addr_equal(&a->address, &b->address);
    }
    return false;
}

bool target_equal(const struct target *a, const struct target *b)
{
    return a->port == b->port && target_equal_host(a, b);
}

bool target_is_loopback(const struct target *target)
{
    return target->kind == TARGET_ADDRESS && ip_addr_is_loopback(&target->address);
}

// kept_target is a target whose name is as long as it is.
struct kept_target {
    struct ip_addr address; // with TARGET_ADDRESS
    uint16_t port;
    enum target_kind kind;
    uint8_t name_len; // bytes; 0 with TARGET_ADDRESS
    char name[];      // without a NUL
};

struct kept_target *target_keep(const struct target *target)
{
    const struct slice name =
        target->kind == TARGET_NAME ? hostname_slice(&target->name) : (struct slice){0};
    struct kept_target *kept = malloc(sizeof *kept + name.len);
    if (kept == NULL)
        return NULL;
    *kept = (struct kept_target){.address = target->address,
                                 .port = target->port,
                                 .kind = target->kind,
                                 .name_len = (uint8_t)name.len};
    const bool fits = bytes_copy(kept->name, name.len, name);
    ASSERT(fits);
    return kept;
}

struct target kept_target_read(const struct kept_target *kept)
{
    struct target target = {.kind = kept->kind,
                            .port = kept->port,
                            .address = kept->address,
                            .name = {.len = kept->name_len}};
    const bool fits = bytes_copy(target.name.text, sizeof target.name.text - 1,
                                 slice_of(kept->name, kept->name_len));
    ASSERT(fits);
    return target;
}

const char *target_format_host(const struct target *target, char out[TARGET_TEXT_CAP])
{
    out[0] = '\0';
    switch (target->kind) {
    case TARGET_NAME:
        (void)string_copy(out, TARGET_TEXT_CAP, hostname_slice(&target->name));
        break;
    case TARGET_ADDRESS: {
        char text[IP_TEXT_CAP];
        (void)string_copy(out, TARGET_TEXT_CAP,
                          slice_of_string(ip_addr_format(&target->address, text)));
        break;
    }
    }
    return out;
}
