// live: what only the running proxy knows about a client: blocks, and what is in use. Asked over its control socket.
#pragma once

#include "auth/blocklist.h"

struct live {
    char config[17];          // id of the configuration in force
    struct blocklist *blocks; // ref; those that the proxy lists
    long long unlisted;       // blocks that it has beside them
    const char *client;       // borrowed; whose tunnels are counted; NULL: nobody's
    bool is_counted;          // the client is among those that the proxy lists
    long long tunnels;
    bool is_unusable; // something in the answer cannot be read
};

// live_ask asks the proxy whose configuration is at `config_path`. `client` may be NULL. Gives the exit status of the
// request, CLI_OK where `*out` can be used; what went wrong has been said. The caller ends it with live_deinit.
int live_ask(const char *config_path, const char *client, struct live *out);

void live_deinit(struct live *live);
