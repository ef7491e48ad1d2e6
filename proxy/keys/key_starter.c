// A socket pair, one end of which goes to the keeper.
#include "proxy/keys/key_starter.h"

#include <unistd.h>

#include "proxy/keeper/keeper_link.h"
#include "proxy/keys/key_wire.h"

enum err key_starter_start(int keeper_fd, int *out_fd, struct errinfo *info)
{
    int ends[2];
    if (!key_wire_pair(ends))
        return errinfo_set(info, ERR_SYSTEM, "no sockets for the key holder: %m");
    const bool is_asked = keeper_link_hold(keeper_fd, ends[1]);
    (void)close(ends[1]);
    if (is_asked) {
        *out_fd = ends[0];
        return ERR_OK;
    }
    (void)close(ends[0]);
    return errinfo_set(info, ERR_SYSTEM, "the keeper starts no key holder: %m");
}
