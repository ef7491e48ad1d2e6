// clock: the time of the machine.
//
// Deadlines and durations use the monotonic clock. Records and certificates use Unix time, which an operator
// may set back. Everything else is given the time as an argument. Any thread; no function can fail.
#pragma once

#include <stdint.h>
#include <time.h>

// monotonic_us gives the monotonic clock in microseconds.
static inline int64_t monotonic_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

// monotonic_ms gives the monotonic clock in milliseconds.
static inline int64_t monotonic_ms(void)
{
    return monotonic_us() / 1000;
}

// wall_clock_ms gives Unix time in milliseconds.
static inline int64_t wall_clock_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}
