// Fuzzes what a client sends as its certificates: DER, one after the other, the leaf first. The
// leaf as an identity with its part of the audit, and the chain judged against one anchor.
#include <openssl/bytestring.h>
#include <openssl/err.h>
#include <openssl/pool.h>

#include "auth/trust.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NOW_S = 1800000000, JSON_PROMISE = 6 * 1024 };

// The CA of the seeds. Its key is gone.
static const char ANCHOR[] = "-----BEGIN CERTIFICATE-----\n"
                             "MIIBozCCAUmgAwIBAgIUWp3K1Vdet60lOFRsvuPXAR8Q26UwCgYIKoZIzj0EAwIw\n"
                             "HjENMAsGA1UECgwERnV6ejENMAsGA1UEAwwEUm9vdDAgFw0yNjExMjIwNTQwNDNa\n"
                             "GA8yMTI2MTAyOTA1NDA0M1owHjENMAsGA1UECgwERnV6ejENMAsGA1UEAwwEUm9v\n"
                             "dDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABL8tzvepouCNZhU3eIpit1jKmEAN\n"
                             "miPR5p7q8SWhi0z7c2KL8qz1t1HKUmWyZv6a+E3wWlvMyYCl4t/DQEKdQ0+jYzBh\n"
                             "MB0GA1UdDgQWBBQSwlQYjsPxAXII12Z8sHcFPmDzXTAfBgNVHSMEGDAWgBQSwlQY\n"
                             "jsPxAXII12Z8sHcFPmDzXTAPBgNVHRMBAf8EBTADAQH/MA4GA1UdDwEB/wQEAwIB\n"
                             "BjAKBggqhkjOPQQDAgNIADBFAiEAtlnJzPgBqvJJ5hSDuyUXgAE/z0GpEZlLuiTL\n"
                             "lQ5C8koCICO2+uz3GMnIHuHl4wsTDFvE0lG0xLOKOonqpgh/g1Zq\n"
                             "-----END CERTIFICATE-----\n";

// check_json wants well-formed strings: no control byte, every quote paired.
static void check_json(const struct identity *identity)
{
    char buffer[2 * JSON_PROMISE];
    struct text text;
    text_init(&text, buffer, sizeof buffer);
    identity_append_json(identity, &text);
    ASSERT(!text.is_cut && text.len < JSON_PROMISE);
    bool is_inside = false;
    for (size_t i = 0; i < text.len; i++) {
        ASSERT((uint8_t)buffer[i] >= ' ' && (uint8_t)buffer[i] != 0x7F);
        if (is_inside && buffer[i] == '\\')
            i++;
        else if (buffer[i] == '"')
            is_inside = !is_inside;
    }
    ASSERT(!is_inside);
}

static void check_identity(const struct identity *identity)
{
    ASSERT(identity->san_count <= IDENTITY_MAX_SANS);
    for (size_t i = 0; i < identity->san_count; i++) {
        const struct san *san = &identity->sans[i];
        ASSERT(!san->is_usable || san_is_strict(san->kind, san->value));
        ASSERT(!san->is_usable || san->kind == SAN_IP ||
               slice_find(san->value, 0) == san->value.len);
    }
    check_json(identity);
}

static STACK_OF(CRYPTO_BUFFER) *split(struct slice input)
{
    STACK_OF(CRYPTO_BUFFER) *chain = sk_CRYPTO_BUFFER_new_null();
    CBS cbs;
    CBS_init(&cbs, input.data, input.len);
    while (CBS_len(&cbs) > 0 && sk_CRYPTO_BUFFER_num(chain) < 20) {
        CBS element;
        CBS_ASN1_TAG tag = 0;
        if (!CBS_get_any_asn1_element(&cbs, &element, &tag, NULL)) {
            element = cbs;
            CBS_init(&cbs, NULL, 0);
        }
        CRYPTO_BUFFER *buffer = CRYPTO_BUFFER_new_from_CBS(&element, NULL);
        ASSERT(buffer != NULL && sk_CRYPTO_BUFFER_push(chain, buffer) != 0);
    }
    return chain;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct trust_options options = {.name = "fuzz", .max_depth = TRUST_DEFAULT_MAX_DEPTH};
    struct trust *trust = NULL;
    struct errinfo info;
    struct trust_verdict verdict;
    if (trust_create(&options, &trust) != ERR_OK)
        return 0;
    ASSERT(trust_add_ca(trust, SLICE_LITERAL(ANCHOR), &info) == ERR_OK);
    ASSERT(trust_finish(trust, NOW_S, &info) == ERR_OK);
    STACK_OF(CRYPTO_BUFFER) *chain = split(slice_of(data, size));
    const enum err error = trust_verify(trust, chain, NOW_S, &verdict);
    ASSERT((error == ERR_OK) == (verdict.identity != NULL));
    ASSERT((error == ERR_OK) == (verdict.reason == REASON_NONE));
    ASSERT(ERR_peek_error() == 0);
    if (verdict.identity != NULL)
        check_identity(verdict.identity);
    if (verdict.presented != NULL)
        check_identity(verdict.presented);
    identity_destroy(verdict.identity);
    identity_destroy(verdict.presented);
    sk_CRYPTO_BUFFER_pop_free(chain, CRYPTO_BUFFER_free);
    trust_destroy(trust);
    return 0;
}
