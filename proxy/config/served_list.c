// One number for all: first the listener's own, then those of its names.
#include "proxy/config/served_list.h"

bool served_list_next(const struct listener_config *listener, size_t *index,
                      struct served_certificate *out)
{
    size_t place = *index;
    for (size_t s = 0; s < listener->site_count; s++) {
        const struct site *site = &listener->sites[s];
        const size_t count = site->is_inherited ? 0 : tls_context_certificate_count(site->tls);
        if (place < count) {
            *out = (struct served_certificate){place == 0 ? site->chain_path : NULL,
                                               tls_context_describe(site->tls, place)};
            ++*index;
            return true;
        }
        place -= count;
    }
    return false;
}
