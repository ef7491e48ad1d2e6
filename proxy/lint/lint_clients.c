// Checks the clients. The first client that matches is the client, so one that comes after a client that matches
// everything is never reached.
#include <inttypes.h>
#include <stdio.h>

#include "auth/client_index.h"
#include "auth/name_template.h"
#include "auth/spiffe_id.h"
#include "proxy/lint/parts.h"

enum { PLACE_CAP = 300 };

// place_of writes where `other` stands, as seen from the place of `client`.
static const char *place_of(const struct client *client, const struct client *other,
                            char out[PLACE_CAP])
{
    if (client->file == other->file)
        (void)snprintf(out, PLACE_CAP, "line %" PRIu32, other->line);
    else
        (void)snprintf(out, PLACE_CAP, "%.250s:%" PRIu32, other->file->name, other->line);
    return out;
}

// find_earlier gives the first client that comes before `owner` and has an entry that covers `entry`, or NULL. An entry
// covers itself, so that no client after `owner` is found.
static const struct client *find_earlier(struct lint *lint, const struct client *owner,
                                         const struct match_entry *entry)
{
    size_t compared = 0;
    if (lint->budget.left == 0)
        return NULL;
    const struct client *first = client_index_find_cover(lint->snapshot->policy->client_index,
                                                         entry, match_entry_covers, &compared);
    lint->budget.left -= compared < lint->budget.left ? compared : lint->budget.left;
    return first == owner ? NULL : first;
}

static bool uses_trust(const struct snapshot *snapshot, const char *name)
{
    if (lint_is_listened_to(snapshot, name))
        return true;
    for (size_t i = 0; i < snapshot->policy->client_count; i++) {
        const char *guests = snapshot->policy->clients[i].speaks_for;
        if (guests != NULL && strcmp(guests, name) == 0)
            return true;
    }
    return false;
}

static const struct trust *find_trust(const struct snapshot *snapshot, const char *name)
{
    for (size_t i = 0; i < snapshot->trust_count; i++) {
        // An entry that names no profile is for the only one there is.
        if (name == NULL || strcmp(trust_name(snapshot->trusts[i]), name) == 0)
            return snapshot->trusts[i];
    }
    return NULL;
}

// asks_for_other_domain tells whether an entry with this `uri` fits no SPIFFE ID of the trust domain.
static bool asks_for_other_domain(struct slice uri, const char *domain)
{
    struct slice found = {0};
    const bool is_id = spiffe_id_parse(uri, &found);
    return !slice_equal(found, slice_of_string(domain)) || (!is_id && !match_is_uri_pattern(uri));
}

// look_at_domain compares the SPIFFE ID of an entry with the trust domain of its profile; false: nobody fits.
static bool look_at_domain(struct lint *lint, const struct client *owner, size_t number,
                           const struct node *node)
{
    const struct match_entry *entry = &owner->matches[number];
    const struct trust *trust = find_trust(lint->snapshot, entry->trust);
    const struct slice uri = slice_of_string(entry->uri == NULL ? "" : entry->uri);
    if (trust == NULL || !slice_starts_with(uri, SLICE_LITERAL("spiffe://")))
        return true;
    const char *domain = trust_domain(trust);
    if (domain == NULL && lint->snapshot->trust_count > 1)
        lint_find(
            lint, SEVERITY_NOTE, node,
            "match[%zu] of client `%s` names a SPIFFE ID, and the trust profile `%s` is bound to "
            "no trust domain: its CAs may issue IDs of every domain"
            "\nwrite `spiffe: DOMAIN` in the profile",
            number, owner->name, trust_name(trust));
    if (domain == NULL || !asks_for_other_domain(uri, domain))
        return true;
    lint_find(lint, SEVERITY_WARNING, node,
              "match[%zu] of client `%s` never fits: `uri` is no SPIFFE ID of %s, which the trust "
              "profile `%s` is bound to"
              "\ncorrect the `uri` of the entry, or `spiffe` of the profile",
              number, owner->name, domain, trust_name(trust));
    return false;
}

// look_at_entry finds out whether anybody can ever fit this entry first; false: nobody.
static bool look_at_entry(struct lint *lint, size_t client, size_t number)
{
    const struct policy *policy = lint->snapshot->policy;
    const struct client *owner = &policy->clients[client];
    const struct match_entry *entry = &owner->matches[number];
    const struct node *node = places_item(node_get(lint->places.clients[client], "match"), number);
    if (entry->trust != NULL && !uses_trust(lint->snapshot, entry->trust)) {
        lint_find(
            lint, SEVERITY_WARNING, node,
            "match[%zu] of client `%s` never fits: no listener uses the trust profile `%s`, and no `speaks_for`"
            "\ngive a listener this `trust`, or remove the entry",
            number, owner->name, entry->trust);
        return false;
    }
    if (!look_at_domain(lint, owner, number, node))
        return false;
    const struct client *first = find_earlier(lint, owner, entry);
    char place[PLACE_CAP];
    if (first == NULL)
        return true;
    lint_find(
        lint, SEVERITY_WARNING, node,
        "match[%zu] of client `%s` is never reached: client `%s` (%s) matches every certificate that it fits, and comes first"
        "\nput the narrower client first, or remove one of the two",
        number, owner->name, first->name, place_of(owner, first, place));
    return false;
}

// look_at_template looks at a client that is named from certificates.
static void look_at_template(struct lint *lint, size_t number)
{
    const struct client *clients = lint->snapshot->policy->clients;
    const struct client *client = &clients[number];
    const struct node *node = lint->places.clients[number];
    char place[PLACE_CAP];
    for (size_t i = 0; i < number && lint->budget.left > 0; i++, lint->budget.left--) {
        if (clients[i].name_template == NULL ||
            !name_template_may_agree(clients[i].name_template, client->name_template))
            continue;
        lint_find(lint, SEVERITY_WARNING, node_get(node, "name"),
                  "client `%s` can give a name that `%s` (%s) can give too: its certificates "
                  "with such a name are refused with bad_account"
                  "\nbegin the two names with different text",
                  client->name, clients[i].name, place_of(client, &clients[i], place));
        break;
    }
    for (size_t i = 0; i < client->match_count; i++) {
        if (client->matches[i].uri != NULL ||
            !name_template_has(client->name_template, NAME_PART_URI_PATH))
            continue;
        lint_find(lint, SEVERITY_WARNING, places_item(node_get(node, "match"), i),
                  "match[%zu] of client `%s` has no `uri`: a URI of any host gives the name"
                  "\nadd `uri: \"spiffe://TRUST-DOMAIN/...*\"`",
                  i, client->name);
    }
}

void lint_clients(struct lint *lint)
{
    const struct policy *policy = lint->snapshot->policy;
    for (size_t i = 0; i < policy->client_count; i++) {
        size_t reached = 0;
        if (policy->clients[i].name_template != NULL)
            look_at_template(lint, i);
        for (size_t j = 0; j < policy->clients[i].match_count; j++)
            reached += look_at_entry(lint, i, j);
        if (reached == 0)
            lint_find(lint, SEVERITY_WARNING, lint->places.clients[i],
                      "client `%s` can never match"
                      "\nits rules have no effect: see the findings about its `match`",
                      policy->clients[i].name);
    }
}
