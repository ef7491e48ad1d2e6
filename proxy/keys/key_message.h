// key_message: what the serving process and the key holder say to each other, over stream sockets. Pure.
//
//     client: OPEN what PATH         holder: KEY, CHAIN, UNUSABLE or FAILED
//             SIGN key ...                   SIGNATURE or FAILED
//             CHECKPOINT key ...             SIGNATURE (the whole note) or FAILED
//             CLOSE key                      nothing
//             ALLOW PATH, before SEAL        DONE or FAILED: a folder, below which keys may be opened later on
//             GROUPS numbers, first of all   DONE or FAILED: these groups count as the holder's (key_groups.h)
//             SEAL                           SEALED or FAILED: no folder is added any more; also where none was from the beginning
//             LINE, a socket beside it       DONE: what comes over it is answered, too
//
// A message is its length in four bytes, then its kind in one, the number of the request in eight, and what the kind has, in
// order: numbers in big endian, bytes as the rest. An answer has the number of its request. A key is named by the SHA-256 of
// its public half, so that a name can never come to mean another key. The holder judges strictly what comes: the process that
// speaks to it is the one that strangers speak to.
#pragma once

#include "auth/base/err.h"
#include "auth/base/slice.h"

enum {
    KEY_NAME_LEN = 32,
    KEY_SIGNED_MAX =
        128 *
        1024, // bytes that are signed; in TLS 1.2 a client signs the whole handshake (RFC 5246 7.4.8)
    KEY_PATH_MAX = 4095,
    KEY_BYTES_MAX = 192 * 1024, // of any message
    KEY_HEAD_MAX = 160,         // bytes before `bytes`
    KEY_MESSAGE_MAX = KEY_BYTES_MAX + KEY_HEAD_MAX,
};

// What each kind has is beside it.
enum key_kind_of_message {
    KEY_OPEN,       // `what`; `bytes`: a path
    KEY_CLOSE,      // `name`
    KEY_SIGN,       // `name`, `algorithm`, `cpu`; `bytes`: the message
    KEY_CHECKPOINT, // `name`, `instance`, `size`, `root`, `is_end`
    KEY_ALLOW,      // `bytes`: a path
    KEY_GROUPS,     // `bytes`: numbers
    KEY_SEAL,
    KEY_LINE,
    KEY_ANSWER_KEY,      // `name`, `digest`; `bytes`: the public half
    KEY_ANSWER_CHAIN,    // `what`: enum key_chain_bits; `digest`; `bytes`: its certificates, as PEM
    KEY_ANSWER_UNUSABLE, // `digest`; `bytes`: why there is no key in the file
    KEY_ANSWER_SIGNATURE, // `bytes`
    KEY_ANSWER_DONE,
    KEY_ANSWER_FAILED, // `what`: an enum err; `bytes`: a sentence
    KEY_ANSWER_SEALED, // `size`: the number of the holder's process; `landlock`, `has_filter`; `bytes`: what is missing, or nothing
    KEY_MESSAGE_KIND_COUNT
};

// What a file is opened as.
enum key_use { KEY_USE_TLS, KEY_USE_CHAIN, KEY_USE_SIGNER, KEY_USE_COUNT };

enum key_chain_bits { KEY_CHAIN_HAS_KEY = 1, KEY_CHAIN_IS_EMPTY = 2 };

// key_message is one message; which members count depends on the kind. `bytes` is borrowed from what was parsed.
struct key_message {
    enum key_kind_of_message kind;
    uint64_t number;
    uint8_t what;
    uint8_t name[KEY_NAME_LEN];
    uint16_t algorithm; // of TLS: SSL_SIGN_...
    uint16_t cpu;       // on which the asking thread runs
    uint32_t instance;
    uint64_t size;
    uint8_t root[32];
    bool is_end;
    uint8_t digest[32];
    uint8_t landlock; // as in struct sandbox
    bool has_filter;  // likewise
    struct slice bytes;
};

enum key_parse {
    KEY_PARSE_MORE, // the message has not come whole yet
    KEY_PARSE_GOOD,
    KEY_PARSE_BAD,
};

// key_message_parse reads the message at the front of `data`, and how long it is. `*out` and `*out_len` are set for
// KEY_PARSE_GOOD alone.
enum key_parse key_message_parse(struct slice data, struct key_message *out, size_t *out_len);

// key_message_is_request tells whether a message is for the holder.
bool key_message_is_request(enum key_kind_of_message kind);

// key_message_head writes everything of a message but its bytes to `out` of KEY_HEAD_MAX, and gives the length. The bytes, at
// most KEY_BYTES_MAX, follow.
size_t key_message_head(const struct key_message *message, uint8_t *out);
