// When certificates and lists end, as Unix times, so that an alert is a subtraction.
#include "proxy/service/metrics_ends.h"

#include <stdio.h>

#include "proxy/config/served_list.h"
#include "proxy/config/server_list.h"

enum {
    CAS_MAX = 16, // of a profile with more, only those that end soon are listed
    SOON_S = 60 * 24 * 60 * 60,
    PLACE_CAP = 24,
};

static void add_certificate(struct exposition *out, const char *kind, const char *of,
                            const char *subject, size_t place, int64_t not_after_s)
{
    char text[PLACE_CAP];
    (void)snprintf(text, sizeof text, "%zu", place);
    // The place keeps two certificates of one name apart.
    const struct label labels[] = {
        {"kind", kind}, {"of", of}, {"place", text}, {"subject", subject}};
    exposition_add_number(out, labels, sizeof labels / sizeof labels[0], not_after_s);
}

static void add_served(struct exposition *out, const struct listener_config *listener)
{
    struct served_certificate served;
    for (size_t i = 0; served_list_next(listener, &i, &served);)
        add_certificate(out, "server", listener->name, served.info->subject, i - 1,
                        served.info->not_after_s);
}

// ca_kinds are the words for CAs that clients or receivers are judged by.
struct ca_kinds {
    const char *anchor;
    const char *helper;
};

static void add_cas(struct exposition *out, const struct trust *trust, const char *of,
                    struct ca_kinds kinds, int64_t now_s)
{
    const size_t total = trust_certificate_count(trust);
    for (size_t i = 0; i < total; i++) {
        const struct trust_certificate ca = trust_certificate_at(trust, i);
        if (!ca.is_left_out && (total <= CAS_MAX || ca.not_after_s - now_s < SOON_S))
            add_certificate(out, ca.is_anchor ? kinds.anchor : kinds.helper, of, ca.subject, i,
                            ca.not_after_s);
    }
}

// add_server adds what a server that we speak to is shown and judged by.
static void add_server(struct exposition *out, const struct listed_server *server, int64_t now_s)
{
    static const struct ca_kinds kinds[] = {
        [SERVER_SINK] = {"sink_anchor", "sink_helper"},
        [SERVER_PARENT] = {"parent_anchor", "parent_helper"},
        [SERVER_AUTHORIZER] = {"authorizer_anchor", "authorizer_helper"},
        [SERVER_STORE] = {"store_anchor", "store_helper"},
    };
    char of[LABEL_VALUE_MAX];
    (void)snprintf(of, sizeof of, "%s%s%s", server->form == NULL ? "" : server->form,
                   server->form == NULL ? "" : " ", server->name);
    if (server->own != NULL)
        add_certificate(out, server_kind_name(server->kind), of, server->own->subject, 0,
                        server->own->not_after_s);
    if (server->trust != NULL)
        add_cas(out, server->trust, of, kinds[server->kind], now_s);
}

// What is told of each list that counts.
enum crl_number { CRL_END, CRL_SOON, CRL_ENTRIES };

static int64_t crl_number_of(const struct trust_crl *crl, enum crl_number number)
{
    return number == CRL_END    ? crl->next_update_s
           : number == CRL_SOON ? crl->soon_s
                                : (int64_t)crl->entry_count;
}

// add_crl_numbers adds a number of each list that counts.
static void add_crl_numbers(struct exposition *out, const struct trust *trust,
                            enum crl_number number)
{
    for (size_t i = 0; i < trust_crl_count(trust); i++) {
        const struct trust_crl crl = trust_crl_at(trust, i);
        char text[PLACE_CAP];
        if (crl.state == TRUST_CRL_IDLE)
            continue;
        (void)snprintf(text, sizeof text, "%zu", i);
        const struct label labels[] = {
            {"of", trust_name(trust)}, {"place", text}, {"issuer", crl.issuer}};
        exposition_add_number(out, labels, sizeof labels / sizeof labels[0],
                              crl_number_of(&crl, number));
    }
}

void metrics_ends_write(const struct snapshot *snapshot, struct exposition *out, int64_t now_s)
{
    static const struct family certificates = {
        "sallyport_certificate_not_after_timestamp_seconds", FAMILY_GAUGE, "seconds",
        "When a certificate ends, as a Unix time: served, shown to a sink, parent, authorizer or store, or a CA's of these or of a trust profile."};
    static const struct family updates = {"sallyport_crl_next_update_timestamp_seconds",
                                          FAMILY_GAUGE, "seconds",
                                          "When a revocation list ends, as a Unix time."};
    static const struct family soons = {
        "sallyport_crl_soon_timestamp_seconds", FAMILY_GAUGE, "seconds",
        "From when on a revocation list ends soon, as a Unix time: the last quarter of its life, seven days at most."};
    static const struct family entries = {"sallyport_crl_entries", FAMILY_GAUGE, NULL,
                                          "Certificates that a revocation list has."};
    static const struct ca_kinds of_clients = {"anchor", "helper"};
    exposition_add_family(out, &certificates);
    for (size_t l = 0; l < snapshot->listener_count; l++)
        add_served(out, &snapshot->listeners[l]);
    for (size_t t = 0; t < snapshot->trust_count; t++)
        add_cas(out, snapshot->trusts[t], trust_name(snapshot->trusts[t]), of_clients, now_s);
    struct listed_server server;
    for (size_t i = 0; server_list_next(snapshot, &i, &server);)
        add_server(out, &server, now_s);
    exposition_add_family(out, &updates);
    for (size_t t = 0; t < snapshot->trust_count; t++)
        add_crl_numbers(out, snapshot->trusts[t], CRL_END);
    exposition_add_family(out, &soons);
    for (size_t t = 0; t < snapshot->trust_count; t++)
        add_crl_numbers(out, snapshot->trusts[t], CRL_SOON);
    exposition_add_family(out, &entries);
    for (size_t t = 0; t < snapshot->trust_count; t++)
        add_crl_numbers(out, snapshot->trusts[t], CRL_ENTRIES);
}
