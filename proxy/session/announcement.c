// One system call a connection, before anything else is sent over it.
#include "proxy/session/announcement.h"

#include "proxy/net/proxy_header_out.h"

bool announcement_is_wanted(const struct exchange *exchange)
{
    const struct admission admission = admission_of(exchange);
    const struct ip_addr address = search_last_dialled(exchange->route.search);
    const struct client *client = exchange->peer->client;
    return client != NULL && client->sends_proxy && search_sends_proxy(&admission, &address);
}

enum err announcement_send(struct exchange *exchange)
{
    const struct peer *peer = exchange->peer;
    const struct proxy_header_out out = {
        .source = *peer_source(peer),
        .source_port = peer->port,
        .target = search_last_dialled(exchange->route.search),
        .target_port = exchange->request->url.target.port,
        .id = slice_of_string(exchange->id),
        .tls_version = tls_stream_version_name(peer_connected(peer)->tls),
        .tls_cipher = tls_stream_cipher_name(peer_connected(peer)->tls),
        .has_certificate = peer->identity != NULL,
        .is_resumed = peer->is_resumed,
        .cert_name =
            peer->identity == NULL ? (struct slice){0} : dn_common_name(&peer->identity->subject),
    };
    uint8_t header[PROXY_HEADER_OUT_CAP];
    const size_t len = proxy_header_format(&out, header);
    return route_announce(&exchange->route, slice_of(header, len));
}
