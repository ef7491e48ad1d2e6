// json: a strict reader for what the audit writes (RFC 8259), for tests only.
//
// Stricter than the RFC: names in an object are unique, strings are UTF-8 and hold no character that
// could end a line or drive a terminal. Shares no code with the writer.
#pragma once

#include <stdbool.h>

#include "auth/base/slice.h"

// json_is_line tells whether `text` is one JSON object and a line break, and nothing else.
bool json_is_line(struct slice text);

// json_find gives the raw text of a member, `decision.rule` for example, of a valid object; an empty
// slice when there is none.
struct slice json_find(struct slice object, const char *path);
