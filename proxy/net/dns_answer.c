// A message of RFC 1035 4, as far as an address look-up needs it:
//
//   1. Header: a response, to a standard query, not truncated, one question.
//   2. The question is ours, byte by byte but for the case.
//   3. The places of the answer's records are noted, up to a bound.
//   4. From the asked name CNAMEs are followed, up to a bound; addresses of the last name are taken.
//   5. Without any, the SOA of the authority section says how long that may be believed.
//
// Names are expanded to their wire form in lower case, 255 bytes at most; a pointer has to lead backwards, so that
// no chain of pointers is endless.
#include "proxy/net/dns_answer.h"

enum {
    HEADER_LEN = 12,
    NAME_WIRE_CAP = 255,
    LABEL_MAX = 63,
    TYPE_CNAME = 5,
    TYPE_SOA = 6,
    CLASS_IN = 1,
    RCODE_OK = 0,
    RCODE_NXDOMAIN = 3,
    SOA_NUMBERS_LEN = 20,
    AUTHORITY_MAX = 32, // records looked at
};

const char *resolve_result_name(enum resolve_result result)
{
    switch (result) {
#define X(symbol, name)                                                                            \
    case symbol:                                                                                   \
        return name;
        RESOLVE_RESULT_TABLE(X)
#undef X
    }
    return "unknown";
}

// cursor reads a message from front to back; what is not there reads as zero, and is noted.
struct cursor {
    struct slice message;
    size_t at;
    bool is_bad;
};

// wire_name is a name as labels with their lengths, in lower case, without the root's empty one.
struct wire_name {
    size_t len;
    uint8_t bytes[NAME_WIRE_CAP];
};

// place is where a record's parts stand in the message.
struct place {
    size_t owner;
    uint16_t type;
    uint16_t class;
    uint32_t ttl_s;
    size_t data;
    uint16_t data_len;
};

static uint8_t take_u8(struct cursor *cursor)
{
    if (cursor->at >= cursor->message.len) {
        cursor->is_bad = true;
        return 0;
    }
    return cursor->message.data[cursor->at++];
}

static uint16_t take_u16(struct cursor *cursor)
{
    const uint16_t high = take_u8(cursor);
    return (uint16_t)(high << 8 | take_u8(cursor));
}

static uint32_t take_u32(struct cursor *cursor)
{
    const uint32_t high = take_u16(cursor);
    return high << 16 | take_u16(cursor);
}

// name_add_label appends the next `len` bytes of the message as a label.
static void name_add_label(struct cursor *cursor, size_t len, struct wire_name *name)
{
    if (name->len + 1 + len >= NAME_WIRE_CAP) {
        cursor->is_bad = true;
        return;
    }
    name->bytes[name->len++] = (uint8_t)len;
    for (size_t i = 0; i < len; i++)
        name->bytes[name->len++] = ascii_lower(take_u8(cursor));
}

// take_name expands the name that begins here, and goes on after it (RFC 1035 4.1.4).
static void take_name(struct cursor *cursor, struct wire_name *name)
{
    size_t behind = 0; // where the name ends in its own place; 0: not left yet
    size_t limit = cursor->at;
    name->len = 0;
    while (!cursor->is_bad) {
        const uint8_t len = take_u8(cursor);
        if (len == 0)
            break;
        if (len <= LABEL_MAX) {
            name_add_label(cursor, len, name);
            continue;
        }
        const size_t to = (size_t)(len & LABEL_MAX) << 8 | take_u8(cursor);
        if (len < 0xC0 || to >= limit)
            cursor->is_bad = true;
        if (behind == 0)
            behind = cursor->at;
        limit = to;
        cursor->at = to;
    }
    if (behind != 0)
        cursor->at = behind;
}

static bool name_equal(const struct wire_name *a, const struct wire_name *b)
{
    return slice_equal(slice_of(a->bytes, a->len), slice_of(b->bytes, b->len));
}

// name_of_text gives the wire form of canonical text; false when it is no name.
static bool name_of_text(struct slice text, struct wire_name *out)
{
    out->len = 0;
    while (text.len > 0) {
        const size_t len = slice_find(text, '.');
        if (len == 0 || len > LABEL_MAX || out->len + 1 + len >= NAME_WIRE_CAP)
            return false;
        out->bytes[out->len++] = (uint8_t)len;
        for (size_t i = 0; i < len; i++)
            out->bytes[out->len++] = ascii_lower(text.data[i]);
        text = slice_from(text, len + 1);
    }
    return out->len > 0;
}

static bool take_place(struct cursor *cursor, struct place *out)
{
    struct wire_name owner;
    out->owner = cursor->at;
    take_name(cursor, &owner);
    out->type = take_u16(cursor);
    out->class = take_u16(cursor);
    out->ttl_s = take_u32(cursor);
    if (out->ttl_s > INT32_MAX)
        out->ttl_s = 0; // RFC 2181 8
    out->data_len = take_u16(cursor);
    out->data = cursor->at;
    if (cursor->is_bad || cursor->message.len - cursor->at < out->data_len)
        return false;
    cursor->at += out->data_len;
    return true;
}

static bool name_at_equals(struct slice message, size_t at, const struct wire_name *name)
{
    struct cursor cursor = {.message = message, .at = at};
    struct wire_name found;
    take_name(&cursor, &found);
    return !cursor.is_bad && name_equal(&found, name);
}

// aliases_add notes a name of the chain as text, where there is room.
static void aliases_add(struct dns_aliases *aliases, const struct wire_name *name)
{
    static const char digits[] = "0123456789";
    char text[4 * NAME_WIRE_CAP];
    size_t len = 0;
    for (size_t at = 0; at < name->len; at += 1u + name->bytes[at]) {
        if (at > 0)
            text[len++] = '.';
        for (size_t i = 1; i <= name->bytes[at]; i++) {
            const uint8_t byte = name->bytes[at + i];
            if ((byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '-' ||
                byte == '_') {
                text[len++] = (char)byte;
                continue;
            }
            text[len++] = '\\';
            text[len++] = digits[byte / 100];
            text[len++] = digits[byte / 10 % 10];
            text[len++] = digits[byte % 10];
        }
    }
    aliases->is_cut |= aliases->len == DNS_ALIASES_CAP ||
                       !string_copy(aliases->text + aliases->len, DNS_ALIASES_CAP - aliases->len,
                                    slice_of(text, len));
    if (aliases->is_cut)
        return;
    aliases->len = (uint16_t)(aliases->len + len + 1);
    aliases->count++;
}

static const struct place *find_alias(struct slice message, const struct place *places,
                                      size_t count, const struct wire_name *owner)
{
    for (size_t i = 0; i < count; i++) {
        if (places[i].type == TYPE_CNAME && places[i].class == CLASS_IN &&
            name_at_equals(message, places[i].owner, owner))
            return &places[i];
    }
    return NULL;
}

// follow_chain goes from `name` to the last name of its chain.
static enum err follow_chain(struct slice message, const struct place *places, size_t count,
                             struct wire_name *name, struct dns_answer *out)
{
    for (size_t hops = 0; hops <= DNS_MAX_CHAIN; hops++) {
        const struct place *alias = find_alias(message, places, count, name);
        if (alias == NULL)
            return ERR_OK;
        struct cursor cursor = {.message = message, .at = alias->data};
        take_name(&cursor, name);
        if (cursor.is_bad || cursor.at != alias->data + alias->data_len)
            return ERR_INPUT;
        if (alias->ttl_s < out->ttl_s)
            out->ttl_s = alias->ttl_s;
        aliases_add(&out->aliases, name);
    }
    return ERR_INPUT;
}

static bool is_known(const struct dns_answer *answer, const struct ip_addr *addr)
{
    for (size_t i = 0; i < answer->count; i++) {
        if (ip_addr_equal(&answer->addresses[i], addr))
            return true;
    }
    return false;
}

static enum err take_addresses(struct slice message, const struct place *places, size_t count,
                               const struct wire_name *owner, enum dns_type type,
                               struct dns_answer *out)
{
    const size_t len = type == DNS_TYPE_A ? 4 : 16;
    for (size_t i = 0; i < count && out->count < DNS_MAX_ADDRESSES; i++) {
        const struct place *place = &places[i];
        if (place->type != (uint16_t)type || place->class != CLASS_IN ||
            !name_at_equals(message, place->owner, owner))
            continue;
        struct ip_addr addr = {.family = type == DNS_TYPE_A ? IP_V4 : IP_V6};
        if (place->data_len != len ||
            !bytes_copy(addr.bytes, sizeof addr.bytes, slice_of(message.data + place->data, len)))
            return ERR_INPUT;
        if (place->ttl_s < out->ttl_s)
            out->ttl_s = place->ttl_s;
        if (!is_known(out, &addr))
            out->addresses[out->count++] = addr;
    }
    return ERR_OK;
}

// negative_ttl_s gives how long a negative answer may be believed: RFC 2308 5. 0 when nobody says.
static uint32_t negative_ttl_s(struct cursor *cursor, uint16_t authority_count)
{
    for (uint16_t i = 0; i < authority_count && i < AUTHORITY_MAX; i++) {
        struct place place;
        struct wire_name unused;
        if (!take_place(cursor, &place))
            return 0;
        if (place.type != TYPE_SOA || place.class != CLASS_IN)
            continue;
        struct cursor data = {.message = cursor->message, .at = place.data};
        take_name(&data, &unused);
        take_name(&data, &unused);
        if (data.is_bad || data.at + SOA_NUMBERS_LEN != place.data + place.data_len)
            return 0;
        data.at += SOA_NUMBERS_LEN - 4;
        const uint32_t minimum_s = take_u32(&data);
        return minimum_s < place.ttl_s ? minimum_s : place.ttl_s;
    }
    return 0;
}

// take_question reads over header and question; false when it is not the answer to ours.
static bool take_question(struct cursor *cursor, const struct wire_name *name, enum dns_type type,
                          uint8_t *out_rcode, uint16_t *out_answers, uint16_t *out_authority)
{
    struct wire_name asked;
    (void)take_u16(cursor); // the id has been compared by its receiver
    const uint16_t flags = take_u16(cursor);
    const uint16_t questions = take_u16(cursor);
    *out_answers = take_u16(cursor);
    *out_authority = take_u16(cursor);
    (void)take_u16(cursor);
    *out_rcode = flags & 15;
    // A response (QR), a standard query (OPCODE), and all of it (TC).
    if ((flags & 0x8000) == 0 || (flags & 0x7800) != 0 || (flags & 0x0200) != 0 || questions != 1)
        return false;
    take_name(cursor, &asked);
    const uint16_t asked_type = take_u16(cursor);
    const uint16_t asked_class = take_u16(cursor);
    return !cursor->is_bad && asked_type == (uint16_t)type && asked_class == CLASS_IN &&
           name_equal(&asked, name);
}

enum err dns_answer_parse(struct slice message, struct slice name, enum dns_type type,
                          struct dns_answer *out)
{
    struct cursor cursor = {.message = message};
    struct wire_name owner;
    struct place places[DNS_MAX_RECORDS];
    size_t count = 0;
    uint8_t rcode = 0;
    uint16_t answers = 0;
    uint16_t authority = 0;
    *out = (struct dns_answer){.result = RESOLVE_FAILED, .ttl_s = UINT32_MAX};
    if (!name_of_text(name, &owner) ||
        !take_question(&cursor, &owner, type, &rcode, &answers, &authority))
        return ERR_INPUT;
    if (rcode != RCODE_OK && rcode != RCODE_NXDOMAIN) {
        out->ttl_s = 0;
        return ERR_OK;
    }
    while (count < answers && count < DNS_MAX_RECORDS) {
        if (!take_place(&cursor, &places[count++]))
            return ERR_INPUT;
    }
    TRY(follow_chain(message, places, count, &owner, out));
    if (rcode == RCODE_OK)
        TRY(take_addresses(message, places, count, &owner, type, out));
    out->result = out->count > 0      ? RESOLVE_OK
                  : rcode == RCODE_OK ? RESOLVE_NO_DATA
                                      : RESOLVE_NOT_FOUND;
    if (out->count == 0)
        out->ttl_s = count < answers ? 0 : negative_ttl_s(&cursor, authority);
    return ERR_OK;
}
