// named_files: the files that a configuration names: each is read once and noted in the reader, so that
// it can be watched.
#pragma once

#include "proxy/config/file.h"
#include "proxy/config/reader.h"

// reader_file reads the file that `node` names, of at most `max_len` bytes. On `true` the content is the
// caller's; otherwise an error has been reported. `*out_path` is set when the path could be read. NULL
// gives `false`.
bool reader_file(struct reader *reader, const struct node *node, const char *what, size_t max_len,
                 enum file_access access, const char **out_path, struct file_content *out);

// reader_file_at reads the file at `path`, which `node` names; otherwise as reader_file.
bool reader_file_at(struct reader *reader, const struct node *node, const char *what,
                    const char *path, size_t max_len, enum file_access access,
                    struct file_content *out);

// reader_list_file reads a list of hosts or addresses: a list_file_read.
bool reader_list_file(struct reader *reader, const struct node *node, const char *path,
                      struct file_content *out);

// reader_note_file notes that `path` was read and had this content; NULL `bytes.data` for a folder.
void reader_note_file(struct reader *reader, const char *path, struct slice bytes);

// reader_note_apart likewise for a file that the process that holds the private keys has read.
void reader_note_apart(struct reader *reader, const char *path, const uint8_t sha256[32],
                       bool has_key);

// reader_mark_apart marks the file that was noted last as one that the process that holds the private keys reads, where keys are apart.
void reader_mark_apart(struct reader *reader, bool has_key);

// folder_of returns the folder that the paths of the configuration at `path` are relative to, in the
// arena; NULL without memory.
const char *folder_of(struct arena *arena, const char *path) MUST_USE;
