// Follows TLS record headers (RFC 8446 5.1): type, legacy version, length.
#include "proxy/net/records.h"

enum {
    RECORD_TYPE_FIRST = 20, // change_cipher_spec
    RECORD_TYPE_LAST = 24,  // heartbeat
    RECORD_BODY_MAX = 16384 + 2048,
};

// is_sane checks as much of a header as is there.
static bool is_sane(const uint8_t *header, size_t len)
{
    if (len > 0 && (header[0] < RECORD_TYPE_FIRST || header[0] > RECORD_TYPE_LAST))
        return false;
    if (len > 1 && header[1] != 3)
        return false;
    if (len > 2 && header[2] > 4)
        return false;
    return len < RECORD_HEADER_LEN || (header[3] << 8 | header[4]) <= RECORD_BODY_MAX;
}

// feed_header takes what it needs of `bytes` for the header and returns how much that was.
static size_t feed_header(struct record_scanner *scanner, struct slice bytes)
{
    size_t taken = 0;
    while (scanner->header_len < RECORD_HEADER_LEN && taken < bytes.len)
        scanner->header[scanner->header_len++] = bytes.data[taken++];
    if (!is_sane(scanner->header, scanner->header_len)) {
        scanner->is_plain = true;
    } else if (scanner->header_len == RECORD_HEADER_LEN) {
        scanner->body_left = (uint32_t)(scanner->header[3] << 8 | scanner->header[4]);
        scanner->header_len = 0;
    }
    return taken;
}

size_t record_scanner_piece(const struct record_scanner *scanner, struct slice bytes)
{
    if (scanner->is_plain)
        return bytes.len;
    struct record_scanner ahead = *scanner;
    size_t len = 0;
    if (ahead.body_left == 0) {
        len = feed_header(&ahead, bytes);
        if (ahead.is_plain)
            return bytes.len;
    }
    const size_t rest = bytes.len - len;
    return len + (rest < ahead.body_left ? rest : ahead.body_left);
}

void record_scanner_advance(struct record_scanner *scanner, struct slice bytes)
{
    while (bytes.len > 0 && !scanner->is_plain) {
        size_t taken = 0;
        if (scanner->body_left == 0) {
            taken = feed_header(scanner, bytes);
        } else {
            taken = bytes.len < scanner->body_left ? bytes.len : scanner->body_left;
            scanner->body_left -= (uint32_t)taken;
        }
        bytes = slice_from(bytes, taken);
    }
}
