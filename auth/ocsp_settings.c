// The responder of the configuration, or the first of the certificate's that is below an allowed prefix.
#include "auth/ocsp_settings.h"

#include <stdlib.h>

struct ocsp_settings *ocsp_settings_create(size_t prefix_cap)
{
    struct ocsp_settings *settings =
        calloc(1, sizeof *settings + prefix_cap * sizeof settings->prefixes[0]);
    if (settings == NULL)
        return NULL;
    atomic_init(&settings->refs, 1);
    return settings;
}

struct ocsp_settings *ocsp_settings_ref(struct ocsp_settings *settings)
{
    if (settings != NULL)
        atomic_fetch_add_explicit(&settings->refs, 1, memory_order_relaxed);
    return settings;
}

void ocsp_settings_unref(struct ocsp_settings *settings)
{
    if (settings != NULL &&
        atomic_fetch_sub_explicit(&settings->refs, 1, memory_order_acq_rel) == 1)
        free(settings);
}

bool ocsp_settings_find_url(const struct ocsp_settings *settings, struct slice urls,
                            struct http_url *out)
{
    if (settings->has_responder) {
        *out = settings->responder;
        return true;
    }
    while (urls.len > 0) {
        struct errinfo info;
        const struct slice url = slice_first(urls, slice_find(urls, '\0'));
        urls = slice_from(urls, url.len + 1);
        if (http_url_parse(url, out, &info) == ERR_OK &&
            http_url_is_under_any(out, settings->prefixes, settings->prefix_count))
            return true;
    }
    return false;
}
