// Each reason by itself, so that one who reads the answer sees all of them.
#include "proxy/service/health.h"

#include "proxy/service/crl_report.h"
#include "proxy/service/fleet.h"

static bool say(struct text *out, const char *format, const char *a, const char *b)
{
    text_append_format(out, format, a, b);
    text_append_string(out, "\n");
    return false;
}

static bool can_record(const struct service *service, struct text *out)
{
    struct audit_log_status status;
    audit_log_look(service->shared.audit, &status);
    if (service->snapshot->audit_on_full != AUDIT_REFUSE)
        return true;
    if (status.is_failing)
        return say(out, "the audit log %.200s cannot be written: requests are refused%s",
                   service->snapshot->audit_path, "");
    if (status.is_full)
        return say(out, "the audit's queue is full: requests are refused%s%s", "", "");
    return true;
}

// is_valid tells whether one of the certificates is valid now.
static bool is_valid(const struct tls_context *tls, int64_t now_s)
{
    for (size_t i = 0; i < tls_context_certificate_count(tls); i++) {
        const struct tls_context_info *info = tls_context_describe(tls, i);
        if (info->not_before_s <= now_s && now_s <= info->not_after_s)
            return true;
    }
    return false;
}

static bool has_certificates(const struct snapshot *snapshot, int64_t now_s, struct text *out)
{
    bool has_all = true;
    for (size_t l = 0; l < snapshot->listener_count; l++) {
        const struct listener_config *listener = &snapshot->listeners[l];
        if (!is_valid(listener->sites[0].tls, now_s))
            has_all = say(out, "the listener %.64s has no certificate that is valid now%s",
                          listener->name, "");
    }
    return has_all;
}

static bool has_lists(const struct snapshot *snapshot, int64_t now_s, struct text *out)
{
    bool has_all = true;
    for (size_t t = 0; t < snapshot->trust_count; t++) {
        const struct trust *trust = snapshot->trusts[t];
        for (size_t i = 0; i < trust_crl_count(trust) && !trust_keeps_expired_crls(trust); i++) {
            const struct trust_crl crl = trust_crl_at(trust, i);
            if (crl.state != TRUST_CRL_IDLE && crl.next_update_s < now_s)
                has_all =
                    say(out, "trust %.64s: the CRL of %.200s has expired: its clients are refused",
                        trust_name(trust), crl.issuer);
        }
    }
    return has_all;
}

bool health_is_ready(const struct service *service, int64_t now_s, struct text *out)
{
    bool is_ready = true;
    if (service->stopping_at_s != 0)
        is_ready = say(out, "draining: no new connections are accepted%s%s", "", "");
    if (ev_is_active(&service->lame_duck))
        is_ready = say(out, "about to drain: new connections are accepted until then%s%s", "", "");
    is_ready = can_record(service, out) && is_ready;
    is_ready = has_certificates(service->snapshot, now_s, out) && is_ready;
    is_ready = fleet_is_ready(service->fleet, out) && is_ready;
    is_ready = crl_report_health(service->snapshot, out) && is_ready;
    return has_lists(service->snapshot, now_s, out) && is_ready;
}
