// Prints plain values of a snapshot, and asks nobody.
#include "proxy/cli/neighbours.h"

#include <inttypes.h>
#include <stdio.h>

#include "auth/ocsp_settings.h"
#include "proxy/config/admin_settings.h"
#include "proxy/config/authorizer_settings.h"
#include "proxy/config/endpoint_text.h"
#include "proxy/config/parent_config.h"
#include "proxy/outlet/outlet_settings.h"
#include "proxy/uplink/srv_settings.h"

static void print_resolvers(const struct resolver_options *options)
{
    for (size_t i = 0; i < options->server_count; i++) {
        const struct dns_server *server = &options->servers[i];
        const struct endpoint endpoint = {.address = server->address, .port = server->port};
        char text[ENDPOINT_TEXT_CAP];
        if (server->guard != NULL)
            (void)printf("  resolver %s over TLS\n", endpoint_format(&endpoint, text));
    }
}

// print_service prints whose certificates the places of a service must have.
static void print_service(const struct srv_settings *srv)
{
    (void)printf(" where SRV of %s says, each with a certificate for ", srv->service.name.text);
    if (srv->target_count == 0)
        (void)printf("%s\n", srv->service.domain.text);
    else
        (void)printf("its own name, which `targets` allows\n");
}

static void print_parents(const struct snapshot *snapshot)
{
    char host[TARGET_TEXT_CAP];
    for (size_t i = 0; i < snapshot->parent_count; i++) {
        const struct parent_config *parent = &snapshot->parents[i];
        (void)printf("  parent %s over %s:", parent->name, parent->is_clear ? "http" : "https");
        if (parent->srv != NULL)
            print_service(parent->srv);
        for (size_t p = 0; p < parent->proxy_count; p++)
            (void)printf(" %s port %" PRIu16 "%s", target_format_host(&parent->proxies[p], host),
                         parent->proxies[p].port, p + 1 < parent->proxy_count ? "," : "\n");
    }
}

static void print_authorizer(const struct authorizer_settings *authorizer)
{
    if (authorizer != NULL)
        (void)printf("  authorizer %s%s\n", authorizer->url.text,
                     authorizer->has_system_cas ? ", by the CAs of the system" : "");
}

static void print_store(const struct shared_settings *shared)
{
    char host[TARGET_TEXT_CAP];
    if (shared == NULL)
        return;
    const struct store_settings *store = &shared->store;
    (void)printf("  shares %s* %s %s%s:", store->prefix,
                 store->is_tls ? "over TLS, by" : "in the clear, by",
                 store->master[0] != '\0' ? "Sentinels for " : "a store at", store->master);
    for (size_t i = 0; i < store->place_count; i++)
        (void)printf(" %s port %" PRIu16 "%s", target_format_host(&store->places[i], host),
                     store->places[i].port, i + 1 < store->place_count ? "," : "\n");
}

static void print_outlets(const struct snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->audit_outlet_count; i++) {
        const struct outlet_settings *outlet = &snapshot->audit_outlets[i];
        const bool is_local = outlet->unix_path != NULL;
        (void)printf("  audit also to %s as %s%s%s\n", outlet->label,
                     outlet->form == OUTLET_SYSLOG ? "syslog" : "lines",
                     is_local              ? ""
                     : outlet->tls != NULL ? ", over TLS"
                                           : ", in the clear",
                     outlet->is_required ? ", required" : "");
    }
}

static void print_admin(const struct admin_settings *admin)
{
    char text[ENDPOINT_TEXT_CAP];
    if (admin == NULL)
        return;
    if (admin->socket_path != NULL)
        (void)printf("  admin at unix:%s\n", admin->socket_path);
    else
        (void)printf("  admin at %s://%s/\n", admin->tls != NULL ? "https" : "http",
                     endpoint_format(&admin->address, text));
}

void neighbours_print(const struct snapshot *snapshot)
{
    print_resolvers(&snapshot->resolver);
    print_parents(snapshot);
    print_authorizer(snapshot->authorizer);
    print_store(snapshot->shared);
    print_outlets(snapshot);
    print_admin(snapshot->admin);
}

void neighbours_print_ocsp(const struct trust *trust)
{
    const struct ocsp_settings *ocsp = trust_ocsp(trust);
    if (ocsp == NULL)
        return;
    (void)printf("  trust.%s: OCSP (%s), asks", trust_name(trust), ocsp_mode_name(ocsp->mode));
    if (ocsp->has_responder)
        (void)printf(" %s", ocsp->responder.text);
    else
        (void)printf(" whom a certificate names below");
    for (size_t i = 0; i < ocsp->prefix_count; i++)
        (void)printf("%s %s", i == 0 ? "" : ",", ocsp->prefixes[i].text);
    (void)printf("%s\n", ocsp->is_for_leaves ? ", about clients alone" : "");
}
