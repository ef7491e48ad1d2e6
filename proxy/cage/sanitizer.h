// sanitizer: whether this build has one. Its runtime opens files of its own, and starts a program and threads to say what it has found,
// which no sandbox would allow.
#pragma once

#include <stdbool.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZER_IS_HERE
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZER_IS_HERE
#endif

// sanitizer_is_here tells it. Pure; any thread.
static inline bool sanitizer_is_here(void)
{
#ifdef SANITIZER_IS_HERE
    return true;
#else
    return false;
#endif
}
