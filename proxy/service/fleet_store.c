// Thin, so that every part names keys and seals in one way.
#include "proxy/service/fleet_store.h"

#include <inttypes.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <sys/random.h>

#include "auth/base/text.h"
#include "proxy/audit/audit_log.h"
#include "proxy/clock/clock.h"
#include "proxy/fleet/fleet_page.h"
#include "proxy/fleet/fleet_scripts.h"

_Static_assert((int)FLEET_SEAL_LEN == (int)SHA_DIGEST_LENGTH, "as redis.sha1hex gives it");

enum {
    PAGE_COUNT = 100,        // entries that are asked for at once, about
    PAGE_BYTES = 256 * 1024, // of them
    NAME_BYTES_MAX = 32,
};

static const char page_text[] = FLEET_PAGE_SCRIPT;

// KEYS: a string. ARGV: the most bytes.
static const char read_text[] = FLEET_SCRIPT_ASK "local is = ask('GET', KEYS[1])\n"
                                                 "if mended > 0 then return '' end\n"
                                                 "if is and #is > tonumber(ARGV[1]) then\n"
                                                 "  redis.call('DEL', KEYS[1])\n"
                                                 "  return ''\n"
                                                 "end\n"
                                                 "return is\n";

void fleet_store_init(struct fleet_store *store)
{
    fleet_script_init(page_text, &store->page);
    fleet_script_init(read_text, &store->read);
}

bool fleet_make_name(char *out, size_t cap)
{
    uint8_t random[NAME_BYTES_MAX];
    const size_t len = (cap - 1) / 2;
    struct text text;
    ASSERT(len <= sizeof random);
    if (getrandom(random, len, 0) != (ssize_t)len)
        return false;
    text_init(&text, out, cap);
    text_append_hex(&text, slice_of(random, len));
    return true;
}

bool fleet_store_make_instance(struct fleet_store *store)
{
    struct audit_log_status audit;
    struct text text;
    audit_log_look(store->service->shared.audit, &audit);
    text_init(&text, store->instance, sizeof store->instance);
    text_append_format(&text, "%08" PRIx32, audit.instance);
    return fleet_make_name(store->instance + text.len, sizeof store->instance - text.len);
}

bool fleet_may_say(int64_t *quiet_until_ms)
{
    const int64_t now_ms = monotonic_ms();
    if (now_ms < *quiet_until_ms)
        return false;
    *quiet_until_ms = now_ms + FLEET_SAY_EVERY_MS;
    return true;
}

bool fleet_may_say_some(struct fleet_pace *pace)
{
    const int64_t now_ms = monotonic_ms();
    if (now_ms - pace->since_ms >= FLEET_SAY_EVERY_MS)
        *pace = (struct fleet_pace){.since_ms = now_ms};
    if (pace->count >= FLEET_SAID_MAX)
        return false;
    pace->count++;
    return true;
}

bool fleet_may_reseal(int64_t *resealed_ms)
{
    const int64_t now_ms = monotonic_ms();
    if (now_ms - *resealed_ms < FLEET_RESEAL_EVERY_MS)
        return false;
    *resealed_ms = now_ms;
    return true;
}

const char *fleet_store_silence(const struct fleet_store *store)
{
    if (store->is_ready)
        return NULL;
    if (store->is_foreign)
        return "what is in the store does not open with `shared.key_file`";
    if (store->link != NULL && store_link_facts(store->link)->state == STORE_READY)
        return "the store was not read yet";
    return "the store does not answer";
}

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

bool fleet_store_is_kept(const struct fleet_store *store)
{
    return store->key != NULL &&
           fleet_key_has_mark(store->key, slice_of_string(store->service->kept.store));
}

struct slice fleet_number_text(size_t number, char out[FLEET_NUMBER_CAP])
{
    struct text text;
    text_init(&text, out, FLEET_NUMBER_CAP);
    text_append_format(&text, "%zu", number);
    return text_slice(&text);
}

bool fleet_store_page(const struct fleet_store *store, struct slice key, struct slice cursor,
                      size_t most, store_reply_function *on_reply, void *owner)
{
    char numbers[3][FLEET_NUMBER_CAP];
    const struct slice arguments[] = {cursor, fleet_number_text(PAGE_COUNT, numbers[0]),
                                      fleet_number_text(most, numbers[1]),
                                      fleet_number_text(PAGE_BYTES, numbers[2])};
    const struct store_script_call call = {.script = &store->page,
                                           .keys = &key,
                                           .key_count = 1,
                                           .arguments = arguments,
                                           .argument_count = 4};
    return fleet_store_script(store, &call, on_reply, owner);
}

bool fleet_store_read(const struct fleet_store *store, struct slice key, size_t most,
                      store_reply_function *on_reply, void *owner)
{
    char number[FLEET_NUMBER_CAP];
    const struct slice most_text = fleet_number_text(most, number);
    const struct store_script_call call = {.script = &store->read,
                                           .keys = &key,
                                           .key_count = 1,
                                           .arguments = &most_text,
                                           .argument_count = 1};
    return fleet_store_script(store, &call, on_reply, owner);
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
    bool is_older = false;
    return fleet_store_open_by(store, purpose, name, sealed, out_len, &is_older);
}

uint8_t *fleet_store_open_by(const struct fleet_store *store, enum fleet_purpose purpose,
                             const char *name, struct slice sealed, size_t *out_len,
                             bool *out_is_older)
{
    size_t secret = 0;
    *out_is_older = false;
    if (store->key == NULL)
        return NULL;
    uint8_t *plain = malloc(sealed.len + 1);
    const bool is_open =
        plain != NULL && fleet_key_open_by(store->key, purpose, slice_of_string(name), sealed,
                                           plain, sealed.len, out_len, &secret);
    *out_is_older = secret != 0;
    if (is_open)
        return plain;
    free(plain);
    return NULL;
}

void fleet_store_digest(struct slice value, uint8_t out[FLEET_SEAL_LEN])
{
    (void)SHA1(value.data, value.len, out);
}

struct slice fleet_digest_text(const uint8_t digest[FLEET_SEAL_LEN], char out[FLEET_DIGEST_CAP])
{
    struct text text;
    text_init(&text, out, FLEET_DIGEST_CAP);
    text_append_hex(&text, slice_of(digest, FLEET_SEAL_LEN));
    return text_slice(&text);
}
