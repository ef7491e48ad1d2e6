// Thin, so that every part names keys and seals in one way.
#include "proxy/service/fleet_store.h"

#include <openssl/sha.h>
#include <stdlib.h>

#include "auth/base/text.h"
#include "proxy/clock/clock.h"
#include "proxy/fleet/fleet_scripts.h"

_Static_assert((int)FLEET_SEAL_LEN == (int)SHA_DIGEST_LENGTH, "as redis.sha1hex gives it");

struct slice fleet_store_key(const struct fleet_store *store, const char *name, const char *more,
                             char out[FLEET_KEY_CAP])
{
    struct text text;
    text_init(&text, out, FLEET_KEY_CAP);
    text_append_string(&text, store->prefix);
    text_append_string(&text, name);
    text_append_string(&text, more);
    ASSERT(!text.is_cut);
    return text_slice(&text);
}

bool fleet_store_call(const struct fleet_store *store, const struct slice *words, size_t count,
                      store_reply_function *on_reply, void *owner)
{
    return store->link != NULL && store_link_call(store->link, words, count,
                                                  monotonic_ms() + FLEET_CALL_MS, on_reply, owner);
}

bool fleet_store_script(const struct fleet_store *store, const struct store_script_call *call,
                        store_reply_function *on_reply, void *owner)
{
    return store->link != NULL &&
           store_link_script(store->link, call, monotonic_ms() + FLEET_CALL_MS, on_reply, owner);
}

void fleet_script_init(const char *text, struct store_script *out)
{
    out->text = text;
    fleet_script_name(text, out->sha1);
}

uint8_t *fleet_store_seal(const struct fleet_store *store, enum fleet_purpose purpose,
                          const char *name, struct slice plain, size_t *out_len)
{
    if (store->key == NULL)
        return NULL;
    uint8_t *sealed = malloc(plain.len + FLEET_SEAL_OVERHEAD);
    if (sealed != NULL && fleet_key_seal(store->key, purpose, slice_of_string(name), plain, sealed,
                                         plain.len + FLEET_SEAL_OVERHEAD, out_len))
        return sealed;
    free(sealed);
    return NULL;
}

uint8_t *fleet_store_open(const struct fleet_store *store, enum fleet_purpose purpose,
                          const char *name, struct slice sealed, size_t *out_len)
{
    if (store->key == NULL)
        return NULL;
    uint8_t *plain = malloc(sealed.len + 1);
    if (plain != NULL && fleet_key_open(store->key, purpose, slice_of_string(name), sealed, plain,
                                        sealed.len, out_len))
        return plain;
    free(plain);
    return NULL;
}

void fleet_store_digest(struct slice value, uint8_t out[FLEET_SEAL_LEN])
{
    (void)SHA1(value.data, value.len, out);
}
