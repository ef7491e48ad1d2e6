// Where BoringSSL's memory comes from: malloc, without BoringSSL's own header before each piece.
//
// Unless a program has these three functions, BoringSSL keeps the size of a piece in eight bytes before it.
// libc knows the size too; without the header a connection has 0.2 KiB less. As before, whatever BoringSSL
// frees is overwritten first. Owns: nothing. Must never know: who asks.
//
// Called by BoringSSL alone, on any thread, perhaps with locks of its own held.
#include <malloc.h>
#include <stdlib.h>

#include <openssl/mem.h>

// BoringSSL has no header for these; see crypto/mem.c there.
void *OPENSSL_memory_alloc(size_t size);
void OPENSSL_memory_free(void *piece);
size_t OPENSSL_memory_get_size(void *piece);

void *OPENSSL_memory_alloc(size_t size)
{
    // Never none, so that all that malloc_usable_size tells of is there.
    return malloc(size == 0 ? 1 : size);
}

void OPENSSL_memory_free(void *piece)
{
    OPENSSL_cleanse(piece, malloc_usable_size(piece));
    free(piece);
}

size_t OPENSSL_memory_get_size(void *piece)
{
    return malloc_usable_size(piece);
}
