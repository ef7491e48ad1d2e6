// key_source: where the private keys of a configuration are, if not in this process: another one reads their files, and signs.
//
// An interface: what implements it lies above.
#pragma once

#include "proxy/chain/checkpoint_signer.h"
#include "proxy/config/file.h"
#include "proxy/tls/private_key.h"

// key_content is what is told of a file that has a key.
struct key_content {
    struct private_key *tls;          // ref; a key for TLS, or NULL
    struct checkpoint_signer *signer; // ref; one that signs audit logs, or NULL
    struct errinfo problem;           // why there is neither; "" where there is one
    uint8_t sha256[32];               // of the file
};

// chain_content is what is told of a file that has certificates and maybe a key.
struct chain_content {
    struct file_content certificates; // its blocks with certificates, and nothing else of it
    bool has_key;                     // a private key stands in it, too
    bool is_empty;                    // the file has no bytes
    uint8_t sha256[32];               // of the file
};

struct key_source;

struct key_source_ops {
    // Each reads the file at `path` with the checks of file_read. Errors as there; ERR_SYSTEM also where nobody answers. What
    // is in `out` after ERR_OK is the caller's. Blocking.
    enum err (*read_chain)(struct key_source *source, const char *path, struct chain_content *out,
                           struct errinfo *info);
    enum err (*read_key)(struct key_source *source, const char *path, struct key_content *out,
                         struct errinfo *info);
    enum err (*read_signer)(struct key_source *source, const char *path, struct key_content *out,
                            struct errinfo *info);
    // answers tells whether files could be read now: for lack of an answer it waits at most `patience_ms`. Blocking.
    bool (*answers)(struct key_source *source, int64_t patience_ms);
};

struct key_source {
    const struct key_source_ops *ops; // static memory
    bool is_in_use; // keys are apart, whatever a later configuration says: that takes a restart
};
