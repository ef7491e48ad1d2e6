// The extension, read with cursors.
#include "auth/ocsp_urls.h"

#include <openssl/bytestring.h>
#include <openssl/nid.h>

#include "auth/cert_id.h"

static const uint8_t OCSP_METHOD[] = {0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01};

static bool is_visible(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] <= ' ' || text.data[i] >= 0x7F)
            return false;
    }
    return true;
}

// next_description takes one AccessDescription; `*out` is empty where it is none of ours.
static bool next_description(CBS *list, struct slice *out)
{
    CBS description;
    CBS method;
    CBS location;
    CBS_ASN1_TAG tag = 0;
    *out = (struct slice){0};
    if (!CBS_get_asn1(list, &description, CBS_ASN1_SEQUENCE) ||
        !CBS_get_asn1(&description, &method, CBS_ASN1_OBJECT) ||
        !CBS_get_any_asn1(&description, &location, &tag) || CBS_len(&description) != 0)
        return false;
    const struct slice uri = slice_of(CBS_data(&location), CBS_len(&location));
    if (CBS_mem_equal(&method, OCSP_METHOD, sizeof OCSP_METHOD) &&
        tag == (CBS_ASN1_CONTEXT_SPECIFIC | 6) &&
        slice_equal_ignore_case(slice_first(uri, 7), SLICE_LITERAL("http://")) && is_visible(uri))
        *out = uri;
    return true;
}

size_t ocsp_urls_read(const X509 *cert, uint8_t out[OCSP_URLS_CAP])
{
    const int index = X509_get_ext_by_NID(cert, NID_info_access, -1);
    size_t len = 0;
    CBS list;
    if (index < 0)
        return 0;
    CBS cbs = cert_extension_value(cert, index);
    if (!CBS_get_asn1(&cbs, &list, CBS_ASN1_SEQUENCE) || CBS_len(&cbs) != 0)
        return 0;
    for (size_t count = 0; CBS_len(&list) > 0 && count < OCSP_URLS_MAX;) {
        struct slice uri;
        if (!next_description(&list, &uri))
            return 0;
        if (uri.len == 0 || uri.len + 1 > OCSP_URLS_CAP - len)
            continue;
        (void)bytes_copy(out + len, OCSP_URLS_CAP - len, uri);
        len += uri.len;
        out[len++] = 0;
        count++;
    }
    return len;
}
