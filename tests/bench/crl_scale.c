// What a large revocation list costs: loading, memory, looking up.
//
//     bazel run -c opt //tests/bench:crl_scale [ENTRIES]
//
// A million entries by default, with random-looking serials of 16 bytes that are not in order, which is
// the worst case. Owns: the measurement. docs/PERFORMANCE.md has the figures.
#include <inttypes.h>
#include <stdarg.h> // cmocka.h needs these
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
// cmocka.h needs the ones above, jmp_buf too
#include <setjmp.h>

#include <cmocka.h>

#include "auth/crl.h"
#include "tests/unit/cert/forge_crl.h"

static double now_s(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

// look_up gives nanoseconds a look-up, of serials that all are in the list or all are not.
static double look_up(const struct crl *crl, size_t count, bool is_revoked)
{
    uint8_t serial[FORGE_FILLER_LEN];
    double spent_s = 0;
    for (size_t i = 0; i < count; i++) {
        forge_filler(is_revoked ? i * 7919 % count : count + i, serial);
        const double began_s = i % 64 == 0 ? now_s() : 0;
        const bool is_found = crl_has_serial(crl, slice_of(serial, sizeof serial));
        if (i % 64 == 0)
            spent_s += now_s() - began_s;
        if (is_found != is_revoked)
            fail_msg("a serial was %s", is_found ? "found" : "not found");
    }
    return spent_s / (double)(count / 64 + 1) * 1e9;
}

static double clock_cost_ns(void)
{
    const double began_s = now_s();
    for (int i = 0; i < 100000; i++)
        (void)now_s();
    return (now_s() - began_s) / 100000 * 1e9;
}

int main(int argc, char **argv)
{
    const size_t count = argc > 1 ? (size_t)strtoull(argv[1], NULL, 10) : 1000000;
    void *state = NULL;
    struct errinfo info = {0};
    struct crl *crl = NULL;
    if (count == 0 || count > CRL_MAX_ENTRIES || workshop_create(&state) != 0)
        return 2;
    const struct forged *ca = forge(state, &(struct forge_plan){.cn = "CA", .is_ca = true});
    const struct slice der =
        forge_crl(state, &(struct forge_crl_plan){.issuer = ca, .filler_count = count});
    const struct crl_signers signers = {.certs = &ca->cert, .count = 1};
    const double began_s = now_s();
    if (crl_create(der, &signers, &crl, &info) != ERR_OK) {
        (void)fprintf(stderr, "%s\n", info.text);
        return 1;
    }
    const double loaded_s = now_s() - began_s;
    const double clock_ns = clock_cost_ns();
    (void)printf("entries        %zu, %.1f MB of DER\n", crl->count, (double)der.len / 1e6);
    (void)printf("loading        %.2f s\n", loaded_s);
    (void)printf("memory         %.1f bytes an entry\n",
                 (double)(sizeof *crl + crl->count * crl->width) / (double)count);
    (void)printf("look-up        %.0f ns of a revoked serial, %.0f ns of another\n",
                 look_up(crl, count, true) - clock_ns, look_up(crl, count, false) - clock_ns);
    crl_unref(crl);
    (void)workshop_destroy(&state);
    return 0;
}
