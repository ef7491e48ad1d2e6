// A list of words that are asked of the library one by one.
#include "proxy/config/groups.h"

// is_good tells whether a group can be added to the list, and reports why not.
static bool is_good(struct reader *reader, const struct node *node, const char *what,
                    const struct tls_groups *groups, enum tls_group group)
{
    if (tls_groups_has(groups, group))
        return reader_error(reader, node, "%s: %s stands there twice", what,
                            tls_group_names[group]);
    if (tls_group_is_there(group))
        return true;
    return reader_error(
        reader, node,
        "%s: the BoringSSL in this build has no %s"
        "\nremove it, or use a build with a newer BoringSSL: `sallyport version` says which "
        "one this is, docs/DEVELOPING.md how to build with another",
        what, tls_group_names[group]);
}

void groups_read(struct reader *reader, const struct node *node, const char *what, void *field)
{
    struct tls_groups groups = {.count = 0};
    bool is_whole = true;
    if (!reader_list(reader, node, what, 1, TLS_GROUP_COUNT))
        return;
    for (const struct node *entry = node->child; entry != NULL; entry = entry->next) {
        size_t index = 0;
        const bool is_added =
            reader_choice(reader, entry, what, tls_group_names, TLS_GROUP_COUNT, &index) &&
            is_good(reader, entry, what, &groups, (enum tls_group)index);
        if (is_added)
            groups.list[groups.count++] = (enum tls_group)index;
        is_whole = is_whole && is_added;
    }
    if (is_whole)
        *(struct tls_groups *)field = groups;
}

void groups_check(struct reader *reader, const struct node *node,
                  const struct tls_context_options *options)
{
    const struct tls_groups *groups = &options->groups;
    const bool is_hybrid_only = groups->count == 1 && groups->list[0] == TLS_GROUP_X25519MLKEM768;
    if (!is_hybrid_only || options->min == TLS_VERSION_1_3)
        return;
    if (options->max == TLS_VERSION_1_2)
        reader_error(reader, node,
                     "TLS 1.2 has no %s, and `max` is 1.2: no client could connect"
                     "\nadd X25519, or allow TLS 1.3",
                     tls_group_names[groups->list[0]]);
    else
        reader_warning(reader, node,
                       "TLS 1.2 has no %s: clients that speak no TLS 1.3 cannot connect"
                       "\nwrite `min: \"1.3\"` to say so, or add X25519 for them",
                       tls_group_names[groups->list[0]]);
}
