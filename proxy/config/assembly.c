// Each file is read by itself, its new text first. What it says is compared with what it held, and then with what others say.
#include "proxy/config/assembly.h"

#include <stdlib.h>
#include <string.h>

#include "proxy/config/denials.h"
#include "proxy/config/finishing.h"
#include "proxy/config/holdings.h"
#include "proxy/config/rivals.h"
#include "proxy/config/settings.h"

enum { FINDINGS_MAX = 10 }; // that are shown of one file

// reading is one text of an included file while it is read.
struct reading {
    struct slice text;              // borrowed
    struct yaml_document *document; // owned
    struct diagnostics findings;    // owned
    struct reader reader;           // writes them
    struct client_part part;        // owned
    bool is_good;
};

// held is what a file holds.
struct held {
    const struct included_part *known; // borrowed; NULL: nothing
    struct reading reading;
    const struct entry_age *ages; // NULL: it cannot be used
};

// member is an included file.
struct member {
    const struct included_file *file;
    struct held own;          // what the path holds
    const struct held *held;  // that, or what a file held that is gone; NULL: nothing
    struct reading fresh;     // of the new text
    struct reading former;    // of the text in force, once it is needed
    struct reading *chosen;   // NULL: none
    struct standing standing; // of `chosen`, where `held` is not NULL
    uint64_t number;          // since when what is new is in force
    bool is_contested;
};

// table is all files while they are put together.
struct table {
    struct reader *reader;
    struct arena *arena;         // owned; of what is needed for this
    struct client_scope scope;   // of included files
    bool is_shared;              // the main file names a store
    struct ownership *ownership; // owned
    struct client_part main;
    struct member *members; // owned
    size_t count;
    struct held *gone; // owned; of files that are not there any more
    size_t gone_count;
    uint64_t number; // higher than that of anything that is held
};

static const struct key file_keys[] = {
    KEY_KNOWN("clients", KEY_OPTIONAL),
    KEY_KNOWN("sets", KEY_OPTIONAL),
    KEY_KNOWN("deny", KEY_OPTIONAL),
};

static const struct section file_section = SECTION("an included file", file_keys);

// ---- one text -----------------------------------------------------------------------------------

// refuse_list is a list_file_read: an included file is not a way to read other files.
static bool refuse_list(struct reader *reader, const struct node *node, const char *path,
                        struct file_content *out)
{
    (void)path;
    (void)out;
    return reader_error(reader, node,
                        "an included file names no other file"
                        "\nwrite the entries here, or use a set of the main file: \"@NAME\"");
}

// is_main_key tells whether a key is one of the main file.
static bool is_main_key(struct slice key)
{
    for (size_t i = 0; i < top_section.count; i++) {
        if (slice_equal(key, slice_of_string(top_section.keys[i].name)))
            return true;
    }
    return false;
}

// check_keys refuses what only the main file says. Returns whether the root is a map of an included file's keys.
static bool check_keys(struct reader *reader, const struct node *root)
{
    const size_t before = reader->diagnostics->error_count;
    if (root->kind != NODE_MAP)
        return reader_error(reader, root,
                            "an included file is %s: expected a map"
                            "\nwrite `clients: [...]`, and perhaps `sets` and `deny`",
                            node_kind_name(root->kind));
    for (const struct node *value = root->child; value != NULL; value = value->next) {
        bool is_own = false;
        for (size_t i = 0; i < file_section.count; i++)
            is_own |= slice_equal(value->key->text, slice_of_string(file_keys[i].name));
        if (!is_own && is_main_key(value->key->text))
            reader_error(reader, value->key,
                         "`%s` belongs into the main file: an included file has `clients`, `sets` "
                         "and `deny` only",
                         reader_quote(reader, value->key->text));
    }
    return reader->diagnostics->error_count == before &&
           section_read(reader, root, &file_section, NULL);
}

// reading_init starts a reading without a text.
static void reading_init(const struct table *table, const char *path, struct reading *out)
{
    *out = (struct reading){0};
    diagnostics_init(&out->findings);
    out->reader = *table->reader;
    out->reader.diagnostics = &out->findings;
    out->reader.file = path;
    out->reader.read_list = table->reader->read_list == NULL ? NULL : refuse_list;
}

// text_read reads what a file says; with `is_holdings` what it holds.
static void text_read(const struct table *table, const char *path, struct slice text,
                      bool is_holdings, struct reading *out)
{
    reading_init(table, path, out);
    out->text = text;
    const enum err error = yaml_document_parse(text, path, &out->findings, &out->document);
    if (error == ERR_MEMORY)
        reader_no_memory(&out->reader);
    if (error == ERR_OK &&
        (is_holdings || check_keys(&out->reader, yaml_document_root(out->document)))) {
        client_part_read(&out->reader, yaml_document_root(out->document), &table->scope,
                         &out->part);
        sets_warn_unused(&out->part.sets);
    }
    table->reader->files = out->reader.files;
    table->reader->zones = out->reader.zones;
    table->reader->is_out_of_memory |= out->reader.is_out_of_memory;
    out->is_good = out->findings.error_count == 0 && !out->reader.is_out_of_memory;
}

static void reading_deinit(struct reading *reading)
{
    client_part_deinit(&reading->part);
    yaml_document_destroy(reading->document);
    diagnostics_deinit(&reading->findings);
}

// ---- what is held -------------------------------------------------------------------------------

static void held_read(const struct table *table, const struct included_part *known,
                      struct held *out)
{
    struct reading *reading = &out->reading;
    out->known = known;
    if (known->holdings.data == NULL)
        return;
    text_read(table, known->path, known->holdings, true, reading);
    if (reading->is_good)
        out->ages =
            holdings_ages(yaml_document_root(reading->document), &reading->part, table->arena);
}

static const struct included_part *find_known(const struct included_parts *in_force,
                                              const char *path)
{
    for (size_t i = 0; in_force != NULL && i < in_force->count; i++) {
        if (strcmp(in_force->items[i].path, path) == 0)
            return &in_force->items[i];
    }
    return NULL;
}

static bool is_listed(const struct table *table, const char *path)
{
    for (size_t i = 0; i < table->count; i++) {
        if (strcmp(table->members[i].file->path, path) == 0)
            return true;
    }
    return false;
}

// gone_read reads what files held that are not there any more.
static void gone_read(struct table *table, const struct included_parts *in_force)
{
    const size_t count = in_force == NULL ? 0 : in_force->count;
    table->gone = calloc(count + 1, sizeof *table->gone);
    if (table->gone == NULL) {
        reader_no_memory(table->reader);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (!is_listed(table, in_force->items[i].path))
            held_read(table, &in_force->items[i], &table->gone[table->gone_count++]);
    }
}

// raise_number makes the number of what is new higher than that of what is held.
static void raise_number(struct table *table, const struct held *held)
{
    size_t count = 0;
    for (size_t i = 0; held->ages != NULL && i < held->reading.part.client_count; i++)
        count += held->reading.part.clients[i].match_count;
    for (size_t i = 0; i < count; i++) {
        if (held->ages[i].since >= table->number)
            table->number = held->ages[i].since + 1;
    }
}

static int compare_names(const void *left, const void *right)
{
    return strcmp(((const struct named_place *)left)->name,
                  ((const struct named_place *)right)->name);
}

static bool has_name(const struct client_part *part, const char *name)
{
    const struct named_places *names = &part->client_names;
    const struct named_place like = {.name = name};
    return names->count > 0 &&
           bsearch(&like, names->items, names->count, sizeof *names->items, compare_names) != NULL;
}

// has_client_of tells whether a file has a client that is held. The names of both are sorted.
static bool has_client_of(const struct client_part *part, const struct client_part *held)
{
    bool has = false;
    for (size_t i = 0; i < part->client_count && !has; i++) {
        char unnamed[HOLDINGS_NAME_CAP];
        const char *name = part->clients[i].name;
        has = has_name(held, name) || has_name(held, holdings_unnamed(name, unnamed));
    }
    return has;
}

// inherit finds the file that is gone of which a new one has a client: it was renamed, or divided.
static void inherit(const struct table *table, struct member *member)
{
    for (size_t i = 0; i < table->gone_count && member->held == NULL; i++) {
        const struct held *gone = &table->gone[i];
        if (gone->ages != NULL && has_client_of(&member->chosen->part, &gone->reading.part))
            member->held = gone;
    }
}

// ---- which text counts --------------------------------------------------------------------------

// former_read reads what the file said before. What is on the disk, too, is no better for having been in force.
static bool former_read(const struct table *table, struct member *member)
{
    const struct included_part *known = member->own.known;
    if (known == NULL || known->is_bare || known->text.data == NULL ||
        (member->file->is_read && slice_equal(known->text, member->file->content.bytes)))
        return false;
    text_read(table, member->file->path, known->text, false, &member->former);
    return member->former.is_good;
}

// choose takes the new text, that of before, or what is held.
static void choose(const struct table *table, struct member *member)
{
    const struct included_file *file = member->file;
    if (file->is_read) {
        text_read(table, file->path, file->content.bytes, false, &member->fresh);
    } else {
        reading_init(table, file->path, &member->fresh);
        (void)diagnostics_add(&member->fresh.findings, SEVERITY_ERROR, file->path, 0, 0, "%s",
                              file->problem.text);
    }
    member->held = member->own.ages == NULL ? NULL : &member->own;
    if (member->fresh.is_good)
        member->chosen = &member->fresh;
    else if (former_read(table, member))
        member->chosen = &member->former;
    else if (member->held != NULL)
        member->chosen = &member->own.reading;
}

// compare compares what a file says with what it held.
static enum err compare(const struct table *table, struct member *member)
{
    if (member->chosen != NULL && member->own.known == NULL)
        inherit(table, member);
    if (member->chosen == NULL || member->held == NULL)
        return ERR_OK;
    const struct held_part held = {.part = &member->held->reading.part,
                                   .root = yaml_document_root(member->held->reading.document),
                                   .ages = member->held->ages};
    TRY(standing_make(&member->chosen->part, &held, table->arena, &member->standing));
    member->standing.is_inherited = member->held != &member->own;
    for (size_t i = 0; i < member->chosen->part.client_count; i++) {
        if (member->chosen == &member->own.reading &&
            holdings_is_unnamed(member->chosen->part.clients[i].name))
            member->standing.clients[i].is_contested = true;
    }
    return ERR_OK;
}

// settle finds what of which file is another one's. A new file that does has no clients.
static enum err settle(const struct table *table)
{
    struct rival *rivals = calloc(table->count + 1, sizeof *rivals);
    struct member **owners = calloc(table->count + 1, sizeof *owners);
    size_t count = 1;
    enum err error = rivals == NULL || owners == NULL ? ERR_MEMORY : ERR_OK;
    if (error == ERR_OK)
        rivals[0] = (struct rival){.part = &table->main, .is_main = true, .reader = table->reader};
    for (size_t i = 0; i < table->count && error == ERR_OK; i++) {
        struct member *member = &table->members[i];
        error = compare(table, member);
        if (member->chosen == NULL)
            continue;
        owners[count] = member;
        rivals[count++] =
            (struct rival){.part = &member->chosen->part,
                           .standing = member->held == NULL ? NULL : &member->standing,
                           .reader = &member->fresh.reader};
    }
    if (error == ERR_OK)
        error = rivals_find(rivals, count);
    for (size_t i = 1; i < count && error == ERR_OK; i++) {
        owners[i]->is_contested = rivals[i].has_contested;
        if (rivals[i].loses)
            owners[i]->chosen = NULL;
    }
    free(rivals);
    free(owners);
    return error;
}

// ---- the result ---------------------------------------------------------------------------------

static enum included_state state_of(const struct member *member)
{
    if (member->chosen == NULL || member->chosen == &member->own.reading)
        return INCLUDED_REFUSED;
    if (member->chosen == &member->former)
        return INCLUDED_HELD;
    return member->is_contested ? INCLUDED_CONTESTED : INCLUDED_GOOD;
}

// withhold keeps what was found in a file that a link out of its folder leads to: findings quote it, and who made the link
// may not be allowed to read it.
static void withhold(const struct member *member, struct diagnostics *findings)
{
    const bool is_bad = findings->error_count > 0;
    if (!member->file->is_read || !member->file->leads_out)
        return;
    diagnostics_deinit(findings);
    diagnostics_init(findings);
    if (is_bad)
        (void)diagnostics_add(
            findings, SEVERITY_ERROR, member->file->path, 0, 0,
            "this file is a link out of its folder, or not known to be in it, and "
            "is no good; what is "
            "wrong with it is not told, because that would show what it says"
            "\nput the file itself into the folder; a relative path needs a working directory that "
            "has a path");
}

// outcome tells what becomes of a file that is not good; NULL: it is.
static const char *outcome(const struct member *member)
{
    switch (state_of(member)) {
    case INCLUDED_CONTESTED:
        return "this file is in force, but for what another file had first: such an entry comes after "
               "the older one, a client with such a name may do nothing, and a rule has another name";
    case INCLUDED_HELD:
        return "this file is refused as a whole: what it said before stays in force";
    case INCLUDED_REFUSED:
        return member->chosen != NULL
                   ? "this file is refused as a whole, and what it said before is not known or no good: "
                     "its clients may do nothing, and nobody else has their certificates"
                   : "this file is refused as a whole, and nothing of it was in force before: its "
                     "clients do not exist";
    case INCLUDED_GOOD:
    case INCLUDED_STATES:
        break;
    }
    return NULL;
}

// tell passes on what was found in a file, and what becomes of it.
static void tell(const struct table *table, struct member *member)
{
    struct diagnostics *findings = &member->fresh.findings;
    const char *path = member->file->path;
    withhold(member, findings);
    if (outcome(member) != NULL)
        (void)diagnostics_add(findings, SEVERITY_ERROR, path, 0, 0, "%s", outcome(member));
    table->reader->diagnostics->included_count += findings->error_count;
    diagnostics_append(table->reader->diagnostics, findings, FINDINGS_MAX);
}

static const struct standing *standing_of(const struct member *member)
{
    return member->held == NULL ? NULL : &member->standing;
}

// keep_holdings notes what a file holds from now on. What cannot be used now, because of the main file, may be used later.
static enum err keep_holdings(const struct member *member, struct arena *arena, struct slice *out)
{
    const struct included_part *known = member->own.known;
    const struct reading *chosen = member->chosen;
    if (chosen != NULL && chosen != &member->own.reading)
        return holdings_write(&chosen->part, yaml_document_root(chosen->document),
                              standing_of(member), member->number, arena, out);
    if (known == NULL || known->holdings.data == NULL)
        return ERR_OK;
    const char *copy = arena_copy_string(arena, known->holdings);
    *out = slice_of(copy, copy == NULL ? 0 : known->holdings.len);
    return copy == NULL ? ERR_MEMORY : ERR_OK;
}

static enum err keep_part(const struct member *member, struct arena *arena,
                          struct included_part *out)
{
    const struct reading *chosen = member->chosen;
    out->path = arena_copy_string(arena, slice_of_string(member->file->path));
    out->state = state_of(member);
    if (out->path == NULL)
        return ERR_MEMORY;
    const enum err error = keep_holdings(member, arena, &out->holdings);
    if (error == ERR_MEMORY || chosen == NULL)
        return error; // without room nothing is held
    const char *text = arena_copy_string(arena, chosen->text);
    out->text = slice_of(text, text == NULL ? 0 : chosen->text.len);
    out->is_bare = chosen == &member->own.reading;
    out->has_denied_lists = denials_have_lists(yaml_document_root(chosen->document));
    out->client_count = chosen->part.client_count;
    return text == NULL ? ERR_MEMORY : ERR_OK;
}

// keep_parts notes what counts of each file.
static void keep_parts(const struct table *table, struct assembly *assembly)
{
    struct included_part *items = arena_alloc(assembly->arena, table->count, sizeof *items);
    enum err error = items == NULL ? ERR_MEMORY : ERR_OK;
    for (size_t i = 0; i < table->count && error != ERR_MEMORY; i++)
        error = keep_part(&table->members[i], assembly->arena, &items[i]);
    const struct errinfo *problem = &assembly->included->problem;
    const char *why = NULL;
    if (problem->text[0] != '\0' && error != ERR_MEMORY) {
        why = arena_copy_string(assembly->arena, slice_of_string(problem->text));
        error = why == NULL ? ERR_MEMORY : ERR_OK;
    }
    if (error == ERR_MEMORY)
        reader_no_memory(table->reader);
    else
        assembly->parts =
            (struct included_parts){.items = items, .count = table->count, .problem = why};
}

// append puts the clients of a file after those that are there.
static void append(struct client *clients, size_t *count, const struct client_part *part)
{
    for (size_t i = 0; i < part->client_count; i++)
        clients[(*count)++] = part->clients[i];
}

// append_member does that for an included file, and finishes them.
static void append_member(const struct table *table, const struct member *member,
                          struct client *clients, size_t *count)
{
    struct client *first = clients + *count;
    append(clients, count, &member->chosen->part);
    if (part_finish(&member->chosen->part, standing_of(member), member->number,
                    table->reader->arena, first) != ERR_OK)
        reader_no_memory(table->reader);
}

// gather makes one list of all clients.
static void gather(const struct table *table, struct policy *policy)
{
    size_t count = table->main.client_count;
    policy->clients = table->main.clients;
    policy->client_count = count;
    for (size_t i = 0; i < table->count; i++)
        count += table->members[i].chosen == NULL ? 0 : table->members[i].chosen->part.client_count;
    if (count == policy->client_count)
        return;
    struct client *all = reader_alloc(table->reader, count, sizeof *all);
    if (all == NULL)
        return;
    policy->clients = all;
    policy->client_count = 0;
    append(all, &policy->client_count, &table->main);
    for (size_t i = 0; i < table->count; i++) {
        if (table->members[i].chosen != NULL)
            append_member(table, &table->members[i], all, &policy->client_count);
    }
}

// ---- all files ----------------------------------------------------------------------------------

// members_read reads the included files. When the main file is bad nothing comes into force, and their findings are still
// worth to be told.
static void members_read(struct table *table, struct assembly *assembly)
{
    const struct include_list *included = assembly->included;
    table->members = calloc(included->count + 1, sizeof *table->members);
    table->ownership = calloc(1, sizeof *table->ownership);
    table->arena = arena_create();
    if (table->members == NULL || table->ownership == NULL || table->arena == NULL) {
        reader_no_memory(table->reader);
        return;
    }
    ownership_init(table->ownership, assembly->trusts, table->main.clients,
                   table->main.client_count);
    table->scope = (struct client_scope){.trusts = assembly->trusts,
                                         .parents = assembly->parents,
                                         .ownership = table->ownership,
                                         .main = &table->main,
                                         .is_shared = table->is_shared};
    table->count = included->count;
    table->number = 1;
    for (size_t i = 0; i < table->count; i++) {
        const struct included_part *known = find_known(assembly->in_force, included->files[i].path);
        struct member *member = &table->members[i];
        member->file = &included->files[i];
        if (known != NULL)
            held_read(table, known, &member->own);
        choose(table, member);
        raise_number(table, &member->own);
    }
    gone_read(table, assembly->in_force);
    for (size_t i = 0; i < table->gone_count; i++)
        raise_number(table, &table->gone[i]);
    // Each its own, so that a file that is renamed stays where it is among those that came with it.
    for (size_t i = 0; i < table->count; i++)
        table->members[i].number = table->number + i;
    if (table->count > 0 && settle(table) != ERR_OK)
        reader_no_memory(table->reader);
    for (size_t i = 0; i < table->count; i++)
        tell(table, &table->members[i]);
    keep_parts(table, assembly);
}

static void table_deinit(struct table *table)
{
    for (size_t i = 0; i < table->count; i++) {
        reading_deinit(&table->members[i].fresh);
        reading_deinit(&table->members[i].former);
        reading_deinit(&table->members[i].own.reading);
    }
    for (size_t i = 0; i < table->gone_count; i++)
        reading_deinit(&table->gone[i].reading);
    free(table->members);
    free(table->gone);
    arena_destroy(table->arena);
    free(table->ownership);
    client_part_deinit(&table->main);
}

// seal makes the indexes.
static void seal(struct reader *reader, const struct node *root, struct policy *policy)
{
    const enum err error = reader->is_out_of_memory ? ERR_OK : policy_seal(policy);
    if (error == ERR_LIMIT)
        reader_error(reader, node_get(root, "clients"),
                     "`match` entries name more than %d different OIDs of extensions"
                     "\nput what clients are told apart by into the values of one extension",
                     (int)EXTENSIONS_NAMED_MAX);
    else if (error != ERR_OK)
        reader_no_memory(reader);
}

// lacks_clients tells whether no file has any. A list that is no good has been reported.
static bool lacks_clients(const struct node *root, const struct policy *policy)
{
    const struct node *clients = node_get(root, "clients");
    return policy->client_count == 0 &&
           (clients == NULL || (clients->kind == NODE_LIST && clients->child == NULL));
}

void assembly_read(struct reader *reader, const struct node *root, struct assembly *assembly,
                   struct policy *policy)
{
    const struct client_scope scope = {.trusts = assembly->trusts,
                                       .parents = assembly->parents,
                                       .is_shared = node_get(root, "shared") != NULL};
    struct table table = {.reader = reader, .is_shared = scope.is_shared};
    client_part_read(reader, root, &scope, &table.main);
    policy->deny = table.main.deny;
    policy->deny_count = table.main.deny_count;
    if (assembly->included != NULL)
        members_read(&table, assembly);
    gather(&table, policy);
    if (lacks_clients(root, policy))
        reader_warning(reader, node_get(root, "clients"),
                       "there are no `clients`: every request will be denied"
                       "\nadd `clients:` with a name, a match and an allow");
    seal(reader, root, policy);
    sets_warn_unused(&table.main.sets);
    table_deinit(&table);
}

void clients_read(struct reader *reader, const struct node *root, const struct name_list *trusts,
                  const struct parent_names *parents, struct policy *policy)
{
    struct assembly assembly = {.trusts = trusts, .parents = parents, .arena = reader->arena};
    assembly_read(reader, root, &assembly, policy);
}
