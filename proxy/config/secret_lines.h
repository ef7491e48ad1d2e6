// secret_lines: secrets as files have them: one to three lines of 64 hexadecimal digits, and nothing else. Pure.
#pragma once

#include "auth/base/slice.h"

enum { SECRET_LEN = 32, SECRET_LINES_MAX = 3, SECRET_LINES_FILE_MAX = 4096 };

// secret_lines_read reads them into `out` and gives their number; 0: it is no such file.
size_t secret_lines_read(struct slice text, uint8_t out[SECRET_LINES_MAX][SECRET_LEN]);
