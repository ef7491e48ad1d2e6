// Client-Cert is the first certificate, Client-Cert-Chain all others, where there are some.
#include "proxy/session/introduction.h"

#include <openssl/stack.h>

#include "proxy/http/client_cert.h"

static struct slice der_at(const STACK_OF(CRYPTO_BUFFER) *chain, size_t index)
{
    const CRYPTO_BUFFER *buffer = sk_CRYPTO_BUFFER_value(chain, index);
    return slice_of(CRYPTO_BUFFER_data(buffer), CRYPTO_BUFFER_len(buffer));
}

static size_t count_of(const STACK_OF(CRYPTO_BUFFER) *chain)
{
    return chain == NULL ? 0 : sk_CRYPTO_BUFFER_num(chain);
}

size_t introduction_len(const STACK_OF(CRYPTO_BUFFER) *chain)
{
    enum { COMMA_LEN = 2 };
    size_t len = CLIENT_CERT_FIELDS_LEN;
    for (size_t i = 0; i < count_of(chain); i++)
        len += COMMA_LEN + client_cert_text_len(der_at(chain, i).len);
    return count_of(chain) == 0 ? 0 : len;
}

void introduction_append(const STACK_OF(CRYPTO_BUFFER) *chain, struct text *out)
{
    for (size_t i = 0; i < count_of(chain); i++) {
        text_append_string(out, i == 0   ? "Client-Cert: "
                                : i == 1 ? "\r\nClient-Cert-Chain: "
                                         : ", ");
        client_cert_append(der_at(chain, i), out);
    }
    text_append_string(out, count_of(chain) == 0 ? "" : "\r\n");
}
