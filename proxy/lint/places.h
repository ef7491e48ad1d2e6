// places: the lines of the configuration at which the parts of a policy are. No decision needs them, so the policy does
// not keep them. This file reads the configuration again, as a tree.
#pragma once

#include "proxy/config/snapshot.h"
#include "proxy/config/yaml_document.h"

struct places {
    struct yaml_document *document; // owned
    const struct node **clients;    // owned; one for each client of the policy
    const struct node *deny;        // the list for everybody, or NULL
    const char *file;               // borrowed from the snapshot
};

// places_open reads the text that the snapshot was made from. The caller ends it with places_close. ERR_MEMORY.
enum err places_open(const struct snapshot *snapshot, struct places *out) MUST_USE;

// places_close frees what places_open has made.
void places_close(struct places *places);

// places_item gives an element of a list; NULL when there is none.
const struct node *places_item(const struct node *list, size_t index);
