// One table of ranges says what is not seen.
#include "auth/base/utf8.h"

// unseen is what Unicode 15 puts into the categories Cc, Cf, Zl and Zp, in order, and what it keeps free for more of
// them (U+2065, the rest of U+E0000 to U+E0FFF).
static const struct {
    uint32_t first;
    uint32_t last;
} unseen[] = {
    {0x0, 0x1F},        {0x7F, 0x9F},       {0xAD, 0xAD},       {0x600, 0x605},
    {0x61C, 0x61C},     {0x6DD, 0x6DD},     {0x70F, 0x70F},     {0x890, 0x891},
    {0x8E2, 0x8E2},     {0x180E, 0x180E},   {0x200B, 0x200F},   {0x2028, 0x202E},
    {0x2060, 0x206F},   {0xFEFF, 0xFEFF},   {0xFFF9, 0xFFFB},   {0x110BD, 0x110BD},
    {0x110CD, 0x110CD}, {0x13430, 0x1343F}, {0x1BCA0, 0x1BCA3}, {0x1D173, 0x1D17A},
    {0xE0000, 0xE0FFF},
};

// Unicode 15, table 3-7.
size_t utf8_length(struct slice s)
{
    const uint8_t lead = s.data[0];
    if (lead < 0x80)
        return 1;
    size_t len = 0;
    uint8_t low = 0x80;
    uint8_t high = 0xBF;
    if (lead >= 0xC2 && lead <= 0xDF) {
        len = 2;
    } else if (lead >= 0xE0 && lead <= 0xEF) {
        len = 3;
        low = lead == 0xE0 ? 0xA0 : 0x80;
        high = lead == 0xED ? 0x9F : 0xBF;
    } else if (lead >= 0xF0 && lead <= 0xF4) {
        len = 4;
        low = lead == 0xF0 ? 0x90 : 0x80;
        high = lead == 0xF4 ? 0x8F : 0xBF;
    }
    if (len == 0 || s.len < len || s.data[1] < low || s.data[1] > high)
        return 0;
    for (size_t i = 2; i < len; i++) {
        if (s.data[i] < 0x80 || s.data[i] > 0xBF)
            return 0;
    }
    return len;
}

uint32_t utf8_code_point(struct slice character)
{
    static const uint8_t masks[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    uint32_t code = character.data[0] & masks[character.len];
    for (size_t i = 1; i < character.len; i++)
        code = code << 6 | (character.data[i] & 0x3F);
    return code;
}

bool utf8_is_unseen(struct slice character)
{
    const uint32_t code = utf8_code_point(character);
    if (code >= ' ' && code < 0x7F)
        return false;
    for (size_t i = 0; i < sizeof unseen / sizeof *unseen && unseen[i].first <= code; i++) {
        if (code <= unseen[i].last)
            return true;
    }
    return false;
}
