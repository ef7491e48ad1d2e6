// In a string of JSON a quotation mark is escaped. So the last `,"instance":"` of a record is where its seal begins, and
// nothing but a seal may follow.
#include "proxy/chain/seal.h"

#include <inttypes.h>

#include "auth/base/err.h"
#include "auth/base/hex.h"

enum { INSTANCE_DIGITS = 8 };

#define BEGIN ",\"instance\":\""

static bool hash_parse(struct slice text, struct merkle_hash *out)
{
    size_t digits = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (ascii_lower(text.data[i]) != text.data[i])
            return false;
    }
    return text.len == (size_t)2 * MERKLE_HASH_LEN &&
           hex_read(text, out->bytes, sizeof out->bytes, &digits) &&
           digits == (size_t)2 * MERKLE_HASH_LEN;
}

bool instance_parse(struct slice text, uint32_t *out)
{
    *out = 0;
    for (size_t i = 0; i < text.len; i++) {
        const int digit = hex_digit(text.data[i]);
        if (digit < 0 || ascii_lower(text.data[i]) != text.data[i])
            return false;
        *out = *out << 4 | (uint32_t)digit;
    }
    return text.len == INSTANCE_DIGITS;
}

bool seq_parse(struct slice text, uint64_t *out)
{
    *out = 0;
    for (size_t i = 0; i < text.len; i++) {
        const uint64_t digit = (uint64_t)text.data[i] - '0';
        if (text.data[i] < '0' || text.data[i] > '9' || *out > (UINT64_MAX - digit) / 10)
            return false;
        *out = *out * 10 + digit;
    }
    return text.len > 0 && (text.len == 1 || text.data[0] != '0');
}

static void append_link(const struct seal_link *link, struct text *out)
{
    if (link->kind == SEAL_LINK_NONE) {
        text_append_string(out, "null");
        return;
    }
    text_append_string(out, "{");
    if (link->kind == SEAL_LINK_RECORD)
        text_append_format(out, "\"instance\":\"%08" PRIx32 "\",\"seq\":%" PRIu64 ",",
                           link->instance, link->seq);
    text_append_string(out, "\"sha256\":\"");
    text_append_hex(out, merkle_hash_slice(&link->hash));
    text_append_string(out, "\"}");
}

void seal_append(const struct seal *seal, struct text *out)
{
    text_append_format(out, BEGIN "%08" PRIx32 "\",\"seq\":%" PRIu64, seal->instance, seal->seq);
    if (seal->is_chained && seal->seq == 0) {
        text_append_string(out, ",\"prev\":null");
    } else if (seal->is_chained) {
        text_append_string(out, ",\"prev\":\"");
        text_append_hex(out, merkle_hash_slice(&seal->prev));
        text_append_string(out, "\"");
    }
    if (seal->seq == 0) {
        text_append_string(out, ",\"after\":");
        append_link(&seal->after, out);
    }
    text_append_string(out, "}\n");
    ASSERT(!out->is_cut);
}

// take tells whether `text` begins with `word`, and goes on after it.
static bool take(struct slice *text, struct slice word)
{
    if (!slice_starts_with(*text, word))
        return false;
    *text = slice_from(*text, word.len);
    return true;
}

// take_until cuts off what stands before the next `end`, which stays.
static struct slice take_until(struct slice *text, uint8_t end)
{
    const struct slice out = slice_first(*text, slice_find(*text, end));
    *text = slice_from(*text, out.len);
    return out;
}

// take_digits cuts off the decimal digits at the front.
static bool take_seq(struct slice *text, uint64_t *out)
{
    size_t len = 0;
    while (len < text->len && text->data[len] >= '0' && text->data[len] <= '9')
        len++;
    const bool is_good = seq_parse(slice_first(*text, len), out);
    *text = slice_from(*text, len);
    return is_good;
}

static bool take_hash(struct slice *text, struct merkle_hash *out)
{
    return hash_parse(take_until(text, '"'), out) && take(text, SLICE_LITERAL("\""));
}

static bool take_instance(struct slice *text, uint32_t *out)
{
    return instance_parse(take_until(text, '"'), out) && take(text, SLICE_LITERAL("\""));
}

// take_link reads the value of `after`.
static bool take_link(struct slice *text, struct seal_link *out)
{
    if (take(text, SLICE_LITERAL("null")))
        return true;
    out->kind = SEAL_LINK_LINE;
    if (take(text, SLICE_LITERAL("{\"instance\":\""))) {
        out->kind = SEAL_LINK_RECORD;
        if (!take_instance(text, &out->instance) || !take(text, SLICE_LITERAL(",\"seq\":")) ||
            !take_seq(text, &out->seq) || !take(text, SLICE_LITERAL(",")))
            return false;
    } else if (!take(text, SLICE_LITERAL("{"))) {
        return false;
    }
    return take(text, SLICE_LITERAL("\"sha256\":\"")) && take_hash(text, &out->hash) &&
           take(text, SLICE_LITERAL("}"));
}

// take_prev reads `prev`, which may be missing.
static bool take_prev(struct slice *text, struct seal *out)
{
    out->is_chained = take(text, SLICE_LITERAL(",\"prev\":"));
    if (!out->is_chained)
        return true;
    if (out->seq == 0)
        return take(text, SLICE_LITERAL("null"));
    return take(text, SLICE_LITERAL("\"")) && take_hash(text, &out->prev);
}

// find_begin gives the place of the last BEGIN in a line; its length where there is none.
static size_t find_begin(struct slice line)
{
    const struct slice begin = SLICE_LITERAL(BEGIN);
    for (size_t at = line.len < begin.len ? 0 : line.len - begin.len + 1; at > 0; at--) {
        if (slice_starts_with(slice_from(line, at - 1), begin))
            return at - 1;
    }
    return line.len;
}

bool seal_parse(struct slice line, struct seal *out)
{
    *out = (struct seal){0};
    const struct slice end = slice_from(line, line.len < SEAL_CAP ? 0 : line.len - SEAL_CAP);
    struct slice text = slice_from(end, find_begin(end));
    if (!take(&text, SLICE_LITERAL(BEGIN)) || !take_instance(&text, &out->instance) ||
        !take(&text, SLICE_LITERAL(",\"seq\":")) || !take_seq(&text, &out->seq) ||
        !take_prev(&text, out))
        return false;
    if (out->seq == 0 &&
        (!take(&text, SLICE_LITERAL(",\"after\":")) || !take_link(&text, &out->after)))
        return false;
    return slice_equal(text, SLICE_LITERAL("}"));
}

struct seal_link seal_link_find(struct slice tail, bool is_all)
{
    struct seal_link last = {.kind = SEAL_LINK_NONE};
    struct seal seal;
    bool is_first = true;
    while (tail.len > 0 && tail.data[tail.len - 1] != '\n') // somebody may be about to end it
        tail = slice_first(tail, tail.len - 1);
    while (tail.len > 0 && tail.data[tail.len - 1] == '\n') {
        tail = slice_first(tail, tail.len - 1);
        size_t begin = tail.len;
        while (begin > 0 && tail.data[begin - 1] != '\n')
            begin--;
        const struct slice line = slice_from(tail, begin);
        tail = slice_first(tail, begin);
        if ((begin == 0 && !is_all) || line.len == 0)
            continue;
        const struct merkle_hash hash = merkle_hash_of(line);
        if (seal_parse(line, &seal))
            return (struct seal_link){
                .kind = SEAL_LINK_RECORD, .instance = seal.instance, .seq = seal.seq, .hash = hash};
        if (is_first)
            last = (struct seal_link){.kind = SEAL_LINK_LINE, .hash = hash};
        is_first = false;
    }
    return last;
}
