// A family after the other, as both formats want it.
#include "proxy/service/metrics.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "proxy/keys/key_store.h"
#include "proxy/ocsp/ocsp_asker.h"
#include "proxy/process/limits.h"
#include "proxy/service/crl_report.h"
#include "proxy/service/dns_report.h"
#include "proxy/service/fleet.h"
#include "proxy/service/health.h"
#include "proxy/service/metrics_ends.h"
#include "proxy/service/parent_checks.h"
#include "proxy/version.h"

// add_family begins a family whose description is static.
#define add_family(out, family_name, family_kind, family_unit, family_help)                        \
    do {                                                                                           \
        static const struct family family_ = {(family_name), (family_kind), (family_unit),         \
                                              (family_help)};                                      \
        exposition_add_family((out), &family_);                                                    \
    } while (0)

// add_one writes a family of one sample without labels.
#define add_one(out, family_name, family_kind, family_unit, family_help, value)                    \
    do {                                                                                           \
        add_family(out, family_name, family_kind, family_unit, family_help);                       \
        exposition_add_count((out), NULL, 0, (value));                                             \
    } while (0)

static void add_labelled(struct exposition *out, const char *name, const char *word, uint64_t value)
{
    const struct label label = {name, word};
    exposition_add_count(out, &label, 1, value);
}

static uint64_t resident_bytes(void)
{
    char statm[128] = "";
    char *end = NULL;
    const int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    const ssize_t len = fd < 0 ? -1 : read(fd, statm, sizeof statm - 1);
    if (fd >= 0)
        (void)close(fd);
    if (len <= 0)
        return 0;
    (void)strtoull(statm, &end, 10);
    return strtoull(end, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t cpu_ms(void)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0)
        return 0;
    return ((uint64_t)usage.ru_utime.tv_sec + (uint64_t)usage.ru_stime.tv_sec) * 1000 +
           ((uint64_t)usage.ru_utime.tv_usec + (uint64_t)usage.ru_stime.tv_usec) / 1000;
}

// add_process has the names that each client library of Prometheus uses.
static void add_process(const struct service *service, struct exposition *out)
{
    add_family(out, "process_cpu_seconds", FAMILY_COUNTER, "seconds",
               "Processor time used by all threads.");
    exposition_add_ms(out, NULL, 0, cpu_ms());
    add_one(out, "process_resident_memory_bytes", FAMILY_GAUGE, "bytes", "Memory in use.",
            resident_bytes());
    add_one(out, "process_open_fds", FAMILY_GAUGE, NULL, "Descriptors in use.",
            limits_count_descriptors());
    add_one(out, "process_max_fds", FAMILY_GAUGE, NULL, "Descriptors that the process may use.",
            service->descriptors);
    add_one(out, "process_start_time_seconds", FAMILY_GAUGE, "seconds",
            "When the process began, as a Unix time.", (uint64_t)service->started_s);
}

static void add_state(const struct service *service, struct exposition *out, int64_t now_s)
{
    char data[2048];
    struct text reasons;
    text_init(&reasons, data, sizeof data);
    const struct label build = {"version", SALLYPORT_VERSION};
    const struct label config = {"id", service->snapshot->id};
    add_family(out, "sallyport_build", FAMILY_INFO, NULL, "The program.");
    exposition_add_count(out, &build, 1, 1);
    add_family(out, "sallyport_config", FAMILY_INFO, NULL,
               "The configuration in force, by the digest that the audit records have.");
    exposition_add_count(out, &config, 1, 1);
    add_one(out, "sallyport_config_generation", FAMILY_GAUGE, NULL,
            "Rises with each configuration, list of blocks or revocation that comes into force.",
            service->snapshot->generation);
    add_one(out, "sallyport_ready", FAMILY_GAUGE, NULL,
            "1 if new clients can be served: what /readyz says.",
            health_is_ready(service, now_s, &reasons));
    add_one(out, "sallyport_draining", FAMILY_GAUGE, NULL, "1 while the process is about to end.",
            service->stopping_at_s != 0);
    add_one(out, "sallyport_workers", FAMILY_GAUGE, NULL, "Threads that serve clients.",
            service->worker_count);
    add_one(out, "sallyport_blocks", FAMILY_GAUGE, NULL,
            "Clients and certificates that an operator has blocked.",
            blocklist_count(service->blocks));
}

static void add_old_processes(const struct service *service, struct exposition *out)
{
    const struct predecessors *predecessors = &service->succession.predecessors;
    uint64_t behind = 0;
    for (size_t i = 0; i < predecessors->count; i++)
        behind += predecessors_problem(predecessors, i) != NULL;
    add_one(out, "sallyport_old_processes", FAMILY_GAUGE, NULL,
            "Processes that served before an upgrade and still have tunnels.", predecessors->count);
    add_one(out, "sallyport_old_processes_behind", FAMILY_GAUGE, NULL,
            "Those of them that cannot read the configuration in force, and so drain.", behind);
}

static void add_reloads(const struct service *service, struct exposition *out)
{
    const struct reload_outcome *reloads = &service->reloads;
    add_one(out, "sallyport_config_last_reload_successful", FAMILY_GAUGE, NULL,
            "0 while what is on the disk is refused.", reloads->failing_since_s == 0);
    add_one(out, "sallyport_config_last_reload_success_timestamp_seconds", FAMILY_GAUGE, "seconds",
            "When the configuration in force came into force, as a Unix time.",
            (uint64_t)reloads->in_force_since_s);
    add_family(out, "sallyport_config_reloads", FAMILY_COUNTER, NULL, "Reloads, by their result.");
    add_labelled(out, "result", "good", reloads->good);
    add_labelled(out, "result", "failed", reloads->failed);
    add_family(out, "sallyport_config_included_files", FAMILY_GAUGE, NULL,
               "Included files: good, held (refused, and what they said before is in force), or "
               "refused.");
    for (enum included_state state = INCLUDED_GOOD; state < INCLUDED_STATES; state++)
        add_labelled(out, "state", included_state_name(state),
                     included_parts_count(&service->snapshot->included, state));
}

// add_reasons adds a count for each reason that has one, and for those from `first` to `last` always: a rate can only be
// seen of what has been there before.
static void add_reasons(struct exposition *out, const uint64_t counts[REASON_COUNT],
                        enum reason first, enum reason last)
{
    for (enum reason reason = REASON_NONE; reason < REASON_COUNT; reason++) {
        if (counts[reason] > 0 || (reason >= first && reason <= last))
            add_labelled(out, "reason", reason_name(reason), counts[reason]);
    }
}

static void add_connections(const struct scan *scan, struct exposition *out)
{
    static const char *const states[] = {
#define X(symbol, name) name,
        SESSION_STATE_TABLE(X)
#undef X
    };
    const struct session_counters *counters = &scan->counters;
    add_one(out, "sallyport_connections_accepted", FAMILY_COUNTER, NULL,
            "Connections of clients that were accepted.", counters->accepted);
    add_one(out, "sallyport_connections_silent", FAMILY_COUNTER, NULL,
            "Of these: ended without having sent a byte.", counters->silent);
    add_one(out, "sallyport_connections_slowed", FAMILY_COUNTER, NULL,
            "Connections whose handshake had to wait, for others of their source had failed.",
            counters->slowed);
    add_family(out, "sallyport_connections", FAMILY_GAUGE, NULL, "Connections, by their state.");
    for (size_t i = 0; i < SESSION_DEAD; i++)
        add_labelled(out, "state", states[i], scan->sessions[i]);
    add_one(out, "sallyport_handshakes", FAMILY_COUNTER, NULL,
            "TLS handshakes that made a client known.", counters->handshakes);
    add_one(out, "sallyport_handshakes_resumed", FAMILY_COUNTER, NULL,
            "Of these: resumed with a ticket.", counters->resumed);
    add_family(out, "sallyport_handshakes_group", FAMILY_COUNTER, NULL,
               "The same, by the group of their key exchange.");
    for (enum tls_group group = 0; group < TLS_GROUP_COUNT; group++)
        add_labelled(out, "group", tls_group_names[group], counters->groups[group]);
    add_labelled(out, "group", "other", counters->groups[TLS_GROUP_COUNT]);
    add_family(out, "sallyport_handshakes_refused", FAMILY_COUNTER, NULL,
               "Connections that came to no client, by the reason in the audit.");
    add_reasons(out, counters->refused, REASON_NO_CERTIFICATE, REASON_PROTOCOL);
    add_family(out, "sallyport_handshake_duration_seconds", FAMILY_HISTOGRAM, "seconds",
               "From the accept to a known client.");
    exposition_add_histogram(out, &histogram_waits, &counters->handshake_time);
}

static void add_decisions(const struct scan *scan, struct exposition *out)
{
    static const char *const actions[ACTION_COUNT] = {"allow", "deny", "error"};
    const struct session_counters *counters = &scan->counters;
    add_family(out, "sallyport_requests", FAMILY_COUNTER, NULL,
               "Requests, by what was decided and the reason in the audit.");
    for (size_t action = 0; action < ACTION_COUNT; action++) {
        for (enum reason reason = REASON_NONE; reason < REASON_COUNT; reason++) {
            const uint64_t count = counters->decided[action][reason];
            const bool is_usual = action == ACTION_ALLOW ? reason == REASON_RULE
                                  : action == ACTION_DENY
                                      ? reason >= REASON_NO_CLIENT && reason <= REASON_OWN_LISTENER
                                      : reason == REASON_DNS_FAILED;
            const struct label labels[] = {{"decision", actions[action]},
                                           {"reason", reason_name(reason)}};
            if (count > 0 || is_usual)
                exposition_add_count(out, labels, 2, count);
        }
    }
    add_one(out, "sallyport_requests_would_deny", FAMILY_COUNTER, NULL,
            "Requests that were allowed only because the mode of their client is report.",
            counters->would_deny);
    add_one(out, "sallyport_certificates_contested", FAMILY_COUNTER, NULL,
            "Clients known by a certificate that fits clients of two included files.",
            counters->contested);
    add_one(out, "sallyport_requests_limited", FAMILY_COUNTER, NULL,
            "Requests that a limit has refused.", counters->limited);
}

static void add_requests(const struct scan *scan, struct exposition *out)
{
    static const char *const states[] = {
#define X(symbol, name) name,
        EXCHANGE_STATE_TABLE(X)
#undef X
    };
    add_decisions(scan, out);
    add_family(out, "sallyport_requests_open", FAMILY_GAUGE, NULL,
               "Requests under way, by what they wait for; tunnel: bytes flow.");
    for (size_t i = 0; i < EXCHANGE_DONE; i++)
        add_labelled(out, "state", states[i], scan->exchanges[i]);
    add_one(out, "sallyport_requests_forwarded", FAMILY_COUNTER, NULL,
            "Plain HTTP requests that were passed on.", scan->counters.forwarded);
}

static void add_tunnels(const struct scan *scan, struct exposition *out)
{
    const struct session_counters *counters = &scan->counters;
    add_one(out, "sallyport_tunnels_opened", FAMILY_COUNTER, NULL, "Tunnels that were opened.",
            counters->tunnels);
    add_family(out, "sallyport_tunnels_closed", FAMILY_COUNTER, NULL,
               "Tunnels that have ended, by the reason in the audit.");
    add_reasons(out, counters->ended, REASON_COMPLETED, REASON_DRAINED);
    add_family(out, "sallyport_tunnel_duration_seconds", FAMILY_HISTOGRAM, "seconds",
               "How long tunnels were open that have ended.");
    exposition_add_histogram(out, &histogram_lives, &counters->tunnel_time);
    add_family(out, "sallyport_transferred_bytes", FAMILY_COUNTER, "bytes",
               "Bytes passed on in tunnels and bodies, to targets (up) and to clients (down).");
    add_labelled(out, "direction", "up", counters->bytes_up);
    add_labelled(out, "direction", "down", counters->bytes_down);
}

static void add_targets(const struct scan *scan, struct exposition *out)
{
    static const char *const results[] = {
        [DIAL_CONNECTED] = "connected",         [DIAL_REFUSED] = "refused",
        [DIAL_TIMED_OUT] = "timed_out",         [DIAL_NO_RESOURCES] = "no_resources",
        [DIAL_NO_SOURCE] = "no_egress_address",
    };
    const struct session_counters *counters = &scan->counters;
    add_family(out, "sallyport_dns_answers", FAMILY_COUNTER, NULL,
               "Questions put to DNS, by what came of them.");
    for (size_t i = 0; i < RESOLVE_RESULT_COUNT; i++) {
        if (i != RESOLVE_TOO_MANY)
            add_labelled(out, "result", resolve_result_name((enum resolve_result)i),
                         counters->dns.answers[i]);
    }
    add_one(out, "sallyport_dns_cache_hits", FAMILY_COUNTER, NULL,
            "Questions that the cache has answered.", counters->dns.cached);
    add_family(out, "sallyport_dns_duration_seconds", FAMILY_HISTOGRAM, "seconds",
               "How long DNS took for a question.");
    exposition_add_histogram(out, &histogram_waits, &counters->dns.time);
    add_family(out, "sallyport_connects", FAMILY_COUNTER, NULL,
               "Targets that were dialled, by what came of it.");
    for (size_t i = 0; i <= DIAL_NO_SOURCE; i++)
        add_labelled(out, "result", results[i], counters->dialled[i]);
    add_family(out, "sallyport_connect_duration_seconds", FAMILY_HISTOGRAM, "seconds",
               "How long it took to be connected to a target.");
    exposition_add_histogram(out, &histogram_waits, &counters->connect_time);
}

static void add_authorizer(const struct session_counters *counters, struct exposition *out)
{
    add_family(out, "sallyport_authorizer_answers", FAMILY_COUNTER, NULL,
               "Questions put to the authorizer, by its answer; none: no usable one.");
    for (size_t i = 0; i <= AUTHORIZER_YES; i++)
        add_labelled(out, "answer", authorizer_answer_name((enum authorizer_answer)i),
                     counters->asked[i]);
    add_family(
        out, "sallyport_authorizer_reused", FAMILY_COUNTER, NULL,
        "Requests for which an answer to an equal question served: kept from before, or shared "
        "while it was asked.");
    add_labelled(out, "how", "kept", counters->asked_kept);
    add_labelled(out, "how", "shared", counters->asked_shared);
    add_family(out, "sallyport_authorizer_duration_seconds", FAMILY_HISTOGRAM, "seconds",
               "How long questions to the authorizer took.");
    exposition_add_histogram(out, &histogram_waits, &counters->asked_time);
}

// add_limit adds a limit, where there is one.
static void add_limit(struct exposition *out, const char *limit, uint64_t max)
{
    if (max > 0)
        add_labelled(out, "limit", limit, max);
}

static void add_limits(const struct service *service, const struct scan *scan,
                       struct exposition *out)
{
    const struct proxy_limits *limits = &service->snapshot->limits;
    const struct ledger_totals totals = ledger_read_all(service->shared.ledger);
    add_family(out, "sallyport_limit_in_use", FAMILY_GAUGE, NULL,
               "What all clients together use of a limit; memory in bytes.");
    add_labelled(out, "limit", "sessions", totals.sessions);
    add_labelled(out, "limit", "tunnels", totals.tunnels);
    add_labelled(out, "limit", "memory", totals.memory);
    add_family(out, "sallyport_limit_max", FAMILY_GAUGE, NULL,
               "The limits of the whole proxy, where the configuration sets one; memory in bytes.");
    add_limit(out, "sessions", limits->sessions);
    add_limit(out, "tunnels", limits->tunnels);
    add_limit(out, "memory", limits->memory);
    add_one(out, "sallyport_accounts", FAMILY_GAUGE, NULL,
            "Clients that are counted: with a connection, or with a rate not paid off yet.",
            totals.accounts);
    add_one(out, "sallyport_http2_streams", FAMILY_GAUGE, NULL,
            "Requests under way on HTTP/2 connections.", scan->http2_streams);
}

static void add_ocsp(const struct service *service, struct exposition *out)
{
    struct ocsp_figures figures;
    ocsp_book_figures(ocsp_asker_book(service->asker), &figures);
    add_family(
        out, "sallyport_ocsp_answers", FAMILY_COUNTER, NULL,
        "Questions put to OCSP responders, by what was answered, or why there was no answer.");
    for (enum ocsp_status status = OCSP_GOOD; status <= OCSP_REVOKED; status++)
        add_labelled(out, "result", ocsp_status_name(status), figures.answers[status]);
    for (enum ocsp_fault fault = OCSP_FAULT_NONE + 1; fault < OCSP_FAULT_COUNT; fault++) {
        if (figures.faults[fault] > 0 || fault == OCSP_FAULT_TIMEOUT)
            add_labelled(out, "result", ocsp_fault_name(fault), figures.faults[fault]);
    }
    add_family(out, "sallyport_ocsp_duration_seconds", FAMILY_HISTOGRAM, "seconds",
               "How long questions to OCSP responders took.");
    exposition_add_histogram(out, &histogram_waits, ocsp_asker_times(service->asker));
    add_family(
        out, "sallyport_ocsp_certificates", FAMILY_GAUGE, NULL,
        "Certificates whose OCSP answer is kept, those in use by somebody, those asked about now, "
        "those whose turn to be asked about is to come, and those in use without an answer that "
        "counts.");
    add_labelled(out, "state", "kept", figures.entries);
    add_labelled(out, "state", "in_use", figures.held);
    add_labelled(out, "state", "asked", figures.under_way);
    add_labelled(out, "state", "queued", figures.waiting);
    add_labelled(out, "state", "unanswered", figures.unanswered);
    add_one(out, "sallyport_ocsp_crowded", FAMILY_COUNTER, NULL,
            "How often there was no room to ask about a certificate.", figures.crowded);
}

// add_keys is of private keys that are apart.
static void add_keys(const struct service *service, struct exposition *out)
{
    struct key_store_status status;
    key_store_status_read(service->keys, &status);
    add_one(out, "sallyport_key_holder_missing", FAMILY_GAUGE, NULL,
            "1 while the process that holds the private keys is not there, where they are apart.",
            status.is_apart && !status.is_alive ? 1 : 0);
    add_one(out, "sallyport_key_holder_restarts", FAMILY_COUNTER, NULL,
            "How often another process was started in its place.", status.restarts);
    add_one(out, "sallyport_key_signatures", FAMILY_COUNTER, NULL, "Signatures that it has made.",
            status.signatures);
    add_one(out, "sallyport_key_signature_failures", FAMILY_COUNTER, NULL,
            "Signatures that it was asked for, and has not made.", status.failures);
}

static void add_audit(const struct service *service, struct exposition *out)
{
    struct audit_log_status status;
    audit_log_look(service->shared.audit, &status);
    add_one(out, "sallyport_audit_queued", FAMILY_GAUGE, NULL,
            "Decisions whose room in the audit's queue is taken.", status.queued);
    add_family(out, "sallyport_audit_lag_seconds", FAMILY_GAUGE, "seconds",
               "For how long the writer has not been able to write all that waited.");
    exposition_add_ms(out, NULL, 0, (uint64_t)status.lag_ms);
    add_one(out, "sallyport_audit_lost", FAMILY_COUNTER, NULL, "Records that were not kept.",
            status.lost);
    add_one(out, "sallyport_audit_files_removed", FAMILY_COUNTER, NULL,
            "How often the file was removed while it was in use.", status.removed);
    add_one(out, "sallyport_audit_failing", FAMILY_GAUGE, NULL, "1 if the last write has failed.",
            status.is_failing);
    add_one(out, "sallyport_audit_full", FAMILY_GAUGE, NULL,
            "1 if there is no room for another record.", status.is_full);
}

static void add_of_sink(struct exposition *out, const struct outlet_status *sink, uint64_t value)
{
    const struct label labels[] = {{"sink", sink->label}, {"form", outlet_form_name(sink->form)}};
    exposition_add_count(out, labels, sizeof labels / sizeof labels[0], value);
}

// add_sinks adds the receivers of the audit log beside its file, which the configuration names.
static void add_sinks(const struct service *service, struct exposition *out)
{
    struct outlet_status sinks[OUTLETS_MAX];
    const size_t count = audit_log_look_at_sinks(service->shared.audit, sinks);
    add_family(out, "sallyport_sink_up", FAMILY_GAUGE, NULL,
               "1 if a receiver of the audit log can be reached.");
    for (size_t i = 0; i < count; i++)
        add_of_sink(out, &sinks[i], sinks[i].is_up);
    add_family(out, "sallyport_sink_queued_bytes", FAMILY_GAUGE, "bytes",
               "Audit records that wait for a receiver, or for its acknowledgement.");
    for (size_t i = 0; i < count; i++)
        add_of_sink(out, &sinks[i], sinks[i].queued_bytes);
    add_family(
        out, "sallyport_sink_lost", FAMILY_COUNTER, NULL,
        "Audit records that a receiver did not get, for they had no room or were too large.");
    for (size_t i = 0; i < count; i++)
        add_of_sink(out, &sinks[i], sinks[i].lost);
}

// add_client_numbers adds one number of each client.
static void add_client_numbers(const struct scan *scan, struct exposition *out, size_t offset)
{
    for (size_t i = 0; i < scan->client_cap; i++) {
        const struct scan_client *client = &scan->clients[i];
        const uint8_t *number = (const uint8_t *)client + offset;
        if (client->name[0] != '\0')
            add_labelled(out, "client", client->name, *(const uint64_t *)(const void *)number);
    }
}

// client_number is a number of a client under a word.
struct client_number {
    const char *word;
    size_t offset; // in struct scan_client
};

static void add_client_words(const struct scan *scan, struct exposition *out, const char *name,
                             const struct client_number *numbers, size_t count)
{
    for (size_t i = 0; i < scan->client_cap; i++) {
        const struct scan_client *client = &scan->clients[i];
        for (size_t n = 0; n < count && client->name[0] != '\0'; n++) {
            const struct label labels[] = {{"client", client->name}, {name, numbers[n].word}};
            const uint8_t *number = (const uint8_t *)client + numbers[n].offset;
            exposition_add_count(out, labels, 2, *(const uint64_t *)(const void *)number);
        }
    }
}

static void add_clients(const struct scan *scan, struct exposition *out)
{
    static const struct client_number decisions[] = {
        {"allow", offsetof(struct scan_client, decided[ACTION_ALLOW])},
        {"deny", offsetof(struct scan_client, decided[ACTION_DENY])},
        {"error", offsetof(struct scan_client, decided[ACTION_ERROR])},
    };
    static const struct client_number directions[] = {
        {"up", offsetof(struct scan_client, bytes_up)},
        {"down", offsetof(struct scan_client, bytes_down)},
    };
    add_family(out, "sallyport_client_connections", FAMILY_GAUGE, NULL,
               "Connections of a client of the configuration.");
    add_client_numbers(scan, out, offsetof(struct scan_client, sessions));
    add_family(out, "sallyport_client_tunnels", FAMILY_GAUGE, NULL,
               "Tunnels and plain requests under way of a client of the configuration.");
    add_client_numbers(scan, out, offsetof(struct scan_client, tunnels));
    add_family(out, "sallyport_client_requests", FAMILY_COUNTER, NULL,
               "Requests of a client of the configuration, by what was decided.");
    add_client_words(scan, out, "decision", decisions, 3);
    add_family(out, "sallyport_client_transferred_bytes", FAMILY_COUNTER, "bytes",
               "Bytes passed on for a client of the configuration.");
    add_client_words(scan, out, "direction", directions, 2);
}

void metrics_write(const struct service *service, const struct scan *scan,
                   enum exposition_format format, struct text *out)
{
    const int64_t now_s = (int64_t)time(NULL);
    struct exposition exposition;
    exposition_begin(&exposition, format, out);
    add_process(service, &exposition);
    add_state(service, &exposition, now_s);
    add_old_processes(service, &exposition);
    add_reloads(service, &exposition);
    add_connections(scan, &exposition);
    add_requests(scan, &exposition);
    add_tunnels(scan, &exposition);
    add_targets(scan, &exposition);
    add_authorizer(&scan->counters, &exposition);
    add_limits(service, scan, &exposition);
    add_ocsp(service, &exposition);
    add_keys(service, &exposition);
    add_audit(service, &exposition);
    add_sinks(service, &exposition);
    metrics_ends_write(service->snapshot, &exposition, now_s);
    crl_report_metrics(service->crl_fetches, &exposition);
    parent_checks_metrics(service->parent_checks, &exposition);
    dns_report_metrics(&service->snapshot->resolver, &exposition);
    fleet_metrics(service->fleet, &exposition);
    if (scan->kind == SCAN_METRICS)
        add_clients(scan, &exposition);
    exposition_end(&exposition);
}
