// note: signed notes (C2SP signed-note) with Ed25519: a text, an empty line, and a line for each signature. And the two
// spellings of a key: NAME+HASH+BASE64, and in front of it PRIVATE+KEY+ for the secret one.
//
// Pure. Does not know what a text says.
#pragma once

#include "auth/base/text.h"

enum {
    NOTE_NAME_MAX = 96, // bytes of a key's name
    NOTE_ID_LEN = 4,
    NOTE_PUBLIC_LEN = 32,
    NOTE_PRIVATE_LEN = 64,
    NOTE_SEED_LEN = 32,
    NOTE_KEY_CAP = 256,       // bytes of a key's text, with the NUL
    NOTE_SIGNATURE_CAP = 256, // bytes that a signature adds to a text
    NOTE_SIGNATURES_MAX = 16, // of one note: ours, and those of witnesses
};

// note_verifier is the public half of a key.
struct note_verifier {
    char name[NOTE_NAME_MAX + 1];
    uint8_t id[NOTE_ID_LEN]; // the hash of name and key that stands in each signature
    uint8_t key[NOTE_PUBLIC_LEN];
};

// note_signer is a key. Its owner wipes it.
struct note_signer {
    struct note_verifier verifier;
    uint8_t key[NOTE_PRIVATE_LEN]; // the seed, and the public key
};

// note_name_is_valid tells whether a key may have this name: printable ASCII without blanks and `+`, 1 to NOTE_NAME_MAX
// bytes.
bool note_name_is_valid(struct slice name);

// note_signer_init makes the key of a seed. False: the name is not valid.
bool note_signer_init(struct slice name, const uint8_t seed[NOTE_SEED_LEN],
                      struct note_signer *out);

// note_signer_format and note_verifier_format write a key in NOTE_KEY_CAP bytes, without a line break.
void note_signer_format(const struct note_signer *signer, struct text *out);
void note_verifier_format(const struct note_verifier *verifier, struct text *out);

// note_signer_parse and note_verifier_parse read a key, which one line break may follow. False: it is none.
bool note_signer_parse(struct slice text, struct note_signer *out);
bool note_verifier_parse(struct slice text, struct note_verifier *out);

// note_sign makes a note of a text that ends with a line break: NOTE_SIGNATURE_CAP bytes more.
void note_sign(const struct note_signer *signer, struct text *text);

enum note_result {
    NOTE_GOOD,
    NOTE_MALFORMED, // it is no note
    NOTE_UNSIGNED,  // no signature is of this key
    NOTE_FORGED,    // a signature claims to be of this key, and is not
};

// note_open finds the text of a note that the key has signed. `*out` is borrowed from `note`, and set for NOTE_GOOD
// alone. Signatures of other keys are skipped.
enum note_result note_open(struct slice note, const struct note_verifier *verifier,
                           struct slice *out) MUST_USE;
