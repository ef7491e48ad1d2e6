// places: the lines of the configuration at which the parts of a policy are. No decision needs them, so the policy does
// not keep them. This file reads the configuration and what is in force of its included files again, as trees.
#pragma once

#include "proxy/config/snapshot.h"
#include "proxy/config/yaml_document.h"

struct places {
    struct place_file {
        const char *name;               // borrowed from the snapshot
        struct yaml_document *document; // owned
    } * files;                          // owned; the main file first
    size_t file_count;
    const struct node *root;     // of the main file
    const struct node **clients; // owned; one for each client of the policy
    const struct node *
        *denials;            // owned; likewise: `deny` of its file, where that is an included one
    const struct node *deny; // the list for everybody, or NULL
};

// places_open reads the texts that the snapshot was made from. The caller ends it with places_close. ERR_MEMORY.
enum err places_open(const struct snapshot *snapshot, struct places *out) MUST_USE;

// places_close frees what places_open has made.
void places_close(struct places *places);

// places_item gives an element of a list; NULL when there is none.
const struct node *places_item(const struct node *list, size_t index);

// places_file gives the name of the file that a node is in; NULL: the main file.
const char *places_file(const struct places *places, const struct node *node);
