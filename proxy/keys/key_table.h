// key_table: the private keys that the holder has: each under its name, as often as it was opened.
//
// Thread-safe. A key that is being used stays until that has ended, also when it is closed meanwhile.
#pragma once

#include <openssl/evp.h>
#include <pthread.h>

#include "proxy/keys/key_history.h"

enum {
    KEY_TABLE_MAX = 1024,     // keys
    KEY_OPENED_MAX = 1 << 20, // times that one key is open
};

struct held_key;

struct key_table {
    pthread_mutex_t mutex;
    struct held_key *keys[KEY_TABLE_MAX]; // refs
    size_t count;
    struct key_history *history; // borrowed; of checkpoints
};

// key_table_init makes an empty one. False without memory.
bool key_table_init(struct key_table *table, struct key_history *history) MUST_USE;
void key_table_deinit(struct key_table *table);

// key_table_add_tls adds a key for TLS, which is taken over, and writes its name. ERR_LIMIT beyond the bounds, ERR_MEMORY.
enum err key_table_add_tls(struct key_table *table, EVP_PKEY *key, uint8_t out_name[KEY_NAME_LEN],
                           struct errinfo *info) MUST_USE;

// key_table_add_signer adds a copy of a key that signs audit logs.
enum err key_table_add_signer(struct key_table *table, const struct note_signer *signer,
                              uint8_t out_name[KEY_NAME_LEN], struct errinfo *info) MUST_USE;

// key_table_close undoes one opening. A name that is not there is nothing.
void key_table_close(struct key_table *table, const uint8_t name[KEY_NAME_LEN]);

// key_table_sign signs what TLS signs, in `out` of SIGNATURE_MAX bytes. ERR_DENIED: the message is not one of TLS. ERR_INPUT:
// no such key, or not with this algorithm. A sentence in `info`.
enum err key_table_sign(struct key_table *table, const struct key_message *request, uint8_t *out,
                        size_t *out_len, struct errinfo *info) MUST_USE;

// key_table_checkpoint signs a checkpoint that is larger than the last one of its instance, or the same once more, into `out`
// of at least CHECKPOINT_CAP bytes. Errors are those of key_history_add. Otherwise as above.
enum err key_table_checkpoint(struct key_table *table, const struct key_message *request,
                              struct text *out, struct errinfo *info) MUST_USE;
