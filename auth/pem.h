// pem: the blocks of a PEM text, one after the other.
//
// Pure: bytes in, blocks out. What a block means is its reader's business.
#pragma once

#include <openssl/pool.h>
#include <stddef.h>

#include "auth/base/err.h"
#include "auth/base/slice.h"

// pem_block_function takes one block; `number` is its place, from 1. `der` is borrowed for the
// call. An error ends the reading and is given to the caller.
typedef enum err pem_block_function(void *arg, const char *kind, struct slice der, size_t number,
                                    struct errinfo *info);

// pem_read_blocks gives every block of `pem` to `on_block`, in order, and their number to
// `*out_count`, which may be 0. Text between blocks is skipped. ERR_INPUT when one is damaged or
// cut off, ERR_MEMORY, or what `on_block` says.
enum err pem_read_blocks(struct slice pem, pem_block_function *on_block, void *arg,
                         size_t *out_count, struct errinfo *info) MUST_USE;

// pem_cursor is a place in a PEM text, for reading on after a block that is damaged.
struct pem_cursor {
    struct slice rest; // borrowed; what has not been looked at
    uint32_t line;     // lines before it
};

// pem_next_block gives the text from one line that begins a block to the next such line, or to the end, and the
// number of its line, from 1. It says nothing about whether the block is whole. False when there is none left.
bool pem_next_block(struct pem_cursor *cursor, struct slice *out, uint32_t *out_line);

// pem_left_out says which blocks of a text could not be read and were left out.
struct pem_left_out {
    size_t count;
    uint32_t first_line; // where the first of them begins, from 1
};

// pem_read_chain puts the certificates of `pem` after those in `chain`, in their order, each as its
// DER, not yet looked at. Blocks of any other kind, of TRUSTED CERTIFICATE too, are skipped: the key
// may be in the same file. Errors as of pem_read_blocks.
enum err pem_read_chain(struct slice pem, STACK_OF(CRYPTO_BUFFER) *chain,
                        struct errinfo *info) MUST_USE;
