// One row, sample or line for each list.
#include "proxy/service/crl_report.h"

#include "auth/base/json.h"
#include "auth/crl_wishes.h"
#include "proxy/config/crl_sources.h"

void crl_report_status(const struct crl_fetches *fetches, struct text *out)
{
    struct crl_fetch_state state;
    json_begin_array(out, "crl_fetches");
    for (size_t i = 0; crl_fetches_look(fetches, i, &state); i++) {
        json_begin_object(out, NULL);
        json_add_string(out, "of", state.trust);
        json_add_string(out, "url", state.url);
        json_add_count(out, "fetched", state.fetched);
        json_add_count(out, "unchanged", state.unchanged);
        json_add_count(out, "failed", state.failed);
        json_add_time(out, "good_at", state.good_at_s == 0 ? INT64_MIN : state.good_at_s);
        json_add_time(out, "failing_since",
                      state.failing_since_s == 0 ? INT64_MIN : state.failing_since_s);
        json_add_number(out, "next_in_s", (state.next_in_ms + 999) / 1000);
        json_add_string(out, "warning", state.problem[0] == '\0' ? NULL : state.problem);
        json_end_object(out);
    }
    json_end_array(out);
}

void crl_report_unlisted(const struct snapshot *snapshot, struct text *out)
{
    json_begin_array(out, "crl_unlisted");
    for (size_t t = 0; t < snapshot->trust_count; t++) {
        struct http_url urls[CRL_WISHES_MAX_UNLISTED];
        size_t count = 0;
        size_t news = 0;
        // One that is in use just now is asked again when somebody looks again.
        if (!trust_read_unlisted(snapshot->trusts[t], false, urls, &count, &news))
            count = 0;
        for (size_t i = 0; i < count; i++) {
            json_begin_object(out, NULL);
            json_add_string(out, "of", trust_name(snapshot->trusts[t]));
            json_add_string(out, "url", urls[i].text);
            json_end_object(out);
        }
    }
    json_end_array(out);
}

// add_counts adds what came of the fetches of one list.
static void add_counts(struct exposition *out, const struct crl_fetch_state *state)
{
    const struct {
        const char *result;
        uint64_t count;
    } counts[] = {
        {"fetched", state->fetched}, {"unchanged", state->unchanged}, {"failed", state->failed}};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        const struct label labels[] = {
            {"of", state->trust}, {"url", state->url}, {"result", counts[i].result}};
        exposition_add_count(out, labels, sizeof labels / sizeof labels[0], counts[i].count);
    }
}

void crl_report_metrics(const struct crl_fetches *fetches, struct exposition *out)
{
    static const struct family results = {
        "sallyport_crl_fetches", FAMILY_COUNTER, NULL,
        "Answers of servers that were asked for a revocation list."};
    static const struct family times = {
        "sallyport_crl_fetch_success_timestamp_seconds", FAMILY_GAUGE, "seconds",
        "When a server last gave or confirmed its revocation list, as a Unix time; 0: not yet."};
    struct crl_fetch_state state;
    exposition_add_family(out, &results);
    for (size_t i = 0; crl_fetches_look(fetches, i, &state); i++)
        add_counts(out, &state);
    exposition_add_family(out, &times);
    for (size_t i = 0; crl_fetches_look(fetches, i, &state); i++) {
        const struct label labels[] = {{"of", state.trust}, {"url", state.url}};
        exposition_add_number(out, labels, sizeof labels / sizeof labels[0], state.good_at_s);
    }
}

static bool is_fetching(const struct snapshot *snapshot, const char *trust)
{
    const struct crl_source_entry *entry = snapshot->crl_sources;
    // Whom certificates name is not known before they come: nobody may wait for that.
    while (entry != NULL && (entry->source->is_learned || strcmp(entry->source->trust, trust) != 0))
        entry = entry->next;
    return entry != NULL;
}

bool crl_report_health(const struct snapshot *snapshot, struct text *out)
{
    bool has_all = true;
    for (size_t t = 0; t < snapshot->trust_count; t++) {
        const struct trust *trust = snapshot->trusts[t];
        const size_t count =
            is_fetching(snapshot, trust_name(trust)) ? trust_certificate_count(trust) : 0;
        for (size_t i = 0; i < count; i++) {
            if (!trust_lacks_crl(trust, i))
                continue;
            text_append_format(
                out, "trust %.64s: there is no CRL of %.200s yet: its clients are refused\n",
                trust_name(trust), trust_certificate_at(trust, i).subject);
            has_all = false;
        }
    }
    return has_all;
}
