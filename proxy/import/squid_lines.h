// squid_lines: the text of a squid.conf, and of the lists that it names, as logical lines and words.
//
// Pure. What Squid reads in a way of its own, or two readers could read in two ways, is refused: bytes that are no text, lines
// longer than Squid's buffer, macros. (src/cache_cf.cc, parseOneConfigFile; src/ConfigParser.cc, TokenParse and strtokFile)
#pragma once

#include "auth/base/err.h"
#include "auth/base/slice.h"

enum {
    SQUID_LINE_MAX = 8190,             // bytes of a line in a file: above it Squid reads two
    SQUID_JOINED_MAX = 64 * 1024,      // bytes of a line after those that continue it
    SQUID_FILE_MAX = 16 * 1024 * 1024, // bytes of a file
};

// squid_text is where reading has come to. Fields are private.
struct squid_text {
    struct slice rest;
    uint32_t line;
};

// squid_text_start begins at the first line of `bytes`, which stay borrowed.
void squid_text_start(struct squid_text *text, struct slice bytes);

// squid_line_next reads the next line that is neither empty nor a comment into `buffer` of SQUID_JOINED_MAX bytes, with the
// lines that a final backslash joins to it; `*line` is the number of its first line. ERR_EOF after the last one; ERR_INPUT, with
// the sentence in `info`, where it cannot be read.
enum err squid_line_next(struct squid_text *text, uint8_t *buffer, struct slice *out,
                         uint32_t *line, struct errinfo *info) MUST_USE;

// squid_entry_next reads the next entry of a list file: a line without comment and blanks round it. As squid_line_next.
enum err squid_entry_next(struct squid_text *text, struct slice *out, uint32_t *line,
                          struct errinfo *info) MUST_USE;

// squid_word_next takes the next word off `rest`; false where there is none, or a comment begins.
bool squid_word_next(struct slice *rest, struct slice *out);

// squid_word_is compares without case, as Squid does with the names of directives and types.
bool squid_word_is(struct slice word, const char *text);
