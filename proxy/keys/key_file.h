// key_file: what the key holder tells of a file: the public half of the key in it, or its certificates. Nothing else of a file
// ever leaves the holder. The digest of a file tells whether its content has changed, and nothing else: it is one of a secret and the
// content, so that nobody can find a short content by guessing.
#pragma once

#include "proxy/keys/key_folders.h"
#include "proxy/keys/key_table.h"

// key_file is an answer with the memory for its bytes. key_file_deinit follows.
struct key_file {
    struct key_message answer;
    uint8_t *memory; // owned; of OPENSSL_malloc
    struct errinfo info;
};

// key_file_open opens the file that `request`, an OPEN, names, and makes the answer. A key in it is in the table afterwards.
void key_file_open(struct key_folders *folders, struct key_table *table,
                   const struct key_message *request, struct key_file *out);

void key_file_deinit(struct key_file *file);

// key_file_take_certificates copies the blocks with certificates of a PEM text to `out`, which has room for all of it, and
// gives their length. Of a block without an end only its first line is copied. Pure.
size_t key_file_take_certificates(struct slice pem, uint8_t *out);
