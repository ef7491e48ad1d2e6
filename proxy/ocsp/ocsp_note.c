// The same order twice: once to read, once to write.
#include "proxy/ocsp/ocsp_note.h"

#include <openssl/bytestring.h>

#define TIME_MAX_S ((int64_t)1 << 40)

enum { TIMEOUT_MAX_MS = 600 * 1000 };

// take_slice takes bytes with their length before them.
static bool take_slice(CBS *left, size_t max, struct slice *out)
{
    CBS bytes;
    if (CBS_get_u16_length_prefixed(left, &bytes) != 1 || CBS_len(&bytes) > max)
        return false;
    *out = slice_of(CBS_data(&bytes), CBS_len(&bytes));
    return true;
}

static bool take_digest(CBS *left, const uint8_t **out)
{
    *out = CBS_data(left);
    return CBS_skip(left, CERT_DIGEST_LEN) == 1;
}

// take_time takes a time, signed; no answer has one that is further away than this.
static bool take_time(CBS *left, int64_t *out)
{
    uint64_t seconds = 0;
    if (CBS_get_u64(left, &seconds) != 1)
        return false;
    *out = (int64_t)seconds;
    return *out <= TIME_MAX_S && *out >= -TIME_MAX_S;
}

// take_head takes what has a fixed length.
static bool take_head(CBS *left, struct ocsp_note *out)
{
    uint8_t status = 0;
    uint8_t has_nonce = 0;
    uint32_t timeout_ms = 0;
    if (CBS_get_u8(left, &status) != 1 || CBS_get_u8(left, &has_nonce) != 1 ||
        !take_time(left, &out->this_update_s) || !take_time(left, &out->next_update_s) ||
        !take_digest(left, &out->authority) || !take_digest(left, &out->anchor) ||
        CBS_get_u32(left, &timeout_ms) != 1)
        return false;
    out->status = status == 'r' ? OCSP_REVOKED : OCSP_UNKNOWN;
    out->has_nonce = has_nonce == 1;
    out->timeout_ms = timeout_ms;
    return (status == 'r' || status == 'u') && has_nonce <= 1 && timeout_ms > 0 &&
           timeout_ms <= TIMEOUT_MAX_MS;
}

// take_url takes a URL as it is written here, and no other way.
static bool take_url(CBS *left, struct http_url *out)
{
    struct slice text;
    struct errinfo info;
    return take_slice(left, HTTP_URL_MAX_LEN, &text) &&
           http_url_parse(text, out, &info) == ERR_OK &&
           slice_equal(slice_of_string(out->text), text);
}

enum err ocsp_note_parse(struct slice bytes, struct ocsp_note *out)
{
    CBS left;
    *out = (struct ocsp_note){0};
    CBS_init(&left, bytes.data, bytes.len);
    struct ocsp_subject *subject = &out->subject;
    if (bytes.len > OCSP_NOTE_MAX || !take_head(&left, out) ||
        !take_slice(&left, OCSP_SERIAL_MAX_LEN, &subject->serial) || !take_url(&left, &out->url) ||
        !take_slice(&left, OCSP_NOTE_MAX, &subject->issuer_name) ||
        !take_slice(&left, OCSP_NOTE_MAX, &subject->issuer_key) || CBS_len(&left) != 0)
        return ERR_INPUT;
    const bool is_trimmed = subject->serial.len == 0 || subject->serial.data[0] != 0;
    return is_trimmed && subject->issuer_name.len > 0 && subject->issuer_key.len > 0 ? ERR_OK
                                                                                     : ERR_INPUT;
}

static bool put_slice(CBB *out, struct slice bytes)
{
    return bytes.len <= UINT16_MAX && CBB_add_u16(out, (uint16_t)bytes.len) == 1 &&
           CBB_add_bytes(out, bytes.data, bytes.len) == 1;
}

size_t ocsp_note_format(const struct ocsp_note *note, uint8_t out[OCSP_NOTE_MAX])
{
    CBB to;
    if (CBB_init_fixed(&to, out, OCSP_NOTE_MAX) != 1)
        return 0;
    const bool is_whole =
        CBB_add_u8(&to, note->status == OCSP_REVOKED ? 'r' : 'u') == 1 &&
        CBB_add_u8(&to, note->has_nonce) == 1 &&
        CBB_add_u64(&to, (uint64_t)note->this_update_s) == 1 &&
        CBB_add_u64(&to, (uint64_t)note->next_update_s) == 1 &&
        CBB_add_bytes(&to, note->authority, CERT_DIGEST_LEN) == 1 &&
        CBB_add_bytes(&to, note->anchor, CERT_DIGEST_LEN) == 1 &&
        CBB_add_u32(&to, (uint32_t)note->timeout_ms) == 1 && put_slice(&to, note->subject.serial) &&
        put_slice(&to, slice_of_string(note->url.text)) &&
        put_slice(&to, note->subject.issuer_name) && put_slice(&to, note->subject.issuer_key);
    const size_t len = is_whole ? CBB_len(&to) : 0;
    CBB_cleanup(&to);
    return len;
}
