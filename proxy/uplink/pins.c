// Two spellings in, one out.
#include "proxy/uplink/pins.h"

#include <openssl/mem.h>

#include "auth/base/base64.h"
#include "auth/base/hex.h"

enum { HEX_DIGITS = 2 * PIN_LEN, SHOWN_MAX = 3 };

static const struct slice scheme = {(const uint8_t *)"sha256//", 8};

static bool read_pin(struct slice text, uint8_t out[PIN_LEN])
{
    size_t digits = 0;
    if (slice_starts_with(text, scheme))
        return base64_read(slice_from(text, scheme.len), out, PIN_LEN);
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
    struct text text;
    text_init(&text, out, PIN_TEXT_CAP);
    text_append(&text, scheme);
    base64_append(&text, slice_of(sha256, PIN_LEN));
    ASSERT(!text.is_cut);
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
