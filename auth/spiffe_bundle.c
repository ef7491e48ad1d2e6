// What a bundle says beside its X.509 keys (spiffe_sequence, spiffe_refresh_hint, keys for JWTs) is read past.
#include "auth/spiffe_bundle.h"

#include <stdlib.h>

#include "auth/base/base64.h"
#include "auth/json_text.h"
#include "auth/verification.h"

enum { CERTIFICATE_TEXT_MAX = 64 * 1024 }; // bytes of one certificate in base64

bool spiffe_bundle_is(struct slice bytes)
{
    size_t i = 0;
    while (i < bytes.len && strchr(" \t\r\n", bytes.data[i]) != NULL && bytes.data[i] != '\0')
        i++;
    return i < bytes.len && bytes.data[i] == '{';
}

static struct slice text_of(const json_t *value)
{
    return slice_of(json_string_value(value), json_string_length(value));
}

// is_known_kty tells whether the key is of a type that we know: others are ignored.
static bool is_known_kty(struct slice kty)
{
    return slice_equal(kty, SLICE_LITERAL("RSA")) || slice_equal(kty, SLICE_LITERAL("EC")) ||
           slice_equal(kty, SLICE_LITERAL("OKP"));
}

// key_check looks at what every key must have; `*out_counts` tells whether it is a CA's.
static enum err key_check(const json_t *key, bool *out_counts, struct errinfo *info)
{
    *out_counts = false;
    if (!json_is_object(key))
        return errinfo_set(info, ERR_INPUT, "not an object");
    const json_t *use = json_object_get(key, "use");
    const json_t *kty = json_object_get(key, "kty");
    if (json_object_get(key, "d") != NULL || json_object_get(key, "k") != NULL)
        return errinfo_set(info, ERR_INPUT,
                           "it is private (`d` or `k`); a bundle is read by many: remove the key");
    if (!json_is_string(kty))
        return errinfo_set(info, ERR_INPUT, "`kty` is missing, or is no text");
    if (use != NULL && !json_is_string(use))
        return errinfo_set(info, ERR_INPUT, "`use` is no text");
    *out_counts =
        slice_equal(text_of(use), SLICE_LITERAL("x509-svid")) && is_known_kty(text_of(kty));
    return ERR_OK;
}

// certificate_read decodes base64 (RFC 7517 4.7: not base64url).
static enum err certificate_read(struct slice text, pem_block_function *on_block, void *arg,
                                 struct errinfo *info)
{
    size_t len = 0;
    if (text.len > CERTIFICATE_TEXT_MAX)
        return errinfo_set(info, ERR_LIMIT, "its certificate has more than %d bytes",
                           CERTIFICATE_TEXT_MAX);
    uint8_t *der = malloc(text.len + 1);
    if (der == NULL)
        return errinfo_set(info, ERR_MEMORY, "no memory");
    const bool is_base64 = base64_parse(text, der, text.len, &len) == ERR_OK;
    const enum err error =
        is_base64
            ? on_block(arg, "CERTIFICATE", slice_of(der, len), 1, info)
            : errinfo_set(info, ERR_INPUT,
                          "`x5c` is not base64 (RFC 4648 4, with padding, without line breaks)");
    free(der);
    return error;
}

// key_read gives the certificate of one key to `on_block`, where it has one that counts.
static enum err key_read(const json_t *key, pem_block_function *on_block, void *arg,
                         size_t *out_count, struct errinfo *info)
{
    bool counts = false;
    TRY(key_check(key, &counts, info));
    if (!counts)
        return ERR_OK;
    const json_t *chain = json_object_get(key, "x5c");
    if (!json_is_array(chain) || json_array_size(chain) != 1 ||
        !json_is_string(json_array_get(chain, 0)))
        return errinfo_set(info, ERR_INPUT,
                           "`x5c` is no list of exactly one certificate (X509-SVID 6.1)");
    ++*out_count;
    return certificate_read(text_of(json_array_get(chain, 0)), on_block, arg, info);
}

static enum err keys_read(const json_t *root, pem_block_function *on_block, void *arg,
                          size_t *out_count, struct errinfo *info)
{
    const json_t *keys = json_object_get(root, "keys");
    if (!json_is_array(keys))
        return errinfo_set(info, ERR_INPUT,
                           "JSON, but no SPIFFE bundle: `keys` is missing, or is no list");
    if (json_array_size(keys) > SPIFFE_BUNDLE_MAX_KEYS)
        return errinfo_set(info, ERR_LIMIT, "more than %d keys in a SPIFFE bundle",
                           SPIFFE_BUNDLE_MAX_KEYS);
    for (size_t i = 0; i < json_array_size(keys); i++) {
        struct errinfo why;
        const enum err error = key_read(json_array_get(keys, i), on_block, arg, out_count, &why);
        if (error != ERR_OK)
            return errinfo_set(info, error, "key %zu of the SPIFFE bundle: %.400s", i + 1,
                               why.text);
    }
    if (*out_count == 0)
        return errinfo_set(
            info, ERR_INPUT,
            "a SPIFFE bundle without a key for certificates (`use: x509-svid`): does "
            "this trust domain issue X.509-SVIDs?");
    return ERR_OK;
}

enum err spiffe_bundle_read(struct slice bytes, pem_block_function *on_block, void *arg,
                            size_t *out_count, struct errinfo *info)
{
    json_t *root = NULL;
    *out_count = 0;
    TRY(json_text_read(bytes, &root, info));
    const enum err error = verification_begin() ? keys_read(root, on_block, arg, out_count, info)
                                                : errinfo_set(info, ERR_MEMORY, "no memory");
    json_decref(root);
    return verification_error(error); // the library may have lacked memory for a certificate
}
