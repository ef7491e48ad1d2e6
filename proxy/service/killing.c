// A client that is known and has nothing now is no mistake: it was to have nothing, and has nothing.
#include "proxy/service/killing.h"

#include <inttypes.h>

#include "proxy/service/client_names.h"

bool killing_say(const struct policy *policy, const struct scan *sum, struct errinfo *out)
{
    const char *nearest = NULL;
    const bool is_by_name = sum->kind == SCAN_KILL_CLIENT;
    (void)errinfo_set(out, ERR_OK, "killed: %" PRIu64, sum->killed);
    if (sum->killed == 0 && sum->kind == SCAN_KILL_ID) {
        (void)errinfo_set(out, ERR_INPUT, "no live request or tunnel has the id %s", sum->id);
        return false;
    }
    if (sum->kind == SCAN_KILL_SESSION && !sum->is_found) {
        (void)errinfo_set(out, ERR_INPUT, "no connection that is served has the id %s", sum->id);
        return false;
    }
    if (sum->killed != 0 || !is_by_name || client_names_find(policy, sum->client, &nearest))
        return true;
    client_names_say_unknown(sum->client, nearest, "", out);
    return false;
}
