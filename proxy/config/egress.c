// A list of plain addresses.
#include "proxy/config/egress.h"

#include "proxy/net/sockaddr.h"

// address_read reads one address that a connection can come from.
static bool address_read(struct reader *reader, const struct node *node, void *item, void *arg)
{
    struct ip_addr *out = item;
    (void)arg;
    struct slice text = {0};
    if (!reader_text(reader, node, "egress address", CONFIG_TEXT_MAX, &text))
        return false;
    if (ip_addr_parse(text, out) != ERR_OK)
        return reader_refuse(reader, node, "egress address", "not an address",
                             "one address of this machine, without a prefix length");
    const struct ip_addr canonical = ip_addr_canonical(out);
    if (ip_addr_classify(out) == IP_CLASS_CLOSED || canonical.family != out->family)
        return reader_refuse(reader, node, "egress address", "nothing can come from there", "");
    if (!address_is_local(out))
        reader_warning(
            reader, node,
            "egress address `%s` is not on this machine now"
            "\nip address add %s dev INTERFACE; until then requests that need it are refused",
            reader_quote(reader, text), reader->quoted);
    return true;
}

static const struct key keys[] = {KEY_KNOWN("addresses", KEY_REQUIRED)};

const struct section egress_section = SECTION("`egress`", keys);

void egress_read(struct reader *reader, const struct node *node, struct client *client)
{
    static const struct items addresses = {.what = "`addresses`",
                                           .min = 1,
                                           .max = EGRESS_MAX_ADDRESSES,
                                           .size = sizeof(struct ip_addr),
                                           .read = address_read};
    if (section_read(reader, node, &egress_section, NULL))
        client->egress =
            reader_items(reader, node_get(node, "addresses"), &addresses, &client->egress_count);
}
