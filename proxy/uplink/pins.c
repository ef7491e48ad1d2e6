// Two spellings in, one out.
#include "proxy/uplink/pins.h"

#include <openssl/base64.h>
#include <openssl/mem.h>

#include "auth/base/hex.h"

enum { BASE64_LEN = 44, HEX_DIGITS = 2 * PIN_LEN, SHOWN_MAX = 3 };

static const struct slice scheme = {(const uint8_t *)"sha256//", 8};

// read_base64 reads a digest in base64 (RFC 4648 4), spelled in the one way that it has.
static bool read_base64(struct slice text, uint8_t out[PIN_LEN])
{
    uint8_t bytes[BASE64_LEN];
    size_t len = 0;
    char again[PIN_TEXT_CAP];
    if (text.len != BASE64_LEN ||
        EVP_DecodeBase64(bytes, &len, sizeof bytes, text.data, text.len) != 1 || len != PIN_LEN)
        return false;
    (void)bytes_copy(out, PIN_LEN, slice_of(bytes, len));
    (void)pin_format(out, again);
    return slice_equal(slice_from(slice_of_string(again), scheme.len), text);
}

static bool read_pin(struct slice text, uint8_t out[PIN_LEN])
{
    size_t digits = 0;
    if (slice_starts_with(text, scheme))
        return read_base64(slice_from(text, scheme.len), out);
    return hex_read(text, out, PIN_LEN, &digits) && digits == HEX_DIGITS;
}

enum err pins_add(struct pins *pins, const char *written, struct errinfo *info)
{
    if (pins->count == PINS_MAX)
        return errinfo_set(info, ERR_LIMIT, "no more than %d", PINS_MAX);
    if (!read_pin(slice_of_string(written), pins->sha256[pins->count]))
        return errinfo_set(info, ERR_INPUT,
                           "'%.100s' is not a pin: write sha256// and the base64 of the SHA-256 of "
                           "the proxy's public key, or its 64 hexadecimal digits; `sallyport "
                           "doctor` shows it",
                           written);
    pins->count++;
    return ERR_OK;
}

bool pins_allow(const struct pins *pins, const uint8_t sha256[PIN_LEN])
{
    for (size_t i = 0; i < pins->count; i++) {
        if (CRYPTO_memcmp(pins->sha256[i], sha256, PIN_LEN) == 0)
            return true;
    }
    return pins->count == 0;
}

const char *pin_format(const uint8_t sha256[PIN_LEN], char out[PIN_TEXT_CAP])
{
    (void)string_copy(out, PIN_TEXT_CAP, scheme);
    (void)EVP_EncodeBlock((uint8_t *)out + scheme.len, sha256, PIN_LEN);
    return out;
}

void pins_append(const struct pins *pins, struct text *out)
{
    char text[PIN_TEXT_CAP];
    for (size_t i = 0; i < pins->count && i < SHOWN_MAX; i++)
        text_append_format(out, "%s%s", i == 0 ? "" : ", ", pin_format(pins->sha256[i], text));
    if (pins->count > SHOWN_MAX)
        text_append_format(out, " and %zu more", pins->count - SHOWN_MAX);
}
