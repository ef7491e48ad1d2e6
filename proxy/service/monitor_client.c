// The same words as for those who use the proxy (proxy/session/handshake_failure.h), and the same bound for storms.
#include "proxy/service/monitor_client.h"

#include <stdio.h>
#include <sys/random.h>
#include <time.h>

#include "proxy/audit/refusals.h"
#include "proxy/clock/clock.h"
#include "proxy/service/state.h"
#include "proxy/session/handshake_failure.h"

enum { ID_CAP = 17 };

static const char listener_name[] = "admin";

static enum err judge_today(const struct snapshot *snapshot, const struct trust *trust,
                            const STACK_OF(CRYPTO_BUFFER) *chain, struct trust_verdict *out)
{
    TRY(trust_check_size(chain, TLS_MAX_CHAIN_LEAST, out));
    TRY(trust_verify(trust, chain, (int64_t)time(NULL), out));
    if (blocklist_judge(snapshot->blocks, NULL, out->identity->record) == NULL)
        return ERR_OK;
    *out = (struct trust_verdict){
        .reason = REASON_BLOCKED,
        .detail = "an operator has blocked this certificate (sallyport block)",
        .presented = out->identity,
    };
    return ERR_DENIED;
}

enum err monitor_client_judge(const struct service *service, const STACK_OF(CRYPTO_BUFFER) *chain,
                              struct trust_verdict *out, enum tls_alert *out_alert)
{
    const struct snapshot *snapshot = service->snapshot;
    const struct trust *trust = snapshot->admin == NULL || snapshot->admin->trust_name == NULL
                                    ? NULL
                                    : snapshot_find_trust(snapshot, snapshot->admin->trust_name);
    *out = (struct trust_verdict){.reason = REASON_UNKNOWN_CA, .detail = "`admin` trusts nobody"};
    const enum err error = trust == NULL ? ERR_DENIED : judge_today(snapshot, trust, chain, out);
    if (error != ERR_OK)
        *out_alert = handshake_alert(out->reason);
    return error;
}

// make_id makes an id as records have it.
static void make_id(char out[ID_CAP])
{
    uint64_t value = 0;
    if (getrandom(&value, sizeof value, GRND_NONBLOCK) != sizeof value)
        value = (uint64_t)monotonic_ms();
    (void)snprintf(out, ID_CAP, "%08x%08x", (uint32_t)(value >> 32), (uint32_t)value);
}

void monitor_client_record(const struct service *service, const struct monitor_failure *failure)
{
    char id[ID_CAP];
    char code[FAILURE_CODE_CAP];
    const struct handshake_judgement judgement = {failure->verdict->reason,
                                                  failure->verdict->detail};
    const enum reason reason = handshake_failure_reason(failure->tls, &judgement);
    const struct refusal_subject subject = {.source = failure->address,
                                            .port = failure->port,
                                            .reason = reason,
                                            .listener = listener_name};
    if (!refusals_note(service->shared.refusals, &subject, monotonic_ms()))
        return;
    make_id(id);
    const struct audit_refusal refusal = {
        .now_ms = wall_clock_ms(),
        .id = id,
        .listener = listener_name,
        .address = *failure->address,
        .port = failure->port,
        .tls_version = tls_stream_version_name(failure->tls),
        .reason = reason,
        .detail = reason == REASON_TIMEOUT
                      ? "the handshake took longer than 10 s"
                      : handshake_failure_detail(failure->tls, reason, &judgement),
        .code = handshake_failure_code(failure->tls, code),
        .presented = failure->verdict->presented,
        .count = 1,
    };
    audit_log_submit_bounded(service->shared.audit, AUDIT_KIND_REFUSAL,
                             audit_refusal_create(&refusal), 1);
}
