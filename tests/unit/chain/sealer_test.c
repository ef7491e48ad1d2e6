// When checkpoints are due.
#include "proxy/audit/sealer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { EVERY_MS = 1000 };

static unsigned asked;

static void do_nothing(struct checkpoint_signer *signer)
{
    (void)signer;
}

static bool refuse(struct checkpoint_signer *signer, const struct checkpoint *checkpoint,
                   struct text *out)
{
    (void)signer;
    (void)checkpoint;
    (void)out;
    asked++;
    return false;
}

static void a_checkpoint_that_cannot_be_signed_is_tried_again_when_the_next_one_is_due(void **state)
{
    (void)state;
    static const struct checkpoint_signer_ops ops = {do_nothing, do_nothing, refuse};
    struct checkpoint_signer signer = {.ops = &ops};
    struct sealer sealer;
    struct seal_text end;
    sealer_begin(&sealer, (struct seal_link){.kind = SEAL_LINK_NONE},
                 chain_settings_create(&signer, EVERY_MS), 0);
    sealer_seal(&sealer, SLICE_LITERAL("{\"event\":\"close\""), &end);
    assert_false(sealer_is_due(&sealer, EVERY_MS - 1));
    assert_true(sealer_is_due(&sealer, EVERY_MS));
    assert_null(sealer_checkpoint(&sealer, 0, EVERY_MS, false));
    assert_int_equal(asked, 1);
    assert_true(sealer_has_unsigned(&sealer));
    assert_false(sealer_is_due(&sealer, 2 * EVERY_MS - 1));
    assert_true(sealer_is_due(&sealer, 2 * EVERY_MS));
    sealer_deinit(&sealer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            a_checkpoint_that_cannot_be_signed_is_tried_again_when_the_next_one_is_due),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
