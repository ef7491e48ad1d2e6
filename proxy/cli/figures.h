// figures: numbers as people read them: three digits and a unit. Pure.
#pragma once

#include <stdint.h>

enum {
    FIGURE_CAP = 24
}; // bytes, with the NUL; a figure has at most 8 characters below 1000 days and an exbibyte

// figure_bytes writes `722 B`, `1.6 KiB`, `12 MiB`, NUL-terminated, and returns `out`.
const char *figure_bytes(uint64_t bytes, char out[FIGURE_CAP]);

// figure_age writes `42s`, `4m10s`, `3h04m` or `12d03h`, likewise. What is negative counts as 0.
const char *figure_age(int64_t seconds, char out[FIGURE_CAP]);
