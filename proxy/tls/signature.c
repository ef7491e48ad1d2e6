// One signature a handshake: asked for, waited for, taken.
#include "proxy/tls/signature.h"

// take gives BoringSSL what there is.
static enum ssl_private_key_result_t take(const struct private_key *key, struct signing *signing,
                                          uint8_t *out, size_t *out_len, size_t cap)
{
    struct slice bytes = {0};
    const enum signing_state state = key->ops->look(signing, &bytes);
    if (state == SIGNING_WAITS)
        return ssl_private_key_retry;
    const bool is_good = state == SIGNING_DONE && bytes_copy(out, cap, bytes);
    *out_len = bytes.len;
    return is_good ? ssl_private_key_success : ssl_private_key_failure;
}

// sign_in_trial is on a thread that waits itself.
static enum ssl_private_key_result_t sign_in_trial(SSL *ssl, uint16_t algorithm,
                                                   struct slice message, uint8_t *out,
                                                   size_t *out_len, size_t cap)
{
    struct private_key *key = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    struct signing *signing = key->ops->begin(key, algorithm, message, NULL, NULL);
    if (signing == NULL)
        return ssl_private_key_failure;
    const enum ssl_private_key_result_t result = take(key, signing, out, out_len, cap);
    key->ops->end(signing);
    return result == ssl_private_key_retry ? ssl_private_key_failure : result;
}

static enum ssl_private_key_result_t on_complete(SSL *ssl, uint8_t *out, size_t *out_len,
                                                 size_t cap)
{
    struct signature *signature = SSL_get_app_data(ssl);
    enum ssl_private_key_result_t result = ssl_private_key_failure;
    if (signature->signing != NULL) // else the stream was closed
        result = take(signature->key, signature->signing, out, out_len, cap);
    if (result == ssl_private_key_retry)
        return result;
    signature_end(signature);
    signature->has_failed = result == ssl_private_key_failure;
    return result;
}

static enum ssl_private_key_result_t on_sign(SSL *ssl, uint8_t *out, size_t *out_len, size_t cap,
                                             uint16_t algorithm, const uint8_t *in, size_t in_len)
{
    struct signature *signature = SSL_get_app_data(ssl);
    const struct slice message = slice_of(in, in_len);
    if (signature == NULL)
        return sign_in_trial(ssl, algorithm, message, out, out_len, cap);
    signature->signing = signature->key->ops->begin(signature->key, algorithm, message,
                                                    signature->on_signed, signature->stream);
    return on_complete(ssl, out, out_len, cap);
}

// on_decrypt: no key exchange by RSA is offered (rules.c), so nobody asks.
static enum ssl_private_key_result_t on_decrypt(SSL *ssl, uint8_t *out, size_t *out_len, size_t cap,
                                                const uint8_t *in, size_t in_len)
{
    (void)ssl;
    (void)out;
    (void)out_len;
    (void)cap;
    (void)in;
    (void)in_len;
    return ssl_private_key_failure;
}

const SSL_PRIVATE_KEY_METHOD signature_method = {
    .sign = on_sign, .decrypt = on_decrypt, .complete = on_complete};

void signature_end(struct signature *signature)
{
    if (signature->signing != NULL)
        signature->key->ops->end(signature->signing);
    signature->signing = NULL;
}
