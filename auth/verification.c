// Tells "no" from "no memory" by what the library has left in the thread's error queue.
#include "auth/verification.h"

#include <openssl/err.h>

bool verification_begin(void)
{
    // The queue takes memory with its first error, and without that it stays silently empty. So make one.
    ERR_clear_error();
    ERR_put_error(ERR_LIB_USER, 0, ERR_R_INTERNAL_ERROR, __FILE__, __LINE__);
    const bool has_queue = ERR_peek_error() != 0;
    ERR_clear_error();
    return has_queue;
}

enum verification verification_end(bool is_good)
{
    bool lacked_memory = false;
    for (uint32_t error = ERR_get_error(); error != 0; error = ERR_get_error())
        lacked_memory |= ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE;
    if (is_good)
        return VERIFICATION_GOOD;
    return lacked_memory ? VERIFICATION_UNKNOWN : VERIFICATION_BAD;
}
