// A header of version 1 is one line of text:
//
//     PROXY TCP4 192.0.2.1 198.51.100.1 56324 8443\r\n
//
// and one of version 2, numbers in network order:
//
//     12 bytes   the signature, which is no beginning of another protocol
//     1          0x20 LOCAL or 0x21 PROXY: version 2 and the command
//     1          the family: 0x11 TCP over IPv4, 0x21 TCP over IPv6, 0x00 none
//     2          the number of bytes that follow
//     12 or 36   addresses and ports: source, destination, source port, destination port
//     the rest   parts of 1 byte type, 2 bytes length, and so many bytes: skipped, but for a checksum
#include "proxy/net/proxy_header.h"

#include "auth/iprange.h"
#include "proxy/net/crc32c.h"

enum {
    V2_FIXED_LEN = 16,
    V2_LOCAL = 0x20,
    V2_PROXY = 0x21,
    FAMILY_NONE = 0x00,
    FAMILY_TCP4 = 0x11,
    FAMILY_TCP6 = 0x21,
    TYPE_CRC32C = 0x03,
    CRC32C_LEN = 4,
    PART_HEAD_LEN = 3,
    V1_FIELDS = 6,
};

static const uint8_t signature[] = {'\r', '\n', '\r', '\n', 0,   '\r',
                                    '\n', 'Q',  'U',  'I',  'T', '\n'};

static enum proxy_header_status bad(const char **out_why, const char *why)
{
    *out_why = why;
    return PROXY_HEADER_BAD;
}

// take_source makes an address the client's. Both versions write IPv4 as IPv6 where the other end is IPv6.
static enum proxy_header_status take_source(const struct ip_addr *source, uint16_t port,
                                            struct proxy_header *out, const char **out_why)
{
    out->source = ip_addr_canonical(source);
    out->port = port;
    if (port == 0) // allowed by the text of version 1, but no connection comes from there
        return bad(out_why, "the source port of the PROXY header is 0");
    if (ip_addr_classify(&out->source) == IP_CLASS_CLOSED)
        return bad(out_why, "the source of the PROXY header is no address of a client");
    return PROXY_HEADER_OK;
}

// ---- version 1 ----------------------------------------------------------------------------------

// split cuts a line at its blanks. False unless it has exactly so many fields, none of them empty.
static bool split(struct slice line, struct slice fields[V1_FIELDS])
{
    for (size_t i = 0; i < V1_FIELDS; i++) {
        const size_t len = slice_find(line, ' ');
        const bool is_last = i + 1 == V1_FIELDS;
        fields[i] = slice_first(line, len);
        if (len == 0 || (len == line.len) != is_last)
            return false;
        line = slice_from(line, len + 1);
    }
    return true;
}

static enum proxy_header_status read_line(struct slice line, struct proxy_header *out,
                                          const char **out_why)
{
    struct slice fields[V1_FIELDS];
    struct ip_addr ends[2];
    uint64_t ports[2];
    if (slice_equal(line, SLICE_LITERAL("PROXY UNKNOWN")) ||
        slice_starts_with(line, SLICE_LITERAL("PROXY UNKNOWN "))) {
        out->is_unknown = true;
        return PROXY_HEADER_OK;
    }
    if (!split(line, fields) || !slice_equal(fields[0], SLICE_LITERAL("PROXY")))
        return bad(out_why, "the PROXY line does not have its six fields");
    const bool is_v4 = slice_equal(fields[1], SLICE_LITERAL("TCP4"));
    if (!is_v4 && !slice_equal(fields[1], SLICE_LITERAL("TCP6")))
        return bad(out_why, "the PROXY line is neither of TCP4 nor of TCP6 nor UNKNOWN");
    for (size_t i = 0; i < 2; i++) {
        if (ip_addr_parse(fields[2 + i], &ends[i]) != ERR_OK ||
            ends[i].family != (is_v4 ? IP_V4 : IP_V6))
            return bad(out_why, "an address of the PROXY line is not one of its family");
        if (!decimal_parse(fields[4 + i], UINT16_MAX, &ports[i]))
            return bad(out_why, "a port of the PROXY line is not a number up to 65535");
    }
    return take_source(&ends[0], (uint16_t)ports[0], out, out_why);
}

static enum proxy_header_status parse_v1(struct slice bytes, struct proxy_header *out,
                                         const char **out_why)
{
    const struct slice line = slice_first(bytes, PROXY_HEADER_V1_MAX_LEN);
    for (size_t i = 0; i < line.len; i++) {
        const uint8_t byte = line.data[i];
        if (byte == '\r' && i + 1 == line.len && line.len < PROXY_HEADER_V1_MAX_LEN)
            return PROXY_HEADER_MORE;
        if (byte == '\r' && i + 1 < line.len && line.data[i + 1] == '\n') {
            out->len = i + 2;
            return read_line(slice_first(line, i), out, out_why);
        }
        if (byte < ' ' || byte > '~')
            return bad(out_why, "the PROXY line has a byte that is no text");
    }
    if (line.len == PROXY_HEADER_V1_MAX_LEN)
        return bad(out_why, "the PROXY line is longer than 107 bytes");
    return PROXY_HEADER_MORE;
}

// ---- version 2 ----------------------------------------------------------------------------------

static size_t number_at(struct slice bytes, size_t at)
{
    return (size_t)bytes.data[at] << 8 | bytes.data[at + 1];
}

// addresses_len gives the bytes that the addresses and ports of a family take.
static size_t addresses_len(uint8_t family)
{
    return family == FAMILY_TCP4 ? 12 : family == FAMILY_TCP6 ? 36 : 0;
}

// sum_without gives the checksum of the header, the four bytes at `at` taken for zeros.
static uint32_t sum_without(struct slice header, size_t at)
{
    static const uint8_t zeros[CRC32C_LEN] = {0};
    uint32_t crc = crc32c_add(0, slice_first(header, at));
    crc = crc32c_add(crc, slice_of(zeros, sizeof zeros));
    return crc32c_add(crc, slice_from(header, at + CRC32C_LEN));
}

// check_parts goes over the parts of the header from `at` on. NULL, or why they are bad.
static const char *check_parts(struct slice header, size_t at)
{
    size_t sum_at = 0;
    while (at < header.len) {
        if (header.len - at < PART_HEAD_LEN ||
            header.len - at - PART_HEAD_LEN < number_at(header, at + 1))
            return "a part of the PROXY header is longer than the header";
        const size_t len = number_at(header, at + 1);
        if (header.data[at] == TYPE_CRC32C && (len != CRC32C_LEN || sum_at != 0))
            return "the PROXY header has a checksum of a wrong length, or two";
        if (header.data[at] == TYPE_CRC32C)
            sum_at = at + PART_HEAD_LEN;
        at += PART_HEAD_LEN + len;
    }
    if (sum_at != 0 && sum_without(header, sum_at) != ((uint32_t)number_at(header, sum_at) << 16 |
                                                       (uint32_t)number_at(header, sum_at + 2)))
        return "the checksum of the PROXY header is wrong";
    return NULL;
}

static enum proxy_header_status read_addresses(struct slice header, struct proxy_header *out,
                                               const char **out_why)
{
    const bool is_v4 = header.data[13] == FAMILY_TCP4;
    const size_t width = is_v4 ? 4 : 16;
    struct ip_addr source = {.family = is_v4 ? IP_V4 : IP_V6};
    (void)bytes_copy(source.bytes, sizeof source.bytes,
                     slice_of(header.data + V2_FIXED_LEN, width));
    return take_source(&source, (uint16_t)number_at(header, V2_FIXED_LEN + 2 * width), out,
                       out_why);
}

// read_whole reads a header of version 2 that is complete, and whose command and family are known.
static enum proxy_header_status read_whole(struct slice header, struct proxy_header *out,
                                           const char **out_why)
{
    const size_t parts_at = V2_FIXED_LEN + addresses_len(header.data[13]);
    out->is_unknown = header.data[12] == V2_LOCAL || header.data[13] == FAMILY_NONE;
    // What LOCAL says is not looked at (2.2), and without a family there may be anything.
    const char *why = out->is_unknown ? NULL : check_parts(header, parts_at);
    if (why != NULL)
        return bad(out_why, why);
    return out->is_unknown ? PROXY_HEADER_OK : read_addresses(header, out, out_why);
}

static enum proxy_header_status parse_v2(struct slice bytes, struct proxy_header *out,
                                         const char **out_why)
{
    if (bytes.len > 12 && bytes.data[12] != V2_LOCAL && bytes.data[12] != V2_PROXY)
        return bad(out_why, "the PROXY header has an unknown version or command");
    if (bytes.len > 13 && bytes.data[12] == V2_PROXY && bytes.data[13] != FAMILY_NONE &&
        addresses_len(bytes.data[13]) == 0)
        return bad(out_why, "the PROXY header is of another family than TCP over IPv4 or IPv6");
    if (bytes.len < V2_FIXED_LEN)
        return PROXY_HEADER_MORE;
    const size_t rest_len = number_at(bytes, 14);
    out->len = V2_FIXED_LEN + rest_len;
    if (out->len > PROXY_HEADER_MAX_LEN)
        return bad(out_why, "the PROXY header is longer than 4 KiB");
    if (bytes.data[12] == V2_PROXY && rest_len < addresses_len(bytes.data[13]))
        return bad(out_why, "the PROXY header is shorter than its addresses");
    if (bytes.len < out->len)
        return PROXY_HEADER_MORE;
    return read_whole(slice_first(bytes, out->len), out, out_why);
}

enum proxy_header_status proxy_header_parse(struct slice bytes, struct proxy_header *out,
                                            const char **out_why)
{
    const struct slice v1 = SLICE_LITERAL("PROXY ");
    const struct slice v2 = slice_of(signature, sizeof signature);
    *out = (struct proxy_header){0};
    if (bytes.len == 0)
        return PROXY_HEADER_MORE;
    const bool is_v1 = bytes.data[0] == v1.data[0];
    const struct slice start = is_v1 ? v1 : v2;
    if (!slice_equal(slice_first(bytes, start.len), slice_first(start, bytes.len)))
        return bad(out_why, "there is no PROXY header; this address has to send one first");
    if (bytes.len < start.len)
        return PROXY_HEADER_MORE;
    return is_v1 ? parse_v1(bytes, out, out_why) : parse_v2(bytes, out, out_why);
}
