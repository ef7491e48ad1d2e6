// json_text: a JSON text from a file, read strictly: UTF-8, one value, no key twice in an object. Pure.
#pragma once

#include <jansson.h>

#include "auth/base/err.h"
#include "auth/base/slice.h"

// json_text_read reads the whole of `bytes`. The caller owns `*out` (json_decref). ERR_INPUT with the place and what is
// wrong there in `info`, or ERR_MEMORY.
enum err json_text_read(struct slice bytes, json_t **out, struct errinfo *info) MUST_USE;
