// The state of the process as JSON, from what main knows and what the workers have answered. docs/CONTROL.md
// describes the members.
#include "proxy/service/status.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "auth/account.h"
#include "auth/base/date.h"
#include "auth/base/json.h"
#include "proxy/config/endpoint_text.h"
#include "proxy/config/served_list.h"
#include "proxy/config/server_list.h"
#include "proxy/keys/key_store.h"
#include "proxy/ocsp/ocsp_asker.h"
#include "proxy/service/crl_report.h"
#include "proxy/service/dns_report.h"
#include "proxy/service/fleet.h"
#include "proxy/service/included_report.h"
#include "proxy/service/parent_checks.h"
#include "proxy/version.h"

enum {
    INSTANCE_TEXT_CAP = 9,
    SECONDS_A_DAY = 24 * 60 * 60,
    SOON_DAYS = 14,    // a certificate with so few days left has a warning
    CLIENTS_MAX = 100, // the busiest are listed
    CAS_MAX = 16,      // of a profile with more, those that end soon are listed
    BLOCKS_LISTED = 1000,
};

// add_time adds a Unix time; null for 0.
static void add_time(struct text *out, const char *name, int64_t at_s)
{
    json_add_time(out, name, at_s == 0 ? INT64_MAX : at_s);
}

// add_end adds when something ends, and how many days are left.
static void add_end(struct text *out, const char *name, int64_t end_s, int64_t now_s)
{
    add_time(out, name, end_s);
    json_add_number(out, "days_left", date_days_left(now_s, end_s));
}

static bool is_soon(int64_t end_s, int64_t now_s, int64_t days)
{
    return end_s - now_s < days * SECONDS_A_DAY;
}

// add_sandbox adds what a sandbox is.
static void add_sandbox(const struct sandbox *sandbox, struct text *out)
{
    const char *missing = sandbox->missing.text;
    json_add_number(out, "landlock", sandbox->landlock);
    json_add_bool(out, "seccomp", sandbox->has_filter);
    json_add_string(out, "missing", missing[0] == '\0' ? NULL : missing);
}

// add_behind adds the old processes that do not go by what is in force.
static void add_behind(const struct predecessors *predecessors, struct text *out)
{
    json_begin_array(out, "old_behind");
    for (size_t i = 0; i < predecessors->count; i++) {
        const char *why = predecessors_problem(predecessors, i);
        if (why == NULL)
            continue;
        json_begin_object(out, NULL);
        json_add_number(out, "pid", predecessors_pid(predecessors, i));
        json_add_string(out, "why", why);
        json_end_object(out);
    }
    json_end_array(out);
}

static void add_process(const struct service *service, struct text *out, int64_t now_s)
{
    const struct snapshot *snapshot = service->snapshot;
    json_add_string(out, "version", SALLYPORT_VERSION);
    json_add_number(out, "pid", getpid());
    json_add_string(out, "state",
                    service->stopping_at_s != 0         ? "draining"
                    : ev_is_active(&service->lame_duck) ? "lame_duck"
                                                        : "serving");
    add_time(out, "draining_since", service->stopping_at_s);
    add_time(out, "started", service->started_s);
    json_add_number(out, "uptime_s", now_s - service->started_s);
    json_add_count(out, "workers", service->worker_count);
    json_begin_array(out, "old_processes");
    for (size_t i = 0; i < service->succession.predecessors.count; i++)
        json_add_number(out, NULL, predecessors_pid(&service->succession.predecessors, i));
    json_end_array(out);
    add_behind(&service->succession.predecessors, out);
    json_begin_object(out, "sandbox");
    json_add_number(out, "user", geteuid());
    add_sandbox(&service->caging.sandbox, out);
    json_end_object(out);
    json_begin_object(out, "config");
    json_add_string(out, "path", snapshot->path);
    json_add_string(out, "id", snapshot->id);
    json_add_count(out, "generation", snapshot->generation);
    add_time(out, "since", service->reloads.in_force_since_s);
    included_append_json(snapshot, out);
    json_end_object(out);
}

static void add_reloads(const struct service *service, struct text *out)
{
    const struct reload_outcome *reloads = &service->reloads;
    json_begin_object(out, "reloads");
    json_add_count(out, "good", reloads->good);
    json_add_count(out, "failed", reloads->failed);
    json_add_bool(out, "under_way", reloads->done < reloads->begun);
    add_time(out, "failing_since", reloads->failing_since_s);
    if (reloads->last_at_s == 0) {
        json_add_null(out, "last");
    } else {
        json_begin_object(out, "last");
        json_add_bool(out, "good", reloads->is_last_good);
        json_add_bool(out, "partial", reloads->is_last_partial);
        add_time(out, "at", reloads->last_at_s);
        json_add_string(out, "message", reloads->message);
        diagnostics_append_json(&reloads->findings, out, SEVERITY_WARNING);
        json_end_object(out);
    }
    json_end_object(out);
}

// certificate is one that is served or trusted.
struct certificate {
    const char *kind;
    const char *of; // the listener or the trust profile
    const char *subject;
    const char *path; // or NULL
    int64_t not_after_s;
    const char *expired; // what it means that it has expired
    const char *other;   // a warning about something else, or NULL
};

static void add_certificate(struct text *out, const struct certificate *certificate, int64_t now_s)
{
    json_begin_object(out, NULL);
    json_add_string(out, "kind", certificate->kind);
    json_add_string(out, "of", certificate->of);
    json_add_string(out, "subject", certificate->subject);
    json_add_string(out, "path", certificate->path);
    add_end(out, "not_after", certificate->not_after_s, now_s);
    json_add_string(out, "warning",
                    certificate->not_after_s < now_s                      ? certificate->expired
                    : is_soon(certificate->not_after_s, now_s, SOON_DAYS) ? "ends soon"
                                                                          : certificate->other);
    json_end_object(out);
}

static void add_served(struct text *out, const struct listener_config *listener, int64_t now_s)
{
    struct served_certificate served;
    for (size_t i = 0; served_list_next(listener, &i, &served);) {
        const struct certificate certificate = {
            .kind = "server",
            .of = listener->name,
            .subject = served.info->subject,
            .path = served.path,
            .not_after_s = served.info->not_after_s,
            .expired = "has expired: no client is accepted with it",
        };
        add_certificate(out, &certificate, now_s);
    }
}

static void add_cas(struct text *out, const struct trust *trust, int64_t now_s)
{
    const size_t total = trust_certificate_count(trust);
    for (size_t i = 0; i < total; i++) {
        const struct trust_certificate found = trust_certificate_at(trust, i);
        const struct certificate ca = {
            .kind = found.is_anchor ? "anchor" : "helper",
            .of = trust_name(trust),
            .subject = found.subject,
            .not_after_s = found.not_after_s,
            .expired = "has expired: its clients are refused",
            .other = found.warning != NULL       ? found.warning
                     : trust_lacks_crl(trust, i) ? "has no CRL: its clients are refused"
                                                 : NULL,
        };
        if (total <= CAS_MAX || is_soon(ca.not_after_s, now_s, SOON_DAYS))
            add_certificate(out, &ca, now_s);
    }
}

// add_server adds what a server that we speak to is shown and judged by.
static void add_server(struct text *out, const struct listed_server *server, int64_t now_s)
{
    static const struct {
        const char *anchor;
        const char *helper;
        const char *own_expired;
        const char *ca_expired;
    } words[] = {
        [SERVER_SINK] = {"sink_anchor", "sink_helper", "has expired: the receiver will not take it",
                         "has expired: no receiver is good under it"},
        [SERVER_PARENT] = {"parent_anchor", "parent_helper",
                           "has expired: the parent will not take it",
                           "has expired: no parent is good under it"},
        [SERVER_AUTHORIZER] = {"authorizer_anchor", "authorizer_helper",
                               "has expired: the authorizer will not take it",
                               "has expired: the authorizer is not believed under it"},
        [SERVER_STORE] = {"store_anchor", "store_helper", "has expired: the store will not take it",
                          "has expired: the store is not believed under it"},
    };
    struct certificate certificate = {.kind = server_kind_name(server->kind), .of = server->name};
    if (server->own != NULL) {
        certificate.subject = server->own->subject;
        certificate.not_after_s = server->own->not_after_s;
        certificate.expired = words[server->kind].own_expired;
        add_certificate(out, &certificate, now_s);
    }
    certificate.expired = words[server->kind].ca_expired;
    for (size_t i = 0; server->trust != NULL && i < trust_certificate_count(server->trust); i++) {
        const struct trust_certificate ca = trust_certificate_at(server->trust, i);
        certificate.kind = ca.is_anchor ? words[server->kind].anchor : words[server->kind].helper;
        certificate.subject = ca.subject;
        certificate.not_after_s = ca.not_after_s;
        if (!ca.is_left_out)
            add_certificate(out, &certificate, now_s);
    }
}

static void add_certificates(const struct snapshot *snapshot, struct text *out, int64_t now_s)
{
    json_begin_array(out, "certificates");
    for (size_t l = 0; l < snapshot->listener_count; l++)
        add_served(out, &snapshot->listeners[l], now_s);
    for (size_t t = 0; t < snapshot->trust_count; t++)
        add_cas(out, snapshot->trusts[t], now_s);
    struct listed_server server;
    for (size_t i = 0; server_list_next(snapshot, &i, &server);)
        add_server(out, &server, now_s);
    json_end_array(out);
}

static void add_crls(struct text *out, const struct trust *trust, int64_t now_s)
{
    for (size_t i = 0; i < trust_crl_count(trust); i++) {
        const struct trust_crl crl = trust_crl_at(trust, i);
        json_begin_object(out, NULL);
        json_add_string(out, "of", trust_name(trust));
        json_add_string(out, "issuer", crl.issuer);
        json_add_string(out, "number", crl.number);
        json_add_count(out, "entries", crl.entry_count);
        add_end(out, "next_update", crl.next_update_s, now_s);
        json_add_string(out, "warning",
                        crl.warning != NULL            ? crl.warning
                        : crl.next_update_s < now_s    ? "has expired"
                        : now_s >= crl.soon_s          ? "ends soon"
                        : crl.state == TRUST_CRL_WAITS ? "waits for its issuer"
                                                       : NULL);
        json_end_object(out);
    }
}

static void add_listeners(const struct service *service, struct text *out)
{
    json_begin_array(out, "listeners");
    for (size_t l = 0; l < service->snapshot->listener_count; l++) {
        char address[ENDPOINT_TEXT_CAP];
        json_begin_object(out, NULL);
        json_add_string(out, "name", service->snapshot->listeners[l].name);
        json_add_string(out, "address", endpoint_format(&service->sockets.bound[l], address));
        json_add_string(out, "trust", service->snapshot->listeners[l].sites[0].trust_name);
        json_end_object(out);
    }
    json_end_array(out);
}

static void add_numbers(const struct scan *scan, struct text *out)
{
    static const char *const sessions[] = {
#define X(symbol, name) name,
        SESSION_STATE_TABLE(X)
#undef X
    };
    static const char *const exchanges[] = {
#define X(symbol, name) name,
        EXCHANGE_STATE_TABLE(X)
#undef X
    };
    const struct session_counters *counters = &scan->counters;
    json_begin_object(out, "sessions");
    for (size_t i = 0; i < SESSION_DEAD; i++)
        json_add_count(out, sessions[i], scan->sessions[i]);
    json_end_object(out);
    json_begin_object(out, "requests");
    for (size_t i = 0; i < EXCHANGE_DONE; i++)
        json_add_count(out, exchanges[i], scan->exchanges[i]);
    json_end_object(out);
    json_begin_object(out, "http2");
    json_add_count(out, "sessions", scan->http2_sessions);
    json_add_count(out, "streams", scan->http2_streams);
    json_end_object(out);
    json_begin_object(out, "counters");
    json_add_count(out, "connections", counters->accepted);
    json_add_count(out, "connections_closed", counters->closed);
    json_add_count(out, "connections_silent", counters->silent);
    json_add_count(out, "connections_turned_away", counters->turned_away);
    json_add_count(out, "connections_slowed", counters->slowed);
    json_add_count(out, "handshakes_refused", counters->handshakes_refused);
    json_add_count(out, "requests", counters->exchanges);
    json_add_count(out, "requests_limited", counters->limited);
    json_add_count(out, "requests_counted", counters->counted);
    json_add_count(out, "crl_missing", counters->crl_missing);
    json_add_count(out, "tunnels", counters->tunnels);
    json_end_object(out);
}

// add_max adds a limit; null where there is none.
static void add_max(struct text *out, const char *name, uint64_t max)
{
    if (max == 0)
        json_add_null(out, name);
    else
        json_add_count(out, name, max);
}

static void add_limits(const struct service *service, struct text *out)
{
    const struct proxy_limits *limits = &service->snapshot->limits;
    const struct ledger_totals totals = ledger_read_all(service->shared.ledger);
    json_begin_object(out, "limits");
    json_add_count(out, "sessions", totals.sessions);
    add_max(out, "sessions_max", limits->sessions);
    json_add_count(out, "tunnels", totals.tunnels);
    add_max(out, "tunnels_max", limits->tunnels);
    json_add_count(out, "memory", totals.memory);
    add_max(out, "memory_max", limits->memory);
    json_add_count(out, "descriptors_max", service->descriptors);
    json_end_object(out);
}

// is_busier sorts clients: tunnels first, then sessions, then names.
static int is_busier(const void *a, const void *b)
{
    const struct scan_client *left = *(const struct scan_client *const *)a;
    const struct scan_client *right = *(const struct scan_client *const *)b;
    if (left->tunnels != right->tunnels)
        return left->tunnels > right->tunnels ? -1 : 1;
    if (left->sessions != right->sessions)
        return left->sessions > right->sessions ? -1 : 1;
    return strcmp(left->name, right->name);
}

static void add_clients(const struct scan *scan, struct text *out)
{
    size_t count = 0;
    const struct scan_client **sorted = scan_sort_clients(scan, is_busier, &count);
    json_begin_array(out, "clients");
    for (size_t i = 0; i < count && i < CLIENTS_MAX; i++) {
        json_begin_object(out, NULL);
        json_add_string(out, "name", sorted[i]->name);
        json_add_count(out, "sessions", sorted[i]->sessions);
        json_add_count(out, "tunnels", sorted[i]->tunnels);
        json_end_object(out);
    }
    json_end_array(out);
    json_add_count(out, "clients_not_listed", count > CLIENTS_MAX ? count - CLIENTS_MAX : 0);
    json_add_count(out, "sessions_of_no_client", scan->nobody_sessions);
    free(sorted);
}

static void add_blocks(const struct service *service, struct text *out)
{
    const size_t count = blocklist_count(service->blocks);
    json_begin_array(out, "blocks");
    for (size_t i = 0; i < count && i < BLOCKS_LISTED; i++) {
        const struct block *block = blocklist_at(service->blocks, i);
        const char *name = block_client_name(block);
        json_begin_object(out, NULL);
        json_add_string(out, "block", block->text);
        add_time(out, "since", block->since_s);
        json_add_count(out, "uid", block->uid);
        json_add_string(out, "warning",
                        name == NULL || account_find_client(service->snapshot->policy, name) != NULL
                            ? NULL
                            : "no client of the configuration has this name");
        json_end_object(out);
    }
    json_end_array(out);
    json_add_count(out, "blocks_not_listed", count > BLOCKS_LISTED ? count - BLOCKS_LISTED : 0);
}

static void add_control(const struct service *service, struct text *out)
{
    const char *problem = service->blocks_problem.text;
    json_begin_object(out, "control");
    json_add_string(out, "socket", service->snapshot->control_path);
    json_add_string(out, "state", service->snapshot->state_path);
    json_add_string(out, "problem", problem[0] == '\0' ? NULL : problem);
    json_end_object(out);
}

// add_keys says where the private keys are.
static void add_keys(const struct service *service, struct text *out)
{
    struct key_store_status status;
    key_store_status_read(service->keys, &status);
    json_begin_object(out, "keys");
    json_add_string(out, "place", status.is_apart ? "apart" : "here");
    if (status.is_apart) {
        if (status.is_alive)
            json_add_count(out, "pid", (uint64_t)status.pid);
        else
            json_add_null(out, "pid");
        json_begin_object(out, "sandbox");
        add_sandbox(&status.sandbox, out);
        json_end_object(out);
        json_add_count(out, "held", status.key_count);
        json_add_count(out, "signatures", status.signatures);
        json_add_count(out, "failures", status.failures);
        json_add_count(out, "restarts", status.restarts);
        json_add_string(out, "warning",
                        status.is_alive ? NULL : "nobody signs: new handshakes wait");
    }
    json_end_object(out);
}

static void add_admin(const struct monitor_place *place, struct text *out)
{
    char address[ENDPOINT_TEXT_CAP];
    if (place->settings == NULL)
        json_add_null(out, "admin");
    else
        json_add_string(out, "admin",
                        place->settings->socket_path != NULL
                            ? place->settings->socket_path
                            : endpoint_format(&place->bound, address));
}

// add_ocsp says what is known by OCSP, and how it goes.
static void add_ocsp(const struct service *service, struct text *out)
{
    struct ocsp_figures figures;
    uint64_t unanswered = 0;
    ocsp_book_figures(ocsp_asker_book(service->asker), &figures);
    for (size_t fault = 0; fault < OCSP_FAULT_COUNT; fault++)
        unanswered += figures.faults[fault];
    json_begin_object(out, "ocsp");
    json_add_count(out, "certificates", figures.entries);
    json_add_count(out, "in_use", figures.held);
    json_add_count(out, "asked", figures.under_way);
    json_add_count(out, "queued", figures.waiting);
    json_add_count(out, "in_use_unanswered", figures.unanswered);
    json_add_count(out, "good", figures.answers[OCSP_GOOD]);
    json_add_count(out, "unknown", figures.answers[OCSP_UNKNOWN]);
    json_add_count(out, "revoked", figures.answers[OCSP_REVOKED]);
    json_add_count(out, "unanswered", unanswered);
    json_add_count(out, "crowded", figures.crowded);
    json_add_count(out, "bytes", figures.bytes);
    json_end_object(out);
}

// add_authorizer says how it goes with whom rules have asked, where there is one.
static void add_authorizer(const struct service *service, const struct session_counters *counters,
                           struct text *out)
{
    if (service->snapshot->authorizer == NULL)
        return;
    json_begin_object(out, "authorizer");
    for (size_t i = 0; i <= AUTHORIZER_YES; i++)
        json_add_count(out, authorizer_answer_name((enum authorizer_answer)i), counters->asked[i]);
    json_add_count(out, "kept", counters->asked_kept);
    json_add_count(out, "shared", counters->asked_shared);
    json_end_object(out);
}

static void add_sinks(const struct service *service, struct text *out)
{
    struct outlet_status sinks[OUTLETS_MAX];
    const size_t count = audit_log_look_at_sinks(service->shared.audit, sinks);
    json_begin_array(out, "sinks");
    for (size_t i = 0; i < count; i++) {
        json_begin_object(out, NULL);
        json_add_string(out, "sink", sinks[i].label);
        json_add_string(out, "form", outlet_form_name(sinks[i].form));
        json_add_bool(out, "required", sinks[i].is_required);
        json_add_bool(out, "up", sinks[i].is_up);
        json_add_count(out, "queued_bytes", sinks[i].queued_bytes);
        json_add_count(out, "lost", sinks[i].lost);
        json_add_string(out, "warning",
                        !sinks[i].is_up     ? "its receiver is away"
                        : sinks[i].lost > 0 ? "records are missing there"
                                            : NULL);
        json_end_object(out);
    }
    json_end_array(out);
}

static void add_audit(const struct service *service, struct text *out)
{
    const struct chain_settings *chain = service->snapshot->audit_chain;
    struct audit_log_status status;
    char instance[INSTANCE_TEXT_CAP];
    audit_log_look(service->shared.audit, &status);
    (void)snprintf(instance, sizeof instance, "%08" PRIx32, status.instance);
    json_begin_object(out, "audit");
    json_add_string(out, "path", service->snapshot->audit_path);
    json_add_string(out, "on_full",
                    service->snapshot->audit_on_full == AUDIT_REFUSE ? "refuse" : "drop");
    json_add_bool(out, "full", status.is_full);
    json_add_bool(out, "failing", status.is_failing);
    json_add_count(out, "queued", status.queued);
    json_add_count(out, "lost", status.lost);
    json_add_count(out, "removed", status.removed);
    json_add_string(out, "instance", instance);
    json_add_string(out, "chain", chain == NULL ? NULL : chain->signer->verifier.name);
    json_end_object(out);
}

void status_write(const struct service *service, const struct scan *scan, struct text *out)
{
    const struct snapshot *snapshot = service->snapshot;
    const int64_t now_s = (int64_t)time(NULL);
    json_begin_object(out, NULL);
    add_process(service, out, now_s);
    add_reloads(service, out);
    add_listeners(service, out);
    add_numbers(scan, out);
    add_limits(service, out);
    add_clients(scan, out);
    add_certificates(snapshot, out, now_s);
    json_begin_array(out, "crls");
    for (size_t t = 0; t < snapshot->trust_count; t++)
        add_crls(out, snapshot->trusts[t], now_s);
    json_end_array(out);
    crl_report_status(service->crl_fetches, out);
    crl_report_unlisted(service->snapshot, out);
    parent_checks_status(service->parent_checks, out);
    dns_report_status(&snapshot->resolver, out);
    add_ocsp(service, out);
    add_authorizer(service, &scan->counters, out);
    add_blocks(service, out);
    fleet_status(service->fleet, false, out);
    add_keys(service, out);
    add_control(service, out);
    add_admin(&service->place, out);
    add_audit(service, out);
    add_sinks(service, out);
    json_end_object(out);
    text_append_string(out, "\n");
}

// has_more_bytes sorts tunnels: those that have moved the most bytes first.
static int has_more_bytes(const void *a, const void *b)
{
    const struct scan_tunnel *left = a;
    const struct scan_tunnel *right = b;
    const uint64_t left_bytes = left->bytes_up + left->bytes_down;
    const uint64_t right_bytes = right->bytes_up + right->bytes_down;
    if (left_bytes != right_bytes)
        return left_bytes > right_bytes ? -1 : 1;
    return strcmp(left->id, right->id);
}

void status_write_top(const struct scan *scan, struct text *out)
{
    if (scan->tunnel_count > 1)
        qsort(scan->tunnels, scan->tunnel_count, sizeof *scan->tunnels, has_more_bytes);
    json_begin_object(out, NULL);
    json_add_count(out, "open", scan->open_count);
    json_begin_array(out, "tunnels");
    for (size_t i = 0; i < scan->tunnel_count; i++) {
        const struct scan_tunnel *tunnel = &scan->tunnels[i];
        char ip[IP_TEXT_CAP];
        json_begin_object(out, NULL);
        json_add_string(out, "id", tunnel->id);
        json_add_string(out, "session", tunnel->session);
        json_add_string(out, "protocol", tunnel->stream_id == 0 ? "h1" : "h2");
        if (tunnel->stream_id == 0)
            json_add_null(out, "stream");
        else
            json_add_count(out, "stream", tunnel->stream_id);
        json_add_string(out, "client", tunnel->client[0] == '\0' ? NULL : tunnel->client);
        json_add_string(out, "source", ip_addr_format(&tunnel->source, ip));
        json_add_string(out, "host", tunnel->host);
        json_add_count(out, "port", tunnel->port);
        json_add_string(out, "upstream", ip_addr_format(&tunnel->upstream, ip));
        json_begin_object(out, "bytes");
        json_add_count(out, "up", tunnel->bytes_up);
        json_add_count(out, "down", tunnel->bytes_down);
        json_end_object(out);
        json_add_number(out, "age_ms", tunnel->age_ms);
        json_end_object(out);
    }
    json_end_array(out);
    json_end_object(out);
    text_append_string(out, "\n");
}
