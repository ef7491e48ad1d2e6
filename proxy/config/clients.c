// A client is a name, a match, and its rules; order in the file is order in the policy.
#include "proxy/config/clients.h"

#include <stdlib.h>

#include "proxy/config/egress.h"
#include "proxy/config/limits.h"
#include "proxy/config/matches.h"
#include "proxy/config/rules.h"

static void mode_read(struct reader *reader, const struct node *node, struct client *client)
{
    static const char *const words[] = {"enforce", "report", "open"};
    static const enum policy_mode modes[] = {POLICY_ENFORCE, POLICY_REPORT, POLICY_OPEN};
    size_t index = 0;
    client->mode = POLICY_ENFORCE;
    if (node == NULL ||
        !reader_choice(reader, node, "mode", words, sizeof words / sizeof words[0], &index))
        return;
    client->mode = modes[index];
    if (client->mode != POLICY_ENFORCE)
        diagnostic_set_hint(reader_warning(reader, node,
                                           "mode `%s` lets requests through that no rule allows",
                                           words[index]),
                            "`mode: enforce` once the rules are complete");
}

// scope is what all clients share while they are read.
struct scope {
    const struct name_list *trusts;
    struct sets *sets;
    struct rule_names names;
};

static void client_read(struct reader *reader, const struct node *node, struct scope *scope,
                        struct client *client)
{
    static const struct key keys[] = {
        {"name", KEY_REQUIRED},   {"match", KEY_REQUIRED},  {"sources", KEY_OPTIONAL},
        {"mode", KEY_OPTIONAL},   {"allow", KEY_OPTIONAL},  {"deny", KEY_OPTIONAL},
        {"egress", KEY_OPTIONAL}, {"limits", KEY_OPTIONAL},
    };
    client->name = "?"; // for the names of rules, when there is no good one
    if (!reader_map(reader, node, "a client", keys, sizeof keys / sizeof keys[0]))
        return;
    (void)reader_name(reader, node_get(node, "name"), "client name", &client->name);
    matches_read(reader, node_get(node, "match"), scope->trusts, &client->matches,
                 &client->match_count);
    client->has_sources = node_get(node, "sources") != NULL;
    struct list_facts facts = {0};
    (void)sets_read_addresses(scope->sets, node_get(node, "sources"), "`sources`", false,
                              &client->sources, &facts);
    mode_read(reader, node_get(node, "mode"), client);
    egress_read(reader, node_get(node, "egress"), client);
    rules_read(reader, scope->sets, node_get(node, "allow"), RULE_ALLOW, client->name,
               &scope->names, &client->allow, &client->allow_count);
    rules_read(reader, scope->sets, node_get(node, "deny"), RULE_DENY, client->name, &scope->names,
               &client->deny, &client->deny_count);
    client_limits_read(reader, node_get(node, "limits"), &client->limits);
    const struct node *allow = node_get(node, "allow");
    if (client->mode == POLICY_ENFORCE && (allow == NULL || allow->child == NULL))
        diagnostic_set_hint(reader_warning(reader, node,
                                           "client `%s` has no `allow`: each of its requests will "
                                           "be denied",
                                           client->name),
                            "add `allow: [{hosts: [api.example.com]}]`");
}

// check_names reports client names that stand twice.
static void check_names(struct reader *reader, const struct node *list,
                        const struct client *clients)
{
    struct named_place *places = calloc(list->child_count, sizeof *places);
    if (places == NULL) {
        (void)reader_no_memory(reader);
        return;
    }
    size_t count = 0;
    size_t index = 0;
    for (const struct node *entry = list->child; entry != NULL; entry = entry->next, index++) {
        const struct node *name = node_get(entry, "name");
        if (name != NULL && clients[index].name[0] != '?')
            places[count++] = (struct named_place){.name = clients[index].name, .node = name};
    }
    reader_unique(reader, "client name", places, count);
    free(places);
}

static void clients_list_read(struct reader *reader, const struct node *clients,
                              struct scope *scope, struct policy *policy)
{
    if (clients == NULL || (clients->kind == NODE_LIST && clients->child == NULL)) {
        diagnostic_set_hint(
            reader_warning(reader, clients, "there are no `clients`: every request will be denied"),
            "add `clients:` with a name, a match and an allow");
        return;
    }
    if (!reader_list(reader, clients, "`clients`", 0, CLIENTS_MAX))
        return;
    struct client *read = reader_alloc(reader, clients->child_count, sizeof *read);
    if (read == NULL)
        return;
    size_t count = 0;
    for (const struct node *entry = clients->child; entry != NULL; entry = entry->next)
        client_read(reader, entry, scope, &read[count++]);
    policy->clients = read;
    policy->client_count = count;
    check_names(reader, clients, read);
}

void clients_read(struct reader *reader, const struct node *root, const struct name_list *trusts,
                  const struct list_files *files, struct policy *policy)
{
    struct scope scope = {.trusts = trusts, .sets = sets_create(reader, files)};
    if (scope.sets == NULL) {
        (void)reader_no_memory(reader);
        return;
    }
    sets_read(scope.sets, node_get(root, "sets"));
    clients_list_read(reader, node_get(root, "clients"), &scope, policy);
    rules_read(reader, scope.sets, node_get(root, "deny"), RULE_DENY, "", &scope.names,
               &policy->deny, &policy->deny_count);
    if (!reader->is_out_of_memory && policy_seal(policy) != ERR_OK)
        (void)reader_no_memory(reader);
    sets_warn_unused(scope.sets);
    reader_unique(reader, "rule name", scope.names.places, scope.names.count);
    rule_names_deinit(&scope.names);
    sets_destroy(scope.sets);
}
