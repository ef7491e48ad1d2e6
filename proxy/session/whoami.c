// The words are those of the audit log.
#include "proxy/session/whoami.h"

#include "auth/base/date.h"
#include "auth/base/json.h"

#define OWN_NAME "sallyport.internal"

bool whoami_is_for(const struct target *target)
{
    if (target->kind != TARGET_NAME)
        return false;
    const struct slice name = hostname_slice(&target->name);
    return slice_equal(name, SLICE_LITERAL(OWN_NAME)) ||
           slice_ends_with(name, SLICE_LITERAL("." OWN_NAME));
}

// add_certificate adds what is known of the certificate, in the words of the audit, and how long it is valid.
static void add_certificate(const struct peer *peer, struct text *out)
{
    const int64_t now_s = wall_clock_ms() / 1000;
    if (peer->identity == NULL) {
        json_add_null(out, "trust");
        json_add_null(out, "certificate");
        json_add_null(out, "expires_in_s");
        json_add_null(out, "days_left");
        return;
    }
    json_add_string(out, "trust", peer->identity->trust_name);
    json_begin_object(out, "certificate");
    identity_append_json(peer->identity, out);
    identity_append_extensions(peer->identity, peer->snapshot->policy->extensions, out);
    json_end_object(out);
    json_add_number(out, "expires_in_s", peer_ends_s(peer) - now_s);
    json_add_number(out, "days_left", date_days_left(now_s, peer_ends_s(peer)));
}

static void add_limit(struct text *out, const char *name, bool is_limited, uint64_t value)
{
    if (is_limited)
        json_add_count(out, name, value);
    else
        json_add_null(out, name);
}

// add_limits adds the client's limits, null where there is none, and what is in use of them by now.
static void add_limits(const struct peer *peer, struct text *out)
{
    const struct client *client = peer->client;
    if (client == NULL) {
        json_add_null(out, "limits");
        return;
    }
    const struct client_limits *limits = &client->limits;
    const uint32_t open = account_open_tunnels(peer->account);
    struct client_limit all[CLIENT_LIMITS];
    client_limits_list(limits, all);
    json_begin_object(out, "limits");
    for (size_t i = 0; i < CLIENT_LIMITS; i++)
        add_limit(out, all[i].name, all[i].value != 0, all[i].value);
    const bool is_fleet = limits->scope == LIMIT_FLEET; // what others have left is not known here
    json_add_string(out, "scope", is_fleet ? "fleet" : "machine");
    add_limit(out, "tunnels_left", limits->tunnels != 0 && !is_fleet,
              limits->tunnels > open ? limits->tunnels - open : 0);
    json_add_count(out, "tunnels_open", open);
    json_end_object(out);
}

void whoami_append(const struct peer *peer, const char *id, struct text *out)
{
    const struct client *client = peer->client;
    char address[IP_TEXT_CAP];
    json_begin_object(out, NULL);
    json_add_string(out, "client", peer_client_name(peer));
    if (client != NULL && client->name_template != NULL)
        json_add_string(out, "entry", client->name);
    json_add_string(out, "mode", client == NULL ? NULL : policy_mode_name(client->mode));
    add_certificate(peer, out);
    json_add_string(out, "address", ip_addr_format(&peer->address, address));
    json_add_count(out, "port", peer->port);
    if (peer->via.family != IP_NONE)
        json_add_string(out, "via", ip_addr_format(&peer->via, address));
    if (peer->edge != NULL)
        json_add_string(out, "via_client", peer_client_name(peer->edge));
    json_add_string(out, "listener", peer->listener->name);
    json_add_string(out, "protocol", tls_stream_is_http2(peer_connected(peer)->tls) ? "h2" : "h1");
    json_add_string(out, "session", peer->id);
    json_begin_object(out, "tls");
    json_add_string(out, "version", tls_stream_version_name(peer_connected(peer)->tls));
    json_add_string(out, "cipher", tls_stream_cipher_name(peer_connected(peer)->tls));
    json_add_string(out, "group", tls_stream_group_name(peer_connected(peer)->tls));
    json_add_bool(out, "resumed", peer->is_resumed);
    json_end_object(out);
    add_limits(peer, out);
    json_add_string(out, "config", peer->snapshot->id);
    json_add_string(out, "id", id);
    json_end_object(out);
    text_append_string(out, "\n");
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
