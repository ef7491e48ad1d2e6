// Lines of digits.
#include "proxy/config/secret_lines.h"

#include "auth/base/hex.h"

enum { HEX_LEN = 2 * SECRET_LEN };

static bool secret_read(struct slice line, uint8_t out[SECRET_LEN])
{
    size_t digits = 0;
    return line.len == HEX_LEN && hex_read(line, out, SECRET_LEN, &digits) && digits == HEX_LEN;
}

size_t secret_lines_read(struct slice text, uint8_t out[SECRET_LINES_MAX][SECRET_LEN])
{
    size_t count = 0;
    while (text.len > 0) {
        const struct slice line = slice_first(text, slice_find(text, '\n'));
        if (count == SECRET_LINES_MAX || !secret_read(line, out[count]))
            return 0;
        count++;
        text = slice_from(text, line.len + 1);
    }
    return count;
}
