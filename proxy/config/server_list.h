// server_list: the servers that the proxy speaks to over TLS with files of its configuration, for those who tell when these end:
// receivers of the audit log, parents, the authorizer, the store.
#pragma once

#include "proxy/config/snapshot.h"

enum server_kind { SERVER_SINK, SERVER_PARENT, SERVER_AUTHORIZER, SERVER_STORE, SERVER_KINDS };

// server_kind_name gives `sink`, `parent`, `authorizer` or `store`.
const char *server_kind_name(enum server_kind kind);

// listed_server is one of them. Everything is borrowed from the snapshot, or static.
struct listed_server {
    enum server_kind kind;
    const char *name;          // `authorizer` and `store` of these, of which there is one each
    const char *form;          // of a sink; a receiver may have one of each; NULL: of another kind
    const struct trust *trust; // its CAs; NULL: the system's, which others look after
    const struct tls_context_info *own; // the certificate that it is shown; NULL: none
};

// server_list_next gives the one at or after `*index`, and moves `*index` past it. False: there are no more.
bool server_list_next(const struct snapshot *snapshot, size_t *index, struct listed_server *out);
