// blocklist: clients and certificates that an operator has blocked by hand, as an immutable value.
//
// A change makes a new list, which goes to the workers inside a snapshot like every other rule, so that
// nobody ever looks at a list that changes. Counted by reference; any thread. Knows no files, no clock
// and nothing of how a list comes into force.
#pragma once

#include "auth/chain_record.h"

enum {
    BLOCKS_MAX = 10000,
    BLOCK_NAME_MAX = 32,                // bytes of a client's name
    BLOCK_TEXT_CAP = DN_TEXT_CAP + 128, // bytes of the text of any block, with the NUL
};

enum block_kind { BLOCK_CLIENT, BLOCK_SHA256, BLOCK_SERIAL };

// block names a client, or a certificate wherever it stands in a chain: a blocked CA takes everybody
// below it along, as `denied` does.
struct block {
    enum block_kind kind;
    uint8_t digest[CERT_DIGEST_LEN]; // of the name, the certificate, or cert_id_of_serial
    const char *text; // the one spelling; borrowed from the list, or from block_parse
    int64_t since_s;  // Unix seconds
    uint32_t uid;     // of the user that did it
};

// block_parse reads `client:NAME`, `sha256:HEX` or `serial:HEX issuer:RFC4514`; hexadecimal digits with
// or without colons, in either case. `text` gets the one spelling, which `out->text` points to; `since_s`
// and `uid` are 0. ERR_INPUT or ERR_LIMIT with a sentence in `info`.
enum err block_parse(struct slice s, char text[BLOCK_TEXT_CAP], struct block *out,
                     struct errinfo *info) MUST_USE;

// block_client_name gives the name after `client:`, NULL for other kinds.
const char *block_client_name(const struct block *block);

struct blocklist;

// blocklist_create makes a list with one reference of blocks in any order, whose texts are copied.
// ERR_INPUT when one stands twice, ERR_LIMIT beyond BLOCKS_MAX, ERR_MEMORY.
enum err blocklist_create(const struct block *blocks, size_t count,
                          struct blocklist **out) MUST_USE;

// blocklist_add and blocklist_remove make another list with one reference, with a block more or less.
// ERR_INPUT when it is there already, or is not there; otherwise as blocklist_create.
enum err blocklist_add(const struct blocklist *list, const struct block *block,
                       struct blocklist **out) MUST_USE;
enum err blocklist_remove(const struct blocklist *list, const struct block *block,
                          struct blocklist **out) MUST_USE;

// blocklist_ref takes another reference and returns its argument; blocklist_unref gives one back. NULL
// is allowed for both, and is an empty list for everything below.
struct blocklist *blocklist_ref(struct blocklist *list);
void blocklist_unref(struct blocklist *list);

size_t blocklist_count(const struct blocklist *list);
const struct block *blocklist_at(const struct blocklist *list, size_t index);

// blocklist_find gives the same block of the list, or NULL.
const struct block *blocklist_find(const struct blocklist *list, const struct block *like);

// blocklist_judge gives the block that stops a client: by its name (NULL: it has none), or by a
// certificate of its verified chain (NULL: it has shown none). NULL: nothing does. A microsecond or two.
const struct block *blocklist_judge(const struct blocklist *list, const char *client,
                                    const struct chain_record *record);

// blocklist_has_certificate tells whether a certificate is blocked, by its SHA-256, or by its serial (no leading zeros) and the
// name of its issuer in DER.
bool blocklist_has_certificate(const struct blocklist *list, const uint8_t sha256[CERT_DIGEST_LEN],
                               struct slice issuer_name, struct slice serial);
