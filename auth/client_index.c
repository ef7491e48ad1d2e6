// One chain of entries for each slot of the table, one for those that are always tried; each in file order. An identity
// is looked up under every name that it has, and of what fits the first in the file counts. A URI is looked up under each
// prefix that ends in a `/` too, as is a text of an extension, and a host name under each suffix that begins with a dot: there
// its patterns are. An object in an extension is looked up under each of its members.
#include "auth/client_index.h"

#include "auth/base/hash.h"
#include "auth/flat_json.h"

enum { NONE = UINT32_MAX };

// What a key is made of, beside the parts of an entry.
enum {
    KEY_URI_PREFIX = ENTRY_PART_COUNT, // with its final `/`
    KEY_EXTENSION_OID,                 // of an extension of which nothing is written
    KEY_DNS_SUFFIX,                    // with its first dot
    KEY_EXTENSION_MEMBER,              // of an object in an extension
};

enum { PREFIX_OF_TEXT = 0x80 }; // beside extension_match_kind

// The parts that name something, the most telling first.
static const enum entry_part telling[] = {
    ENTRY_SHA256, ENTRY_SPKI_SHA256, ENTRY_URI, ENTRY_IP, ENTRY_EMAIL,    ENTRY_DNS, ENTRY_SUBJECT,
    ENTRY_CN,     ENTRY_SERIAL,      ENTRY_OU,  ENTRY_O,  ENTRY_POLICIES, ENTRY_QC};

enum { TELLING_COUNT = sizeof telling / sizeof telling[0] };

// place is one entry of `match`, numbered in file order.
struct place {
    const struct client *client;
    const struct match_entry *entry;
    uint64_t key;  // what it is looked up by; 0 where it is always tried
    uint32_t next; // in its chain; NONE: the last
};

struct client_index {
    struct place *places; // arena
    uint32_t *heads;      // arena; the first of each slot's chain, or NONE
    size_t mask;          // number of slots - 1
    uint32_t others;      // the first of those that are always tried, or NONE
};

// key_end makes a key of what was hashed. Case is ignored, as in host names: more are compared, never fewer. An entry
// whose key happens to be 0 is always tried.
static uint64_t key_end(unsigned kind, uint64_t hash)
{
    return hash_end(hash_add(hash, (uint8_t)kind));
}

static uint64_t key_of(unsigned kind, struct slice bytes)
{
    uint64_t hash = hash_begin();
    for (size_t i = 0; i < bytes.len; i++)
        hash = hash_add(hash, ascii_lower(bytes.data[i]));
    return key_end(kind, hash);
}

// key_backward reads a host name from its end, so that one pass gives the keys of its suffixes.
static uint64_t key_backward(unsigned kind, struct slice name)
{
    uint64_t hash = hash_begin();
    for (size_t i = name.len; i-- > 0;)
        hash = hash_add(hash, ascii_lower(name.data[i]));
    return key_end(kind, hash);
}

// hash_of_extension begins a key of an OID and the kind of what follows, one of extension_match_kind or PREFIX_OF_TEXT.
static uint64_t hash_of_extension(struct slice oid, unsigned kind)
{
    uint64_t hash = hash_add(hash_begin(), (uint8_t)kind);
    for (size_t i = 0; i < oid.len; i++)
        hash = hash_add(hash, oid.data[i]);
    return hash;
}

// key_of_extension makes a key of an OID and an exact value.
static uint64_t key_of_extension(struct slice oid, unsigned kind, struct slice value)
{
    uint64_t hash = hash_of_extension(oid, kind);
    for (size_t i = 0; i < value.len; i++)
        hash = hash_add(hash, value.data[i]);
    return key_end(ENTRY_EXTENSION, hash);
}

// key_of_member makes a key of an OID and a member of an object with its text.
static uint64_t key_of_member(struct slice oid, struct slice name, struct slice text)
{
    uint64_t hash = hash_begin();
    const struct slice pieces[] = {oid, name, text};
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        hash = hash_add(hash, (uint8_t)pieces[i].len);
        for (size_t j = 0; j < pieces[i].len; j++)
            hash = hash_add(hash, pieces[i].data[j]);
    }
    return key_end(KEY_EXTENSION_MEMBER, hash);
}

// first_written gives the first member whose text is written; NULL: there is none.
static const struct extension_member *first_written(const struct extension_match *wanted)
{
    for (size_t i = 0; wanted->kind == EXTENSION_JSON && i < wanted->member_count; i++) {
        if (match_member_names(&wanted->members[i]))
            return &wanted->members[i];
    }
    return NULL;
}

// is_written tells whether something is asked for that is written, and not completed from the certificate or any.
static bool is_written(const struct extension_match *wanted)
{
    return wanted->kind == EXTENSION_TEXT || wanted->kind == EXTENSION_DER ||
           first_written(wanted) != NULL;
}

static uint64_t key_of_wanted_extension(const struct extension_match *wanted)
{
    const struct extension_member *written = first_written(wanted);
    if (written != NULL)
        return key_of_member(wanted->oid, written->name, written->equals.head);
    if (wanted->kind == EXTENSION_EQUALS || wanted->kind == EXTENSION_JSON)
        return key_of(KEY_EXTENSION_OID, wanted->oid);
    if (wanted->kind == EXTENSION_TEXT && match_is_text_pattern(wanted->value))
        return key_of_extension(wanted->oid, PREFIX_OF_TEXT,
                                slice_first(wanted->value, wanted->value.len - 1));
    return key_of_extension(wanted->oid, wanted->kind, wanted->value);
}

// key_of_entry gives the key of the most telling thing that an entry asks for; 0: it is always tried.
static uint64_t key_of_entry(const struct match_entry *entry)
{
    const struct slice uri = match_wanted(entry, ENTRY_URI);
    const struct slice dns = match_wanted(entry, ENTRY_DNS);
    for (size_t i = 0; i < TELLING_COUNT; i++) {
        const enum entry_part part = telling[i];
        const struct slice wanted = match_wanted(entry, part);
        const bool is_list = (part == ENTRY_POLICIES || part == ENTRY_QC) && wanted.len > 0 &&
                             wanted.len > 1 + (size_t)wanted.data[0];
        const bool is_pattern = is_list || (part == ENTRY_URI && match_is_uri_pattern(uri)) ||
                                (part == ENTRY_DNS && match_is_dns_pattern(dns));
        if (wanted.data != NULL && !is_pattern)
            return part == ENTRY_DNS ? key_backward(part, wanted) : key_of(part, wanted);
    }
    const struct extension_match *extension = entry->extension;
    if (extension != NULL && is_written(extension))
        return key_of_wanted_extension(extension);
    // It names nothing exactly, so that the fixed part of a pattern must do.
    if (uri.data != NULL)
        return key_of(KEY_URI_PREFIX, slice_first(uri, uri.len - 1));
    if (dns.data != NULL)
        return key_backward(KEY_DNS_SUFFIX, slice_from(dns, 1));
    return extension == NULL ? 0 : key_of_wanted_extension(extension);
}

enum err client_index_create(struct arena *arena, const struct client *clients, size_t count,
                             const struct client_index **out)
{
    size_t entry_count = 0;
    for (size_t i = 0; i < count; i++)
        entry_count += clients[i].match_count;
    size_t slot_count = 1;
    while (slot_count < entry_count)
        slot_count *= 2;
    struct client_index *index = arena_alloc(arena, 1, sizeof *index);
    struct place *places = arena_alloc(arena, entry_count, sizeof *places);
    uint32_t *heads = arena_alloc(arena, slot_count, sizeof *heads);
    if (index == NULL || places == NULL || heads == NULL || entry_count >= NONE)
        return ERR_MEMORY;
    for (size_t i = 0; i < slot_count; i++)
        heads[i] = NONE;
    *index = (struct client_index){
        .places = places, .heads = heads, .mask = slot_count - 1, .others = NONE};
    // From the last to the first, each in front of its chain: so a chain is in file order.
    for (size_t i = count; i-- > 0;) {
        for (size_t j = clients[i].match_count; j-- > 0;) {
            const struct match_entry *entry = &clients[i].matches[j];
            const uint64_t key = key_of_entry(entry);
            uint32_t *chain = key == 0 ? &index->others : &heads[key & index->mask];
            places[--entry_count] = (struct place){&clients[i], entry, key, *chain};
            *chain = (uint32_t)entry_count;
        }
    }
    *out = index;
    return ERR_OK;
}

// search is one way through the chains; `best` is the entry that was looked for, so far.
struct search {
    const struct client_index *index;
    const struct identity *identity;  // that the entry has to fit; without `covers`
    const struct match_entry *narrow; // that the entry has to cover
    match_covers_fn covers;
    bool by_age; // the entry of the lowest `since` is looked for, not the first
    const struct client_file *within; // only clients of this file; NULL: of any
    const struct client_file *beside; // only clients of other included files; NULL: of any
    uint32_t best;                    // NONE: none yet
    uint32_t end;                     // what comes from here on does not count; NONE: all does
    size_t compared;
};

static bool is_wanted(const struct search *search, const struct place *place)
{
    if (search->within != NULL && place->client->file != search->within)
        return false;
    if (search->beside != NULL &&
        (place->entry->since == 0 || place->client->file == search->beside))
        return false;
    return search->covers != NULL ? search->covers(place->entry, search->narrow)
                                  : match_entry_fits(place->entry, search->identity);
}

// take notes an entry that is looked for. Entries of the main file stand in front of all others.
static void take(struct search *search, uint32_t number)
{
    const struct place *places = search->index->places;
    const uint64_t since = places[number].entry->since;
    const uint64_t best = search->best == NONE ? 0 : places[search->best].entry->since;
    if (!search->by_age || since == 0) {
        search->best = number;
        search->end = number;
    } else if (search->best == NONE || since < best || (since == best && number < search->best)) {
        search->best = number;
    }
}

static void try_chain(struct search *search, uint32_t first, uint64_t key)
{
    const struct place *places = search->index->places;
    for (uint32_t i = first; i < search->end; i = places[i].next) {
        search->compared++;
        if (places[i].key == key && is_wanted(search, &places[i]))
            take(search, i);
    }
}

static void try_key(struct search *search, uint64_t key)
{
    if (key != 0)
        try_chain(search, search->index->heads[key & search->index->mask], key);
}

static void try_uri(struct search *search, struct slice uri)
{
    uint64_t hash = hash_begin();
    for (size_t i = 0; i < uri.len; i++) {
        hash = hash_add(hash, ascii_lower(uri.data[i]));
        if (uri.data[i] == '/')
            try_key(search, key_end(KEY_URI_PREFIX, hash));
    }
    try_key(search, key_end(ENTRY_URI, hash));
}

static void try_dns(struct search *search, struct slice name)
{
    uint64_t hash = hash_begin();
    for (size_t i = name.len; i-- > 0;) {
        hash = hash_add(hash, ascii_lower(name.data[i]));
        if (name.data[i] == '.')
            try_key(search, key_end(KEY_DNS_SUFFIX, hash));
    }
    try_key(search, key_end(ENTRY_DNS, hash));
}

static void try_part(struct search *search, enum entry_part part, struct slice value)
{
    if (part == ENTRY_URI)
        try_uri(search, value);
    else if (part == ENTRY_DNS)
        try_dns(search, value);
    else
        try_key(search, key_of(part, value));
}

// try_text looks a text of an extension up, and each of its prefixes that ends in a `/`.
static void try_text(struct search *search, struct slice oid, struct slice text)
{
    uint64_t hash = hash_of_extension(oid, PREFIX_OF_TEXT);
    for (size_t i = 0; i < text.len; i++) {
        hash = hash_add(hash, text.data[i]);
        if (text.data[i] == '/')
            try_key(search, key_end(ENTRY_EXTENSION, hash));
    }
    try_key(search, key_of_extension(oid, EXTENSION_TEXT, text));
}

// try_value looks a value of an extension up: its bytes, the members of an object, or its texts.
static void try_value(struct search *search, struct slice oid, struct slice value)
{
    struct extension_texts texts;
    struct slice name = {0};
    struct slice text = {0};
    try_key(search, key_of_extension(oid, EXTENSION_DER, value));
    for (size_t i = 0; flat_json_at(value, i, &name, &text); i++)
        try_key(search, key_of_member(oid, name, text));
    if (!extension_texts_of(value, &texts))
        return;
    while (extension_texts_next(&texts, &text))
        try_text(search, oid, text);
}

static void try_extensions(struct search *search, const struct identity *identity)
{
    for (size_t i = 0; i < identity->extension_count; i++) {
        const struct extension *extension = &identity->extensions[i];
        try_key(search, key_of(KEY_EXTENSION_OID, extension->oid));
        try_value(search, extension->oid, extension->value);
    }
}

// try_wanted looks up what an entry asks of an extension.
static void try_wanted(struct search *search, const struct extension_match *wanted)
{
    try_key(search, key_of(KEY_EXTENSION_OID, wanted->oid));
    if (wanted->kind == EXTENSION_TEXT)
        try_text(search, wanted->oid, wanted->value);
    if (wanted->kind == EXTENSION_DER)
        try_value(search, wanted->oid, wanted->value);
    for (size_t i = 0; wanted->kind == EXTENSION_JSON && i < wanted->member_count; i++) {
        const struct extension_member *member = &wanted->members[i];
        if (match_member_names(member))
            try_key(search, key_of_member(wanted->oid, member->name, member->equals.head));
    }
    try_key(search, key_of_wanted_extension(wanted));
}

static const struct client *result(const struct search *search, size_t *out_compared)
{
    *out_compared = search->compared;
    return search->best == NONE ? NULL : search->index->places[search->best].client;
}

// look_up goes through everything that the identity names.
static void look_up(struct search *search)
{
    const struct identity *identity = search->identity;
    search->best = NONE;
    search->end = NONE;
    try_chain(search, search->index->others, 0);
    for (size_t i = 0; identity != NULL && i < TELLING_COUNT; i++) {
        struct match_values values = match_values_of(identity, telling[i]);
        struct slice value = {0};
        while (match_values_next(&values, &value))
            try_part(search, telling[i], value);
    }
    if (identity != NULL)
        try_extensions(search, identity);
}

const struct client *client_index_find(const struct client_index *index,
                                       const struct identity *identity, size_t *out_compared)
{
    struct search search = {.index = index, .identity = identity, .by_age = true};
    look_up(&search);
    if (search.best != NONE && index->places[search.best].entry->since != 0) {
        // Whose certificate it is, is known; which client of that file, its order says.
        search.by_age = false;
        search.within = index->places[search.best].client->file;
        look_up(&search);
    }
    return result(&search, out_compared);
}

const struct client *client_index_find_other(const struct client_index *index,
                                             const struct identity *identity,
                                             const struct client *found)
{
    struct search search = {.index = index, .identity = identity, .beside = found->file};
    size_t ignored = 0;
    if (found->file == NULL || found->match_count == 0 || found->matches[0].since == 0)
        return NULL;
    look_up(&search);
    return result(&search, &ignored);
}

const struct client *client_index_find_cover(const struct client_index *index,
                                             const struct match_entry *narrow,
                                             match_covers_fn covers, size_t *out_compared)
{
    struct search search = {
        .index = index, .narrow = narrow, .covers = covers, .best = NONE, .end = NONE};
    try_chain(&search, index->others, 0);
    for (size_t i = 0; i < TELLING_COUNT; i++) {
        const struct slice wanted = match_implied(narrow, telling[i]);
        if (wanted.data != NULL)
            try_part(&search, telling[i], wanted);
    }
    if (narrow->extension != NULL)
        try_wanted(&search, narrow->extension);
    return result(&search, out_compared);
}
