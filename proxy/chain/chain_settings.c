// Two fields, copied and compared.
#include "proxy/chain/chain_settings.h"

#include <stdlib.h>

struct chain_settings *chain_settings_create(struct checkpoint_signer *signer, int64_t every_ms)
{
    struct chain_settings *made = signer == NULL ? NULL : malloc(sizeof *made);
    if (made == NULL)
        checkpoint_signer_unref(signer);
    else
        *made = (struct chain_settings){.signer = signer, .every_ms = every_ms};
    return made;
}

struct chain_settings *chain_settings_copy(const struct chain_settings *settings)
{
    return chain_settings_create(checkpoint_signer_ref(settings->signer), settings->every_ms);
}

void chain_settings_destroy(struct chain_settings *settings)
{
    if (settings != NULL)
        checkpoint_signer_unref(settings->signer);
    free(settings);
}

bool chain_settings_equal(const struct chain_settings *a, const struct chain_settings *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    const struct note_verifier *one = &a->signer->verifier;
    const struct note_verifier *other = &b->signer->verifier;
    return a->every_ms == b->every_ms && strcmp(one->name, other->name) == 0 &&
           memcmp(one->key, other->key, sizeof one->key) == 0;
}
