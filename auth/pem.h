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

// pem_read_chain puts the certificates of `pem` behind those in `chain`, in their order, each as its
// DER, not yet looked at. Blocks of any other kind, of TRUSTED CERTIFICATE too, are skipped: the key
// may be in the same file. Errors as of pem_read_blocks.
enum err pem_read_chain(struct slice pem, STACK_OF(CRYPTO_BUFFER) *chain,
                        struct errinfo *info) MUST_USE;
