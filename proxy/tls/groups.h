// groups: the groups that TLS may agree its keys in (RFC 8446 4.2.7), by the names that the configuration has for them.
//
// One table of names; which of them the linked BoringSSL has is asked of the library itself, so that no version of it is
// known here. Knows no context and no stream.
#pragma once

#include <openssl/ssl.h>
#include <stdbool.h>

#include "auth/base/err.h"

// Best first.
enum tls_group {
    TLS_GROUP_X25519MLKEM768, // hybrid, against quantum computers: draft-ietf-tls-ecdhe-mlkem; TLS 1.3 only
    TLS_GROUP_X25519,
    TLS_GROUP_P256,
    TLS_GROUP_P384,
    TLS_GROUP_P521,
    TLS_GROUP_COUNT, // none, or one that is not in this table
};

// tls_group_names has the name of each, then NULL. The names are BoringSSL's too.
extern const char *const tls_group_names[TLS_GROUP_COUNT + 1];

// tls_groups is a list of groups, best first, each at most once. An empty one stands for the default of its role.
struct tls_groups {
    enum tls_group list[TLS_GROUP_COUNT];
    size_t count;
};

// tls_groups_has tells whether a group is in the list.
bool tls_groups_has(const struct tls_groups *groups, enum tls_group group);

// tls_group_is_there tells whether the linked BoringSSL has the group. False also without memory.
bool tls_group_is_there(enum tls_group group);

// tls_groups_of_server and tls_groups_of_client give the defaults: of each list, what the library has. A client's ends with
// P-384, for in TLS 1.2 a client that does not offer the curve of the server's certificate cannot use it (RFC 8422 5.1).
struct tls_groups tls_groups_of_server(void);
struct tls_groups tls_groups_of_client(void);

// tls_groups_of_library gives all that the library has.
struct tls_groups tls_groups_of_library(void);

// tls_groups_set has a context, or a connection before its handshake, agree on these groups only; the list is not empty.
// False without memory, or where the library lacks one of them.
bool tls_groups_set(SSL_CTX *ctx, const struct tls_groups *groups) MUST_USE;
bool tls_groups_set_one(SSL *ssl, const struct tls_groups *groups) MUST_USE;

// tls_group_of gives the group that a finished handshake has agreed on. After a session of TLS 1.2 was resumed it is that
// of the handshake which began the session.
enum tls_group tls_group_of(const SSL *ssl);
