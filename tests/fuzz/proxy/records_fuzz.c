// Fuzzes record_scanner: the first byte says how the rest arrives. The pieces put together are the
// input, none is empty, and their borders are those of a scanner that sees everything at once.
#include "auth/base/err.h"
#include "proxy/net/records.h"

enum { INPUT_MAX = 128 * 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// is_border tells whether a record ends in front of the next byte, as the scanner sees it.
static bool is_border(const struct record_scanner *scanner)
{
    return !scanner->is_plain && scanner->body_left == 0 && scanner->header_len == 0;
}

static bool is_same(const struct record_scanner *a, const struct record_scanner *b)
{
    return a->is_plain == b->is_plain &&
           (a->is_plain || (a->body_left == b->body_left && a->header_len == b->header_len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const size_t arrive = 1 + (data[0] & 15u) * 37u;
    const size_t accept = 1 + (data[0] >> 4) * 41u;
    const struct slice input = slice_first(slice_of(data + 1, size - 1), INPUT_MAX);
    struct record_scanner scanner = {0};
    struct record_scanner reference = {0};
    size_t sent = 0;
    for (size_t there = 0; sent < input.len;) {
        there = there + arrive < input.len ? there + arrive : input.len;
        while (sent < there) {
            const struct slice unread = slice_of(input.data + sent, there - sent);
            const size_t piece = record_scanner_piece(&scanner, unread);
            ASSERT(piece >= 1 && piece <= unread.len);
            const size_t len = piece < accept ? piece : accept;
            record_scanner_advance(&scanner, slice_first(unread, len));
            // Byte by byte: no record may end before the last byte of the piece.
            for (size_t i = 0; i < len; i++) {
                record_scanner_advance(&reference, slice_of(unread.data + i, 1));
                ASSERT(!is_border(&reference) || i + 1 == piece);
            }
            ASSERT(is_same(&scanner, &reference));
            ASSERT(piece == unread.len || len < piece || is_border(&scanner));
            sent += len;
        }
    }
    ASSERT(sent == input.len);
    return 0;
}
