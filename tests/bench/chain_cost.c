// What a chained audit log costs the writer's thread for each record, and a checkpoint; and what reading it costs.
//
//     bazel run -c opt //tests/bench:chain_cost
//
// Times are of this thread's processor. Records are as long as a `decision` and a `close` on average. Owns: the
// measurement. docs/PERFORMANCE.md has the figures.
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "proxy/audit/sealer.h"

enum { RECORDS = 200000, ROUNDS = 5, CHECKPOINTS = 2000, LONGEST = 1100, SHORTEST = 300 };

static double now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

// seal_all seals records of one length and gives the least time for one over the rounds.
static double seal_all(struct sealer *sealer, size_t len)
{
    char body[LONGEST];
    double best = 1e18;
    for (size_t i = 0; i < sizeof body; i++)
        body[i] = (char)('a' + i % 26);
    for (int round = 0; round < ROUNDS; round++) {
        struct seal_text end;
        const double begin = now_ns();
        for (int i = 0; i < RECORDS; i++)
            sealer_seal(sealer, slice_of(body, len), &end);
        const double each = (now_ns() - begin) / RECORDS;
        best = each < best ? each : best;
    }
    return best;
}

static double checkpoint_all(struct sealer *sealer)
{
    const double begin = now_ns();
    for (int i = 0; i < CHECKPOINTS; i++)
        audit_record_destroy(sealer_checkpoint(sealer, 1000, 0, false));
    return (now_ns() - begin) / CHECKPOINTS;
}

int main(void)
{
    static const uint8_t seed[NOTE_SEED_LEN] = {1};
    static const size_t lens[] = {SHORTEST, LONGEST};
    struct note_signer signer;
    if (!note_signer_init(SLICE_LITERAL("sallyport/bench"), seed, &signer))
        return 1;
    for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
        struct sealer sealer;
        sealer_begin(&sealer, (struct seal_link){0}, NULL, 0);
        const double plain = seal_all(&sealer, lens[i]);
        sealer_begin(&sealer, (struct seal_link){0},
                     chain_settings_create(checkpoint_signer_create(&signer), 1000), 0);
        const double chained = seal_all(&sealer, lens[i]);
        (void)printf("record of %4zu bytes: numbered %.0f ns, chained %.0f ns\n", lens[i], plain,
                     chained);
        if (i == 1)
            (void)printf("checkpoint: %.0f ns\n", checkpoint_all(&sealer));
        sealer_deinit(&sealer);
    }
    return 0;
}
