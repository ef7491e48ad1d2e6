// Optimal string alignment: Levenshtein's distance with swapped neighbours counted as one slip.
#include "proxy/config/spelling.h"

#include <stdint.h>

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

// distance counts the slips between two words of at most SPELLING_MAX_LEN bytes, case ignored.
static size_t distance(struct slice a, struct slice b)
{
    // Three rows of the table are enough: this one, the one before, and the one before that.
    uint8_t rows[3][SPELLING_MAX_LEN + 1];
    for (size_t j = 0; j <= b.len; j++)
        rows[0][j] = (uint8_t)j;
    for (size_t i = 1; i <= a.len; i++) {
        uint8_t *row = rows[i % 3];
        const uint8_t *above = rows[(i + 2) % 3];
        const uint8_t *twice_above = rows[(i + 1) % 3];
        row[0] = (uint8_t)i;
        for (size_t j = 1; j <= b.len; j++) {
            const uint8_t byte_a = ascii_lower(a.data[i - 1]);
            const uint8_t byte_b = ascii_lower(b.data[j - 1]);
            size_t best = above[j - 1] + (size_t)(byte_a != byte_b);
            best = least(best, (size_t)above[j] + 1);
            best = least(best, (size_t)row[j - 1] + 1);
            if (i > 1 && j > 1 && byte_a == ascii_lower(b.data[j - 2]) &&
                ascii_lower(a.data[i - 2]) == byte_b)
                best = least(best, (size_t)twice_above[j - 2] + 1);
            row[j] = (uint8_t)best;
        }
    }
    return rows[a.len % 3][b.len];
}

size_t spelling_nearest(struct slice s, const char *const *words, size_t count)
{
    size_t nearest = count;
    size_t nearest_distance = SIZE_MAX;
    if (s.len == 0 || s.len > SPELLING_MAX_LEN)
        return count;
    for (size_t i = 0; i < count; i++) {
        const struct slice word = slice_of_string(words[i]);
        if (word.len > SPELLING_MAX_LEN)
            continue;
        // One slip in short words, one more for every four letters.
        const size_t allowed = 1 + (s.len > word.len ? s.len : word.len) / 4;
        const size_t found = distance(s, word);
        if (found <= allowed && found < word.len && found < nearest_distance) {
            nearest = i;
            nearest_distance = found;
        }
    }
    return nearest;
}
