// One number for all: first the sinks, then the parents, then the authorizer and the store.
#include "proxy/config/server_list.h"

#include "proxy/config/authorizer_settings.h"
#include "proxy/config/parent_config.h"
#include "proxy/config/shared_settings.h"
#include "proxy/outlet/outlet_settings.h"
#include "proxy/tls/server_trust.h"
#include "proxy/uplink/credentials.h"

const char *server_kind_name(enum server_kind kind)
{
    static const char *const names[] = {[SERVER_SINK] = "sink",
                                        [SERVER_PARENT] = "parent",
                                        [SERVER_AUTHORIZER] = "authorizer",
                                        [SERVER_STORE] = "store"};
    ASSERT(kind < SERVER_KINDS);
    return names[kind];
}

static bool take_sink(const struct outlet_settings *sink, struct listed_server *out)
{
    if (sink->tls == NULL)
        return false;
    *out = (struct listed_server){.kind = SERVER_SINK,
                                  .name = sink->label,
                                  .form = outlet_form_name(sink->form),
                                  .trust = server_trust_profile(sink->tls),
                                  .own = server_trust_own(sink->tls)};
    return true;
}

static bool take_parent(const struct parent_config *parent, struct listed_server *out)
{
    if (parent->credentials == NULL)
        return false;
    *out = (struct listed_server){.kind = SERVER_PARENT,
                                  .name = parent->name,
                                  .trust = parent->credentials->trust,
                                  .own = credentials_own(parent->credentials)};
    return true;
}

static bool take_authorizer(const struct authorizer_settings *authorizer, struct listed_server *out)
{
    if (authorizer == NULL || authorizer->tls == NULL)
        return false;
    *out = (struct listed_server){
        .kind = SERVER_AUTHORIZER,
        .name = "authorizer",
        .trust = authorizer->has_system_cas ? NULL : server_trust_profile(authorizer->tls),
        .own = server_trust_own(authorizer->tls)};
    return true;
}

static bool take_store(const struct shared_settings *shared, struct listed_server *out)
{
    if (shared == NULL || shared->store.tls == NULL)
        return false;
    *out = (struct listed_server){
        .kind = SERVER_STORE,
        .name = "store",
        .trust = shared->has_system_cas ? NULL : server_trust_profile(shared->store.tls),
        .own = server_trust_own(shared->store.tls)};
    return true;
}

bool server_list_next(const struct snapshot *snapshot, size_t *index, struct listed_server *out)
{
    const size_t sinks = snapshot->audit_outlet_count;
    const size_t all = sinks + snapshot->parent_count + 2;
    bool is_found = false;
    for (; !is_found && *index < all; ++*index) {
        if (*index < sinks)
            is_found = take_sink(&snapshot->audit_outlets[*index], out);
        else if (*index < all - 2)
            is_found = take_parent(&snapshot->parents[*index - sinks], out);
        else if (*index == all - 2)
            is_found = take_authorizer(snapshot->authorizer, out);
        else
            is_found = take_store(snapshot->shared, out);
    }
    return is_found;
}
