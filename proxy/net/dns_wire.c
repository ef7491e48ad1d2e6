// Written with a CBB over the caller's bytes: what does not fit fails as a whole.
#include "proxy/net/dns_wire.h"

#include <openssl/bytestring.h>

enum {
    FLAGS_RECURSION_DESIRED = 0x0100,
    CLASS_IN = 1,
    TYPE_OPT = 41,
    OPTION_PADDING = 12,
    PAYLOAD = 1232,
    LABEL_MAX = 63,
    HEADER_LEN = 12,
    QUESTION_TAIL_LEN = 4,
    OPT_LEN = 11 + 4, // the record, and the option's head
};

// add_name writes labels and the root's empty one.
static bool add_name(CBB *out, struct slice text)
{
    if (text.len == 0 || text.len > DNS_NAME_MAX)
        return false;
    while (text.len > 0) {
        const size_t len = slice_find(text, '.');
        const struct slice label = slice_first(text, len);
        if (len == 0 || len > LABEL_MAX || !CBB_add_u8(out, (uint8_t)len) ||
            !CBB_add_bytes(out, label.data, label.len))
            return false;
        text = slice_from(text, len + 1);
    }
    return CBB_add_u8(out, 0) == 1;
}

// add_padding writes an OPT record with as many zeros as make the message a multiple of DNS_WIRE_BLOCK.
static bool add_padding(CBB *out, size_t name_len)
{
    const size_t used = HEADER_LEN + name_len + 2 + QUESTION_TAIL_LEN + OPT_LEN;
    const size_t padding = (DNS_WIRE_BLOCK - used % DNS_WIRE_BLOCK) % DNS_WIRE_BLOCK;
    return CBB_add_u8(out, 0) && CBB_add_u16(out, TYPE_OPT) && CBB_add_u16(out, PAYLOAD) &&
           CBB_add_u32(out, 0) && CBB_add_u16(out, (uint16_t)(4 + padding)) &&
           CBB_add_u16(out, OPTION_PADDING) && CBB_add_u16(out, (uint16_t)padding) &&
           CBB_add_zeros(out, padding);
}

size_t dns_wire_question(struct slice name, enum dns_type type, uint16_t id,
                         uint8_t out[DNS_WIRE_CAP])
{
    CBB cbb;
    CBB message;
    size_t len = 0;
    if (!CBB_init_fixed(&cbb, out, DNS_WIRE_CAP))
        return 0;
    const bool is_written =
        CBB_add_u16_length_prefixed(&cbb, &message) && CBB_add_u16(&message, id) &&
        CBB_add_u16(&message, FLAGS_RECURSION_DESIRED) && CBB_add_u16(&message, 1) &&
        CBB_add_u16(&message, 0) && CBB_add_u16(&message, 0) && CBB_add_u16(&message, 1) &&
        add_name(&message, name) && CBB_add_u16(&message, (uint16_t)type) &&
        CBB_add_u16(&message, CLASS_IN) && add_padding(&message, name.len) &&
        CBB_finish(&cbb, NULL, &len);
    if (!is_written)
        CBB_cleanup(&cbb);
    return is_written ? len : 0;
}
