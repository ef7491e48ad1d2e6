// name_template: a name that a certificate completes, such as `agent-{uri.path[2]}`: the name of an account, and what an
// extension must equal. Read once, from the config; evaluated on an identity.
//
// A template is text and at most 4 parts, with text between two parts:
//     {uri.path[N]}  a segment of the path of the URI: in spiffe://example.org/ns/x, 0 is `ns` and 1 is `x`
//     {dns[0]}       the DNS name; in lower case in the name of an account, so that one DNS name is one account
//     {cn}           the CN of the subject
//     {extension}    the text of an extension that the caller chooses
// The certificate must have each of them exactly once: one URI, one DNS name, one CN. Two certificates give the same
// name only if all parts are the same.
#pragma once

#include "auth/identity.h"

// Which bytes parts and text may have: [A-Za-z0-9._-] for names, and for values that are only compared visible ASCII.
enum name_alphabet { NAME_ALPHABET_ACCOUNT, NAME_ALPHABET_VISIBLE };

enum name_part_kind { NAME_PART_URI_PATH, NAME_PART_DNS, NAME_PART_CN, NAME_PART_EXTENSION };

enum {
    NAME_TEMPLATE_MAX_PARTS = 4,
    NAME_TEMPLATE_MAX_SEGMENT = 31, // the last segment of a path that a part can name
};

// name_template is a value. Its text is borrowed from what it was parsed from.
struct name_template {
    enum name_alphabet alphabet;
    struct slice head; // the text in front of the first part
    size_t part_count; // 0: the name is the same for every certificate
    struct name_part {
        enum name_part_kind kind;
        size_t segment;     // of NAME_PART_URI_PATH
        struct slice after; // the text that follows; empty only after the last part
    } parts[NAME_TEMPLATE_MAX_PARTS];
};

enum name_result {
    NAME_OK,
    NAME_ABSENT, // the certificate lacks a part, or it is empty
    NAME_AMBIGUOUS, // it has a part more than once, or one that holds the byte that ends it in the template
    NAME_BAD_CHARACTER, // a part holds a byte outside the alphabet, or comes from a URI that is not canonical
    NAME_TOO_LONG, // the name does not fit in the caller's text
};

// name_template_parse reads a template. ERR_INPUT when it is malformed, with the sentence in `info`.
enum err name_template_parse(struct slice text, enum name_alphabet alphabet,
                             struct name_template *out, struct errinfo *info) MUST_USE;

// name_template_has tells whether a template has a part of this kind.
bool name_template_has(const struct name_template *name, enum name_part_kind kind);

// name_template_format appends the name that the template gives of `identity`. `extension` is the text for {extension}, with
// `data` NULL where there is none. After any result but NAME_OK the text must not be used.
enum name_result name_template_format(const struct name_template *name,
                                      const struct identity *identity, struct slice extension,
                                      struct text *out) MUST_USE;

// name_template_can_give tells whether some certificate completes the template to this name.
bool name_template_can_give(const struct name_template *name, struct slice text);

// name_template_may_agree tells whether two templates with parts can give one name: neither the text in front nor the text at
// the end tells them apart.
bool name_template_may_agree(const struct name_template *a, const struct name_template *b);

// name_result_text gives a sentence about a result, in static memory: what the certificate lacks.
const char *name_result_text(enum name_result result);
