// The least of several times.
#include "proxy/service/crl_pace.h"

static int64_t lesser(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t crl_pace_after_success(int64_t every_ms, int64_t next_update_s, int64_t now_s)
{
    int64_t delay_ms = every_ms;
    if (next_update_s > 0)
        delay_ms = lesser(delay_ms, (next_update_s - now_s) * 1000 / 2);
    return delay_ms < CRL_PACE_MIN_MS ? CRL_PACE_MIN_MS : delay_ms;
}

int64_t crl_pace_after_failure(int64_t every_ms, uint32_t failures)
{
    int64_t delay_ms = CRL_PACE_MIN_MS;
    for (uint32_t i = 0; i < failures && delay_ms < CRL_PACE_FAILURE_MAX_MS; i++)
        delay_ms *= 2;
    return lesser(lesser(delay_ms, CRL_PACE_FAILURE_MAX_MS), every_ms);
}
