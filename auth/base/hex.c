// Digits to bytes. What else a format asks for (their number, no colons, one case) is for its reader.
#include "auth/base/hex.h"

int hex_digit(uint8_t byte)
{
    const uint8_t lower = ascii_lower(byte);
    if (lower >= '0' && lower <= '9')
        return lower - '0';
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool hex_is_lower(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (hex_digit(text.data[i]) < 0 || (text.data[i] >= 'A' && text.data[i] <= 'F'))
            return false;
    }
    return true;
}

bool hex_read(struct slice text, uint8_t *out, size_t cap, size_t *out_digits)
{
    size_t digit_count = 0;
    for (size_t i = 0; i < text.len; i++)
        digit_count += text.data[i] != ':';
    if (digit_count == 0 || (digit_count + 1) / 2 > cap)
        return false;
    size_t position = digit_count % 2; // counted in digits, from the 0 in front if there is one
    for (size_t i = 0; i < cap; i++)
        out[i] = 0;
    for (size_t i = 0; i < text.len; i++) {
        const int digit = hex_digit(text.data[i]);
        if (text.data[i] == ':')
            continue;
        if (digit < 0)
            return false;
        out[position / 2] = (uint8_t)(out[position / 2] | (position % 2 == 0 ? digit << 4 : digit));
        position++;
    }
    *out_digits = digit_count;
    return true;
}
