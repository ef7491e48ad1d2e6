// served_list: the certificates that a listener shows its clients, for those who tell when these end. What a name of `sni`
// inherits is the listener's own, and comes once.
#pragma once

#include "proxy/config/snapshot.h"

// served_certificate is one of them, borrowed from the snapshot.
struct served_certificate {
    const char *
        path; // of its file; NULL: it is not the first of its `certificates`, and its file is not kept
    const struct tls_context_info *info;
};

// served_list_next gives the certificate of number `*index` and moves on. False: there are no more.
bool served_list_next(const struct listener_config *listener, size_t *index,
                      struct served_certificate *out);
