// Names, for BoringSSL takes lists of names in all its versions; its numbers for groups have changed their names.
#include "proxy/tls/groups.h"

#include <openssl/err.h>
#include <string.h>

#include "auth/base/text.h"

enum { LIST_CAP = 64 }; // bytes of all names with what separates them, and the NUL

const char *const tls_group_names[TLS_GROUP_COUNT + 1] = {
    [TLS_GROUP_X25519MLKEM768] = "X25519MLKEM768",
    [TLS_GROUP_X25519] = "X25519",
    [TLS_GROUP_P256] = "P-256",
    [TLS_GROUP_P384] = "P-384",
    [TLS_GROUP_P521] = "P-521",
};

bool tls_groups_has(const struct tls_groups *groups, enum tls_group group)
{
    for (size_t i = 0; i < groups->count; i++) {
        if (groups->list[i] == group)
            return true;
    }
    return false;
}

// format writes the list as BoringSSL reads it.
static const char *format(const struct tls_groups *groups, char out[LIST_CAP])
{
    struct text text;
    text_init(&text, out, LIST_CAP);
    for (size_t i = 0; i < groups->count; i++) {
        if (i > 0)
            text_append_string(&text, ":");
        text_append_string(&text, tls_group_names[groups->list[i]]);
    }
    return out;
}

bool tls_groups_set(SSL_CTX *ctx, const struct tls_groups *groups)
{
    char list[LIST_CAP];
    return SSL_CTX_set1_groups_list(ctx, format(groups, list)) == 1;
}

bool tls_groups_set_one(SSL *ssl, const struct tls_groups *groups)
{
    char list[LIST_CAP];
    return SSL_set1_groups_list(ssl, format(groups, list)) == 1;
}

bool tls_group_is_there(enum tls_group group)
{
    const struct tls_groups alone = {.list = {group}, .count = 1};
    SSL_CTX *ctx = SSL_CTX_new(TLS_with_buffers_method());
    const bool is_there = ctx != NULL && tls_groups_set(ctx, &alone);
    SSL_CTX_free(ctx);
    ERR_clear_error();
    return is_there;
}

// those_to gives the groups of the library up to `last`, in the order of the table, which is the default's too.
static struct tls_groups those_to(enum tls_group last)
{
    struct tls_groups groups = {.count = 0};
    for (enum tls_group group = 0; group <= last; group++) {
        // The others are in every version.
        if (group != TLS_GROUP_X25519MLKEM768 || tls_group_is_there(group))
            groups.list[groups.count++] = group;
    }
    return groups;
}

struct tls_groups tls_groups_of_server(void)
{
    return those_to(TLS_GROUP_P256);
}

struct tls_groups tls_groups_of_client(void)
{
    return those_to(TLS_GROUP_P384);
}

struct tls_groups tls_groups_of_library(void)
{
    return those_to(TLS_GROUP_P521);
}

enum tls_group tls_group_of(const SSL *ssl)
{
    const char *name = SSL_get_curve_name(SSL_get_curve_id(ssl));
    for (enum tls_group group = 0; name != NULL && group < TLS_GROUP_COUNT; group++) {
        if (strcmp(tls_group_names[group], name) == 0)
            return group;
    }
    return TLS_GROUP_COUNT;
}
