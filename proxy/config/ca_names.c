// A TLS message has room for 64 KiB of names (RFC 8446 4.2.4), some clients for less.
#include "proxy/config/ca_names.h"

enum {
    NAMES_AUTO_MAX = 16 * 1024, // bytes that `auto` sends
    NAMES_JAVA_MAX = 32 * 1024, // Java reads no handshake message that is longer
    NAMES_MAX = 65000,          // and a few bytes around them
};

// wire_len gives the bytes that the names have in a handshake.
static size_t wire_len(const STACK_OF(CRYPTO_BUFFER) *names)
{
    size_t len = 0;
    for (size_t i = 0; i < sk_CRYPTO_BUFFER_num(names); i++)
        len += 2 + CRYPTO_BUFFER_len(sk_CRYPTO_BUFFER_value(names, i));
    return len;
}

void ca_names_report(struct reader *reader, const struct node *node, enum ca_names mode,
                     const struct trust *trust)
{
    STACK_OF(CRYPTO_BUFFER) *names = trust_client_ca_names(trust);
    const size_t len = wire_len(names);
    const size_t count = sk_CRYPTO_BUFFER_num(names);
    sk_CRYPTO_BUFFER_pop_free(names, CRYPTO_BUFFER_free);
    if (mode == CA_NAMES_AUTO && len > NAMES_AUTO_MAX)
        reader_warning(reader, node,
                       "the names of the %zu CAs of trust.%s have %zu bytes, so that clients are "
                       "not told them"
                       "\nwrite `client_ca_names: none`; or `send`: `auto` stops at %d bytes",
                       count, trust_name(trust), len, NAMES_AUTO_MAX);
    if (mode == CA_NAMES_SEND && len > NAMES_MAX)
        reader_error(reader, node,
                     "the names of the %zu CAs of trust.%s have %zu bytes, and a TLS handshake has "
                     "room for %d: none could succeed"
                     "\nwrite `client_ca_names: none`",
                     count, trust_name(trust), len, NAMES_MAX);
    else if (mode == CA_NAMES_SEND && len > NAMES_JAVA_MAX)
        reader_warning(reader, node,
                       "the names of the %zu CAs of trust.%s have %zu bytes: Java reads no more "
                       "than %d and ends the handshake"
                       "\nwrite `client_ca_names: none`, or `auto`",
                       count, trust_name(trust), len, NAMES_JAVA_MAX);
}

STACK_OF(CRYPTO_BUFFER) *ca_names_choose(enum ca_names mode, const struct trust *trust)
{
    if (mode == CA_NAMES_NONE)
        return NULL;
    STACK_OF(CRYPTO_BUFFER) *names = trust_client_ca_names(trust);
    const size_t max = mode == CA_NAMES_AUTO ? NAMES_AUTO_MAX : NAMES_MAX;
    if (wire_len(names) <= max)
        return names;
    sk_CRYPTO_BUFFER_pop_free(names, CRYPTO_BUFFER_free);
    return NULL;
}
