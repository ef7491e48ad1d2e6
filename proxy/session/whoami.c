// The words are those of the audit log.
#include "proxy/session/whoami.h"

#define OWN_NAME "sallyport.internal"

bool whoami_is_for(const struct target *target)
{
    if (target->kind != TARGET_NAME)
        return false;
    const struct slice name = hostname_slice(&target->name);
    return slice_equal(name, SLICE_LITERAL(OWN_NAME)) ||
           slice_ends_with(name, SLICE_LITERAL("." OWN_NAME));
}

static void append_string(struct text *out, const char *key, const char *value)
{
    text_append_format(out, "\"%s\":", key);
    if (value == NULL)
        text_append_string(out, "null");
    else
        text_append_json(out, slice_of_string(value), 256);
    text_append_string(out, ",");
}

// append_certificate writes what is known of the certificate, in the words of the audit, and how long it is good.
static void append_certificate(const struct peer *peer, struct text *out)
{
    const int64_t left_s = peer->not_after_s - wall_clock_ms() / 1000;
    if (peer->identity == NULL) {
        text_append_string(out, "\"trust\":null,\"certificate\":null,\"expires_in_s\":null,"
                                "\"days_left\":null,");
        return;
    }
    append_string(out, "trust", identity_trust_name(peer->identity));
    text_append_string(out, "\"certificate\":{");
    identity_append_json(peer->identity, out);
    text_append_format(out, "},\"expires_in_s\":%lld,\"days_left\":%lld,", (long long)left_s,
                       (long long)(left_s / 86400));
}

static void append_limit(struct text *out, const char *key, uint64_t value)
{
    if (value == 0)
        text_append_format(out, "\"%s\":null,", key);
    else
        text_append_format(out, "\"%s\":%llu,", key, (unsigned long long)value);
}

// append_limits writes the client's limits, null where there is none, and what is in use of them by now.
static void append_limits(const struct peer *peer, struct text *out)
{
    const struct client *client = peer->client;
    if (client == NULL) {
        text_append_string(out, "\"limits\":null,");
        return;
    }
    const struct client_limits *limits = &client->limits;
    const uint32_t open = ledger_count_tunnels(peer->context->ledger, client->name);
    const uint32_t left = limits->tunnels > open ? limits->tunnels - open : 0;
    text_append_string(out, "\"limits\":{");
    append_limit(out, "tunnels", limits->tunnels);
    append_limit(out, "new_tunnels", limits->new_tunnels);
    append_limit(out, "burst", limits->burst);
    append_limit(out, "bandwidth_up", limits->bandwidth_up);
    append_limit(out, "bandwidth_down", limits->bandwidth_down);
    append_limit(out, "age_ms", (uint64_t)limits->age_ms);
    append_limit(out, "idle_ms", (uint64_t)limits->idle_ms);
    if (limits->tunnels == 0)
        text_append_string(out, "\"tunnels_left\":null,");
    else
        text_append_format(out, "\"tunnels_left\":%u,", left);
    text_append_format(out, "\"tunnels_open\":%u},", open);
}

void whoami_append(const struct peer *peer, const char *id, struct text *out)
{
    const struct client *client = peer->client;
    char address[IP_TEXT_CAP];
    text_append_string(out, "{");
    append_string(out, "client", client == NULL ? NULL : client->name);
    append_string(out, "mode", client == NULL ? NULL : policy_mode_name(client->mode));
    append_certificate(peer, out);
    append_string(out, "address", ip_addr_format(&peer->address, address));
    text_append_format(out, "\"port\":%u,", peer->port);
    append_string(out, "listener", peer->listener->name);
    text_append_string(out, "\"tls\":{");
    append_string(out, "version", tls_stream_version_name(peer->tls));
    append_string(out, "cipher", tls_stream_cipher_name(peer->tls));
    text_append_format(out, "\"resumed\":%s},", peer->is_resumed ? "true" : "false");
    append_limits(peer, out);
    append_string(out, "config", peer->snapshot->id);
    text_append_format(out, "\"id\":\"%s\"}\n", id);
}

struct verdict whoami_decide(const struct peer *peer, const struct request *request)
{
    const struct slice name = hostname_slice(&request->url.target.name);
    const bool is_get = request->is_for_head || slice_equal(request->method, SLICE_LITERAL("GET"));
    if (!request->is_plain)
        return verdict_error(404, REASON_NOT_FOUND, "no tunnels to the proxy");
    if (!slice_equal(name, SLICE_LITERAL(OWN_NAME)) || request->url.target.port != 80 ||
        !slice_equal(request->url.path, SLICE_LITERAL("/whoami")))
        return verdict_error(404, REASON_NOT_FOUND, "there is only /whoami");
    if (!is_get)
        return verdict_error(405, REASON_BAD_REQUEST, "use GET");
    // A client without certificate, which no entry of the config fits, is told nothing.
    const bool is_known = peer->identity != NULL || peer->client != NULL;
    const struct decision decision = {.action = is_known ? ACTION_ALLOW : ACTION_DENY,
                                      .reason = is_known ? REASON_WHOAMI : REASON_NO_CLIENT};
    return verdict_of_decision(&decision, peer->snapshot->id, is_known ? 200 : 403);
}
