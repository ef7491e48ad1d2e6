// The parts follow the addresses; the length of all stands in front, and is written last.
#include "proxy/net/proxy_header_out.h"

enum {
    FIXED_LEN = 16,
    PROXY_V2 = 0x21,
    FAMILY_NONE = 0x00,
    FAMILY_TCP4 = 0x11,
    FAMILY_TCP6 = 0x21,
    TYPE_UNIQUE_ID = 0x05,
    TYPE_SSL = 0x20,
    TYPE_SSL_VERSION = 0x21,
    TYPE_SSL_CN = 0x22,
    TYPE_SSL_CIPHER = 0x23,
    CLIENT_SSL = 0x01,       // over TLS
    CLIENT_CERT_CONN = 0x02, // with a certificate, on this connection
    CLIENT_CERT_SESS = 0x04, // or on one of this TLS session
    PART_HEAD_LEN = 3,
};

// writer is the header as far as it has come.
struct writer {
    uint8_t *data;
    size_t len;
};

static void put(struct writer *writer, struct slice bytes)
{
    const bool fits =
        bytes_copy(writer->data + writer->len, PROXY_HEADER_OUT_CAP - writer->len, bytes);
    ASSERT(fits);
    writer->len += bytes.len;
}

static void put_byte(struct writer *writer, uint8_t byte)
{
    put(writer, slice_of(&byte, 1));
}

static void put_short(struct writer *writer, size_t number)
{
    put_byte(writer, (uint8_t)(number >> 8));
    put_byte(writer, (uint8_t)number);
}

// begin_part starts a part and gives where it begins; end_part writes its length.
static size_t begin_part(struct writer *writer, uint8_t type)
{
    const size_t at = writer->len;
    put_byte(writer, type);
    put_short(writer, 0);
    return at;
}

static void end_part(struct writer *writer, size_t at)
{
    const size_t len = writer->len - at - PART_HEAD_LEN;
    writer->data[at + 1] = (uint8_t)(len >> 8);
    writer->data[at + 2] = (uint8_t)len;
}

static void put_part(struct writer *writer, uint8_t type, struct slice value)
{
    const size_t at = begin_part(writer, type);
    put(writer, value);
    end_part(writer, at);
}

// put_address writes an address; IPv4 among IPv6 as a mapped one.
static void put_address(struct writer *writer, const struct ip_addr *address, bool is_v6)
{
    static const uint8_t mapped[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
    if (is_v6 && address->family == IP_V4)
        put(writer, slice_of(mapped, sizeof mapped));
    put(writer, ip_addr_slice(address));
}

static void put_ends(struct writer *writer, const struct proxy_header_out *out)
{
    const bool is_v6 = out->source.family == IP_V6 || out->target.family == IP_V6;
    put_address(writer, &out->source, is_v6);
    put_address(writer, &out->target, is_v6);
    put_short(writer, out->source_port);
    put_short(writer, out->target_port);
}

// is_told tells whether a name goes out: not one that is too long, and not one with bytes that end or change a line where a
// target writes it down (C0 and DEL).
static bool is_told(struct slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        if (name.data[i] < ' ' || name.data[i] == 0x7F)
            return false;
    }
    return name.len > 0 && name.len <= PROXY_HEADER_NAME_MAX;
}

// put_tls writes what is known of the client's TLS: flags, four bytes that are zero where its certificate was verified, and
// parts of their own.
static void put_tls(struct writer *writer, const struct proxy_header_out *out)
{
    const size_t at = begin_part(writer, TYPE_SSL);
    uint8_t flags = CLIENT_SSL;
    if (out->has_certificate)
        flags |= out->is_resumed ? CLIENT_CERT_SESS : CLIENT_CERT_CONN | CLIENT_CERT_SESS;
    put_byte(writer, flags);
    put_short(writer, 0);
    put_short(writer, out->has_certificate ? 0 : 1);
    const size_t version_at = begin_part(writer, TYPE_SSL_VERSION);
    put(writer, SLICE_LITERAL("TLSv"));
    put(writer, slice_of_string(out->tls_version));
    end_part(writer, version_at);
    if (is_told(out->cert_name))
        put_part(writer, TYPE_SSL_CN, out->cert_name);
    put_part(writer, TYPE_SSL_CIPHER, slice_of_string(out->tls_cipher));
    end_part(writer, at);
}

size_t proxy_header_format(const struct proxy_header_out *out, uint8_t header[PROXY_HEADER_OUT_CAP])
{
    static const uint8_t signature[] = {'\r', '\n', '\r', '\n', 0,   '\r',
                                        '\n', 'Q',  'U',  'I',  'T', '\n'};
    struct writer writer = {.data = header};
    const bool is_known = out->source.family != IP_NONE;
    const bool is_v6 = out->source.family == IP_V6 || out->target.family == IP_V6;
    put(&writer, slice_of(signature, sizeof signature));
    put_byte(&writer, PROXY_V2);
    put_byte(&writer, !is_known ? FAMILY_NONE : is_v6 ? FAMILY_TCP6 : FAMILY_TCP4);
    put_short(&writer, 0);
    if (is_known)
        put_ends(&writer, out);
    put_part(&writer, TYPE_UNIQUE_ID, slice_first(out->id, PROXY_HEADER_ID_MAX));
    put_tls(&writer, out);
    header[FIXED_LEN - 2] = (uint8_t)((writer.len - FIXED_LEN) >> 8);
    header[FIXED_LEN - 1] = (uint8_t)(writer.len - FIXED_LEN);
    return writer.len;
}
