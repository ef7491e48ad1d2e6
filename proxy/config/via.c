// A way is a few names, each of which must be there.
#include "proxy/config/via.h"

#include <string.h>

static const struct slice direct = {(const uint8_t *)"direct", 6};

// find_parent gives the index of the parent of that name; `count`: there is none.
static size_t find_parent(const struct parent_names *parents, struct slice name)
{
    size_t at = 0;
    while (at < parents->count && !slice_equal(slice_of_string(parents->parents[at].name), name))
        at++;
    return at;
}

static bool refuse_unknown(struct reader *reader, const struct node *node,
                           const struct parent_names *parents, struct slice name)
{
    const char *words[VIA_MAX * 4];
    size_t count = 0;
    for (size_t i = 0; i < parents->count && count < sizeof words / sizeof *words; i++)
        words[count++] = parents->parents[i].name;
    if (count == 0)
        return reader_error(reader, node,
                            "`via`: there is no parent `%s`"
                            "\nadd it under `parents`, or write `direct`",
                            reader_quote(reader, name));
    return reader_refuse(reader, node, "`via`: parent", "there is none of that name",
                         reader_words(reader, name, words, count));
}

static bool refuse_mixed(struct reader *reader, const struct node *node)
{
    return reader_error(reader, node,
                        "`via`: a parent with `resolve: parent` stands beside one without, or "
                        "`direct`: what one is asked for by name, the other needs an address for"
                        "\nwrite ways of one kind");
}

// hop_read adds one entry of the list.
static bool hop_read(struct reader *reader, const struct node *node,
                     const struct parent_names *parents, struct via *via)
{
    struct slice text = {0};
    if (!reader_text(reader, node, "`via`", CONFIG_NAME_MAX, &text))
        return false;
    if (via->count > 0 && via->parents[via->count - 1] == NULL)
        return reader_error(reader, node,
                            "`via`: nothing can come after `direct`, which always can be gone");
    if (slice_equal(text, direct)) {
        via->parents[via->count++] = NULL;
        return !via->by_name || refuse_mixed(reader, node);
    }
    const size_t at = find_parent(parents, text);
    if (at == parents->count)
        return refuse_unknown(reader, node, parents, text);
    for (size_t i = 0; i < via->count; i++) {
        if (strcmp(via->parents[i], parents->parents[at].name) == 0)
            return reader_error(reader, node, "`via`: `%s` appears twice",
                                parents->parents[at].name);
    }
    if (via->count > 0 && via->by_name != parents->parents[at].resolves)
        return refuse_mixed(reader, node);
    via->by_name = parents->parents[at].resolves;
    parents->is_used[at] = true;
    via->parents[via->count] = reader_copy(reader, text);
    return via->parents[via->count++] != NULL;
}

const struct via *via_read(struct reader *reader, const struct node *node,
                           const struct parent_names *parents)
{
    if (node == NULL)
        return NULL;
    const bool is_word = node->kind == NODE_SCALAR && slice_equal(node->text, direct);
    if (!is_word && node->kind != NODE_LIST) {
        reader_error(reader, node,
                     "`via` is not a list of parents"
                     "\nwrite `via: [NAME]`, `via: [NAME, direct]`, or `via: direct`");
        return NULL;
    }
    struct via *via = reader_alloc(reader, 1, sizeof *via);
    if (via == NULL)
        return NULL;
    if (is_word) {
        via->count = 1;
        return via;
    }
    if (!reader_list(reader, node, "`via`", 1, VIA_MAX))
        return NULL;
    for (const struct node *entry = node->child; entry != NULL; entry = entry->next) {
        if (!hop_read(reader, entry, parents, via))
            return NULL;
    }
    return via;
}

void parent_names_warn_unused(struct reader *reader, const struct node *node,
                              const struct parent_names *parents)
{
    for (size_t i = 0; i < parents->count; i++) {
        if (!parents->is_used[i])
            reader_warning(reader, node,
                           "the parent `%s` is used by no `via`"
                           "\nname it in a client or an `allow` rule, or remove it",
                           parents->parents[i].name);
    }
}
