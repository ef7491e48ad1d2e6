// places: the lines of the configuration where the parts of a policy are. No decision needs them, so the policy does not
// keep them: places reads the configuration once more, as a tree.
#pragma once

#include "proxy/config/snapshot.h"
#include "proxy/config/yaml_document.h"

struct places {
    struct yaml_document *document; // owned
    const struct node **clients;    // owned; one for each client of the policy
    const struct node *deny;        // the list for everybody, or NULL
    const char *file;               // borrowed from the snapshot
};

// places_open reads the text that the snapshot was made of. ERR_MEMORY. The caller ends it with places_close.
enum err places_open(const struct snapshot *snapshot, struct places *out) MUST_USE;

void places_close(struct places *places);

// places_item gives an element of a list; NULL where there is none.
const struct node *places_item(const struct node *list, size_t index);
