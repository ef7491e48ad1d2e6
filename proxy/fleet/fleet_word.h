// fleet_word: the text of one word on a block, as it stands sealed in a store. Pure.
//
//     {"v":1,"block":"client:scrapers","op":"block","version":7,"since":1795311600,"uid":0,"by":"0123456789abcdef",
//     "after":6,"after_by":"fedcba9876543210"}
#pragma once

#include "auth/base/text.h"
#include "proxy/fleet/fleet_blocks.h"

enum {
    FLEET_WORD_MAX = 3 * BLOCK_TEXT_CAP + 320
}; // bytes of a text; a block's own may have to be escaped

// fleet_op_name gives `block` or `unblock`; static memory. fleet_op_parse reads it; false: it is neither.
const char *fleet_op_name(enum fleet_op op);
bool fleet_op_parse(struct slice name, enum fleet_op *out);

// fleet_instance_is tells whether this is how an instance is called: 16 lower-case hexadecimal digits.
bool fleet_instance_is(struct slice name);

// fleet_word_format adds the text to `out`, whose `is_cut` tells when it did not fit.
void fleet_word_format(const struct fleet_word *word, struct text *out);

// fleet_word_parse reads it. `text` has the block's own text afterwards, which `out` borrows. ERR_INPUT, ERR_LIMIT or ERR_MEMORY
// with a sentence in `info`.
enum err fleet_word_parse(struct slice bytes, char text[BLOCK_TEXT_CAP], struct fleet_word *out,
                          struct errinfo *info) MUST_USE;
