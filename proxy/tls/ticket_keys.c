// A ticket is ciphertext and tag, nonce, name of the key: XChaCha20-Poly1305, whose nonces are long
// enough to be random. Name and binding are authenticated with it.
#include "proxy/tls/ticket_keys.h"

#include <openssl/aead.h>
#include <openssl/digest.h>
#include <openssl/hkdf.h>
#include <openssl/mem.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdlib.h>

enum {
    NAME_LEN = 16,
    KEY_LEN = 32,
    NONCE_LEN = 24,
    TAG_LEN = 16,
    PERIODS = 3, // this one, the last, and the next, for clocks that are ahead
    SLOTS_MAX = TICKET_SECRETS_MAX * PERIODS,
    RANDOM_MAX = 2, // this period's, and the last one's
    EXPORT_HEAD_LEN = 2 * sizeof(int64_t),
};

_Static_assert((int)TICKET_OVERHEAD == (int)NAME_LEN + (int)NONCE_LEN + (int)TAG_LEN, "format");

// slot is a key with its name. Both are made at once, as the bytes of the slot.
struct slot {
    uint8_t name[NAME_LEN];
    uint8_t key[KEY_LEN];
};

_Static_assert(sizeof(struct slot) == (size_t)NAME_LEN + (size_t)KEY_LEN, "no padding");

_Static_assert(TICKET_EXPORT_CAP == EXPORT_HEAD_LEN + RANDOM_MAX * sizeof(struct slot), "format");

struct ticket_keys {
    pthread_mutex_t lock; // of all below
    struct ticket_settings settings;
    int64_t period;               // that the slots are of
    struct slot slots[SLOTS_MAX]; // the first one seals
    size_t slot_count;            // 0: none made yet
};

struct ticket_keys *ticket_keys_create(const struct ticket_settings *settings)
{
    struct ticket_keys *keys = calloc(1, sizeof *keys);
    if (keys == NULL)
        return NULL;
    keys->settings = *settings;
    if (pthread_mutex_init(&keys->lock, NULL) == 0)
        return keys;
    free(keys);
    return NULL;
}

void ticket_keys_destroy(struct ticket_keys *keys)
{
    if (keys == NULL)
        return;
    (void)pthread_mutex_destroy(&keys->lock);
    OPENSSL_cleanse(keys, sizeof *keys);
    free(keys);
}

void ticket_keys_configure(struct ticket_keys *keys, const struct ticket_settings *settings)
{
    (void)pthread_mutex_lock(&keys->lock);
    const bool stay_random = keys->settings.secret_count == 0 && settings->secret_count == 0;
    const bool is_same_period = keys->settings.rotate_s == settings->rotate_s;
    // Random keys of another length of period count as this period's from now on.
    if (!stay_random)
        keys->slot_count = 0;
    else if (!is_same_period)
        keys->period = -1;
    keys->settings = *settings;
    (void)pthread_mutex_unlock(&keys->lock);
}

static void put_int64(uint8_t *out, int64_t number)
{
    for (size_t i = 0; i < sizeof number; i++)
        out[i] = (uint8_t)((uint64_t)number >> (8 * (sizeof number - 1 - i)));
}

static int64_t get_int64(const uint8_t *in)
{
    uint64_t number = 0;
    for (size_t i = 0; i < sizeof number; i++)
        number = number << 8 | in[i];
    return (int64_t)number;
}

size_t ticket_keys_export(struct ticket_keys *keys, uint8_t *out)
{
    size_t len = 0;
    (void)pthread_mutex_lock(&keys->lock);
    if (keys->settings.secret_count == 0 && keys->slot_count > 0) {
        const struct slice slots = slice_of(keys->slots, keys->slot_count * sizeof keys->slots[0]);
        put_int64(out, keys->settings.rotate_s);
        put_int64(out + sizeof(int64_t), keys->period);
        (void)bytes_copy(out + EXPORT_HEAD_LEN, TICKET_EXPORT_CAP - EXPORT_HEAD_LEN, slots);
        len = EXPORT_HEAD_LEN + slots.len;
    }
    (void)pthread_mutex_unlock(&keys->lock);
    return len;
}

bool ticket_keys_import(struct ticket_keys *keys, struct slice exported)
{
    const struct slice slots = slice_from(exported, EXPORT_HEAD_LEN);
    const size_t count = slots.len / sizeof(struct slot);
    if (count == 0 || count > RANDOM_MAX || slots.len != count * sizeof(struct slot))
        return false;
    const int64_t rotate_s = get_int64(exported.data);
    const int64_t period = get_int64(exported.data + sizeof(int64_t));
    if (rotate_s <= 0 || period < -1)
        return false;
    (void)pthread_mutex_lock(&keys->lock);
    if (keys->settings.secret_count == 0) {
        (void)bytes_copy(keys->slots, sizeof keys->slots, slots);
        keys->slot_count = count;
        keys->period = rotate_s == keys->settings.rotate_s ? period : -1;
    }
    (void)pthread_mutex_unlock(&keys->lock);
    return true;
}

// derive makes the slot of a secret for a period (RFC 5869).
static bool derive(const uint8_t *secret, int64_t period, struct slot *out)
{
    static const char label[] = "sallyport ticket";
    uint8_t info[sizeof label + sizeof(uint64_t)];
    (void)bytes_copy(info, sizeof info, slice_of(label, sizeof label));
    for (size_t i = 0; i < sizeof(uint64_t); i++)
        info[sizeof label + i] = (uint8_t)((uint64_t)period >> (8 * (7 - i)));
    return HKDF((uint8_t *)out, sizeof *out, EVP_sha256(), secret, TICKET_SECRET_LEN, NULL, 0, info,
                sizeof info);
}

static bool derive_all(struct ticket_keys *keys, int64_t period)
{
    static const int64_t offsets[PERIODS] = {0, -1, 1};
    size_t count = 0;
    for (size_t i = 0; i < keys->settings.secret_count; i++) {
        for (size_t p = 0; p < PERIODS; p++) {
            if (!derive(keys->settings.secrets[i], period + offsets[p], &keys->slots[count++]))
                return false;
        }
    }
    keys->slot_count = count;
    return true;
}

// draw makes a new random key; that of the last period stays for opening, older ones go.
static bool draw(struct ticket_keys *keys, int64_t period)
{
    const bool follows = keys->slot_count > 0 && period == keys->period + 1;
    if (follows)
        keys->slots[1] = keys->slots[0];
    keys->slot_count = follows ? 2 : 1;
    return RAND_bytes((uint8_t *)keys->slots, sizeof keys->slots[0]);
}

// refresh makes the slots those of now. With the lock.
static bool refresh(struct ticket_keys *keys, int64_t now_s)
{
    const int64_t period = now_s / keys->settings.rotate_s;
    if (keys->slot_count > 0 && keys->period == -1)
        keys->period = period;
    if (keys->slot_count > 0 && keys->period == period)
        return true;
    const bool is_good =
        keys->settings.secret_count > 0 ? derive_all(keys, period) : draw(keys, period);
    keys->period = period;
    if (!is_good)
        keys->slot_count = 0;
    return is_good;
}

// find_slot copies the slot of that name, or the sealing one for NULL.
static bool find_slot(struct ticket_keys *keys, int64_t now_s, const uint8_t *name,
                      struct slot *out)
{
    bool is_found = false;
    (void)pthread_mutex_lock(&keys->lock);
    const size_t count = refresh(keys, now_s) ? keys->slot_count : 0;
    for (size_t i = 0; i < count && !is_found; i++) {
        is_found = name == NULL || CRYPTO_memcmp(keys->slots[i].name, name, NAME_LEN) == 0;
        if (is_found)
            *out = keys->slots[i];
    }
    (void)pthread_mutex_unlock(&keys->lock);
    return is_found;
}

// begin sets up cipher and authenticated data for a slot, which is wiped.
static bool begin(struct slot *slot, const uint8_t *binding, EVP_AEAD_CTX *cipher,
                  uint8_t data[NAME_LEN + TICKET_BINDING_LEN])
{
    (void)bytes_copy(data, NAME_LEN, slice_of(slot->name, NAME_LEN));
    (void)bytes_copy(data + NAME_LEN, TICKET_BINDING_LEN, slice_of(binding, TICKET_BINDING_LEN));
    const bool is_good =
        EVP_AEAD_CTX_init(cipher, EVP_aead_xchacha20_poly1305(), slot->key, KEY_LEN, TAG_LEN, NULL);
    OPENSSL_cleanse(slot, sizeof *slot);
    return is_good;
}

bool ticket_keys_seal(struct ticket_keys *keys, int64_t now_s, const uint8_t *binding,
                      struct slice plain, uint8_t *out, size_t cap, size_t *out_len)
{
    struct slot slot;
    EVP_AEAD_CTX cipher;
    uint8_t data[NAME_LEN + TICKET_BINDING_LEN];
    uint8_t nonce[NONCE_LEN];
    size_t len = 0;
    if (plain.len + TICKET_OVERHEAD > cap || !RAND_bytes(nonce, sizeof nonce) ||
        !find_slot(keys, now_s, NULL, &slot) || !begin(&slot, binding, &cipher, data))
        return false;
    const bool is_good = EVP_AEAD_CTX_seal(&cipher, out, &len, plain.len + TAG_LEN, nonce,
                                           sizeof nonce, plain.data, plain.len, data, sizeof data);
    EVP_AEAD_CTX_cleanup(&cipher);
    if (!is_good)
        return false;
    (void)bytes_copy(out + len, NONCE_LEN, slice_of(nonce, NONCE_LEN));
    (void)bytes_copy(out + len + NONCE_LEN, NAME_LEN, slice_of(data, NAME_LEN));
    *out_len = len + NONCE_LEN + NAME_LEN;
    return true;
}

bool ticket_keys_open(struct ticket_keys *keys, int64_t now_s, const uint8_t *binding,
                      struct slice ticket, uint8_t *out, size_t cap, size_t *out_len)
{
    struct slot slot;
    EVP_AEAD_CTX cipher;
    uint8_t data[NAME_LEN + TICKET_BINDING_LEN];
    if (ticket.len < TICKET_OVERHEAD)
        return false;
    const size_t len = ticket.len - NAME_LEN - NONCE_LEN;
    const uint8_t *nonce = ticket.data + len;
    if (!find_slot(keys, now_s, nonce + NONCE_LEN, &slot) || !begin(&slot, binding, &cipher, data))
        return false;
    const bool is_good = EVP_AEAD_CTX_open(&cipher, out, out_len, cap, nonce, NONCE_LEN,
                                           ticket.data, len, data, sizeof data);
    EVP_AEAD_CTX_cleanup(&cipher);
    return is_good;
}
