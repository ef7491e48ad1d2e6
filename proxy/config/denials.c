// The rules that a `deny` has in force, followed by the same rules read once more.
#include "proxy/config/denials.h"

#include <stdlib.h>

#include "proxy/config/rules.h"

// has_file tells whether a list in this part of the configuration could have come from a file: a map with `file`, or a
// set, which may have one.
static bool has_file(const struct node *node)
{
    if (node == NULL || node->kind == NODE_SCALAR)
        return node != NULL && node->text.len > 0 && node->text.data[0] == '@';
    bool has = node_get(node, "file") != NULL;
    for (const struct node *child = node->child; child != NULL && !has; child = child->next)
        has = has_file(child);
    return has;
}

// config_has_file tells so of any `deny`.
static bool config_has_file(const struct node *root)
{
    const struct node *clients = node_get(root, "clients");
    bool has = has_file(node_get(root, "deny"));
    for (const struct node *client = clients == NULL ? NULL : clients->child;
         client != NULL && !has; client = client->next)
        has = has_file(node_get(client, "deny"));
    return has;
}

// further is where rules are read once more.
struct further {
    struct reader *reader; // borrowed; its arena is the new policy's
    struct sets *sets;     // borrowed
    struct named_places names;
};

// deny_read reads `node` once more and puts its rules after those in force.
static bool deny_read(struct further *further, const struct node *node, const char *owner,
                      const struct rule **rules, size_t *count)
{
    const struct rule *more = NULL;
    size_t more_count = 0;
    if (!has_file(node))
        return true;
    rules_read(further->reader, further->sets, NULL, node, RULE_DENY, owner, &further->names, &more,
               &more_count);
    struct rule *all = reader_alloc(further->reader, *count + more_count, sizeof *all);
    if (all == NULL)
        return false;
    for (size_t i = 0; i < *count; i++)
        all[i] = (*rules)[i];
    for (size_t i = 0; i < more_count; i++)
        all[*count + i] = more[i];
    *rules = all;
    *count += more_count;
    return true;
}

// fill makes the policy: the clients in force, each with its further rules.
static bool fill(struct further *further, const struct node *root, const struct policy *in_force,
                 struct policy *policy)
{
    const struct node *clients = node_get(root, "clients");
    struct client *copies = reader_alloc(further->reader, in_force->client_count, sizeof *copies);
    if (copies == NULL)
        return false;
    const struct node *node = clients == NULL ? NULL : clients->child;
    for (size_t i = 0; i < in_force->client_count; i++, node = node == NULL ? NULL : node->next) {
        copies[i] = in_force->clients[i];
        if (!deny_read(further, node_get(node, "deny"), copies[i].name, &copies[i].deny,
                       &copies[i].deny_count))
            return false;
    }
    policy->clients = copies;
    policy->client_count = in_force->client_count;
    policy->deny = in_force->deny;
    policy->deny_count = in_force->deny_count;
    policy->own = in_force->own;
    policy->own_count = in_force->own_count;
    policy->nat64 = in_force->nat64;
    return deny_read(further, node_get(root, "deny"), "", &policy->deny, &policy->deny_count) &&
           policy_seal(policy) == ERR_OK;
}

// read_further reads into the arena of `policy`. `*out_is_whole`: every list that a `deny` uses could be read.
static bool read_further(struct reader *reader, const struct node *root,
                         const struct policy *in_force, struct policy *policy, bool *out_is_whole)
{
    struct arena *arena = reader->arena;
    struct sets sets = {.reader = reader};
    struct further further = {.reader = reader, .sets = &sets};
    reader->arena = policy->arena;
    sets_read(further.sets, node_get(root, "sets"));
    const size_t errors_before = reader->diagnostics->error_count;
    const bool is_made = fill(&further, root, in_force, policy);
    *out_is_whole =
        reader->diagnostics->error_count == errors_before && !sets_uses_bad(further.sets);
    reader->arena = arena;
    free(further.names.items);
    sets_deinit(further.sets);
    return is_made;
}

enum err denials_read(struct reader *reader, const struct snapshot *current,
                      const struct node *root, struct denials **out)
{
    const struct snapshot *base = current->base == NULL ? current : current->base;
    struct denials *former = current->taking == NULL ? NULL : current->taking->denials;
    bool is_whole = false;
    *out = NULL;
    if (!config_has_file(root))
        return ERR_OK;
    struct denials *denials = calloc(1, sizeof *denials);
    if (denials == NULL)
        return ERR_MEMORY;
    atomic_init(&denials->refs, 1);
    denials->policy = policy_create();
    if (denials->policy == NULL ||
        !read_further(reader, root, base->policy, denials->policy, &is_whole)) {
        denials_unref(denials);
        return ERR_MEMORY;
    }
    if (!is_whole && former != NULL) {
        denials_unref(denials);
        denials = denials_ref(former);
    }
    *out = denials;
    return ERR_OK;
}
