// Keys are hashes of names, read from their end, and of address prefixes, one for each length that
// some rule has. A walk merges the ascending lists that it finds.
#include "auth/rule_index.h"

#include <stdlib.h>

#include "auth/base/hash.h"

enum {
    FEW_RULES = 16,     // up to here trying each is as quick
    RULE_KEYS_MAX = 64, // of one rule; one with more is always tried
    PREFIX_WORDS = 3,   // of bits: lengths 0-128
    LABELS_WORDS = 2,
    WORD_BITS = 64,
};

enum rule_key_kind { RULE_KEY_EXACT = 1, RULE_KEY_SUFFIX, RULE_KEY_V4, RULE_KEY_V6 };

struct rule_index {
    const struct key_index *keys;
    struct id_list always;
    const struct port_range *ports; // of the rules with addresses alone; sorted, apart; arena
    size_t port_count;
    uint64_t suffix_labels[LABELS_WORDS]; // bit n: some `*.` has n labels behind it
    uint64_t v4_lengths[PREFIX_WORDS];    // bit n: some rule has a prefix of n bits
    uint64_t v6_lengths[PREFIX_WORDS];
};

static void set_bit(uint64_t *words, size_t bit)
{
    words[bit / WORD_BITS] |= UINT64_C(1) << bit % WORD_BITS;
}

static bool has_bit(const uint64_t *words, size_t bit)
{
    return (words[bit / WORD_BITS] >> bit % WORD_BITS & 1) != 0;
}

// ---- keys ---------------------------------------------------------------------------------------

static uint64_t name_key(enum rule_key_kind kind, uint64_t hash)
{
    return hash_end(hash_add(hash, (uint8_t)kind));
}

// address_key is that of the first `length` bits of `addr`.
static uint64_t address_key(const struct ip_addr *addr, size_t length)
{
    const enum rule_key_kind kind = addr->family == IP_V4 ? RULE_KEY_V4 : RULE_KEY_V6;
    uint64_t hash = hash_add(hash_add(hash_begin(), (uint8_t)kind), (uint8_t)length);
    for (size_t i = 0; i < length / 8; i++)
        hash = hash_add(hash, addr->bytes[i]);
    if (length % 8 != 0)
        hash = hash_add(hash, (uint8_t)(addr->bytes[length / 8] & 0xFF00U >> length % 8));
    return hash_end(hash);
}

// rule_keys is what a rule is filed under, gathered before anything is filed.
struct rule_keys {
    uint64_t keys[RULE_KEYS_MAX];
    size_t count;
    bool is_always; // it cannot be filed
    uint64_t suffix_labels[LABELS_WORDS];
    uint64_t v4_lengths[PREFIX_WORDS];
    uint64_t v6_lengths[PREFIX_WORDS];
};

static void put(struct rule_keys *out, uint64_t key)
{
    if (out->count == RULE_KEYS_MAX)
        out->is_always = true;
    else
        out->keys[out->count++] = key;
}

static void put_host(struct rule_keys *out, const struct host_record *record)
{
    uint64_t hash = hash_begin();
    size_t labels = 1;
    for (size_t i = record->name.len; i-- > 0;) {
        hash = hash_add(hash, record->name.data[i]);
        labels += record->name.data[i] == '.';
    }
    switch (record->kind) {
    case HOST_PATTERN_EXACT:
        put(out, name_key(RULE_KEY_EXACT, hash));
        return;
    case HOST_PATTERN_SUFFIX:
        put(out, name_key(RULE_KEY_SUFFIX, hash));
        set_bit(out->suffix_labels, labels);
        return;
    case HOST_PATTERN_ANY:
        out->is_always = true;
        return;
    }
}

static void put_hosts(struct rule_keys *out, const struct host_sets *sets)
{
    struct host_record record;
    for (size_t i = 0; i < sets->count && !out->is_always; i++) {
        for (size_t cursor = 0; !out->is_always && host_set_next(sets->items[i], &cursor, &record);)
            put_host(out, &record);
    }
}

// common_bits counts the bits in which both begin alike.
static size_t common_bits(const struct ip_addr *a, const struct ip_addr *b)
{
    const size_t bits = a->family == IP_V4 ? 32 : 128;
    size_t count = 0;
    while (count < bits && ((a->bytes[count / 8] ^ b->bytes[count / 8]) & 0x80U >> count % 8) == 0)
        count++;
    return count;
}

// put_range files the smallest prefix around the range: one that is joined of several may be wider
// than they are, which only makes the rule be tried more often.
static void put_range(struct rule_keys *out, const struct ip_addr *first,
                      const struct ip_addr *last)
{
    const size_t length = common_bits(first, last);
    set_bit(first->family == IP_V4 ? out->v4_lengths : out->v6_lengths, length);
    put(out, address_key(first, length));
}

static void put_addresses(struct rule_keys *out, const struct ip_sets *sets)
{
    struct ip_addr first;
    struct ip_addr last;
    for (size_t i = 0; i < sets->count && !out->is_always; i++) {
        out->is_always = ip_set_has_public(sets->items[i]);
        for (size_t k = 0; k < ip_set_count(sets->items[i]) && !out->is_always; k++) {
            ip_set_range(sets->items[i], k, &first, &last);
            put_range(out, &first, &last);
        }
    }
}

// keys_of files a rule under its hosts when it has some, else under its addresses.
static void keys_of(const struct rule *rule, struct rule_keys *out)
{
    *out = (struct rule_keys){.is_always = !rule->has_hosts && !rule->has_addresses};
    if (rule->has_hosts)
        put_hosts(out, &rule->hosts);
    else if (rule->has_addresses)
        put_addresses(out, &rule->addresses);
}

// ---- building -----------------------------------------------------------------------------------

static void add_bits(uint64_t *to, const uint64_t *from, size_t words)
{
    for (size_t i = 0; i < words; i++)
        to[i] |= from[i];
}

static enum err file_rule(struct rule_index *index, struct key_index_builder *builder,
                          const struct rule *rule, uint32_t id, uint32_t *always)
{
    struct rule_keys keys;
    keys_of(rule, &keys);
    if (keys.is_always) {
        always[index->always.count++] = id;
        return ERR_OK;
    }
    add_bits(index->suffix_labels, keys.suffix_labels, LABELS_WORDS);
    add_bits(index->v4_lengths, keys.v4_lengths, PREFIX_WORDS);
    add_bits(index->v6_lengths, keys.v6_lengths, PREFIX_WORDS);
    for (size_t i = 0; i < keys.count; i++)
        TRY(key_index_builder_add(builder, keys.keys[i], id));
    return ERR_OK;
}

// ---- ports --------------------------------------------------------------------------------------

static int compare_ports(const void *left, const void *right)
{
    const struct port_range *a = left;
    const struct port_range *b = right;
    return (a->first > b->first) - (a->first < b->first);
}

// is_for_addresses tells whether an allow like this speaks about written addresses.
static bool is_for_addresses(const struct rule *rule)
{
    return rule->has_addresses && !rule->has_hosts;
}

// join_ports sorts the ranges and makes one of those that overlap; gives how many are left.
static size_t join_ports(struct port_range *ports, size_t count)
{
    size_t kept = 0;
    if (count > 1)
        qsort(ports, count, sizeof *ports, compare_ports);
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || ports[i].first > ports[kept - 1].last)
            ports[kept++] = ports[i];
        else if (ports[i].last > ports[kept - 1].last)
            ports[kept - 1].last = ports[i].last;
    }
    return kept;
}

static enum err gather_ports(struct arena *arena, const struct rule *rules, size_t count,
                             struct rule_index *index)
{
    size_t port_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (is_for_addresses(&rules[i]))
            port_count += rules[i].port_count == 0 ? 1 : rules[i].port_count;
    }
    struct port_range *ports = arena_alloc(arena, port_count, sizeof *ports);
    if (ports == NULL)
        return ERR_MEMORY;
    port_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (!is_for_addresses(&rules[i]))
            continue;
        if (rules[i].port_count == 0)
            ports[port_count++] = (struct port_range){DEFAULT_ALLOW_PORT, DEFAULT_ALLOW_PORT};
        for (size_t k = 0; k < rules[i].port_count; k++)
            ports[port_count++] = rules[i].ports[k];
    }
    index->port_count = join_ports(ports, port_count);
    index->ports = ports;
    return ERR_OK;
}

bool rule_index_has_address_port(const struct rule_index *index, uint16_t port)
{
    size_t low = 0; // every range in front of it ends below `port`
    size_t high = index->port_count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (index->ports[middle].last < port)
            low = middle + 1;
        else
            high = middle;
    }
    return low < index->port_count && index->ports[low].first <= port;
}

enum err rule_index_create(struct arena *arena, const struct rule *rules, size_t count,
                           const struct rule_index **out)
{
    *out = NULL;
    if (count <= FEW_RULES)
        return ERR_OK;
    struct key_index_builder builder = {0};
    struct rule_index *index = arena_alloc(arena, 1, sizeof *index);
    uint32_t *always = arena_alloc(arena, count, sizeof *always);
    if (index == NULL || always == NULL || count > UINT32_MAX)
        return ERR_MEMORY;
    index->always.ids = always;
    TRY(gather_ports(arena, rules, count, index));
    for (size_t i = 0; i < count; i++) {
        if (file_rule(index, &builder, &rules[i], (uint32_t)i, always) != ERR_OK) {
            key_index_builder_deinit(&builder);
            return ERR_MEMORY;
        }
    }
    index->keys = key_index_builder_finish(&builder, arena);
    if (index->keys == NULL)
        return ERR_MEMORY;
    *out = index;
    return ERR_OK;
}

// ---- walking ------------------------------------------------------------------------------------

static void add_list(struct rule_walk *walk, struct id_list list)
{
    if (list.count == 0 || walk->index == NULL)
        return;
    if (walk->cursor_count == WALK_CURSORS_MAX)
        walk->index = NULL; // more than a walk can merge: it tries every rule instead
    else
        walk->cursors[walk->cursor_count++] = list;
}

void rule_walk_begin(struct rule_walk *walk, const struct rule *rules, size_t count,
                     const struct rule_index *index)
{
    walk->rules = rules;
    walk->index = index;
    walk->count = count;
    walk->next = 0;
    walk->cursor_count = 0;
    if (index != NULL)
        add_list(walk, index->always);
}

void rule_walk_add_name(struct rule_walk *walk, const struct hostname *name)
{
    const struct rule_index *index = walk->index;
    uint64_t hash = hash_begin();
    size_t labels = 1; // of what stands behind the byte at `i`
    if (index == NULL)
        return;
    for (size_t i = name->len; i-- > 0;) {
        const uint8_t byte = (uint8_t)name->text[i];
        if (byte == '.') {
            if (has_bit(index->suffix_labels, labels))
                add_list(walk, key_index_find(index->keys, name_key(RULE_KEY_SUFFIX, hash)));
            labels++;
        }
        hash = hash_add(hash, byte);
    }
    add_list(walk, key_index_find(index->keys, name_key(RULE_KEY_EXACT, hash)));
}

static void add_address(struct rule_walk *walk, const struct ip_addr *addr)
{
    const struct rule_index *index = walk->index;
    const size_t bits = addr->family == IP_V4 ? 32 : 128;
    if (index == NULL || addr->family == IP_NONE)
        return;
    const uint64_t *lengths = addr->family == IP_V4 ? index->v4_lengths : index->v6_lengths;
    for (size_t length = 0; length <= bits; length++) {
        if (has_bit(lengths, length))
            add_list(walk, key_index_find(index->keys, address_key(addr, length)));
    }
}

void rule_walk_add_forms(struct rule_walk *walk, const struct forms *forms)
{
    for (size_t i = 0; i < forms->count; i++)
        add_address(walk, &forms->addrs[i]);
}

// next_id gives the smallest number that is left, and takes it off every list; `count` at the end.
static size_t next_id(struct rule_walk *walk)
{
    size_t best = walk->count;
    for (size_t i = 0; i < walk->cursor_count; i++) {
        if (walk->cursors[i].count > 0 && walk->cursors[i].ids[0] < best)
            best = walk->cursors[i].ids[0];
    }
    for (size_t i = 0; i < walk->cursor_count; i++) {
        struct id_list *cursor = &walk->cursors[i];
        if (cursor->count > 0 && cursor->ids[0] == best)
            *cursor = (struct id_list){.ids = cursor->ids + 1, .count = cursor->count - 1};
    }
    return best;
}

const struct rule *rule_walk_next(struct rule_walk *walk)
{
    const size_t id = walk->index != NULL ? next_id(walk) : walk->next++;
    return id < walk->count ? &walk->rules[id] : NULL;
}
