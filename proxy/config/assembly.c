// Each file is read by itself, its new text first. Then rivals are looked for, round by round: a file that loses goes back to
// what it said before, and then to nothing, until nobody loses any more.
#include "proxy/config/assembly.h"

#include <inttypes.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/config/rivals.h"
#include "proxy/config/settings.h"

// A round has a loser for each file in a row of which each wants what the next one gives up.
enum {
    ROUNDS_MAX = 100,  // after which no new text counts
    FINDINGS_MAX = 10, // that are shown of one file
};

// reading is one text of an included file while it is read.
struct reading {
    struct slice text;              // borrowed
    struct yaml_document *document; // owned
    struct diagnostics findings;    // owned
    struct reader reader;           // writes them
    struct client_part part;        // owned
    bool is_good;
};

// member is an included file.
struct member {
    const struct included_file *file;
    struct slice old;       // the text in force; `data` NULL: none
    bool is_recorded;       // no text is known, but the new one is it: its digest is
    struct reading fresh;   // of the new text
    struct reading former;  // of `old`, once it is needed
    struct reading *chosen; // NULL: none
};

// table is all files while they are put together.
struct table {
    struct reader *reader;
    struct client_scope scope;   // of included files
    bool is_shared;              // the main file names a store
    struct ownership *ownership; // owned
    struct client_part main;
    struct member *members; // owned
    size_t count;
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

static void text_read(const struct table *table, const char *path, struct slice text,
                      struct reading *out)
{
    *out = (struct reading){.text = text};
    diagnostics_init(&out->findings);
    out->reader = *table->reader;
    out->reader.diagnostics = &out->findings;
    out->reader.file = path;
    out->reader.read_list = table->reader->read_list == NULL ? NULL : refuse_list;
    const enum err error = yaml_document_parse(text, path, &out->findings, &out->document);
    if (error == ERR_MEMORY)
        reader_no_memory(&out->reader);
    if (error == ERR_OK && check_keys(&out->reader, yaml_document_root(out->document))) {
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

// ---- which text counts --------------------------------------------------------------------------

// is_established tells whether a text is in force already.
static bool is_established(const struct member *member, const struct reading *reading)
{
    return member->old.data == NULL ? member->is_recorded && reading == &member->fresh
                                    : slice_equal(reading->text, member->old);
}

// fall_back takes what the file said before, or nothing.
static void fall_back(const struct table *table, struct member *member)
{
    const bool has_other = member->chosen != &member->former && member->old.data != NULL &&
                           !(member->file->is_read && is_established(member, &member->fresh));
    member->chosen = NULL;
    if (!has_other)
        return;
    text_read(table, member->file->path, member->old, &member->former);
    if (member->former.is_good)
        member->chosen = &member->former;
}

static void choose(const struct table *table, struct member *member)
{
    const struct included_file *file = member->file;
    if (file->is_read) {
        text_read(table, file->path, file->content.bytes, &member->fresh);
    } else {
        diagnostics_init(&member->fresh.findings);
        (void)diagnostics_add(&member->fresh.findings, SEVERITY_ERROR, file->path, 0, 0, "%s",
                              file->problem.text);
    }
    if (member->fresh.is_good)
        member->chosen = &member->fresh;
    else
        fall_back(table, member);
}

// give_up_new lets no text count that was not in force before.
static void give_up_new(const struct table *table)
{
    for (size_t i = 0; i < table->count; i++) {
        struct member *member = &table->members[i];
        if (member->chosen != &member->fresh || is_established(member, &member->fresh))
            continue;
        reader_error(&member->fresh.reader, NULL,
                     "too many included files changed and were refused at once"
                     "\nsee what the other files are refused for, and reload");
        fall_back(table, member);
    }
}

// settle_once lets those that lose fall back. False when nobody has lost.
static bool settle_once(const struct table *table, struct rival *rivals, struct member **owners)
{
    size_t count = 1;
    bool has_loser = false;
    rivals[0] = (struct rival){.part = &table->main, .rank = RIVAL_MAIN, .reader = table->reader};
    for (size_t i = 0; i < table->count; i++) {
        struct member *member = &table->members[i];
        if (member->chosen == NULL)
            continue;
        owners[count] = member;
        rivals[count++] = (struct rival){
            .part = &member->chosen->part,
            .rank = is_established(member, member->chosen) ? RIVAL_ESTABLISHED : RIVAL_CHANGED,
            .reader = &member->chosen->reader};
    }
    if (rivals_find(rivals, count) != ERR_OK)
        return !reader_no_memory(table->reader);
    for (size_t i = 1; i < count; i++) {
        has_loser |= rivals[i].loses;
        if (rivals[i].loses)
            fall_back(table, owners[i]);
    }
    return has_loser;
}

static void settle(const struct table *table)
{
    struct rival *rivals = calloc(table->count + 1, sizeof *rivals);
    struct member **owners = calloc(table->count + 1, sizeof *owners);
    if (rivals == NULL || owners == NULL) {
        reader_no_memory(table->reader);
    } else {
        int round = 0;
        while (settle_once(table, rivals, owners) && !table->reader->is_out_of_memory) {
            if (++round == ROUNDS_MAX)
                give_up_new(table);
        }
    }
    free(rivals);
    free(owners);
}

// ---- the result ---------------------------------------------------------------------------------

static enum included_state state_of(const struct member *member)
{
    if (member->chosen == NULL)
        return INCLUDED_REFUSED;
    return member->chosen == &member->fresh ? INCLUDED_GOOD : INCLUDED_HELD;
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

// tell passes on what was found in a file, and what becomes of it.
static void tell(const struct table *table, struct member *member)
{
    struct diagnostics *findings = &member->fresh.findings;
    const char *path = member->file->path;
    withhold(member, findings);
    if (state_of(member) == INCLUDED_HELD)
        (void)diagnostics_add(
            findings, SEVERITY_ERROR, path, 0, 0,
            "this file is refused as a whole: what it said before stays in force");
    if (state_of(member) == INCLUDED_REFUSED)
        (void)diagnostics_add(findings, SEVERITY_ERROR, path, 0, 0,
                              "this file is refused as a whole, %s: its clients do not exist",
                              member->old.data == NULL ? "and nothing of it was in force before"
                                                       : "and so is what it said before");
    table->reader->diagnostics->included_count += findings->error_count;
    diagnostics_append(table->reader->diagnostics, findings, FINDINGS_MAX);
}

static bool keep_part(const struct member *member, struct arena *arena, struct included_part *out)
{
    const struct reading *chosen = member->chosen;
    out->path = arena_copy_string(arena, slice_of_string(member->file->path));
    out->state = state_of(member);
    if (chosen == NULL)
        return out->path != NULL;
    const char *text = arena_copy_string(arena, chosen->text);
    uint8_t *digest = arena_alloc_bytes(arena, INCLUDED_DIGEST_LEN);
    if (digest != NULL)
        (void)SHA256(chosen->text.data, chosen->text.len, digest);
    out->text = slice_of(text, text == NULL ? 0 : chosen->text.len);
    out->digest = digest;
    out->client_count = chosen->part.client_count;
    return out->path != NULL && text != NULL && digest != NULL;
}

// keep_parts notes what counts of each file.
static void keep_parts(const struct table *table, struct assembly *assembly)
{
    struct included_part *items = arena_alloc(assembly->arena, table->count, sizeof *items);
    bool is_whole = items != NULL;
    for (size_t i = 0; i < table->count && is_whole; i++)
        is_whole = keep_part(&table->members[i], assembly->arena, &items[i]);
    const struct errinfo *problem = &assembly->included->problem;
    const char *why = NULL;
    if (problem->text[0] != '\0') {
        why = arena_copy_string(assembly->arena, slice_of_string(problem->text));
        is_whole &= why != NULL;
    }
    if (!is_whole)
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
            append(all, &policy->client_count, &table->members[i].chosen->part);
    }
}

// ---- all files ----------------------------------------------------------------------------------

// recall finds what is in force of a file: its text, or whether the one on the disk is it.
static void recall(const struct included_parts *in_force, struct member *member)
{
    const struct included_file *file = member->file;
    const struct slice bytes = file->content.bytes;
    for (size_t i = 0; in_force != NULL && i < in_force->count; i++) {
        const struct included_part *part = &in_force->items[i];
        uint8_t digest[SHA256_DIGEST_LENGTH];
        if (strcmp(part->path, file->path) != 0)
            continue;
        member->old = part->text;
        if (part->digest == NULL || !file->is_read)
            return;
        (void)SHA256(bytes.data, bytes.len, digest);
        member->is_recorded = memcmp(digest, part->digest, sizeof digest) == 0;
        return;
    }
}

// members_read reads the included files. When the main file is bad nothing comes into force, and their findings are still
// worth to be told.
static void members_read(struct table *table, struct assembly *assembly)
{
    const struct include_list *included = assembly->included;
    table->members = calloc(included->count + 1, sizeof *table->members);
    table->ownership = calloc(1, sizeof *table->ownership);
    if (table->members == NULL || table->ownership == NULL) {
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
    for (size_t i = 0; i < table->count; i++) {
        struct member *member = &table->members[i];
        member->file = &included->files[i];
        recall(assembly->in_force, member);
        choose(table, member);
    }
    if (table->count > 0)
        settle(table);
    for (size_t i = 0; i < table->count; i++)
        tell(table, &table->members[i]);
    keep_parts(table, assembly);
}

static void table_deinit(struct table *table)
{
    for (size_t i = 0; i < table->count; i++) {
        reading_deinit(&table->members[i].fresh);
        reading_deinit(&table->members[i].former);
    }
    free(table->members);
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
