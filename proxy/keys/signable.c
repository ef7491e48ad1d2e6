// 1. TLS 1.3: 64 blanks, the words for the role, a NUL, and a hash.
// 2. TLS 1.2, server: the two randoms, `named_curve`, the group, and a public key with its length.
// 3. TLS 1.2, client: all messages of the handshake from ClientHello on, each with its type and length.
#include "proxy/keys/signable.h"

#include <openssl/ssl.h>

enum {
    BLANKS_LEN = 64,
    RANDOMS_LEN = 64,
    NAMED_CURVE = 3,
    PARAMS_HEAD_LEN = 4, // the kind, the group, the length of the key
    UNCOMPRESSED = 4,
    SEQUENCE = 0x30,
    SET = 0x31,
    LOOKED_AT = 3, // elements
    CLIENT_HELLO = 1,
    SERVER_HELLO = 2,
    CLIENT_KEY_EXCHANGE = 16,
    HEAD_LEN = 4, // of a message of the handshake
};

static bool is_tls_1_3(struct slice message)
{
    static const char *const words[] = {"TLS 1.3, server CertificateVerify",
                                        "TLS 1.3, client CertificateVerify"};
    for (size_t i = 0; i < BLANKS_LEN; i++) {
        if (i >= message.len || message.data[i] != ' ')
            return false;
    }
    const struct slice rest = slice_from(message, BLANKS_LEN);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        const struct slice word = slice_of(words[i], strlen(words[i]) + 1);
        const size_t hash = rest.len < word.len ? 0 : rest.len - word.len;
        if (slice_starts_with(rest, word) && (hash == 32 || hash == 48))
            return true;
    }
    return false;
}

// A group that we offer, and how long a public key of it is.
static const struct group {
    uint8_t number; // the lower of its two bytes; the other one is 0
    uint8_t len;
    uint8_t first; // byte of the key; 0: any
} groups[] = {
    {0x1D, 32, 0},            // X25519
    {0x17, 65, UNCOMPRESSED}, // P-256
    {0x18, 97, UNCOMPRESSED}, // P-384
};

static bool is_params(struct slice params)
{
    if (params.len < PARAMS_HEAD_LEN + 1 || params.data[0] != NAMED_CURVE || params.data[1] != 0)
        return false;
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        const struct group *group = &groups[i];
        if (params.data[2] == group->number)
            return params.data[3] == group->len &&
                   params.len == PARAMS_HEAD_LEN + (size_t)group->len &&
                   (group->first == 0 || params.data[PARAMS_HEAD_LEN] == group->first);
    }
    return false;
}

// take_element cuts one element of ASN.1 off the front, however its length is written, and gives its content. False: it is none. One
// without a length ends anywhere: it is taken to go to the end.
static bool take_element(struct slice *left, struct slice *out)
{
    size_t at = 2;
    size_t len = 0;
    if (left->len < at)
        return false;
    const uint8_t first = left->data[1];
    const size_t count = first < 0x80 ? 0 : first & 0x7F;
    if (first == 0x80)
        len = left->len - at;
    else if (first < 0x80)
        len = first;
    for (size_t i = 0; i < count; i++, at++) {
        if (at >= left->len || len > UINT16_MAX)
            return false;
        len = len << 8 | left->data[at];
    }
    if (len > left->len - at)
        return false;
    *out = slice_first(slice_from(*left, at), len);
    *left = slice_from(*left, at + len);
    return true;
}

// is_asn1 tells whether a message is one SEQUENCE or SET, and begins with three elements, or has fewer and nothing else.
static bool is_asn1(struct slice message)
{
    struct slice content;
    struct slice element;
    if (message.len == 0 || (message.data[0] != SEQUENCE && message.data[0] != SET) ||
        !take_element(&message, &content) || message.len > 0)
        return false;
    for (int i = 0; i < LOOKED_AT && content.len > 0; i++) {
        if (!take_element(&content, &element))
            return false;
    }
    return true;
}

static bool is_key_exchange(struct slice message)
{
    return is_params(slice_from(message, RANDOMS_LEN)) && !is_asn1(message);
}

static bool is_handshake(struct slice message)
{
    size_t count = 0;
    uint8_t last = 0;
    while (message.len >= HEAD_LEN) {
        const size_t len =
            (size_t)message.data[1] << 16 | (size_t)message.data[2] << 8 | (size_t)message.data[3];
        const uint8_t type = message.data[0];
        if (len > message.len - HEAD_LEN || (count == 0 && type != CLIENT_HELLO) ||
            (count == 1 && type != SERVER_HELLO))
            return false;
        last = type;
        count++;
        message = slice_from(message, HEAD_LEN + len);
    }
    return message.len == 0 && count > 2 && last == CLIENT_KEY_EXCHANGE;
}

enum signable signable_by_tls(struct slice message)
{
    if (is_tls_1_3(message))
        return SIGNABLE_TLS_1_3;
    return is_key_exchange(message) || is_handshake(message) ? SIGNABLE_TLS_1_2 : SIGNABLE_NOT;
}

bool signable_with(enum signable message, uint16_t algorithm)
{
    static const uint16_t of_both[] = {
        SSL_SIGN_ECDSA_SECP256R1_SHA256, SSL_SIGN_ECDSA_SECP384R1_SHA384,
        SSL_SIGN_ECDSA_SECP521R1_SHA512, SSL_SIGN_ED25519,
        SSL_SIGN_RSA_PSS_RSAE_SHA256,    SSL_SIGN_RSA_PSS_RSAE_SHA384,
        SSL_SIGN_RSA_PSS_RSAE_SHA512,
    };
    static const uint16_t of_old[] = {SSL_SIGN_RSA_PKCS1_SHA256, SSL_SIGN_RSA_PKCS1_SHA384,
                                      SSL_SIGN_RSA_PKCS1_SHA512};
    bool is_known = false;
    for (size_t i = 0; i < sizeof of_both / sizeof *of_both; i++)
        is_known = is_known || algorithm == of_both[i];
    for (size_t i = 0; i < sizeof of_old / sizeof *of_old && message == SIGNABLE_TLS_1_2; i++)
        is_known = is_known || algorithm == of_old[i];
    return is_known && message != SIGNABLE_NOT;
}
