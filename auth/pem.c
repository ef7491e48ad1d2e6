// PEM, with the library's reader; its errors never stay in the thread's queue.
#include "auth/pem.h"

#include <limits.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/mem.h>
#include <openssl/pem.h>

#include "auth/verification.h"

static enum err read_blocks(BIO *bio, pem_block_function *on_block, void *arg, size_t *out_count,
                            struct errinfo *info)
{
    for (size_t number = 1;; number++) {
        char *kind = NULL;
        char *header = NULL;
        uint8_t *der = NULL;
        long len = 0;
        if (!PEM_read_bio(bio, &kind, &header, &der, &len)) {
            const uint32_t error = ERR_peek_last_error();
            const bool is_end =
                ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
            if (!is_end)
                return errinfo_set(info, ERR_INPUT,
                                   "block %zu is not whole PEM: damaged, or cut off", number);
            return ERR_OK;
        }
        const enum err error = on_block(arg, kind, slice_of(der, (size_t)len), number, info);
        OPENSSL_free(kind);
        OPENSSL_free(header);
        OPENSSL_free(der);
        TRY(error);
        *out_count = number;
    }
}

enum err pem_read_blocks(struct slice pem, pem_block_function *on_block, void *arg,
                         size_t *out_count, struct errinfo *info)
{
    *out_count = 0;
    if (pem.len > INT_MAX)
        return errinfo_set(info, ERR_LIMIT, "more than 2 GiB of PEM");
    BIO *bio = BIO_new_mem_buf(pem.data, (ossl_ssize_t)pem.len);
    if (bio == NULL || !verification_begin()) {
        BIO_free(bio);
        return errinfo_set(info, ERR_MEMORY, "no memory");
    }
    const enum err error = read_blocks(bio, on_block, arg, out_count, info);
    BIO_free(bio);
    return verification_error(error);
}

static bool begins_block(struct slice text)
{
    return slice_starts_with(text, SLICE_LITERAL("-----BEGIN "));
}

// pass_line takes the next line off.
static void pass_line(struct pem_cursor *cursor)
{
    cursor->rest = slice_from(cursor->rest, slice_find(cursor->rest, '\n') + 1);
    cursor->line++;
}

bool pem_next_block(struct pem_cursor *cursor, struct slice *out, uint32_t *out_line)
{
    while (cursor->rest.len > 0 && !begins_block(cursor->rest))
        pass_line(cursor);
    if (cursor->rest.len == 0)
        return false;
    const struct slice from_here = cursor->rest;
    *out_line = cursor->line + 1;
    do
        pass_line(cursor);
    while (cursor->rest.len > 0 && !begins_block(cursor->rest));
    *out = slice_first(from_here, from_here.len - cursor->rest.len);
    return true;
}

static enum err keep_certificate(void *arg, const char *kind, struct slice der, size_t number,
                                 struct errinfo *info)
{
    STACK_OF(CRYPTO_BUFFER) *chain = arg;
    if (!slice_equal(slice_of_string(kind), SLICE_LITERAL("CERTIFICATE")))
        return ERR_OK;
    CRYPTO_BUFFER *buffer = CRYPTO_BUFFER_new(der.data, der.len, NULL);
    if (buffer != NULL && sk_CRYPTO_BUFFER_push(chain, buffer) != 0)
        return ERR_OK;
    CRYPTO_BUFFER_free(buffer);
    return errinfo_set(info, ERR_MEMORY, "block %zu: no memory", number);
}

enum err pem_read_chain(struct slice pem, STACK_OF(CRYPTO_BUFFER) *chain, struct errinfo *info)
{
    size_t count = 0;
    return pem_read_blocks(pem, keep_certificate, chain, &count, info);
}
