// Tells "no" from "no memory" by what the library has left in the thread's error queue.
#include "auth/verification.h"

#include <openssl/bn.h>
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

// is_lack tells whether an error is of an allocation. Newer versions say of the temporary numbers of a computation only that
// there are too many, where there was no memory for one more.
static bool is_lack(uint32_t error)
{
    return ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE ||
           (ERR_GET_LIB(error) == ERR_LIB_BN &&
            ERR_GET_REASON(error) == BN_R_TOO_MANY_TEMPORARY_VARIABLES);
}

// lacked_memory tells whether an allocation of the library failed, and empties the queue.
static bool lacked_memory(void)
{
    bool is_lacking = false;
    for (uint32_t error = ERR_get_error(); error != 0; error = ERR_get_error())
        is_lacking |= is_lack(error);
    return is_lacking;
}

enum verification verification_end(bool is_good)
{
    const bool is_lacking = lacked_memory();
    if (is_good)
        return VERIFICATION_GOOD;
    return is_lacking ? VERIFICATION_UNKNOWN : VERIFICATION_BAD;
}

enum err verification_error(enum err error)
{
    return lacked_memory() && error == ERR_INPUT ? ERR_MEMORY : error;
}
