// All names are compared: somebody waits at a terminal.
#include "proxy/service/client_names.h"

#include <stdlib.h>

#include "auth/account.h"
#include "proxy/config/spelling.h"

bool client_names_find(const struct policy *policy, const char *name, const char **out_nearest)
{
    *out_nearest = NULL;
    if (account_find_client(policy, name) != NULL)
        return true;
    const char **names = calloc(policy->client_count + 1, sizeof *names);
    if (names == NULL)
        return false;
    for (size_t i = 0; i < policy->client_count; i++)
        names[i] = policy->clients[i].name;
    const size_t nearest = spelling_nearest(slice_of_string(name), names, policy->client_count);
    if (nearest < policy->client_count)
        *out_nearest = names[nearest];
    free(names);
    return false;
}

void client_names_say_unknown(const char *name, const char *nearest, const char *after,
                              struct errinfo *out)
{
    (void)errinfo_set(out, ERR_INPUT, "no client of the configuration is called `%s`%s%s%s%s", name,
                      nearest == NULL ? "" : "; did you mean `", nearest == NULL ? "" : nearest,
                      nearest == NULL ? "" : "`?", after);
}
