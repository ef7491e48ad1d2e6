// Refused is what would make somebody else's certificates fit, what speaks for others, and what belongs to the machine.
#include "proxy/config/ownership.h"

#include "auth/extension.h"
#include "auth/match.h"

void ownership_init(struct ownership *ownership, const struct name_list *trusts,
                    const struct client *main_clients, size_t main_count)
{
    const struct policy policy = {.clients = main_clients, .client_count = main_count};
    ownership->trusts = trusts;
    ownership->main_clients = main_clients;
    ownership->main_count = main_count;
    for (size_t i = 0; i < trusts->count && i < TRUSTS_MAX; i++) {
        struct named_oids *oids = &ownership->oids[i];
        // More than a configuration may name is an error of the main file.
        if (policy_name_extensions(&policy, trusts->names[i], oids->bytes, &oids->len) != ERR_OK)
            oids->len = 0;
    }
}

// check_meaning refuses to give a meaning to an extension that the main file does not name: it would have it in every
// certificate of the profile, and one that is critical would be accepted.
static void check_meaning(struct reader *reader, const struct ownership *ownership,
                          const struct node *node, const struct client *client)
{
    const struct policy policy = {.clients = client, .client_count = 1};
    for (size_t i = 0; i < ownership->trusts->count && i < TRUSTS_MAX; i++) {
        const struct named_oids *known = &ownership->oids[i];
        uint8_t bytes[POLICY_EXTENSIONS_CAP];
        size_t len = 0;
        struct slice oid = {0};
        bool is_known =
            policy_name_extensions(&policy, ownership->trusts->names[i], bytes, &len) == ERR_OK;
        struct slice rest = slice_of(bytes, len);
        while (is_known && oid_set_next(&rest, &oid))
            is_known = oid_set_has(slice_of(known->bytes, known->len), oid);
        if (is_known)
            continue;
        reader_error(
            reader, node_get(node, "match"),
            "client `%s` names an extension, `policies` or `qc` that no client of the main "
            "file names for the trust profile `%s`: that gives it a meaning in all "
            "certificates of the profile"
            "\nname it in a client of the main file first",
            client->name, ownership->trusts->names[i]);
        return;
    }
}

static void check_entry(struct reader *reader, const struct node *node, const struct client *client,
                        size_t number)
{
    const struct match_entry *entry = &client->matches[number];
    if (entry->any || entry->anonymous)
        reader_error(reader, node,
                     "match[%zu] of client `%s` is `%s`, which only the main file may say"
                     "\nname the certificates of this file's clients",
                     number, client->name, entry->any ? "any" : "anonymous");
    else if (!match_entry_names(entry))
        reader_error(
            reader, node,
            "match[%zu] of client `%s` names nobody: others have the same profile, issuer, "
            "OU, O, subject without a CN, policies, or extension that is not written out"
            "\nadd `uri`, `dns`, `cn` or another name to it",
            number, client->name);
    else if (!match_entry_names_few(entry))
        reader_error(
            reader, node,
            "match[%zu] of client `%s` is for everybody of a domain, or all of its namespaces, which "
            "only the main file may say"
            "\nadd what is this file's own: the next part of the path (spiffe://example.org/TEAM/*, "
            "spiffe://example.org/ns/TEAM/*), a second label (*.TEAM.org), or another name beside it",
            number, client->name);
}

void ownership_check(struct reader *reader, const struct ownership *ownership,
                     const struct node *node, const struct client *client)
{
    static const char *const keys[] = {"speaks_for", "egress"};
    static const char *const reasons[] = {
        "a client that speaks for others may be any of them",
        "the addresses of this machine belong to no file's owner"};
    const struct node *entries = node_get(node, "match");
    const struct node *entry = entries == NULL ? NULL : entries->child;
    for (size_t i = 0; i < client->match_count && entry != NULL; i++, entry = entry->next)
        check_entry(reader, entry, client, i);
    check_meaning(reader, ownership, node, client);
    if (client->mode == POLICY_OPEN)
        reader_error(reader, node_get(node, "mode"),
                     "mode `open` is for clients of the main file"
                     "\n`mode: report` shows what a client needs, and records it");
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (node_get(node, keys[i]) != NULL)
            reader_error(reader, node_get(node, keys[i]),
                         "`%s` is for clients of the main file: %s"
                         "\nmove the client there",
                         keys[i], reasons[i]);
    }
}
