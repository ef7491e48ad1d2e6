// Nodes are written as they were read, each scalar in quotes: all that stands in `match` of an included file is text.
#include "proxy/config/holdings.h"

#include <inttypes.h>

#include "auth/base/hash.h"
#include "auth/base/text.h"
#include "auth/base/utf8.h"
#include "auth/ipaddr.h"

enum { PIECE_CAP = 64 * 1024 };

static const char unnamed_start[] = "unnamed-";

const char *holdings_unnamed(const char *name, char out[HOLDINGS_NAME_CAP])
{
    const uint64_t hash = hash_end(hash_add_slice(hash_begin(), slice_of_string(name)));
    struct text text;
    text_init(&text, out, HOLDINGS_NAME_CAP);
    text_append_format(&text, "%s%016" PRIx64, unnamed_start, hash);
    return out;
}

bool holdings_is_unnamed(const char *name)
{
    return slice_starts_with(slice_of_string(name), slice_of_string(unnamed_start));
}

// output is a text that grows: its bytes are counted first, and then kept.
struct output {
    uint8_t *bytes; // NULL: they are counted
    size_t len;
};

static void take(void *arg, struct slice bytes)
{
    struct output *output = arg;
    if (output->bytes != NULL)
        (void)bytes_copy(output->bytes + output->len, bytes.len, bytes);
    output->len += bytes.len;
}

// write_scalar writes text in quotes, in ASCII alone: as YAML reads it, which knows `\U` and no pairs of `\u`.
static void write_scalar(struct text *out, struct slice text)
{
    text_append_string(out, "\"");
    while (text.len > 0) {
        const size_t len = utf8_length(text);
        const struct slice character = slice_first(text, len == 0 ? 1 : len);
        const uint8_t byte = character.data[0];
        if (len == 1 && byte >= 0x20 && byte < 0x7F && byte != '"' && byte != '\\')
            text_append(out, character);
        else
            text_append_format(out, "\\U%08" PRIX32,
                               len == 0 ? UINT32_C(0xFFFD) : utf8_code_point(character));
        text = slice_from(text, character.len);
    }
    text_append_string(out, "\"");
}

static void write_node(struct text *out, const struct node *node);

// write_children writes what is in a list or map. The depth of a document is bounded.
static void write_children(struct text *out, const struct node *node)
{
    for (const struct node *child = node->child; child != NULL; child = child->next) {
        if (child != node->child)
            text_append_string(out, ",");
        if (node->kind == NODE_MAP) {
            write_scalar(out, child->key->text);
            text_append_string(out, ":");
        }
        write_node(out, child);
    }
}

static void write_node(struct text *out, const struct node *node)
{
    if (node->kind == NODE_SCALAR) {
        write_scalar(out, node->text);
        return;
    }
    text_append_string(out, node->kind == NODE_MAP ? "{" : "[");
    write_children(out, node);
    text_append_string(out, node->kind == NODE_MAP ? "}" : "]");
}

// holding is a file while what it holds is written.
struct holding {
    const struct client_part *part;
    const struct node *root;
    const struct standing *standing; // NULL: all is new
    uint64_t number;
};

// age_of gives since when an entry is held.
static struct entry_age age_of(const struct holding *holding, size_t entry)
{
    if (holding->standing == NULL)
        return (struct entry_age){.since = holding->number};
    const struct entry_standing *standing = &holding->standing->entries[entry];
    return (struct entry_age){.since = standing->since != 0 ? standing->since : holding->number,
                              .is_contested = standing->is_contested};
}

static bool is_of(const struct holding *holding, size_t heirloom, size_t client)
{
    return holding->standing->heirlooms[heirloom].client == client;
}

static size_t heirloom_count(const struct holding *holding)
{
    return holding->standing == NULL ? 0 : holding->standing->heirloom_count;
}

static void add_age(struct text *out, struct entry_age age, bool *is_first)
{
    text_append_format(out, "%s\"%" PRIu64 "%s\"", *is_first ? "" : ",", age.since,
                       age.is_contested ? "?" : "");
    *is_first = false;
}

static void write_since(struct text *out, const struct holding *holding)
{
    bool is_first = true;
    size_t entry = 0;
    size_t heirloom = 0;
    text_append_string(out, "{\"since\":[");
    for (size_t i = 0; i < holding->part->client_count; i++) {
        for (size_t j = 0; j < holding->part->clients[i].match_count; j++, entry++)
            add_age(out, age_of(holding, entry), &is_first);
        for (; heirloom < heirloom_count(holding) && is_of(holding, heirloom, i); heirloom++)
            add_age(out, holding->standing->heirlooms[heirloom].age, &is_first);
    }
    text_append_string(out, "]");
}

// write_name writes a client's name, or what stands in its place.
static void write_name(struct text *out, const struct holding *holding, size_t client)
{
    const char *name = holding->part->clients[client].name;
    char unnamed[HOLDINGS_NAME_CAP];
    if (holding->standing != NULL && holding->standing->clients[client].is_contested &&
        !holdings_is_unnamed(name))
        name = holdings_unnamed(name, unnamed);
    write_scalar(out, slice_of_string(name));
}

static void write_clients(struct text *out, const struct holding *holding)
{
    const struct node *clients = node_get(holding->root, "clients");
    const struct node *client = clients == NULL ? NULL : clients->child;
    size_t heirloom = 0;
    text_append_string(out, ",\"clients\":[");
    for (size_t i = 0; i < holding->part->client_count; i++, client = client->next) {
        const struct node *match = node_get(client, "match");
        text_append_string(out, i == 0 ? "{\"name\":" : ",{\"name\":");
        write_name(out, holding, i);
        text_append_string(out, ",\"match\":[");
        write_children(out, match);
        for (; heirloom < heirloom_count(holding) && is_of(holding, heirloom, i); heirloom++) {
            text_append_string(out, ",");
            write_node(out, holding->standing->heirlooms[heirloom].node);
        }
        text_append_string(out, "]}");
    }
    text_append_string(out, "]");
}

static void write_rules(struct text *out, const struct holding *holding)
{
    const struct named_places *names = &holding->part->rule_names;
    size_t count = 0;
    text_append_string(out, ",\"deny\":[");
    for (size_t i = 0; i < names->count && count < HOLDINGS_RULES_MAX; i++) {
        if (holding->standing != NULL && holding->standing->rules[i].is_contested)
            continue;
        text_append_string(out, count++ == 0 ? "{\"name\":" : ",{\"name\":");
        write_scalar(out, slice_of_string(names->items[i].name));
        text_append_string(out, ",\"hosts\":[\"*\"]}");
    }
    text_append_string(out, "]}");
}

// write_all writes everything. False: a piece was too long.
static bool write_all(const struct holding *holding, struct output *output)
{
    char piece[PIECE_CAP];
    struct text text;
    output->len = 0;
    text_init_sink(&text, piece, sizeof piece, take, output);
    write_since(&text, holding);
    write_clients(&text, holding);
    write_rules(&text, holding);
    text_flush(&text);
    return !text.is_cut;
}

enum err holdings_write(const struct client_part *part, const struct node *root,
                        const struct standing *standing, uint64_t number, struct arena *arena,
                        struct slice *out)
{
    const struct holding holding = {
        .part = part, .root = root, .standing = standing, .number = number};
    struct output output = {0};
    *out = (struct slice){0};
    if (!write_all(&holding, &output))
        return ERR_LIMIT;
    output.bytes = arena_alloc_bytes(arena, output.len + 1);
    if (output.bytes == NULL)
        return ERR_MEMORY;
    (void)write_all(&holding, &output);
    *out = slice_of(output.bytes, output.len);
    return ERR_OK;
}

// age_read reads a number, and perhaps a `?`.
static bool age_read(const struct node *node, struct entry_age *out)
{
    const struct slice text = node->text;
    out->is_contested = slice_ends_with(text, SLICE_LITERAL("?"));
    return node->kind == NODE_SCALAR &&
           decimal_parse(slice_first(text, text.len - out->is_contested), INT64_MAX, &out->since) &&
           out->since != 0;
}

const struct entry_age *holdings_ages(const struct node *root, const struct client_part *part,
                                      struct arena *arena)
{
    const struct node *list = node_get(root, "since");
    const struct node *item = list == NULL ? NULL : list->child;
    size_t count = 0;
    for (size_t i = 0; i < part->client_count; i++)
        count += part->clients[i].match_count;
    struct entry_age *ages = arena_alloc(arena, count + 1, sizeof *ages);
    if (ages == NULL || list == NULL || list->kind != NODE_LIST || list->child_count != count)
        return NULL;
    for (size_t i = 0; i < count; i++, item = item->next) {
        if (!age_read(item, &ages[i]))
            return NULL;
    }
    return ages;
}
