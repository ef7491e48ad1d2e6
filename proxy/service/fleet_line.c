// The link goes by the resolver, so it ends first.
#include "proxy/service/fleet_line.h"

#include <openssl/mem.h>
#include <stdlib.h>

enum err fleet_line_create(const struct fleet_line_options *options, struct fleet_line **out,
                           struct errinfo *info)
{
    struct fleet_line *line = calloc(1, sizeof *line);
    *out = NULL;
    if (line == NULL)
        return errinfo_set(info, ERR_MEMORY, "no memory to share");
    line->settings = *options->store;
    (void)server_trust_ref(line->settings.tls);
    const enum err error = resolver_create(options->loop, options->resolver, &line->resolver, info);
    if (error != ERR_OK) {
        fleet_line_destroy(line);
        return error;
    }
    line->path = (struct fetch_path){
        .loop = options->loop, .resolver = line->resolver, .buffers = options->buffers};
    const struct store_link_options link = {.path = &line->path,
                                            .settings = &line->settings,
                                            .on_change = options->on_change,
                                            .owner = options->owner};
    line->link = store_link_create(&link);
    if (line->link == NULL) {
        fleet_line_destroy(line);
        return errinfo_set(info, ERR_MEMORY, "no memory to share");
    }
    *out = line;
    return ERR_OK;
}

void fleet_line_destroy(struct fleet_line *line)
{
    if (line == NULL)
        return;
    store_link_destroy(line->link);
    resolver_destroy(line->resolver);
    server_trust_unref(line->settings.tls);
    OPENSSL_cleanse(&line->settings, sizeof line->settings);
    free(line);
}
