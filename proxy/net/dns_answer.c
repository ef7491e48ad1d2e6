// A message of RFC 1035 4, as far as an address look-up needs it:
//
//   1. Header: a response, to a standard query, not truncated, one question.
//   2. The question is ours, byte by byte but for the case.
//   3. The places of the answer's records are noted, up to a bound.
//   4. From the asked name CNAMEs are followed, up to a bound; addresses, or places, of the last name are taken.
//   5. Without any, the SOA of the authority section says how long that may be believed.
//
// Names are expanded to their wire form in lower case, 255 bytes at most; a pointer has to lead backwards, so that
// no chain of pointers is endless.
#include "proxy/net/dns_answer.h"

#include <openssl/bytestring.h>

enum {
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

// wire_name is a name as labels with their lengths, in lower case, without the root's empty one.
struct wire_name {
    size_t len;
    uint8_t bytes[NAME_WIRE_CAP];
};

// record is a record of the message, whose bytes it borrows.
struct record {
    CBS owner; // begins with the name
    uint16_t type;
    uint16_t class;
    uint32_t ttl_s;
    CBS data;
};

// records are those of the answer section.
struct records {
    struct slice message;
    size_t count;
    struct record items[DNS_MAX_RECORDS];
};

// name_add_label appends a label of at most LABEL_MAX bytes; false where the name gets too long.
static bool name_add_label(struct wire_name *name, struct slice label)
{
    if (name->len + 1 + label.len >= NAME_WIRE_CAP)
        return false;
    name->bytes[name->len++] = (uint8_t)label.len;
    for (size_t i = 0; i < label.len; i++)
        name->bytes[name->len++] = ascii_lower(label.data[i]);
    return true;
}

// take_name expands the name that `at` begins with, and moves `at` after it (RFC 1035 4.1.4).
static bool take_name(struct slice message, CBS *at, struct wire_name *name)
{
    CBS rest = *at;
    CBS *cursor = at; // of the place where the name began, until it is left
    size_t limit = (size_t)(CBS_data(at) - message.data);
    name->len = 0;
    for (;;) {
        uint8_t len = 0;
        uint8_t low = 0;
        CBS label;
        if (!CBS_get_u8(cursor, &len))
            return false;
        if (len == 0)
            return true;
        if (len <= LABEL_MAX) {
            if (!CBS_get_bytes(cursor, &label, len) ||
                !name_add_label(name, slice_of(CBS_data(&label), len)))
                return false;
            continue;
        }
        if (len < 0xC0 || !CBS_get_u8(cursor, &low))
            return false;
        const size_t to = (size_t)(len & LABEL_MAX) << 8 | low;
        if (to >= limit)
            return false;
        limit = to;
        cursor = &rest;
        CBS_init(&rest, message.data + to, message.len - to);
    }
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
        if (len == 0 || len > LABEL_MAX || !name_add_label(out, slice_first(text, len)))
            return false;
        text = slice_from(text, len + 1);
    }
    return out->len > 0;
}

static bool take_record(struct slice message, CBS *at, struct record *out)
{
    struct wire_name owner;
    out->owner = *at;
    if (!take_name(message, at, &owner) || !CBS_get_u16(at, &out->type) ||
        !CBS_get_u16(at, &out->class) || !CBS_get_u32(at, &out->ttl_s) ||
        !CBS_get_u16_length_prefixed(at, &out->data))
        return false;
    if (out->ttl_s > INT32_MAX)
        out->ttl_s = 0; // RFC 2181 8
    return true;
}

// is_of tells whether a record is of this type and has this owner.
static bool is_of(const struct record *record, struct slice message, uint16_t type,
                  const struct wire_name *owner)
{
    struct wire_name found;
    CBS at = record->owner;
    return record->type == type && record->class == CLASS_IN && take_name(message, &at, &found) &&
           name_equal(&found, owner);
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

static const struct record *find_alias(const struct records *records, const struct wire_name *owner)
{
    for (size_t i = 0; i < records->count; i++) {
        if (is_of(&records->items[i], records->message, TYPE_CNAME, owner))
            return &records->items[i];
    }
    return NULL;
}

// follow_chain goes from `name` to the last name of its chain.
static enum err follow_chain(const struct records *records, struct wire_name *name,
                             struct dns_answer *out)
{
    for (size_t hops = 0; hops <= DNS_MAX_CHAIN; hops++) {
        const struct record *alias = find_alias(records, name);
        if (alias == NULL)
            return ERR_OK;
        CBS data = alias->data;
        if (!take_name(records->message, &data, name) || CBS_len(&data) != 0)
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

static enum err take_addresses(const struct records *records, const struct wire_name *owner,
                               enum dns_type type, struct dns_answer *out)
{
    for (size_t i = 0; i < records->count && out->count < DNS_MAX_ADDRESSES; i++) {
        const struct record *record = &records->items[i];
        if (!is_of(record, records->message, (uint16_t)type, owner))
            continue;
        struct ip_addr addr = {.family = type == DNS_TYPE_A ? IP_V4 : IP_V6};
        const struct slice data = slice_of(CBS_data(&record->data), CBS_len(&record->data));
        if (data.len != (type == DNS_TYPE_A ? 4 : 16) ||
            !bytes_copy(addr.bytes, sizeof addr.bytes, data))
            return ERR_INPUT;
        if (record->ttl_s < out->ttl_s)
            out->ttl_s = record->ttl_s;
        if (!is_known(out, &addr))
            out->addresses[out->count++] = addr;
    }
    return ERR_OK;
}

// take_place reads the data of an SRV record. ERR_INPUT where it is malformed. `out_is_root` tells that its target is `.`,
// `out_is_good` that it can be used.
static enum err take_place(struct slice message, CBS data, struct srv_place *out, bool *out_is_root,
                           bool *out_is_good)
{
    struct wire_name wire;
    struct dns_aliases text = {0};
    *out = (struct srv_place){.target = {.kind = TARGET_NAME}};
    if (!CBS_get_u16(&data, &out->rank.priority) || !CBS_get_u16(&data, &out->rank.weight) ||
        !CBS_get_u16(&data, &out->target.port) || !take_name(message, &data, &wire) ||
        CBS_len(&data) != 0)
        return ERR_INPUT;
    *out_is_root = wire.len == 0;
    aliases_add(&text, &wire);
    *out_is_good = !*out_is_root && out->target.port > 0 && !text.is_cut &&
                   hostname_parse(slice_of_string(text.text), &out->target.name) == ERR_OK;
    return ERR_OK;
}

static enum err take_places(const struct records *records, const struct wire_name *owner,
                            struct srv_list *places, struct dns_answer *out)
{
    size_t root_count = 0;
    size_t count = 0;
    for (size_t i = 0; i < records->count; i++) {
        const struct record *record = &records->items[i];
        struct srv_place place;
        bool is_root = false;
        bool is_good = false;
        if (!is_of(record, records->message, DNS_TYPE_SRV, owner))
            continue;
        TRY(take_place(records->message, record->data, &place, &is_root, &is_good));
        if (record->ttl_s < out->ttl_s)
            out->ttl_s = record->ttl_s;
        count++;
        root_count += is_root ? 1 : 0;
        if (is_good)
            srv_list_add(places, &place);
    }
    places->is_unavailable = root_count == 1 && count == 1;
    return ERR_OK;
}

// negative_ttl_s gives how long a negative answer may be believed: RFC 2308 5. 0 when nobody says.
static uint32_t negative_ttl_s(struct slice message, CBS *at, uint16_t authority_count)
{
    for (uint16_t i = 0; i < authority_count && i < AUTHORITY_MAX; i++) {
        struct record soa;
        struct wire_name unused;
        uint32_t minimum_s = 0;
        if (!take_record(message, at, &soa))
            return 0;
        if (soa.type != TYPE_SOA || soa.class != CLASS_IN)
            continue;
        if (!take_name(message, &soa.data, &unused) || !take_name(message, &soa.data, &unused) ||
            CBS_len(&soa.data) != SOA_NUMBERS_LEN || !CBS_skip(&soa.data, SOA_NUMBERS_LEN - 4) ||
            !CBS_get_u32(&soa.data, &minimum_s))
            return 0;
        return minimum_s < soa.ttl_s ? minimum_s : soa.ttl_s;
    }
    return 0;
}

// take_question reads over header and question; false when it is not the answer to ours. The id has been compared by
// the receiver.
static bool take_question(struct slice message, CBS *at, const struct wire_name *name,
                          enum dns_type type, uint8_t *out_rcode, uint16_t *out_answers,
                          uint16_t *out_authority)
{
    uint16_t flags = 0;
    uint16_t questions = 0;
    uint16_t asked_type = 0;
    uint16_t asked_class = 0;
    struct wire_name asked;
    if (!CBS_skip(at, 2) || !CBS_get_u16(at, &flags) || !CBS_get_u16(at, &questions) ||
        !CBS_get_u16(at, out_answers) || !CBS_get_u16(at, out_authority) || !CBS_skip(at, 2))
        return false;
    *out_rcode = flags & 15;
    // A response (QR), a standard query (OPCODE), and all of it (TC).
    if ((flags & 0x8000) == 0 || (flags & 0x7800) != 0 || (flags & 0x0200) != 0 || questions != 1)
        return false;
    return take_name(message, at, &asked) && CBS_get_u16(at, &asked_type) &&
           CBS_get_u16(at, &asked_class) && asked_type == (uint16_t)type &&
           asked_class == CLASS_IN && name_equal(&asked, name);
}

// parse reads an answer; `places` is NULL for addresses.
static enum err parse(struct slice message, struct slice name, enum dns_type type,
                      struct srv_list *places, struct dns_answer *out)
{
    CBS at;
    struct wire_name owner;
    struct records records = {.message = message};
    uint8_t rcode = 0;
    uint16_t answers = 0;
    uint16_t authority = 0;
    CBS_init(&at, message.data, message.len);
    *out = (struct dns_answer){.result = RESOLVE_FAILED, .ttl_s = UINT32_MAX};
    if (!name_of_text(name, &owner) ||
        !take_question(message, &at, &owner, type, &rcode, &answers, &authority))
        return ERR_INPUT;
    if (rcode != RCODE_OK && rcode != RCODE_NXDOMAIN) {
        out->ttl_s = 0;
        return ERR_OK;
    }
    while (records.count < answers && records.count < DNS_MAX_RECORDS) {
        if (!take_record(message, &at, &records.items[records.count++]))
            return ERR_INPUT;
    }
    TRY(follow_chain(&records, &owner, out));
    if (rcode == RCODE_OK && places != NULL)
        TRY(take_places(&records, &owner, places, out));
    else if (rcode == RCODE_OK)
        TRY(take_addresses(&records, &owner, type, out));
    const bool has_places = places != NULL && (places->count > 0 || places->is_unavailable);
    const bool is_good = has_places || out->count > 0;
    out->result = is_good ? RESOLVE_OK : rcode == RCODE_OK ? RESOLVE_NO_DATA : RESOLVE_NOT_FOUND;
    out->places = has_places ? places : NULL;
    if (!is_good)
        out->ttl_s = records.count < answers ? 0 : negative_ttl_s(message, &at, authority);
    return ERR_OK;
}

enum err dns_answer_parse(struct slice message, struct slice name, enum dns_type type,
                          struct dns_answer *out)
{
    return parse(message, name, type, NULL, out);
}

enum err srv_answer_parse(struct slice message, struct slice name, struct srv_list *places,
                          struct dns_answer *out)
{
    *places = (struct srv_list){0};
    return parse(message, name, DNS_TYPE_SRV, places, out);
}

const char *dns_failure_name(struct slice message)
{
    static const char *const rcodes[] = {
        "no_answer_to_the_question", "formerr", "servfail", "bad_answer", "notimp", "refused"};
    const size_t rcode = message.len < 4 ? SIZE_MAX : message.data[3] & 15;
    return rcode < sizeof rcodes / sizeof rcodes[0] ? rcodes[rcode] : "bad_answer";
}
