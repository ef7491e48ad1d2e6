// The policy is asked as for any target, with the name from inside in the place of what was asked for.
#include "proxy/session/inside.h"

#include "proxy/session/records.h"

// carries_allowed tells whether this client may reach `name`, which stands inside the tunnel, at the address that was
// dialled, as if it had asked for it. The tunnel then ends by time where this name does. What its rule would have the
// authorizer asked about is not allowed: the question was about what was asked for.
static bool carries_allowed(struct exchange *exchange, const struct hostname *name)
{
    const struct target named = {
        .kind = TARGET_NAME, .port = exchange->request->url.target.port, .name = *name};
    struct admission admission = admission_of(exchange);
    admission.target = &named;
    const struct ip_addr *upstream = &exchange->route.upstream;
    const struct standing standing =
        search_judge_address(&admission, upstream, route_parent_name(&exchange->route));
    if (!standing.is_admitted ||
        (admission.client->asks && search_asks(&admission, upstream, NULL)))
        return false;
    if (standing.until_s < exchange->timing.until_s)
        exchange->timing.until_s = standing.until_s;
    return true;
}

// is_report tells whether what is inside tunnels is only observed. Mode `open` gives rules away, and not what tunnels may
// carry.
static bool is_report(const struct exchange *exchange)
{
    return exchange->peer->client->mode == POLICY_REPORT;
}

// inner_of gives what the tunnel may carry: `inner` is what its rule, or its client, says.
static struct inner inner_of(const struct exchange *exchange, const struct inner *inner)
{
    const bool is_routed = exchange->request != NULL && exchange->request->is_routed;
    return is_routed ? inner_of_named(inner) : *inner;
}

enum err inside_inspect_by(struct exchange *exchange, const struct inner *inner, bool is_report)
{
    TRY(records_reserve_inside(exchange));
    return tunnel_inspect(&exchange->route.tunnel, inner, &exchange->request->url.target,
                          is_report);
}

enum err inside_inspect(struct exchange *exchange)
{
    const struct admission admission = admission_of(exchange);
    const struct standing standing = search_judge_address(&admission, &exchange->route.upstream,
                                                          route_parent_name(&exchange->route));
    const struct inner inner = inner_of(exchange, &standing.inner);
    return inner_looks(&inner) ? inside_inspect_by(exchange, &inner, is_report(exchange)) : ERR_OK;
}

enum verdict_kind inside_judge(struct exchange *exchange, const struct inner_verdict *verdict)
{
    struct inspection *inspection = exchange->route.tunnel.inspection;
    enum verdict_kind kind = VERDICT_REFUSE;
    if (verdict->step != INNER_END && carries_allowed(exchange, verdict->name))
        kind = verdict->step == INNER_ASK_POLICY
                   ? VERDICT_GO
                   : route_find_inside(&exchange->route, exchange->channel, inspection->named);
    if (kind == VERDICT_WAIT || (kind == VERDICT_REFUSE && !inspection->only_observes))
        return kind;
    inspection_answer(inspection, kind == VERDICT_GO);
    return VERDICT_GO;
}

bool inside_is_still_allowed(struct exchange *exchange, const struct inner *rules)
{
    struct inspection *inspection = exchange->route.tunnel.inspection;
    const struct inner inner = inner_of(exchange, rules);
    if (exchange->request != NULL && exchange->request->is_plain)
        return true;
    if (inspection == NULL)
        return is_report(exchange) || !inner_holds_up(&inner);
    if (inspection->gate.state == GATE_FIRST)
        return tunnel_inspect_by(&exchange->route.tunnel, &inner, is_report(exchange));
    inspection_set_rules(inspection, &inner, is_report(exchange)); // a second hello may follow
    if (!inspection->only_observes && inspection->passed != NULL)
        return false; // a part of it has gone on
    const struct inner_verdict verdict =
        inner_judge(&inner, inspection->asked, &inspection->gate.seen);
    const bool was_found = inspection->is_named || inspection->is_asking;
    switch (verdict.step) {
    case INNER_PASS:
        return true;
    case INNER_END:
        break;
    case INNER_ASK_POLICY:
        return is_report(exchange) || carries_allowed(exchange, verdict.name);
    case INNER_ASK_DNS: // DNS is not asked again
        return is_report(exchange) || (was_found && carries_allowed(exchange, verdict.name));
    }
    return is_report(exchange);
}
