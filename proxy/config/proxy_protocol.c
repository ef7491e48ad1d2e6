// The addresses become a set, which is asked at every connection.
#include "proxy/config/proxy_protocol.h"

#include "auth/ip_set.h"

enum { FROM_MAX = 256 }; // prefixes

static const struct key keys[] = {
    KEY_KNOWN("from", KEY_REQUIRED),
    // a lost packet is sent again after a second, and then after two (proxy-protocol.txt, 2)
    KEY_ROW("wait", KEY_DURATION, struct proxy_protocol, wait_ms, .min = 3 * SECOND_MS,
            .max = MINUTE_MS, .fallback = 3 * SECOND_MS),
};

const struct section proxy_protocol_section = SECTION("`proxy_protocol`", keys);

static bool prefix_read(struct reader *reader, const struct node *node,
                        struct ip_set_builder *builder)
{
    struct slice text = {0};
    struct errinfo info = {0};
    struct ip_prefix prefix;
    if (!reader_text(reader, node, "an address", CONFIG_TEXT_MAX, &text))
        return false;
    if (ip_prefix_parse(text, &prefix, &info) != ERR_OK)
        return reader_error(reader, node, "`from`: %s", info.text);
    return ip_set_builder_add(builder, &prefix) == ERR_OK || reader_no_memory(reader);
}

static const struct ip_set *from_read(struct reader *reader, const struct node *list)
{
    struct ip_set_builder builder = {0};
    bool is_good = reader_list(reader, list, "`from`", 1, FROM_MAX);
    for (const struct node *entry = is_good ? list->child : NULL; entry != NULL;
         entry = entry->next)
        is_good = prefix_read(reader, entry, &builder) && is_good;
    if (!is_good) {
        ip_set_builder_deinit(&builder);
        return NULL;
    }
    const struct ip_set *set = ip_set_builder_finish(&builder, reader->arena);
    if (set == NULL)
        (void)reader_no_memory(reader);
    return set;
}

// has_everybody tells whether a range of the set is all of IPv4 or IPv6.
static bool has_everybody(const struct ip_set *set)
{
    for (size_t i = 0; i < ip_set_count(set); i++) {
        struct ip_addr first;
        struct ip_addr last;
        bool is_all = true;
        ip_set_range(set, i, &first, &last);
        for (size_t j = 0; j < ip_addr_slice(&first).len; j++)
            is_all = is_all && first.bytes[j] == 0 && last.bytes[j] == 0xFF;
        if (is_all)
            return true;
    }
    return false;
}

void proxy_protocol_read(struct reader *reader, const struct node *node, struct proxy_protocol *out)
{
    *out = (struct proxy_protocol){0};
    if (node == NULL || !section_read(reader, node, &proxy_protocol_section, out))
        return;
    out->from = from_read(reader, node_get(node, "from"));
    if (out->from != NULL && has_everybody(out->from))
        reader_warning(
            reader, node_get(node, "from"),
            "`from` is every address: everybody who reaches the listener says where it comes from, and "
            "`sources` and the limits of a source mean nothing"
            "\nname the addresses of the balancers");
}
