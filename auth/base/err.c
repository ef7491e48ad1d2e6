// The sentence for a person, and the end of a broken program.
#include "auth/base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum err errinfo_set(struct errinfo *info, enum err error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(info->text, sizeof info->text, format, args);
    va_end(args);
    return error;
}

_Noreturn void assert_failed(const char *file, int line, const char *condition)
{
    (void)fprintf(stderr, "sallyport: %s:%d: broken invariant: %s\n", file, line, condition);
    abort();
}
