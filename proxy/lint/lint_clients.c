// Checks the clients. The first client that matches is the client, so one that comes after a client that matches
// everything is never reached. Exact names are looked up in a sorted index of all entries; patterns are compared one by
// one.
#include <stdlib.h>

#include "proxy/lint/parts.h"

enum key_kind {
    KEY_URI,
    KEY_DNS,
    KEY_EMAIL,
    KEY_CN,
    KEY_SUBJECT,
    KEY_SHA256,
    KEY_SPKI,
    KEY_SERIAL
};

// entry_at is an entry of `match` with the exact part that it is found by.
struct entry_at {
    const struct match_entry *entry; // borrowed from the policy
    uint32_t client;
    enum key_kind kind;
    struct slice key;
};

struct entry_index {
    struct entry_at *exact; // owned; sorted
    size_t exact_count;
    struct entry_at *broad; // owned; in file order
    size_t broad_count;
};

static bool is_exact_text(const char *text)
{
    const size_t len = text == NULL ? 0 : strlen(text);
    return len > 0 && strncmp(text, "*.", 2) != 0 && text[len - 1] != '*';
}

// keys_of gives the exact parts of an entry, at most `cap`.
static size_t keys_of(const struct match_entry *entry, struct entry_at *out, size_t cap)
{
    const struct {
        enum key_kind kind;
        struct slice key;
    } parts[] = {
        {KEY_SHA256, slice_of(entry->sha256, entry->sha256 == NULL ? 0 : IDENTITY_DIGEST_LEN)},
        {KEY_SPKI,
         slice_of(entry->spki_sha256, entry->spki_sha256 == NULL ? 0 : IDENTITY_DIGEST_LEN)},
        {KEY_URI, is_exact_text(entry->uri) ? slice_of_string(entry->uri) : (struct slice){0}},
        {KEY_EMAIL, entry->email == NULL ? (struct slice){0} : slice_of_string(entry->email)},
        {KEY_CN, entry->cn == NULL ? (struct slice){0} : slice_of_string(entry->cn)},
        {KEY_SUBJECT, entry->subject},
        {KEY_SERIAL, entry->serial},
    };
    size_t count = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts && count < cap; i++) {
        if (parts[i].key.len > 0)
            out[count++] =
                (struct entry_at){.entry = entry, .kind = parts[i].kind, .key = parts[i].key};
    }
    return count;
}

static int compare_keys(const struct entry_at *a, const struct entry_at *b)
{
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    if (a->key.len != b->key.len)
        return a->key.len < b->key.len ? -1 : 1;
    return a->key.len == 0 ? 0 : memcmp(a->key.data, b->key.data, a->key.len);
}

static int compare(const void *a, const void *b)
{
    const struct entry_at *left = a;
    const struct entry_at *right = b;
    const int order = compare_keys(left, right);
    return order != 0 ? order : (left->client > right->client) - (left->client < right->client);
}

static enum err index_open(const struct policy *policy, struct entry_index *out)
{
    size_t count = 0;
    *out = (struct entry_index){0};
    for (size_t i = 0; i < policy->client_count; i++)
        count += policy->clients[i].match_count;
    out->exact = calloc(count + 1, sizeof *out->exact);
    out->broad = calloc(count + 1, sizeof *out->broad);
    if (out->exact == NULL || out->broad == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < policy->client_count; i++) {
        const struct client *client = &policy->clients[i];
        for (size_t j = 0; j < client->match_count; j++) {
            struct entry_at at = {.entry = &client->matches[j]};
            const bool is_exact = keys_of(at.entry, &at, 1) == 1;
            at.client = (uint32_t)i;
            if (is_exact)
                out->exact[out->exact_count++] = at;
            else
                out->broad[out->broad_count++] = at;
        }
    }
    qsort(out->exact, out->exact_count, sizeof *out->exact, compare);
    return ERR_OK;
}

static void index_close(struct entry_index *index)
{
    free(index->exact);
    free(index->broad);
}

// find_exact gives an entry of an earlier client that is found by one of the exact parts of `entry`, and covers it.
static const struct entry_at *find_exact(const struct entry_index *index,
                                         const struct match_entry *entry, uint32_t client,
                                         struct budget *budget)
{
    struct entry_at keys[8];
    const size_t count = keys_of(entry, keys, sizeof keys / sizeof *keys);
    for (size_t i = 0; i < count; i++) {
        size_t low = 0;
        size_t high = index->exact_count;
        while (low < high) {
            const size_t middle = low + (high - low) / 2;
            if (compare_keys(&index->exact[middle], &keys[i]) < 0)
                low = middle + 1;
            else
                high = middle;
        }
        for (; low < index->exact_count && index->exact[low].client < client &&
               compare_keys(&index->exact[low], &keys[i]) == 0 && budget->left > 0;
             low++) {
            budget->left--;
            if (entry_covers(index->exact[low].entry, entry))
                return &index->exact[low];
        }
    }
    return NULL;
}

static const struct entry_at *find_broad(const struct entry_index *index,
                                         const struct match_entry *entry, uint32_t client,
                                         struct budget *budget)
{
    for (size_t i = 0; i < index->broad_count && index->broad[i].client < client; i++) {
        if (budget->left == 0)
            return NULL;
        budget->left--;
        if (entry_covers(index->broad[i].entry, entry))
            return &index->broad[i];
    }
    return NULL;
}

static bool uses_trust(const struct snapshot *snapshot, const char *name)
{
    for (size_t i = 0; i < snapshot->listener_count; i++) {
        const struct listener_config *listener = &snapshot->listeners[i];
        for (size_t j = 0; j < listener->site_count; j++) {
            if (strcmp(listener->sites[j].trust_name, name) == 0)
                return true;
        }
    }
    return false;
}

// look_at_entry finds out whether anybody can ever fit this entry first; false: nobody.
static bool look_at_entry(struct lint *lint, const struct entry_index *index, uint32_t client,
                          size_t number)
{
    const struct policy *policy = lint->snapshot->policy;
    const struct client *owner = &policy->clients[client];
    const struct match_entry *entry = &owner->matches[number];
    const struct node *node = places_item(node_get(lint->places.clients[client], "match"), number);
    if (entry->trust != NULL && !uses_trust(lint->snapshot, entry->trust)) {
        lint_find(lint, SEVERITY_WARNING, node,
                  "match[%zu] of client `%s` never fits: no listener uses the trust profile `%s`"
                  "\ngive a listener this `trust`, or remove the entry",
                  number, owner->name, entry->trust);
        return false;
    }
    const struct entry_at *first = find_exact(index, entry, client, &lint->budget);
    if (first == NULL)
        first = find_broad(index, entry, client, &lint->budget);
    if (first == NULL)
        return true;
    const struct node *place = lint->places.clients[first->client];
    lint_find(
        lint, SEVERITY_WARNING, node,
        "match[%zu] of client `%s` is never reached: client `%s` (line %u) matches every certificate that it fits, and comes first"
        "\nput the narrower client first, or remove one of the two",
        number, owner->name, policy->clients[first->client].name, place == NULL ? 0 : place->line);
    return false;
}

enum err lint_clients(struct lint *lint)
{
    const struct policy *policy = lint->snapshot->policy;
    struct entry_index index;
    const enum err error = index_open(policy, &index);
    for (uint32_t i = 0; error == ERR_OK && i < policy->client_count; i++) {
        size_t reached = 0;
        for (size_t j = 0; j < policy->clients[i].match_count; j++)
            reached += look_at_entry(lint, &index, i, j);
        if (reached == 0)
            lint_find(lint, SEVERITY_WARNING, lint->places.clients[i],
                      "client `%s` can never match"
                      "\nits rules have no effect: see the findings about its `match`",
                      policy->clients[i].name);
    }
    index_close(&index);
    return error;
}
