// An address, a colon, a port.
#include "proxy/config/endpoint_text.h"

#include "auth/base/text.h"

static const char expected[] = "expected ADDRESS:PORT, such as \"127.0.0.1:8443\" or \"[::]:8443\"";

// split_port takes the port after the last colon off `s`.
static enum err split_port(struct slice *s, uint16_t *out_port, struct errinfo *info)
{
    size_t colon = s->len;
    for (size_t i = 0; i < s->len; i++) {
        if (s->data[i] == ':')
            colon = i;
    }
    const struct slice port = slice_from(*s, colon + 1);
    if (colon == s->len || port.len == 0)
        return errinfo_set(info, ERR_INPUT, "the port is missing: %s", expected);
    if (slice_equal(port, SLICE_LITERAL("0")))
        *out_port = 0;
    else if (port_parse(port, out_port) != ERR_OK)
        return errinfo_set(info, ERR_INPUT, "the port is not a number from 0 to 65535: %s",
                           expected);
    *s = slice_first(*s, colon);
    return ERR_OK;
}

enum err endpoint_parse(struct slice s, struct endpoint *out, struct errinfo *info)
{
    struct slice address = s;
    struct ip_addr bare = {0};
    if (ip_addr_parse(s, &bare) == ERR_OK)
        return errinfo_set(info, ERR_INPUT, "the port is missing: %s", expected);
    TRY(split_port(&address, &out->port, info));
    if (address.len == 0)
        return errinfo_set(info, ERR_INPUT,
                           "the address is missing: write \"[::]:%u\" for every address of the "
                           "machine",
                           out->port);
    const bool has_brackets =
        address.len >= 2 && address.data[0] == '[' && address.data[address.len - 1] == ']';
    if (has_brackets)
        address = slice_of(address.data + 1, address.len - 2);
    if (ip_addr_parse(address, &out->address) != ERR_OK)
        return errinfo_set(info, ERR_INPUT, "there is no IP address before the port: %s", expected);
    if (has_brackets != (out->address.family == IP_V6))
        return errinfo_set(info, ERR_INPUT, "brackets are for IPv6 addresses, and only those: %s",
                           expected);
    if (ip_addr_canonical(&out->address).family != out->address.family)
        return errinfo_set(info, ERR_INPUT, "an IPv4 address is written as IPv4: %s", expected);
    return ERR_OK;
}

const char *endpoint_format(const struct endpoint *endpoint, char out[ENDPOINT_TEXT_CAP])
{
    char address[IP_TEXT_CAP];
    struct text text;
    text_init(&text, out, ENDPOINT_TEXT_CAP);
    text_append_format(&text, endpoint->address.family == IP_V6 ? "[%s]:%u" : "%s:%u",
                       ip_addr_format(&endpoint->address, address), endpoint->port);
    return out;
}

bool endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
    return a->port == b->port && ip_addr_equal(&a->address, &b->address);
}

// covers tells whether `a` stands for every local address, and `b` is one of these.
static bool covers(const struct ip_addr *a, const struct ip_addr *b)
{
    return ip_addr_is_any(a) && (a->family == IP_V6 || b->family == IP_V4);
}

bool endpoint_is_taken(const struct endpoint *a, const struct endpoint *b)
{
    return a->port != 0 && a->port == b->port &&
           (ip_addr_equal(&a->address, &b->address) || covers(&a->address, &b->address) ||
            covers(&b->address, &a->address));
}
