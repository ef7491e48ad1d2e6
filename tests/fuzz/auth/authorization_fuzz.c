// Fuzzes authorization_answer_read: a yes needs a word for it, and an answer with anything after it is none.
#include <stdlib.h>

#include "auth/authorization.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int64_t ttl_s = -1;
    const char *why = NULL;
    const struct slice body = slice_of(data, size);
    const enum authorizer_answer answer = authorization_answer_read(body, &ttl_s, &why);
    ASSERT(why != NULL && (answer == AUTHORIZER_NONE) == (why[0] != '\0'));
    ASSERT(ttl_s >= 0 && ttl_s <= AUTHORIZATION_TTL_MAX_S);
    ASSERT(answer == AUTHORIZER_YES || ttl_s == 0);
    if (answer == AUTHORIZER_NONE)
        return 0;
    ASSERT(slice_contains(body, SLICE_LITERAL("result")) ||
           slice_find(body, '\\') < body.len); // the name may be escaped
    ASSERT(slice_contains(body, answer == AUTHORIZER_YES ? SLICE_LITERAL("true")
                                                         : SLICE_LITERAL("false")));
    uint8_t *longer = malloc(size + 1);
    if (longer == NULL)
        return 0;
    memcpy(longer, data, size);
    longer[size] = 'x';
    ASSERT(authorization_answer_read(slice_of(longer, size + 1), &ttl_s, &why) == AUTHORIZER_NONE);
    free(longer);
    return 0;
}
