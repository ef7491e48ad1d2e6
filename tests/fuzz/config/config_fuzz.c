// Any bytes as a configuration: document, settings, clients and rules, without a file opened.
//
// Promises checked besides memory safety: what fails has said why, and what is read without an
// error keeps the invariants that policy code relies on.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "proxy/config/assembly.h"
#include "proxy/config/settings.h"

// Longer inputs only take longer.
enum { INPUT_MAX = 64 * 1024 };

// has_addresses tells whether no set of the list is empty: no file is read here that may be.
static bool has_addresses(const struct ip_sets *sets)
{
    bool is_good = sets->count > 0;
    for (size_t i = 0; i < sets->count; i++)
        is_good &= ip_set_count(sets->items[i]) > 0 || ip_set_has_public(sets->items[i]);
    return is_good;
}

static void check_rules(const struct rule *rules, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        ASSERT(rules[i].name != NULL);
        ASSERT(!rules[i].has_hosts || rules[i].hosts.count > 0);
        for (size_t j = 0; j < rules[i].hosts.count; j++)
            ASSERT(host_set_next(rules[i].hosts.items[j], &(size_t){0}, &(struct host_record){0}));
        ASSERT(!rules[i].has_addresses || has_addresses(&rules[i].addresses));
        for (size_t j = 0; j < rules[i].port_count; j++)
            ASSERT(rules[i].ports[j].first > 0 &&
                   rules[i].ports[j].first <= rules[i].ports[j].last);
    }
}

// check_via: a way has an end, and nothing after the target itself.
static void check_via(const struct via *via)
{
    if (via == NULL)
        return;
    ASSERT(via->count >= 1 && via->count <= VIA_MAX);
    for (size_t i = 0; i + 1 < via->count; i++)
        ASSERT(via->parents[i] != NULL);
}

static void check_policy(const struct policy *policy)
{
    for (size_t i = 0; i < policy->client_count; i++) {
        const struct client *client = &policy->clients[i];
        ASSERT(client->name != NULL && client->match_count > 0);
        ASSERT(!client->has_sources || has_addresses(&client->sources));
        check_rules(client->allow, client->allow_count);
        check_rules(client->deny, client->deny_count);
        check_via(client->via);
        for (size_t j = 0; j < client->allow_count; j++)
            check_via(client->allow[j].via);
        for (size_t j = 0; j < client->allow_count; j++)
            ASSERT(client->allow[j].has_hosts || client->allow[j].has_addresses);
    }
    check_rules(policy->deny, policy->deny_count);
}

// check_holdings reads what files hold as what an included file may say.
static void check_holdings(const struct included_parts *parts)
{
    for (size_t i = 0; i < parts->count; i++) {
        struct diagnostics diagnostics;
        struct yaml_document *document = NULL;
        diagnostics_init(&diagnostics);
        const enum err error =
            yaml_document_parse(parts->items[i].holdings, "held", &diagnostics, &document);
        ASSERT(parts->items[i].holdings.data == NULL || error == ERR_OK || error == ERR_MEMORY);
        yaml_document_destroy(document);
        diagnostics_deinit(&diagnostics);
    }
}

// read_included reads the input as an included file beside a main file, and as the text that it falls back to: whatever it says,
// the main file's client stays, and an error of it is one of the included file alone.
static void read_included(struct slice input)
{
    static const char main_text[] =
        "sets: {hosts: {corp: [corp.example]}}\n"
        "clients: [{name: main, match: [{cn: main}], allow: [{hosts: ['@corp']}]}]\n";
    static const char *const trusts[] = {"staff"};
    static const struct name_list names = {.names = trusts, .count = 1};
    static const struct parent_names no_parents = {0};
    struct included_file files[2] = {
        {.path = "d/a.yaml", .is_read = true, .content = {.bytes = input}},
        {.path = "d/b.yaml",
         .is_read = true,
         .content = {.bytes = slice_first(input, input.len / 2)}}};
    const struct include_list list = {.files = files, .count = 2};
    const struct included_part before = {.path = "d/b.yaml", .text = input};
    const struct included_parts in_force = {.items = &before, .count = 1};
    struct diagnostics diagnostics;
    struct yaml_document *document = NULL;
    struct policy *policy = policy_create();
    diagnostics_init(&diagnostics);
    if (policy != NULL && yaml_document_parse(slice_of_string(main_text), "main.yaml", &diagnostics,
                                              &document) == ERR_OK) {
        struct assembly assembly = {.trusts = &names,
                                    .parents = &no_parents,
                                    .included = &list,
                                    .in_force = &in_force,
                                    .arena = policy->arena};
        struct reader reader = {
            .diagnostics = &diagnostics, .file = "main.yaml", .arena = policy->arena};
        assembly_read(&reader, yaml_document_root(document), &assembly, policy);
        ASSERT(reader.is_out_of_memory || diagnostics.error_count == diagnostics.included_count);
        ASSERT(reader.is_out_of_memory || assembly.parts.count == 2);
        ASSERT(policy->client_count >= 1 && strcmp(policy->clients[0].name, "main") == 0);
        check_policy(policy);
        check_holdings(&assembly.parts);
    }
    yaml_document_destroy(document);
    policy_destroy(policy);
    diagnostics_deinit(&diagnostics);
}

static void read_root(const struct node *root, struct diagnostics *diagnostics)
{
    static const char *const trusts[] = {"staff", "partners"};
    const struct name_list names = {.names = trusts, .count = root->line % 2 + 1};
    static const struct parent_config known[] = {{.name = "paris"}, {.name = "rome"}};
    bool is_used[2] = {false};
    const struct parent_names parents = {.parents = known, .count = 2, .is_used = is_used};
    struct snapshot snapshot = {0};
    struct policy *policy = policy_create();
    if (policy == NULL)
        return;
    struct reader reader = {
        .diagnostics = diagnostics, .file = "fuzz.yaml", .arena = policy->arena};
    if (settings_read(&reader, root, &snapshot))
        clients_read(&reader, root, &names, &parents, policy);
    ASSERT(snapshot.timeouts.handshake_ms > 0 || diagnostics->error_count > 0);
    // Trust, listeners and audit name files, and so are missing here: only the clients are judged.
    struct diagnostics clients_only;
    diagnostics_init(&clients_only);
    struct policy *second = policy_create();
    if (second != NULL) {
        struct reader again = {
            .diagnostics = &clients_only, .file = "fuzz.yaml", .arena = second->arena};
        clients_read(&again, root, &names, &parents, second);
        if (clients_only.error_count == 0)
            check_policy(second);
    }
    policy_destroy(second);
    diagnostics_deinit(&clients_only);
    policy_destroy(policy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct diagnostics diagnostics;
    struct yaml_document *document = NULL;
    char text[DIAGNOSTIC_TEXT_CAP];
    if (size > INPUT_MAX)
        return 0;
    diagnostics_init(&diagnostics);
    const enum err error =
        yaml_document_parse(slice_of(data, size), "fuzz.yaml", &diagnostics, &document);
    ASSERT((error == ERR_OK) == (diagnostics.error_count == 0));
    if (error == ERR_OK)
        read_root(yaml_document_root(document), &diagnostics);
    diagnostics_sort(&diagnostics);
    for (size_t i = 0; i < diagnostics.count; i++) {
        diagnostic_format(&diagnostics.items[i], text, sizeof text);
        ASSERT(text[0] != '\0');
    }
    yaml_document_destroy(document);
    diagnostics_deinit(&diagnostics);
    read_included(slice_of(data, size));
    return 0;
}
