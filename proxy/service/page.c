// From the top: what is wrong, what happens now, the last hour, and tables. Names of clients, targets and certificates
// go through html_append, which nothing gets out of.
#include "proxy/service/page.h"

#include <stdlib.h>
#include <time.h>

#include "auth/base/date.h"
#include "proxy/page/assets.h"
#include "proxy/page/chart.h"
#include "proxy/page/html.h"
#include "proxy/process/limits.h"
#include "proxy/service/health.h"
#include "proxy/service/page_ends.h"
#include "proxy/version.h"

enum {
    RATE_S = 60,      // rates are of the last minute
    QUANTILE_S = 300, // and quantiles of the last five
    ROWS_MAX = 15,
    REASONS_CAP = 2048,
};

static uint64_t sum_of(const uint64_t counts[REASON_COUNT])
{
    uint64_t sum = 0;
    for (size_t i = 0; i < REASON_COUNT; i++)
        sum += counts[i];
    return sum;
}

void page_sample(const struct service *service, const struct scan *scan, struct history *history)
{
    const struct session_counters *counters = &scan->counters;
    const uint64_t *answers = counters->dns.answers;
    struct sample sample = {
        .at_s = (int64_t)time(NULL),
        .bytes_up = counters->bytes_up,
        .bytes_down = counters->bytes_down,
        .allowed = sum_of(counters->decided[ACTION_ALLOW]),
        .denied = sum_of(counters->decided[ACTION_DENY]),
        .failed = sum_of(counters->decided[ACTION_ERROR]),
        .would_deny = counters->would_deny,
        .tunnels = counters->tunnels,
        .handshakes = counters->handshakes - counters->resumed,
        .resumed = counters->resumed,
        .refused = sum_of(counters->refused),
        .dns_missing = answers[RESOLVE_NOT_FOUND],
        .dns_failed = answers[RESOLVE_FAILED] + answers[RESOLVE_TIMED_OUT],
        .reloads = service->reloads.good,
        .connect_time = counters->connect_time,
        .dns_time = counters->dns.time,
    };
    for (size_t i = 0; i < RESOLVE_RESULT_COUNT; i++)
        sample.dns_answers += answers[i];
    history_add(history, &sample);
}

static void add_time(struct text *out, int64_t at_s)
{
    char date[DATE_TEXT_CAP];
    text_append_string(out, date_format(at_s, DATE_SECOND, date));
}

// ---- the top ------------------------------------------------------------------------------------

static void add_ready(const struct service *service, struct text *out, int64_t now_s)
{
    char data[REASONS_CAP];
    struct text reasons;
    text_init(&reasons, data, sizeof data);
    if (health_is_ready(service, now_s, &reasons)) {
        text_append_string(out, "<b class=\"good\" id=\"state\">ready</b>");
        return;
    }
    text_append_string(out, "<b class=\"bad\" id=\"state\">not ready: ");
    html_append(out, data);
    text_append_string(out, "</b>");
}

static void add_reload(const struct reload_outcome *reloads, struct text *out)
{
    if (reloads->last_at_s == 0)
        return;
    text_append_format(out, "<p>Last reload <span class=\"%s\">%s</span> at ",
                       reloads->is_last_good ? "good" : "bad",
                       reloads->is_last_good ? "good" : "refused");
    add_time(out, reloads->last_at_s);
    text_append_string(out, ": ");
    html_append(out, reloads->message);
    text_append_string(out, "</p>");
}

static void add_header(const struct service *service, struct text *out, int64_t now_s)
{
    text_append_string(out, "<header><h1>Sallyport " SALLYPORT_VERSION "</h1><p>");
    add_ready(service, out, now_s);
    text_append_string(out, " &middot; up ");
    html_append_span(out, now_s - service->started_s);
    text_append_string(out, " &middot; configuration <code>");
    html_append(out, service->snapshot->id);
    text_append_string(out, "</code> in force since ");
    add_time(out, service->reloads.in_force_since_s);
    text_append_string(out, " &middot; at ");
    add_time(out, now_s);
    text_append_string(out, " &middot; <a href=\"/\">load again</a></p>");
    add_reload(&service->reloads, out);
    text_append_string(out, "</header>\n");
}

// ---- tiles --------------------------------------------------------------------------------------

// per_second gives the difference of two counters as a rate, in tenths.
static uint64_t per_second(const struct sample *first, const struct sample *last, uint64_t before,
                           uint64_t after)
{
    const int64_t span_s = last->at_s - first->at_s;
    return span_s <= 0 || after < before ? 0 : (after - before) * 10 / (uint64_t)span_s;
}

static void begin_tile(struct text *out, const char *name)
{
    text_append_format(out, "<li>%s<b>", name);
}

static void end_tile(struct text *out)
{
    text_append_string(out, "</b></li>");
}

static void add_rate_tile(struct text *out, const char *name, uint64_t tenths)
{
    begin_tile(out, name);
    html_append_count(out, tenths / 10);
    text_append_format(out, ".%u/s", (unsigned)(tenths % 10));
    end_tile(out);
}

static void add_bytes_tile(struct text *out, const char *name, uint64_t tenths)
{
    begin_tile(out, name);
    html_append_bytes(out, tenths / 10);
    text_append_string(out, "/s");
    end_tile(out);
}

static void add_quantile_tile(struct text *out, const char *name, const struct histogram *first,
                              const struct histogram *last)
{
    const int64_t ms = history_quantile_ms(first, last, &histogram_waits, 95);
    begin_tile(out, name);
    if (ms < 0)
        text_append_string(out, "-");
    else if (ms == INT64_MAX)
        text_append_string(out, "over 10 s");
    else
        text_append_format(out, "&le; %lld ms", (long long)ms);
    end_tile(out);
}

static void add_limit_tile(struct text *out, const char *name, uint64_t now, uint64_t max)
{
    begin_tile(out, name);
    html_append_count(out, now);
    if (max > 0) {
        text_append_string(out, " <span class=\"soft\">of ");
        html_append_count(out, max);
        text_append_string(out, "</span>");
    }
    end_tile(out);
}

// add_rates adds what needs two samples.
static void add_rates(const struct history *history, struct text *out)
{
    const struct sample *last = history_last(history);
    const struct sample *first = history_before(history, RATE_S);
    const struct sample *quantile = history_before(history, QUANTILE_S);
    if (first == NULL) {
        text_append_string(out, "<li>Rates<b class=\"soft\">in 10 s</b></li>");
        return;
    }
    const uint64_t denied = per_second(first, last, first->denied, last->denied);
    add_rate_tile(out, "New tunnels", per_second(first, last, first->tunnels, last->tunnels));
    add_bytes_tile(out, "To targets", per_second(first, last, first->bytes_up, last->bytes_up));
    add_bytes_tile(out, "To clients", per_second(first, last, first->bytes_down, last->bytes_down));
    add_rate_tile(out, "Denied", denied);
    add_rate_tile(out, "Refused handshakes",
                  per_second(first, last, first->refused, last->refused));
    add_quantile_tile(out, "Connect, 95%", &quantile->connect_time, &last->connect_time);
    add_quantile_tile(out, "DNS, 95%", &quantile->dns_time, &last->dns_time);
    add_rate_tile(out, "DNS: no such name",
                  per_second(first, last, first->dns_missing, last->dns_missing));
    add_rate_tile(out, "DNS: failed", per_second(first, last, first->dns_failed, last->dns_failed));
}

static void add_tiles(const struct service *service, const struct history *history,
                      const struct scan *scan, struct text *out)
{
    const struct proxy_limits *limits = &service->snapshot->limits;
    const struct ledger_totals totals = ledger_read_all(service->shared.ledger);
    text_append_string(out, "<h2>Now</h2><ul class=\"tiles\">");
    add_limit_tile(out, "Open tunnels", scan->exchanges[EXCHANGE_TUNNEL], limits->tunnels);
    add_limit_tile(out, "Connections", totals.sessions, limits->sessions);
    add_rates(history, out);
    add_limit_tile(out, "Descriptors", limits_count_descriptors(), service->descriptors);
    begin_tile(out, "Memory");
    html_append_bytes(out, totals.memory);
    end_tile(out);
    text_append_string(out, "</ul>\n");
}

static void add_charts(const struct history *history, struct text *out)
{
    static const struct chart charts[] = {
        {"Bytes",
         "B/s",
         {{"to targets", offsetof(struct sample, bytes_up)},
          {"to clients", offsetof(struct sample, bytes_down)}},
         2},
        {"Decisions",
         "/s",
         {{"allowed", offsetof(struct sample, allowed)},
          {"denied", offsetof(struct sample, denied)},
          {"failed", offsetof(struct sample, failed)},
          {"would be denied", offsetof(struct sample, would_deny)}},
         4},
        {"Handshakes",
         "/s",
         {{"full", offsetof(struct sample, handshakes)},
          {"refused", offsetof(struct sample, refused)},
          {"resumed", offsetof(struct sample, resumed)}},
         3},
    };
    text_append_string(out, "<h2>The last hour</h2><div class=\"charts\">");
    for (size_t i = 0; i < sizeof charts / sizeof charts[0]; i++)
        chart_append(out, &charts[i], history);
    text_append_string(out, "</div><p class=\"soft\">A dashed line: a configuration came into "
                            "force.</p>\n");
}

// ---- tables -------------------------------------------------------------------------------------

static void begin_table(struct text *out, const char *title, const char *id, const char *head)
{
    text_append_format(out,
                       "<h2 id=\"%s\">%s</h2><div class=\"scroll\" role=\"region\" "
                       "aria-labelledby=\"%s\" tabindex=\"0\"><table><thead><tr>",
                       id, title, id);
    text_append_string(out, head);
    text_append_string(out, "</tr></thead><tbody>\n");
}

static void end_table(struct text *out, bool is_empty, unsigned columns)
{
    if (is_empty)
        text_append_format(out, "<tr><td class=\"soft\" colspan=\"%u\">none</td></tr>", columns);
    text_append_string(out, "</tbody></table></div>\n");
}

static void add_cell(struct text *out, const char *value)
{
    text_append_string(out, "<td>");
    html_append(out, value);
    text_append_string(out, "</td>");
}

// add_target_cell adds a name that is often long, and that nobody wants to read in pieces.
static void add_target_cell(struct text *out, const char *target)
{
    text_append_string(out, "<td class=\"t\">");
    html_append(out, target);
    text_append_string(out, "</td>");
}

static void add_count_cell(struct text *out, uint64_t count)
{
    text_append_string(out, "<td class=\"n\">");
    html_append_count(out, count);
    text_append_string(out, "</td>");
}

static void add_ago_cell(struct text *out, int64_t at_s, int64_t now_s)
{
    text_append_string(out, "<td class=\"n\">");
    if (at_s == 0)
        text_append_string(out, "-");
    else
        html_append_span(out, now_s > at_s ? now_s - at_s : 0);
    text_append_string(out, "</td>");
}

// is_busier sorts clients: tunnels first, then bytes, then names.
static int is_busier(const void *a, const void *b)
{
    const struct scan_client *left = *(const struct scan_client *const *)a;
    const struct scan_client *right = *(const struct scan_client *const *)b;
    const uint64_t left_bytes = left->bytes_up + left->bytes_down;
    const uint64_t right_bytes = right->bytes_up + right->bytes_down;
    if (left->tunnels != right->tunnels)
        return left->tunnels > right->tunnels ? -1 : 1;
    if (left_bytes != right_bytes)
        return left_bytes > right_bytes ? -1 : 1;
    return strcmp(left->name, right->name);
}

static void add_client(struct text *out, const struct scan_client *client, int64_t now_s)
{
    text_append_string(out, "<tr>");
    add_cell(out, client->name);
    add_count_cell(out, client->sessions);
    add_count_cell(out, client->tunnels);
    text_append_string(out, "<td class=\"n\">");
    html_append_bytes(out, client->bytes_up);
    text_append_string(out, "</td><td class=\"n\">");
    html_append_bytes(out, client->bytes_down);
    text_append_string(out, "</td>");
    add_count_cell(out, client->decided[ACTION_ALLOW]);
    add_count_cell(out, client->decided[ACTION_DENY]);
    add_ago_cell(out, (int64_t)client->seen_s, now_s);
    text_append_string(out, "<td class=\"n\">");
    if (client->not_after_s == 0)
        text_append_string(out, "-");
    else
        page_ends_append_left(out, (int64_t)client->not_after_s - now_s);
    text_append_string(out, "</td></tr>\n");
}

static void add_clients(const struct scan *scan, struct text *out, int64_t now_s)
{
    size_t count = 0;
    const struct scan_client **sorted = scan_sort_clients(scan, is_busier, &count);
    begin_table(out, "Clients", "clients",
                "<th>client</th><th class=\"n\">connections</th><th class=\"n\">tunnels</th>"
                "<th class=\"n\">to targets</th><th class=\"n\">to it</th>"
                "<th class=\"n\">allowed</th><th class=\"n\">denied</th>"
                "<th class=\"n\">came last, ago</th><th class=\"n\">its certificate ends in</th>");
    for (size_t i = 0; i < count && i < ROWS_MAX; i++)
        add_client(out, sorted[i], now_s);
    end_table(out, count == 0, 9);
    free(sorted);
}

// add_times_cell adds how often it was, or at most, for one that has taken the place of another.
static void add_times_cell(struct text *out, const struct top_place *place)
{
    text_append_string(out, "<td class=\"n\">");
    if (place->over > 0)
        text_append_string(out, "up to ");
    html_append_count(out, place->count);
    text_append_string(out, "</td>");
}

static void add_targets(struct tops *targets, struct text *out, int64_t now_s)
{
    size_t count = 0;
    tops_sort(targets);
    begin_table(out, "Targets", "targets",
                "<th>target</th><th class=\"n\">dialled</th><th class=\"n\">failed</th>"
                "<th class=\"n\">last, ago</th>");
    for (; count < TOPS_PLACES && targets->places[count].hash != 0; count++) {
        const struct top_place *place = &targets->places[count];
        text_append_string(out, "<tr>");
        add_target_cell(out, place->what);
        add_times_cell(out, place);
        add_count_cell(out, place->failures);
        add_ago_cell(out, place->last_s, now_s);
        text_append_string(out, "</tr>\n");
    }
    end_table(out, count == 0, 4);
}

// add_quoted adds a word of a command as a shell takes it, whatever is in it.
static void add_quoted(struct text *out, const char *word)
{
    char piece[2] = "";
    text_append_string(out, "&#39;");
    for (; *word != '\0'; word++) {
        piece[0] = *word;
        if (*word == '\'')
            text_append_string(out, "&#39;\\&#39;&#39;");
        else if ((uint8_t)*word < 0x80)
            html_append(out, piece);
        else
            text_append(out, slice_of(word, 1));
    }
    text_append_string(out, "&#39;");
}

// add_explain adds the command that says why; nothing of it was chosen by a client.
static void add_explain(const struct service *service, struct text *out, const char *id)
{
    const char *log = service->snapshot->audit_path;
    text_append_string(out, "<td><code>");
    if (id[0] != '\0' && strcmp(log, "-") != 0) {
        text_append_string(out, "sallyport explain -c ");
        add_quoted(out, service->snapshot->path);
        text_append_string(out, " --log ");
        add_quoted(out, log);
        text_append_string(out, " --id ");
    }
    html_append(out, id);
    text_append_string(out, "</code></td>");
}

static void add_denials(const struct service *service, struct tops *denials, struct text *out,
                        int64_t now_s)
{
    size_t count = 0;
    tops_sort(denials);
    begin_table(out, "Denials", "denials",
                "<th>client</th><th>target</th><th>reason, rule</th><th class=\"n\">times</th>"
                "<th class=\"n\">last, ago</th><th>why</th>");
    for (; count < TOPS_PLACES && denials->places[count].hash != 0; count++) {
        const struct top_place *place = &denials->places[count];
        text_append_string(out, "<tr>");
        add_cell(out, place->who[0] == '\0' ? "(no client)" : place->who);
        add_target_cell(out, place->what);
        add_cell(out, place->why);
        add_times_cell(out, place);
        add_ago_cell(out, place->last_s, now_s);
        add_explain(service, out, place->id);
        text_append_string(out, "</tr>\n");
    }
    end_table(out, count == 0, 6);
}

static void add_refused(struct tops *refused, struct text *out, int64_t now_s)
{
    size_t count = 0;
    tops_sort(refused);
    begin_table(out, "Refused handshakes", "refused",
                "<th>reason</th><th>source</th><th>certificate shown</th>"
                "<th class=\"n\">times</th><th class=\"n\">last, ago</th>");
    for (; count < TOPS_PLACES && refused->places[count].hash != 0; count++) {
        const struct top_place *place = &refused->places[count];
        text_append_string(out, "<tr>");
        add_cell(out, place->why);
        add_cell(out, place->who);
        add_target_cell(out, place->what[0] == '\0' ? "-" : place->what);
        add_times_cell(out, place);
        add_ago_cell(out, place->last_s, now_s);
        text_append_string(out, "</tr>\n");
    }
    end_table(out, count == 0, 5);
}

// add_sinks adds the receivers of the audit log beside its file, where there are some.
static void add_sinks(const struct service *service, struct text *out)
{
    struct outlet_status sinks[OUTLETS_MAX];
    const size_t count = audit_log_look_at_sinks(service->shared.audit, sinks);
    if (count == 0)
        return;
    begin_table(out, "Sinks of the audit log", "sinks",
                "<th>sink</th><th>form</th><th>receiver</th><th class=\"n\">waits</th>"
                "<th class=\"n\">records lost</th>");
    for (size_t i = 0; i < count; i++) {
        text_append_string(out, "<tr>");
        add_target_cell(out, sinks[i].label);
        add_cell(out, outlet_form_name(sinks[i].form));
        text_append_format(out, "<td><span class=\"%s\">%s%s</span></td><td class=\"n\">",
                           sinks[i].is_up         ? "soft"
                           : sinks[i].is_required ? "bad"
                                                  : "warn",
                           sinks[i].is_up ? "takes records" : "away",
                           sinks[i].is_required ? ", required" : "");
        html_append_bytes(out, sinks[i].queued_bytes);
        text_append_string(out, "</td>");
        add_count_cell(out, sinks[i].lost);
        text_append_string(out, "</tr>\n");
    }
    end_table(out, false, 5);
}

void page_write(const struct service *service, const struct history *history, struct scan *scan,
                struct text *out)
{
    struct session_tops none = {0};
    struct session_tops *tops = scan->tops == NULL ? &none : scan->tops;
    const int64_t now_s = (int64_t)time(NULL);
    text_append_string(out, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
                            "<meta name=\"viewport\" content=\"width=device-width\">"
                            "<title>Sallyport</title>");
    assets_append_style(out);
    text_append_string(out, "</head><body>\n");
    add_header(service, out, now_s);
    text_append_string(out, "<main>");
    add_tiles(service, history, scan, out);
    add_charts(history, out);
    add_denials(service, &tops->denials, out, now_s);
    add_refused(&tops->refused, out, now_s);
    add_clients(scan, out, now_s);
    add_targets(&tops->targets, out, now_s);
    add_sinks(service, out);
    page_ends_write(service->snapshot, tops->ends, now_s, out);
    text_append_string(out, "</main><footer>Also <a href=\"/metrics\">/metrics</a>, "
                            "<a href=\"/status.json\">/status.json</a>, "
                            "<a href=\"/healthz\">/healthz</a> and "
                            "<a href=\"/readyz\">/readyz</a>. Counted since the start; the tables "
                            "keep the 32 most frequent, and of one client a share.</footer>\n");
    assets_append_script(out);
    text_append_string(out, "</body></html>\n");
}
