// yaml_document: a YAML text as a bounded tree of nodes, each with its place in the file.
//
// A small and unambiguous part of YAML: one document of maps, lists and scalars. Refused, each with
// its line and column: anchors, aliases, tags, merge keys, duplicate, empty and non-scalar keys, a
// second document, text that is not UTF-8, and everything above the limits below. Scalars stay
// text: what a number or a boolean is, is decided by proxy/config/reader, which knows what belongs
// there. Nothing here knows keys, files or what a document means.
#pragma once

#include "auth/base/slice.h"
#include "proxy/config/diagnostics.h"

enum {
    YAML_MAX_DEPTH = 16,                // maps and lists inside one another
    YAML_MAX_BYTES = 64 * 1024 * 1024,  // of a text
    YAML_MAX_EVENTS = 20 * 1000 * 1000, // scalars, and starts and ends of maps and lists
};

enum node_kind { NODE_SCALAR, NODE_LIST, NODE_MAP };

// node is a scalar, list or map. The children of a map are its values, each with its key.
struct node {
    enum node_kind kind;
    bool is_quoted;           // of a scalar: written in quotes or as a block, so certainly text
    uint32_t line;            // from 1
    uint32_t column;          // from 1, in characters
    uint32_t child_count;     // of a list or map
    struct slice text;        // of a scalar: UTF-8 with a NUL after it and none inside
    const struct node *key;   // of a map's child: a scalar; NULL elsewhere
    const struct node *child; // the first; NULL when there is none
    const struct node *next;  // the next sibling; NULL after the last
};

struct yaml_document; // opaque: owns the nodes and their texts

// yaml_document_parse reads `bytes`; `file` is for messages. ERR_OK with a document that has a
// root; else ERR_INPUT, ERR_LIMIT or ERR_MEMORY, with at least one error in `diagnostics`. Takes
// time in proportion to the bytes, whatever they hold.
enum err yaml_document_parse(struct slice bytes, const char *file, struct diagnostics *diagnostics,
                             struct yaml_document **out) MUST_USE;

// yaml_document_root gives the outermost node, borrowed from the document.
const struct node *yaml_document_root(const struct yaml_document *document);

// yaml_document_holds tells whether a node is of this document.
bool yaml_document_holds(const struct yaml_document *document, const struct node *node);

// yaml_document_destroy frees the document and all its nodes. NULL is allowed.
void yaml_document_destroy(struct yaml_document *document);

// node_kind_name gives `a value`, `a list` or `a map`, for messages.
const char *node_kind_name(enum node_kind kind);

// node_get gives the value of `key` in a map, or NULL when it is not there or `map` is no map.
const struct node *node_get(const struct node *map, const char *key);
