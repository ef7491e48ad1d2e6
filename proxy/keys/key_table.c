// A list: a proxy has a handful of keys. What is signed is signed without the lock.
#include "proxy/keys/key_table.h"

#include <openssl/bytestring.h>
#include <openssl/err.h>
#include <openssl/mem.h>
#include <openssl/sha.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "proxy/keys/signable.h"
#include "proxy/tls/private_key.h"

struct held_key {
    atomic_uint refs;
    unsigned opened; // under the lock
    uint8_t name[KEY_NAME_LEN];
    EVP_PKEY *tls;             // owned; NULL: it signs audit logs
    struct note_signer signer; // where it does
};

static void unref(struct held_key *key)
{
    if (atomic_fetch_sub_explicit(&key->refs, 1, memory_order_acq_rel) != 1)
        return;
    EVP_PKEY_free(key->tls);
    OPENSSL_free(key); // which wipes it
}

bool key_table_init(struct key_table *table, struct key_history *history)
{
    *table = (struct key_table){.history = history};
    return pthread_mutex_init(&table->mutex, NULL) == 0;
}

void key_table_deinit(struct key_table *table)
{
    for (size_t i = 0; i < table->count; i++)
        unref(table->keys[i]);
    (void)pthread_mutex_destroy(&table->mutex);
}

// find_index gives the key's place; `count` where it is not there. Under the lock.
static size_t find_index(const struct key_table *table, const uint8_t name[KEY_NAME_LEN])
{
    size_t at = 0;
    while (at < table->count && memcmp(table->keys[at]->name, name, KEY_NAME_LEN) != 0)
        at++;
    return at;
}

// add_locked counts the opening of a key. `*out_is_kept` tells whether the table has taken it: it may be there already.
static enum err add_locked(struct key_table *table, struct held_key *key, bool *out_is_kept)
{
    const size_t at = find_index(table, key->name);
    *out_is_kept = at == table->count && at < KEY_TABLE_MAX;
    if (*out_is_kept)
        table->keys[table->count++] = key;
    else if (at == table->count || table->keys[at]->opened == KEY_OPENED_MAX)
        return ERR_LIMIT;
    else
        table->keys[at]->opened++;
    return ERR_OK;
}

static enum err add(struct key_table *table, struct held_key *key, uint8_t out_name[KEY_NAME_LEN],
                    struct errinfo *info)
{
    bool is_kept = false;
    (void)bytes_copy(out_name, KEY_NAME_LEN, slice_of(key->name, KEY_NAME_LEN));
    (void)pthread_mutex_lock(&table->mutex);
    const enum err error = add_locked(table, key, &is_kept);
    (void)pthread_mutex_unlock(&table->mutex);
    if (!is_kept)
        unref(key);
    return error == ERR_OK
               ? ERR_OK
               : errinfo_set(info, error, "more than %d private keys are in use", KEY_TABLE_MAX);
}

static struct held_key *make(void)
{
    struct held_key *key = OPENSSL_malloc(sizeof *key);
    if (key == NULL)
        return NULL;
    *key = (struct held_key){.opened = 1};
    atomic_init(&key->refs, 1);
    return key;
}

// name_of writes the SHA-256 of a key's public half.
static bool name_of(const EVP_PKEY *key, uint8_t out[KEY_NAME_LEN])
{
    CBB cbb;
    uint8_t *der = NULL;
    size_t len = 0;
    if (!CBB_init(&cbb, 512))
        return false;
    const bool is_good = EVP_marshal_public_key(&cbb, key) && CBB_finish(&cbb, &der, &len);
    if (is_good)
        (void)SHA256(der, len, out);
    else
        CBB_cleanup(&cbb);
    OPENSSL_free(der);
    ERR_clear_error();
    return is_good;
}

enum err key_table_add_tls(struct key_table *table, EVP_PKEY *key, uint8_t out_name[KEY_NAME_LEN],
                           struct errinfo *info)
{
    struct held_key *held = make();
    if (held == NULL || !name_of(key, held->name)) {
        EVP_PKEY_free(key);
        OPENSSL_free(held);
        return errinfo_set(info, ERR_MEMORY, "no memory for a private key");
    }
    held->tls = key;
    return add(table, held, out_name, info);
}

enum err key_table_add_signer(struct key_table *table, const struct note_signer *signer,
                              uint8_t out_name[KEY_NAME_LEN], struct errinfo *info)
{
    struct held_key *held = make();
    if (held == NULL)
        return errinfo_set(info, ERR_MEMORY, "no memory for a private key");
    SHA256_CTX hash;
    (void)SHA256_Init(&hash);
    (void)SHA256_Update(&hash, signer->verifier.name, strlen(signer->verifier.name) + 1);
    (void)SHA256_Update(&hash, signer->verifier.key, sizeof signer->verifier.key);
    (void)SHA256_Final(held->name, &hash);
    held->signer = *signer;
    return add(table, held, out_name, info);
}

void key_table_close(struct key_table *table, const uint8_t name[KEY_NAME_LEN])
{
    struct held_key *gone = NULL;
    (void)pthread_mutex_lock(&table->mutex);
    const size_t at = find_index(table, name);
    if (at < table->count && --table->keys[at]->opened == 0) {
        gone = table->keys[at];
        table->keys[at] = table->keys[--table->count];
    }
    (void)pthread_mutex_unlock(&table->mutex);
    if (gone != NULL)
        unref(gone);
}

// take gives a reference to a key; NULL: it is not there.
static struct held_key *take(struct key_table *table, const uint8_t name[KEY_NAME_LEN])
{
    (void)pthread_mutex_lock(&table->mutex);
    const size_t at = find_index(table, name);
    struct held_key *key = at < table->count ? table->keys[at] : NULL;
    if (key != NULL)
        (void)atomic_fetch_add_explicit(&key->refs, 1, memory_order_relaxed);
    (void)pthread_mutex_unlock(&table->mutex);
    return key;
}

enum err key_table_sign(struct key_table *table, const struct key_message *request, uint8_t *out,
                        size_t *out_len, struct errinfo *info)
{
    const enum signable message = signable_by_tls(request->bytes);
    if (message == SIGNABLE_NOT)
        return errinfo_set(info, ERR_DENIED, "this is nothing that TLS signs");
    struct held_key *key = take(table, request->name);
    if (key == NULL)
        return errinfo_set(info, ERR_INPUT, "there is no such key");
    enum err error = ERR_INPUT;
    if (key->tls != NULL && signable_with(message, request->algorithm))
        error = private_key_sign(key->tls, request->algorithm, request->bytes, out, out_len);
    unref(key);
    return error == ERR_OK ? ERR_OK
                           : errinfo_set(info, error, "the key does not sign with this algorithm");
}

enum err key_table_checkpoint(struct key_table *table, const struct key_message *request,
                              struct text *out, struct errinfo *info)
{
    struct checkpoint next = {
        .instance = request->instance, .size = request->size, .is_end = request->is_end};
    (void)bytes_copy(next.root.bytes, sizeof next.root.bytes,
                     slice_of(request->root, sizeof request->root));
    struct held_key *key = take(table, request->name);
    enum err error = ERR_OK;
    if (key == NULL || key->tls != NULL)
        error = errinfo_set(info, ERR_INPUT, "there is no such key");
    else
        error = key_history_add(table->history, request->name, &next, info);
    if (error == ERR_OK)
        checkpoint_format(&next, &key->signer, out);
    if (key != NULL)
        unref(key);
    return error;
}
