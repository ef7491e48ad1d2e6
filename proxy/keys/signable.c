// 1. TLS 1.3: 64 blanks, the words for the role, a NUL, and a hash.
// 2. TLS 1.2, server: the two randoms, `named_curve`, the group, and a public key with its length.
// 3. TLS 1.2, client: all messages of the handshake from ClientHello on, each with its type and length.
#include "proxy/keys/signable.h"

enum {
    BLANKS_LEN = 64,
    RANDOMS_LEN = 64,
    NAMED_CURVE = 3,
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

static bool is_key_exchange(struct slice message)
{
    const struct slice params = slice_from(message, RANDOMS_LEN);
    if (params.len < 5 || params.data[0] != NAMED_CURVE)
        return false;
    return params.data[3] >= 32 && params.len == (size_t)4 + params.data[3];
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

bool signable_by_tls(struct slice message)
{
    return is_tls_1_3(message) || is_key_exchange(message) || is_handshake(message);
}
