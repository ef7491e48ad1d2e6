// The process told about in JSON, from what main knows and what the workers have answered. The members are
// described in docs/CONTROL.md.
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "proxy/admin/control_server.h"
#include "proxy/config/endpoint_text.h"
#include "proxy/service/service_internal.h"
#include "proxy/version.h"

enum {
    SECONDS_A_DAY = 24 * 60 * 60,
    SOON_DAYS = 14,    // a certificate with so few days left has a warning
    CRL_SOON_DAYS = 7, // a CRL likewise
    CLIENTS_MAX = 100, // the busiest are listed
    CAS_MAX = 16,      // of a profile with more, those that end soon are listed
    BLOCKS_LISTED = 1000,
};

static void put(struct control_call *call, const char *text)
{
    control_call_append(call, slice_of_string(text));
}

// put_member adds `"name":"value"`, null for NULL, with a comma in front unless it is the first.
static void put_member(struct control_call *call, bool is_first, const char *name,
                       const char *value)
{
    control_call_format(call, "%s\"%s\":", is_first ? "" : ",", name);
    if (value == NULL)
        put(call, "null");
    else
        control_call_json(call, value);
}

// put_time adds `,"name":"2026-11-22T03:00:00Z"`; null for 0.
static void put_time(struct control_call *call, const char *name, int64_t at_s)
{
    char stamp[32];
    struct tm utc;
    const time_t time = (time_t)at_s;
    if (at_s == 0 || gmtime_r(&time, &utc) == NULL ||
        strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%SZ", &utc) == 0)
        put_member(call, false, name, NULL);
    else
        put_member(call, false, name, stamp);
}

// put_end adds when something ends, and how many days are left.
static void put_end(struct control_call *call, const char *name, int64_t end_s, int64_t now_s)
{
    const int64_t left_s = end_s - now_s;
    const int64_t days =
        left_s >= 0 ? left_s / SECONDS_A_DAY : -((-left_s + SECONDS_A_DAY - 1) / SECONDS_A_DAY);
    put_time(call, name, end_s);
    control_call_format(call, ",\"days_left\":%" PRId64, days);
}

void status_write_findings(const struct diagnostics *findings, struct control_call *call)
{
    put(call, "[");
    for (size_t i = 0, count = 0; i < findings->count; i++) {
        const struct diagnostic *found = &findings->items[i];
        if (found->severity == SEVERITY_NOTE)
            continue;
        control_call_format(call, "%s{\"severity\":\"%s\",\"line\":%" PRIu32 ",\"column\":%" PRIu32,
                            count++ == 0 ? "" : ",", severity_name(found->severity), found->line,
                            found->column);
        put_member(call, false, "file", found->file);
        put_member(call, false, "message", found->message);
        put_member(call, false, "hint", found->hint);
        put(call, "}");
    }
    put(call, "]");
}

static void put_process(const struct service *service, struct control_call *call, int64_t now_s)
{
    const struct snapshot *snapshot = service->snapshot;
    put_member(call, true, "version", SALLYPORT_VERSION);
    control_call_format(call, ",\"pid\":%d,\"state\":\"%s\"", (int)getpid(),
                        service->is_stopping ? "draining" : "serving");
    put_time(call, "draining_since", service->draining_at_s);
    put_time(call, "started", service->started_s);
    control_call_format(call, ",\"uptime_s\":%" PRId64 ",\"workers\":%" PRIu32,
                        now_s - service->started_s, service->worker_count);
    put(call, ",\"config\":{");
    put_member(call, true, "path", snapshot->path);
    put_member(call, false, "id", snapshot->id);
    control_call_format(call, ",\"generation\":%" PRIu64, service->generation);
    put_time(call, "since", service->snapshot_at_s);
    put(call, "}");
}

static void put_reloads(const struct service *service, struct control_call *call)
{
    const struct reload_outcome *reloads = &service->reloads;
    control_call_format(
        call, ",\"reloads\":{\"good\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"under_way\":%s",
        reloads->good, reloads->failed, reloads->done < reloads->begun ? "true" : "false");
    put_time(call, "failing_since", reloads->failing_since_s);
    put(call, ",\"last\":");
    if (reloads->last_at_s == 0) {
        put(call, "null}");
        return;
    }
    control_call_format(call, "{\"good\":%s", reloads->is_last_good ? "true" : "false");
    put_time(call, "at", reloads->last_at_s);
    put_member(call, false, "message", reloads->message);
    put(call, ",\"findings\":");
    status_write_findings(&reloads->findings, call);
    put(call, "}}");
}

static void put_certificate(struct control_call *call, bool is_first, const char *listener,
                            const char *path, const struct tls_context_info *info, int64_t now_s)
{
    put(call, is_first ? "{" : ",{");
    put_member(call, true, "kind", "server");
    put_member(call, false, "of", listener);
    put_member(call, false, "subject", info->subject);
    put_member(call, false, "path", path);
    put_end(call, "not_after", info->not_after_s, now_s);
    const bool is_soon = info->not_after_s - now_s < (int64_t)SOON_DAYS * SECONDS_A_DAY;
    put_member(call, false, "warning",
               info->not_after_s < now_s ? "has expired: no client is accepted with it"
               : is_soon                 ? "ends soon"
                                         : NULL);
    put(call, "}");
}

static size_t put_served(struct control_call *call, size_t count, const char *listener,
                         const char *path, const struct tls_context *tls, int64_t now_s)
{
    for (size_t i = 0; i < tls_context_certificate_count(tls); i++) {
        struct tls_context_info info;
        tls_context_describe_at(tls, i, &info);
        put_certificate(call, count++ == 0, listener, i == 0 ? path : NULL, &info, now_s);
    }
    return count;
}

static size_t put_cas(struct control_call *call, size_t count, const struct trust *trust,
                      int64_t now_s)
{
    const size_t total = trust_certificate_count(trust);
    for (size_t i = 0; i < total; i++) {
        const struct trust_certificate found = trust_certificate_at(trust, i);
        const bool is_soon = found.not_after_s - now_s < (int64_t)SOON_DAYS * SECONDS_A_DAY;
        if (total > CAS_MAX && !is_soon)
            continue;
        put(call, count++ == 0 ? "{" : ",{");
        put_member(call, true, "kind", found.is_anchor ? "anchor" : "helper");
        put_member(call, false, "of", trust_name(trust));
        put_member(call, false, "subject", found.subject);
        put_member(call, false, "path", NULL);
        put_end(call, "not_after", found.not_after_s, now_s);
        put_member(call, false, "warning",
                   found.not_after_s < now_s   ? "has expired: its clients are refused"
                   : is_soon                   ? "ends soon"
                   : found.warning != NULL     ? found.warning
                   : trust_lacks_crl(trust, i) ? "has no CRL: its clients are refused"
                                               : NULL);
        put(call, "}");
    }
    return count;
}

static void put_certificates(const struct snapshot *snapshot, struct control_call *call,
                             int64_t now_s)
{
    size_t count = 0;
    put(call, ",\"certificates\":[");
    for (size_t l = 0; l < snapshot->listener_count; l++) {
        const struct listener_config *listener = &snapshot->listeners[l];
        count = put_served(call, count, listener->name, listener->chain_path, listener->tls, now_s);
        for (size_t s = 0; s < listener->sni_count; s++) {
            const struct sni_config *sni = &listener->sni[s];
            if (sni->tls != listener->tls)
                count = put_served(call, count, listener->name, sni->chain_path, sni->tls, now_s);
        }
    }
    for (size_t t = 0; t < snapshot->trust_count; t++)
        count = put_cas(call, count, snapshot->trusts[t], now_s);
    put(call, "]");
}

static void put_crls(const struct snapshot *snapshot, struct control_call *call, int64_t now_s)
{
    size_t count = 0;
    put(call, ",\"crls\":[");
    for (size_t t = 0; t < snapshot->trust_count; t++) {
        const struct trust *trust = snapshot->trusts[t];
        for (size_t i = 0; i < trust_crl_count(trust); i++) {
            const struct trust_crl crl = trust_crl_at(trust, i);
            const int64_t left_s = crl.next_update_s - now_s;
            put(call, count++ == 0 ? "{" : ",{");
            put_member(call, true, "of", trust_name(trust));
            put_member(call, false, "issuer", crl.issuer);
            put_member(call, false, "number", crl.number);
            control_call_format(call, ",\"entries\":%zu", crl.entry_count);
            put_end(call, "next_update", crl.next_update_s, now_s);
            put_member(call, false, "warning",
                       crl.warning != NULL                               ? crl.warning
                       : left_s < 0                                      ? "has expired"
                       : left_s < (int64_t)CRL_SOON_DAYS * SECONDS_A_DAY ? "ends soon"
                       : crl.state == TRUST_CRL_WAITS                    ? "waits for its issuer"
                                                                         : NULL);
            put(call, "}");
        }
    }
    put(call, "]");
}

static void put_listeners(const struct service *service, struct control_call *call)
{
    put(call, ",\"listeners\":[");
    for (size_t l = 0; l < service->snapshot->listener_count; l++) {
        char address[ENDPOINT_TEXT_CAP];
        put(call, l == 0 ? "{" : ",{");
        put_member(call, true, "name", service->snapshot->listeners[l].name);
        put_member(call, false, "address", endpoint_format(&service->sockets.bound[l], address));
        put_member(call, false, "trust", service->snapshot->listeners[l].trust_name);
        put(call, "}");
    }
    put(call, "]");
}

static void put_numbers(const struct survey *survey, struct control_call *call)
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
    const struct session_counters *counters = &survey->counters;
    put(call, ",\"sessions\":{");
    for (size_t i = 0; i < SESSION_DEAD; i++)
        control_call_format(call, "%s\"%s\":%" PRIu64, i == 0 ? "" : ",", sessions[i],
                            survey->sessions[i]);
    put(call, "},\"requests\":{");
    for (size_t i = 0; i < EXCHANGE_DONE; i++)
        control_call_format(call, "%s\"%s\":%" PRIu64, i == 0 ? "" : ",", exchanges[i],
                            survey->exchanges[i]);
    control_call_format(
        call,
        "},\"counters\":{\"connections\":%" PRIu64 ",\"connections_closed\":%" PRIu64
        ",\"connections_silent\":%" PRIu64 ",\"connections_turned_away\":%" PRIu64
        ",\"connections_slowed\":%" PRIu64 ",\"handshakes_refused\":%" PRIu64
        ",\"requests\":%" PRIu64 ",\"requests_limited\":%" PRIu64 ",\"requests_counted\":%" PRIu64
        ",\"crl_missing\":%" PRIu64 ",\"tunnels\":%" PRIu64 "}",
        counters->accepted, counters->closed, counters->silent, counters->turned_away,
        counters->slowed, counters->handshakes_refused, counters->exchanges, counters->limited,
        counters->counted, counters->crl_missing, counters->tunnels);
}

// put_use adds `"name":N,"name_max":N`; null where there is no limit.
static void put_use(struct control_call *call, bool is_first, const char *name, uint64_t used,
                    uint64_t max)
{
    control_call_format(call, "%s\"%s\":%" PRIu64 ",\"%s_max\":", is_first ? "" : ",", name, used,
                        name);
    if (max == 0)
        put(call, "null");
    else
        control_call_format(call, "%" PRIu64, max);
}

static void put_limits(const struct service *service, struct control_call *call)
{
    const struct proxy_limits *limits = &service->snapshot->limits;
    const struct ledger_totals totals = ledger_read(service->ledger);
    put(call, ",\"limits\":{");
    put_use(call, true, "sessions", totals.sessions, limits->sessions);
    put_use(call, false, "tunnels", totals.tunnels, limits->tunnels);
    put_use(call, false, "memory", totals.memory, limits->memory);
    control_call_format(call, ",\"descriptors_max\":%" PRIu64 "}", service->descriptors);
}

// is_busier sorts clients: tunnels first, then sessions, then names.
static int is_busier(const void *a, const void *b)
{
    const struct survey_client *left = *(const struct survey_client *const *)a;
    const struct survey_client *right = *(const struct survey_client *const *)b;
    if (left->tunnels != right->tunnels)
        return left->tunnels > right->tunnels ? -1 : 1;
    if (left->sessions != right->sessions)
        return left->sessions > right->sessions ? -1 : 1;
    return strcmp(left->name, right->name);
}

static void put_clients(const struct survey *survey, struct control_call *call)
{
    const struct survey_client **sorted = calloc(survey->client_count + 1, sizeof *sorted);
    size_t count = 0;
    for (size_t i = 0; sorted != NULL && i < survey->client_cap; i++) {
        if (survey->clients[i].name[0] != '\0')
            sorted[count++] = &survey->clients[i];
    }
    if (count > 1)
        qsort(sorted, count, sizeof *sorted, is_busier);
    put(call, ",\"clients\":[");
    for (size_t i = 0; i < count && i < CLIENTS_MAX; i++)
        control_call_format(
            call, "%s{\"name\":\"%s\",\"sessions\":%" PRIu64 ",\"tunnels\":%" PRIu64 "}",
            i == 0 ? "" : ",", sorted[i]->name, sorted[i]->sessions, sorted[i]->tunnels);
    control_call_format(call, "],\"clients_not_listed\":%zu,\"sessions_of_no_client\":%" PRIu64,
                        count > CLIENTS_MAX ? count - CLIENTS_MAX : 0, survey->nobody_sessions);
    free(sorted);
}

static bool has_client(const struct policy *policy, const char *name)
{
    for (size_t i = 0; i < policy->client_count; i++) {
        if (strcmp(policy->clients[i].name, name) == 0)
            return true;
    }
    return false;
}

static void put_blocks(const struct service *service, struct control_call *call)
{
    const size_t count = blocklist_count(service->blocks);
    put(call, ",\"blocks\":[");
    for (size_t i = 0; i < count && i < BLOCKS_LISTED; i++) {
        const struct block *block = blocklist_at(service->blocks, i);
        const char *name = block_client_name(block);
        put(call, i == 0 ? "{" : ",{");
        put_member(call, true, "block", block->text);
        put_time(call, "since", block->since_s);
        control_call_format(call, ",\"uid\":%" PRIu32, block->uid);
        put_member(call, false, "warning",
                   name == NULL || has_client(service->snapshot->policy, name)
                       ? NULL
                       : "no client of the configuration has this name");
        put(call, "}");
    }
    control_call_format(call, "],\"blocks_not_listed\":%zu",
                        count > BLOCKS_LISTED ? count - BLOCKS_LISTED : 0);
}

static void put_audit(const struct service *service, struct control_call *call)
{
    struct audit_log_status status;
    audit_log_look(service->audit, &status);
    put(call, ",\"audit\":{");
    put_member(call, true, "path", service->snapshot->audit_path);
    put_member(call, false, "on_full",
               service->snapshot->audit_on_full == AUDIT_REFUSE ? "refuse" : "drop");
    control_call_format(call,
                        ",\"full\":%s,\"failing\":%s,\"queued\":%" PRIu64 ",\"lost\":%" PRIu64
                        ",\"removed\":%" PRIu64 "}",
                        status.is_full ? "true" : "false", status.is_failing ? "true" : "false",
                        status.queued, status.lost, status.removed);
}

void status_write(const struct service *service, const struct survey *survey,
                  struct control_call *call)
{
    const int64_t now_s = (int64_t)time(NULL);
    const char *problem = control_state_problem(service->control);
    put(call, "{");
    put_process(service, call, now_s);
    put_reloads(service, call);
    put_listeners(service, call);
    put_numbers(survey, call);
    put_limits(service, call);
    put_clients(survey, call);
    put_certificates(service->snapshot, call, now_s);
    put_crls(service->snapshot, call, now_s);
    put_blocks(service, call);
    put(call, ",\"control\":{");
    put_member(call, true, "socket", control_path(service->control));
    put_member(call, false, "state", service->snapshot->state_path);
    put_member(call, false, "problem", problem[0] == '\0' ? NULL : problem);
    put(call, "}");
    put_audit(service, call);
    put(call, "}\n");
}

// has_more_bytes sorts tunnels: those that have moved the most bytes first.
static int has_more_bytes(const void *a, const void *b)
{
    const struct survey_tunnel *left = a;
    const struct survey_tunnel *right = b;
    const uint64_t left_bytes = left->bytes_up + left->bytes_down;
    const uint64_t right_bytes = right->bytes_up + right->bytes_down;
    if (left_bytes != right_bytes)
        return left_bytes > right_bytes ? -1 : 1;
    return strcmp(left->id, right->id);
}

void status_write_top(const struct survey *survey, struct control_call *call)
{
    if (survey->tunnel_count > 1)
        qsort(survey->tunnels, survey->tunnel_count, sizeof *survey->tunnels, has_more_bytes);
    control_call_format(call, "{\"open\":%" PRIu64 ",\"tunnels\":[",
                        survey->exchanges[EXCHANGE_TUNNEL]);
    for (size_t i = 0; i < survey->tunnel_count; i++) {
        const struct survey_tunnel *tunnel = &survey->tunnels[i];
        char upstream[IP_TEXT_CAP];
        char source[IP_TEXT_CAP];
        put(call, i == 0 ? "{" : ",{");
        put_member(call, true, "id", tunnel->id);
        put_member(call, false, "client", tunnel->client[0] == '\0' ? NULL : tunnel->client);
        put_member(call, false, "source", ip_addr_format(&tunnel->source, source));
        put_member(call, false, "host", tunnel->host);
        control_call_format(call, ",\"port\":%u", tunnel->port);
        put_member(call, false, "upstream", ip_addr_format(&tunnel->upstream, upstream));
        control_call_format(
            call, ",\"bytes\":{\"up\":%" PRIu64 ",\"down\":%" PRIu64 "},\"age_ms\":%" PRId64 "}",
            tunnel->bytes_up, tunnel->bytes_down, tunnel->age_ms);
    }
    put(call, "]}\n");
}
