// The rules that a `deny` has in force, followed by the same rules read once more, file by file.
#include "proxy/config/denials.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "proxy/config/named_files.h"
#include "proxy/config/rules.h"
#include "proxy/config/yaml_document.h"

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

bool denials_have_lists(const struct node *root)
{
    const struct node *clients = node_get(root, "clients");
    bool has = has_file(node_get(root, "deny"));
    for (const struct node *client = clients == NULL ? NULL : clients->child;
         client != NULL && !has; client = client->next)
        has = has_file(node_get(client, "deny"));
    return has;
}

// source is one file of the configuration in force.
struct source {
    const struct node *root;        // NULL: nothing in it is read again
    size_t client_count;            // that are in force
    struct yaml_document *document; // owned; NULL: of the main file, or not read again
    struct sets sets;
    struct client_file *file; // with its further rules, once it is needed
    bool is_gone;             // it is an included file that is not there any more
};

// sources is all of them, the main file first.
struct sources {
    struct source *items; // owned
    size_t count;
};

// is_gone tells whether there is nothing at a path. What cannot be looked at may still be there.
static bool is_gone(const char *path)
{
    struct stat status;
    return lstat(path, &status) != 0 && (errno == ENOENT || errno == ENOTDIR);
}

static void sources_deinit(struct sources *sources)
{
    for (size_t i = 0; i < sources->count; i++) {
        sets_deinit(&sources->items[i].sets);
        yaml_document_destroy(sources->items[i].document);
    }
    free(sources->items);
}

// open_included notes an included file that is gone, and reads what is in force of one that has lists: others may be large.
static enum err open_included(struct reader *reader, const struct included_part *part,
                              struct source *out)
{
    out->client_count = part->client_count;
    out->is_gone = is_gone(part->path);
    if (out->is_gone)
        reader_note_file(reader, part->path, (struct slice){0});
    if (out->is_gone || !part->has_denied_lists)
        return ERR_OK;
    TRY(yaml_document_parse(part->text, part->path, reader->diagnostics, &out->document));
    out->root = yaml_document_root(out->document);
    return ERR_OK;
}

// takes tells whether a file has something to take away: a `deny` with a list from a file, or all of its clients.
static bool takes(const struct source *source)
{
    return source->is_gone || denials_have_lists(source->root);
}

// included_clients counts the clients of an included file that are in force.
static size_t included_clients(const struct included_part *part)
{
    return part->text.data == NULL ? 0 : part->client_count;
}

static enum err sources_open(struct reader *reader, const struct snapshot *current,
                             const struct node *root, struct sources *out)
{
    *out = (struct sources){
        .items = calloc(current->included.count + 1, sizeof *out->items),
        .count = 1,
    };
    if (out->items == NULL) {
        out->count = 0;
        return ERR_MEMORY;
    }
    const struct policy *policy = (current->base == NULL ? current : current->base)->policy;
    size_t count = policy->client_count;
    for (size_t i = 0; i < current->included.count; i++)
        count -= included_clients(&current->included.items[i]);
    out->items[0] = (struct source){.root = root, .client_count = count};
    for (size_t i = 0; i < current->included.count; i++) {
        const struct included_part *part = &current->included.items[i];
        // It was good once, so that nothing else than memory can be missing.
        if (part->text.data != NULL &&
            open_included(reader, part, &out->items[out->count++]) != ERR_OK)
            return ERR_MEMORY;
    }
    return ERR_OK;
}

// further is where rules are read once more.
struct further {
    struct reader *reader; // borrowed; its arena is the new policy's
    struct named_places names;
};

// deny_read reads `node` once more and puts its rules after those in force.
static bool deny_read(struct further *further, struct sets *sets, const struct node *node,
                      const char *owner, const struct rule **rules, size_t *count)
{
    const struct rule *more = NULL;
    size_t more_count = 0;
    if (!has_file(node))
        return true;
    rules_read(further->reader, sets, NULL, node, RULE_DENY, owner, &further->names, &more,
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

// file_read_again reads the `deny` of an included file once more.
static bool file_read_again(struct further *further, struct source *source,
                            const struct client_file *in_force)
{
    source->file = reader_alloc(further->reader, 1, sizeof *source->file);
    if (source->file == NULL)
        return false;
    *source->file = *in_force;
    return deny_read(further, &source->sets, node_get(source->root, "deny"), "file",
                     &source->file->deny, &source->file->deny_count);
}

// client_read_again makes the client that takes the place of `*client`. Of a file that is gone it may do nothing.
static bool client_read_again(struct further *further, struct source *source, bool is_main,
                              const struct node *node, struct client *client)
{
    if (!is_main && source->file == NULL && !file_read_again(further, source, client->file))
        return false;
    if (!is_main)
        client->file = source->file;
    if (source->is_gone) {
        client->allow = NULL;
        client->allow_count = 0;
        client->mode = POLICY_ENFORCE;
    }
    return deny_read(further, &source->sets, node_get(node, "deny"), client->name, &client->deny,
                     &client->deny_count);
}

// fill makes the policy: the clients in force, each with its further rules.
static bool fill(struct further *further, struct sources *sources, const struct policy *in_force,
                 struct policy *policy)
{
    struct client *copies = reader_alloc(further->reader, in_force->client_count, sizeof *copies);
    size_t count = 0;
    if (copies == NULL)
        return false;
    for (size_t s = 0; s < sources->count; s++) {
        struct source *source = &sources->items[s];
        const struct node *clients = node_get(source->root, "clients");
        const struct node *node = clients == NULL ? NULL : clients->child;
        for (size_t left = source->client_count; left > 0 && count < in_force->client_count;
             left--, count++) {
            copies[count] = in_force->clients[count];
            if (!client_read_again(further, source, s == 0, node, &copies[count]))
                return false;
            node = node == NULL ? NULL : node->next;
        }
    }
    policy->clients = copies;
    policy->client_count = count;
    policy->deny = in_force->deny;
    policy->deny_count = in_force->deny_count;
    policy->own = in_force->own;
    policy->own_count = in_force->own_count;
    policy->nat64 = in_force->nat64;
    return deny_read(further, &sources->items[0].sets, node_get(sources->items[0].root, "deny"), "",
                     &policy->deny, &policy->deny_count) &&
           policy_seal(policy) == ERR_OK;
}

// read_further reads into the arena of `denials`. A list that is no good says what it said in `former` (NULL: nothing).
static bool read_further(struct reader *reader, struct sources *sources,
                         const struct policy *in_force, const struct denials *former,
                         struct denials *denials)
{
    struct arena *arena = reader->arena;
    struct further further = {.reader = reader};
    struct list_keeper keeper = {.former = former == NULL ? NULL : former->lists};
    reader->arena = denials->policy->arena;
    reader->keeper = &keeper;
    for (size_t i = 0; i < sources->count; i++) {
        struct source *source = &sources->items[i];
        source->sets.reader = reader;
        source->sets.outer = i == 0 ? NULL : &sources->items[0].sets;
        sets_read(&source->sets, node_get(source->root, "sets"));
    }
    const bool is_made = fill(&further, sources, in_force, denials->policy);
    denials->lists = keeper.kept;
    reader->arena = arena;
    reader->keeper = NULL;
    free(further.names.items);
    return is_made;
}

static enum err read_all(struct reader *reader, const struct snapshot *current,
                         struct sources *sources, struct denials **out)
{
    const struct snapshot *base = current->base == NULL ? current : current->base;
    const struct denials *former = current->taking == NULL ? NULL : current->taking->denials;
    bool takes_any = false;
    for (size_t i = 0; i < sources->count; i++)
        takes_any |= takes(&sources->items[i]);
    if (!takes_any)
        return ERR_OK;
    struct denials *denials = calloc(1, sizeof *denials);
    if (denials == NULL)
        return ERR_MEMORY;
    atomic_init(&denials->refs, 1);
    denials->policy = policy_create();
    if (denials->policy == NULL || !read_further(reader, sources, base->policy, former, denials)) {
        denials_unref(denials);
        return ERR_MEMORY;
    }
    *out = denials;
    return ERR_OK;
}

enum err denials_read(struct reader *reader, const struct snapshot *current,
                      const struct node *root, struct denials **out)
{
    struct sources sources;
    *out = NULL;
    enum err error = sources_open(reader, current, root, &sources);
    if (error == ERR_OK)
        error = read_all(reader, current, &sources, out);
    sources_deinit(&sources);
    return error;
}
