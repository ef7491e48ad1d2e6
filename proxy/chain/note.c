// 1. The text is everything up to the last empty line; it ends with a line break and has no control characters.
// 2. Each line after it is a signature: an em dash, a blank, the key's name, a blank, and base64 of 4 bytes that name the
//    key and of what the key made of the text.
#include "proxy/chain/note.h"

#include <openssl/curve25519.h>
#include <openssl/mem.h>
#include <openssl/sha.h>

#include "auth/base/hex.h"
#include "auth/base/base64.h"

enum {
    ED25519 = 1, // the kind of a key (C2SP signed-note)
    SIGNATURE_LEN = 64,
    HASH_LEN = 32,
};

#define DASH           "\xe2\x80\x94 "
#define PRIVATE_PREFIX "PRIVATE+KEY+"

bool note_name_is_valid(struct slice name)
{
    if (name.len == 0 || name.len > NOTE_NAME_MAX)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        if (name.data[i] <= ' ' || name.data[i] >= 0x7f || name.data[i] == '+')
            return false;
    }
    return true;
}

// set_id computes the hash that names the key.
static void set_id(struct note_verifier *verifier)
{
    static const uint8_t middle[] = {'\n', ED25519};
    uint8_t hash[HASH_LEN];
    SHA256_CTX context;
    (void)SHA256_Init(&context);
    (void)SHA256_Update(&context, verifier->name, strlen(verifier->name));
    (void)SHA256_Update(&context, middle, sizeof middle);
    (void)SHA256_Update(&context, verifier->key, sizeof verifier->key);
    (void)SHA256_Final(hash, &context);
    (void)bytes_copy(verifier->id, sizeof verifier->id, slice_of(hash, sizeof verifier->id));
}

bool note_signer_init(struct slice name, const uint8_t seed[NOTE_SEED_LEN], struct note_signer *out)
{
    *out = (struct note_signer){0};
    if (!note_name_is_valid(name) ||
        !string_copy(out->verifier.name, sizeof out->verifier.name, name))
        return false;
    ED25519_keypair_from_seed(out->verifier.key, out->key, seed);
    set_id(&out->verifier);
    return true;
}

// append_key writes what both spellings end with.
static void append_key(const struct note_verifier *verifier, const uint8_t *key, struct text *out)
{
    uint8_t bytes[1 + NOTE_PUBLIC_LEN] = {ED25519};
    (void)bytes_copy(bytes + 1, NOTE_PUBLIC_LEN, slice_of(key, NOTE_PUBLIC_LEN));
    text_append_string(out, verifier->name);
    text_append_string(out, "+");
    text_append_hex(out, slice_of(verifier->id, NOTE_ID_LEN));
    text_append_string(out, "+");
    base64_append(out, slice_of(bytes, sizeof bytes));
    OPENSSL_cleanse(bytes, sizeof bytes);
}

void note_signer_format(const struct note_signer *signer, struct text *out)
{
    text_append_string(out, PRIVATE_PREFIX);
    append_key(&signer->verifier, signer->key, out);
}

void note_verifier_format(const struct note_verifier *verifier, struct text *out)
{
    append_key(verifier, verifier->key, out);
}

// take_field cuts off what stands before the next `+`.
static bool take_field(struct slice *text, struct slice *out)
{
    const size_t plus = slice_find(*text, '+');
    if (plus == text->len)
        return false;
    *out = slice_first(*text, plus);
    *text = slice_from(*text, plus + 1);
    return true;
}

// key_read reads NAME+HASH+BASE64; the hash is compared by the caller, who knows the public key.
static bool key_read(struct slice text, struct slice *name, uint8_t id[NOTE_ID_LEN],
                     uint8_t key[NOTE_PUBLIC_LEN])
{
    uint8_t bytes[1 + NOTE_PUBLIC_LEN];
    struct slice hash;
    size_t digits = 0;
    if (slice_ends_with(text, SLICE_LITERAL("\n")))
        text = slice_first(text, text.len - 1);
    const bool is_good = take_field(&text, name) && note_name_is_valid(*name) &&
                         take_field(&text, &hash) && hash.len == (size_t)2 * NOTE_ID_LEN &&
                         hex_read(hash, id, NOTE_ID_LEN, &digits) &&
                         digits == (size_t)2 * NOTE_ID_LEN &&
                         base64_read(text, bytes, sizeof bytes) && bytes[0] == ED25519 &&
                         bytes_copy(key, NOTE_PUBLIC_LEN, slice_of(bytes + 1, NOTE_PUBLIC_LEN));
    OPENSSL_cleanse(bytes, sizeof bytes);
    return is_good;
}

bool note_signer_parse(struct slice text, struct note_signer *out)
{
    struct slice name;
    uint8_t id[NOTE_ID_LEN];
    uint8_t seed[NOTE_SEED_LEN];
    *out = (struct note_signer){0};
    if (!slice_starts_with(text, SLICE_LITERAL(PRIVATE_PREFIX)))
        return false;
    const bool is_good = key_read(slice_from(text, sizeof PRIVATE_PREFIX - 1), &name, id, seed) &&
                         note_signer_init(name, seed, out) &&
                         memcmp(id, out->verifier.id, NOTE_ID_LEN) == 0;
    OPENSSL_cleanse(seed, sizeof seed);
    if (!is_good)
        OPENSSL_cleanse(out, sizeof *out);
    return is_good;
}

bool note_verifier_parse(struct slice text, struct note_verifier *out)
{
    struct slice name;
    uint8_t id[NOTE_ID_LEN];
    *out = (struct note_verifier){0};
    if (!key_read(text, &name, id, out->key) || !string_copy(out->name, sizeof out->name, name))
        return false;
    set_id(out);
    return memcmp(id, out->id, NOTE_ID_LEN) == 0;
}

void note_sign(const struct note_signer *signer, struct text *text)
{
    uint8_t bytes[NOTE_ID_LEN + SIGNATURE_LEN];
    const struct slice body = text_slice(text);
    (void)bytes_copy(bytes, NOTE_ID_LEN, slice_of(signer->verifier.id, NOTE_ID_LEN));
    ASSERT(ED25519_sign(bytes + NOTE_ID_LEN, body.data, body.len, signer->key) == 1);
    text_append_string(text, "\n" DASH);
    text_append_string(text, signer->verifier.name);
    text_append_string(text, " ");
    base64_append(text, slice_of(bytes, sizeof bytes));
    text_append_string(text, "\n");
}

// split finds the text and the signatures. False: there are not both.
static bool split(struct slice note, struct slice *text, struct slice *signatures)
{
    size_t end = note.len;
    while (end > 1 && !(note.data[end - 1] == '\n' && note.data[end - 2] == '\n'))
        end--;
    if (end <= 2 || end == note.len)
        return false;
    *text = slice_first(note, end - 1);
    *signatures = slice_from(note, end);
    for (size_t i = 0; i < note.len; i++) {
        if (note.data[i] < ' ' && note.data[i] != '\n')
            return false;
    }
    return note.data[note.len - 1] == '\n';
}

// signature_read reads one line; `*out_is_ours` tells whether it says that it is of this key.
static bool signature_read(struct slice line, const struct note_verifier *verifier,
                           uint8_t out[NOTE_ID_LEN + SIGNATURE_LEN], bool *out_is_ours)
{
    *out_is_ours = false;
    if (!slice_starts_with(line, SLICE_LITERAL(DASH)))
        return false;
    line = slice_from(line, sizeof DASH - 1);
    const struct slice name = slice_first(line, slice_find(line, ' '));
    const struct slice value = slice_from(line, name.len + 1);
    if (name.len == 0 || value.len == 0)
        return false;
    *out_is_ours = slice_equal(name, slice_of_string(verifier->name)) &&
                   base64_read(value, out, NOTE_ID_LEN + SIGNATURE_LEN) &&
                   memcmp(out, verifier->id, NOTE_ID_LEN) == 0;
    return true;
}

enum note_result note_open(struct slice note, const struct note_verifier *verifier,
                           struct slice *out)
{
    struct slice text;
    struct slice rest;
    bool has_ours = false;
    *out = (struct slice){0};
    if (!split(note, &text, &rest))
        return NOTE_MALFORMED;
    for (size_t count = 0; rest.len > 0; count++) {
        uint8_t bytes[NOTE_ID_LEN + SIGNATURE_LEN];
        bool is_ours = false;
        const struct slice line = slice_first(rest, slice_find(rest, '\n'));
        rest = slice_from(rest, line.len + 1);
        if (count == NOTE_SIGNATURES_MAX || !signature_read(line, verifier, bytes, &is_ours))
            return NOTE_MALFORMED;
        has_ours |= is_ours;
        if (is_ours && ED25519_verify(text.data, text.len, bytes + NOTE_ID_LEN, verifier->key) != 1)
            return NOTE_FORGED;
    }
    if (!has_ours)
        return NOTE_UNSIGNED;
    *out = text;
    return NOTE_GOOD;
}
