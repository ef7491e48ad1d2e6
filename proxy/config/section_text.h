// section_text: the lines of one outermost section of a configuration, found without reading the rest as YAML: of a file with a mistake
// in it, by which a proxy that runs must still be found.
//
// Bytes in, bytes out. What is found is a guess at what was meant; a command that goes by it has to say so.
#pragma once

#include "auth/base/slice.h"

// section_text_find gives the lines from `name:` at the beginning of a line to the next line that is neither indented, empty, a comment,
// nor the closing bracket of what was begun. Borrowed from `text`; empty where there is no such section, or more than one. Pure.
struct slice section_text_find(struct slice text, const char *name);

// section_text_shorten gives `section` without its last line; empty where it has only one. Pure.
struct slice section_text_shorten(struct slice section);
