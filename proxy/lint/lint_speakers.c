// Checks the clients that speak for others: whether anybody listens to them, and whether anybody is there to speak for.
#include "proxy/lint/parts.h"

bool lint_is_listened_to(const struct snapshot *snapshot, const char *trust)
{
    for (size_t i = 0; i < snapshot->listener_count; i++) {
        const struct listener_config *listener = &snapshot->listeners[i];
        for (size_t j = 0; j < listener->site_count; j++) {
            if (trust == NULL || strcmp(listener->sites[j].trust_name, trust) == 0)
                return true;
        }
    }
    return false;
}

// is_connected tells whether a listener takes certificates of one of the client's entries.
static bool is_connected(const struct lint *lint, const struct client *client)
{
    for (size_t i = 0; i < client->match_count; i++) {
        if (client->matches[i].anonymous ||
            lint_is_listened_to(lint->snapshot, client->matches[i].trust))
            return true;
    }
    return false;
}

// has_guests tells whether certificates of the profile `trust` can be those of a client that may be spoken for.
static bool has_guests(const struct lint *lint, const char *trust)
{
    const struct policy *policy = lint->snapshot->policy;
    for (size_t i = 0; i < policy->client_count; i++) {
        const struct client *client = &policy->clients[i];
        for (size_t j = 0; j < client->match_count && client->speaks_for == NULL; j++) {
            const struct match_entry *entry = &client->matches[j];
            if (!entry->anonymous && (entry->trust == NULL || strcmp(entry->trust, trust) == 0))
                return true;
        }
    }
    return false;
}

static void look_at_speaker(struct lint *lint, const struct client *client, const struct node *node)
{
    if (!is_connected(lint, client))
        lint_find(lint, SEVERITY_WARNING, node_get(node, "speaks_for"),
                  "client `%s` speaks for nobody: no listener takes its certificates, and a proxy "
                  "that is spoken for may not speak"
                  "\ngive a listener the `trust` of its `match`",
                  client->name);
    if (!has_guests(lint, client->speaks_for))
        lint_find(lint, SEVERITY_WARNING, node_get(node, "speaks_for"),
                  "everybody that client `%s` speaks for is refused: no other client is for "
                  "certificates of the trust profile `%s`"
                  "\nadd a client with `match: [{..., trust: %s}]`",
                  client->name, client->speaks_for, client->speaks_for);
}

void lint_speakers(struct lint *lint)
{
    const struct policy *policy = lint->snapshot->policy;
    for (size_t i = 0; i < policy->client_count; i++) {
        const struct client *client = &policy->clients[i];
        const struct node *node = lint->places.clients[i];
        if (client->speaks_for != NULL)
            look_at_speaker(lint, client, node);
        else if (client->has_sources && !is_connected(lint, client))
            lint_find(lint, SEVERITY_NOTE, node_get(node, "sources"),
                      "`sources` of client `%s` is about the address of the proxy that speaks for "
                      "it: no listener takes its own certificates"
                      "\nno change is needed if that is meant",
                      client->name);
    }
}
