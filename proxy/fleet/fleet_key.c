// What is sealed is one byte of version, the nonce, ciphertext and tag: AES-256-GCM-SIV (RFC 8452), for which a random nonce
// that comes twice tells no more than that the same was sealed twice.
// The associated data is version, purpose, NUL, prefix, NUL, name. Neither purpose nor prefix has a NUL in it, so no two
// different triples are the same bytes.
#include "proxy/fleet/fleet_key.h"

#include <openssl/aead.h>
#include <openssl/digest.h>
#include <openssl/hkdf.h>
#include <openssl/mem.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "auth/base/text.h"

enum {
    VERSION = 1,
    KEY_LEN = 32,
    NONCE_LEN = 12,
    TAG_LEN = 16,
    MARK_LEN = (FLEET_KEY_MARK_CAP - 1) / 2,
    PREFIX_MAX = 128,
    PURPOSE_MAX = 16,
    BOUND_CAP = 1 + PURPOSE_MAX + 1 + PREFIX_MAX + 1 + FLEET_SEAL_NAME_MAX,
};

_Static_assert((int)FLEET_SEAL_OVERHEAD == 1 + (int)NONCE_LEN + (int)TAG_LEN, "format");

struct fleet_key {
    uint8_t keys[FLEET_SECRETS_MAX][FLEET_PURPOSE_COUNT][KEY_LEN];
    uint8_t marks[FLEET_SECRETS_MAX][MARK_LEN];
    size_t count;
    uint8_t prefix[PREFIX_MAX];
    size_t prefix_len;
};

static struct slice purpose_name(enum fleet_purpose purpose)
{
    static const char *const names[] = {
#define X(symbol, name) [symbol] = name,
        FLEET_PURPOSE_TABLE(X)
#undef X
    };
    return slice_of_string(names[purpose]);
}

// derive makes `out` of a secret, a label, and more that it depends on.
static bool derive(const uint8_t *secret, struct slice label, struct slice more, uint8_t *out,
                   size_t len)
{
    static const char salt[] = "sallyport fleet";
    uint8_t info[PURPOSE_MAX + 1 + PREFIX_MAX] = {0};
    const bool fits =
        bytes_copy(info, PURPOSE_MAX, label) && bytes_copy(info + label.len + 1, PREFIX_MAX, more);
    return fits && HKDF(out, len, EVP_sha256(), secret, FLEET_SECRET_LEN, (const uint8_t *)salt,
                        sizeof salt - 1, info, label.len + 1 + more.len);
}

// derive_all makes everything that comes from one secret.
static bool derive_all(struct fleet_key *key, size_t index, const uint8_t *secret)
{
    for (size_t i = 0; i < FLEET_PURPOSE_COUNT; i++) {
        if (!derive(secret, purpose_name((enum fleet_purpose)i), (struct slice){0},
                    key->keys[index][i], KEY_LEN))
            return false;
    }
    return derive(secret, SLICE_LITERAL("mark"), slice_of(key->prefix, key->prefix_len),
                  key->marks[index], MARK_LEN);
}

struct fleet_key *fleet_key_create(const struct fleet_secrets *secrets, struct slice prefix)
{
    struct fleet_key *key = calloc(1, sizeof *key);
    if (key == NULL)
        return NULL;
    bool is_good = bytes_copy(key->prefix, sizeof key->prefix, prefix) &&
                   slice_find(prefix, '\0') == prefix.len && secrets->count > 0 &&
                   secrets->count <= FLEET_SECRETS_MAX;
    key->prefix_len = prefix.len;
    for (size_t i = 0; is_good && i < secrets->count; i++) {
        is_good = derive_all(key, i, secrets->secrets[i]);
        key->count++;
    }
    if (is_good)
        return key;
    fleet_key_destroy(key);
    return NULL;
}

void fleet_key_destroy(struct fleet_key *key)
{
    if (key == NULL)
        return;
    OPENSSL_cleanse(key, sizeof *key);
    free(key);
}

// add puts `bytes` after `*len` bytes of `out`; everything has room, or the program is wrong.
static void add(uint8_t out[BOUND_CAP], size_t *len, struct slice bytes)
{
    ASSERT(*len <= BOUND_CAP);
    const bool fits = bytes_copy(out + *len, BOUND_CAP - *len, bytes);
    ASSERT(fits);
    *len += bytes.len;
}

// bind_to writes the associated data, and gives its length; 0: the name is too long.
static size_t bind_to(const struct fleet_key *key, enum fleet_purpose purpose, struct slice name,
                      uint8_t out[BOUND_CAP])
{
    static const uint8_t version = VERSION;
    size_t len = 0;
    if (name.len > FLEET_SEAL_NAME_MAX)
        return 0;
    add(out, &len, slice_of(&version, 1));
    add(out, &len, purpose_name(purpose));
    add(out, &len, SLICE_LITERAL("\0"));
    add(out, &len, slice_of(key->prefix, key->prefix_len));
    add(out, &len, SLICE_LITERAL("\0"));
    add(out, &len, name);
    return len;
}

bool fleet_key_seal(const struct fleet_key *key, enum fleet_purpose purpose, struct slice name,
                    struct slice plain, uint8_t *out, size_t cap, size_t *out_len)
{
    EVP_AEAD_CTX context;
    uint8_t bound[BOUND_CAP];
    const size_t bound_len = bind_to(key, purpose, name, bound);
    if (bound_len == 0 || cap < FLEET_SEAL_OVERHEAD || plain.len > cap - FLEET_SEAL_OVERHEAD ||
        !EVP_AEAD_CTX_init(&context, EVP_aead_aes_256_gcm_siv(), key->keys[0][purpose], KEY_LEN,
                           TAG_LEN, NULL))
        return false;
    size_t len = 0;
    uint8_t *nonce = out + 1;
    uint8_t *body = nonce + NONCE_LEN;
    out[0] = VERSION;
    const bool is_sealed =
        RAND_bytes(nonce, NONCE_LEN) == 1 &&
        EVP_AEAD_CTX_seal(&context, body, &len, cap - 1 - NONCE_LEN, nonce, NONCE_LEN, plain.data,
                          plain.len, bound, bound_len) == 1;
    EVP_AEAD_CTX_cleanup(&context);
    *out_len = 1 + NONCE_LEN + len;
    return is_sealed;
}

// open_with tries one key.
static bool open_with(const uint8_t *key, struct slice nonce, struct slice body, struct slice bound,
                      uint8_t *out, size_t cap, size_t *out_len)
{
    EVP_AEAD_CTX context;
    if (!EVP_AEAD_CTX_init(&context, EVP_aead_aes_256_gcm_siv(), key, KEY_LEN, TAG_LEN, NULL))
        return false;
    const bool is_open = EVP_AEAD_CTX_open(&context, out, out_len, cap, nonce.data, nonce.len,
                                           body.data, body.len, bound.data, bound.len) == 1;
    EVP_AEAD_CTX_cleanup(&context);
    return is_open;
}

bool fleet_key_open(const struct fleet_key *key, enum fleet_purpose purpose, struct slice name,
                    struct slice sealed, uint8_t *out, size_t cap, size_t *out_len)
{
    size_t secret = 0;
    return fleet_key_open_by(key, purpose, name, sealed, out, cap, out_len, &secret);
}

bool fleet_key_open_by(const struct fleet_key *key, enum fleet_purpose purpose, struct slice name,
                       struct slice sealed, uint8_t *out, size_t cap, size_t *out_len,
                       size_t *out_secret)
{
    uint8_t bound[BOUND_CAP];
    const size_t bound_len = bind_to(key, purpose, name, bound);
    *out_len = 0;
    *out_secret = 0;
    if (bound_len == 0 || sealed.len < FLEET_SEAL_OVERHEAD || sealed.data[0] != VERSION ||
        cap < sealed.len - FLEET_SEAL_OVERHEAD)
        return false;
    const struct slice nonce = slice_of(sealed.data + 1, NONCE_LEN);
    const struct slice body = slice_from(sealed, 1 + NONCE_LEN);
    for (size_t i = 0; i < key->count; i++) {
        if (open_with(key->keys[i][purpose], nonce, body, slice_of(bound, bound_len), out, cap,
                      out_len)) {
            *out_secret = i;
            return true;
        }
    }
    *out_len = 0;
    return false;
}

static void format_mark(const uint8_t *mark, char out[FLEET_KEY_MARK_CAP])
{
    struct text text;
    text_init(&text, out, FLEET_KEY_MARK_CAP);
    text_append_hex(&text, slice_of(mark, MARK_LEN));
    ASSERT(!text.is_cut);
}

void fleet_key_mark(const struct fleet_key *key, char out[FLEET_KEY_MARK_CAP])
{
    format_mark(key->marks[0], out);
}

bool fleet_key_has_mark(const struct fleet_key *key, struct slice mark)
{
    char own[FLEET_KEY_MARK_CAP];
    bool has = false;
    for (size_t i = 0; i < key->count; i++) {
        format_mark(key->marks[i], own);
        has = has || slice_equal(mark, slice_of_string(own));
    }
    return has;
}

bool fleet_key_is_akin(const struct fleet_key *a, const struct fleet_key *b)
{
    bool is_akin = false;
    for (size_t i = 0; i < a->count; i++) {
        for (size_t j = 0; j < b->count; j++)
            is_akin = is_akin || memcmp(a->marks[i], b->marks[j], MARK_LEN) == 0;
    }
    return is_akin;
}
