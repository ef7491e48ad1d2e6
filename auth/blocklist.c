// A sorted array of digests, searched by halves; the texts lie in an arena.
#include "auth/blocklist.h"

#include <openssl/sha.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "auth/base/arena.h"
#include "auth/base/hex.h"
#include "auth/cert_id.h"
#include "auth/dn.h"

struct blocklist {
    atomic_size_t refs;
    struct arena *arena; // owned; the items and their texts
    struct block *items; // sorted by kind and digest
    size_t count;
    bool has_clients;
};

static bool is_name_byte(uint8_t byte)
{
    return (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= 'a' && byte <= 'z') || byte == '.' || byte == '_' || byte == '-';
}

static bool is_name(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!is_name_byte(s.data[i]))
            return false;
    }
    return s.len >= 1 && s.len <= BLOCK_NAME_MAX;
}

static void digest_name(struct slice name, uint8_t out[CERT_DIGEST_LEN])
{
    (void)SHA256(name.data, name.len, out);
}

// digits_read reads digits; a colon stands between two of them, if at all.
static bool digits_read(struct slice s, uint8_t *out, size_t cap, size_t *out_digits)
{
    for (size_t i = 0; i < s.len; i++) {
        const bool is_inner = i > 0 && i + 1 < s.len;
        if (s.data[i] == ':' && (!is_inner || s.data[i + 1] == ':'))
            return false;
    }
    return hex_read(s, out, cap, out_digits);
}

static enum err parse_client(struct slice name, struct text *text, struct block *out,
                             struct errinfo *info)
{
    if (!is_name(name))
        return errinfo_set(info, ERR_INPUT, "the name of a client is 1 to %d of A-Z a-z 0-9 . _ -",
                           BLOCK_NAME_MAX);
    out->kind = BLOCK_CLIENT;
    digest_name(name, out->digest);
    text_append_string(text, "client:");
    text_append(text, name);
    return ERR_OK;
}

static enum err parse_sha256(struct slice hex, struct text *text, struct block *out,
                             struct errinfo *info)
{
    size_t digits = 0;
    out->kind = BLOCK_SHA256;
    if (!digits_read(hex, out->digest, sizeof out->digest, &digits) ||
        digits != 2 * sizeof out->digest)
        return errinfo_set(info, ERR_INPUT,
                           "sha256 is followed by 64 hexadecimal digits: that of the whole "
                           "certificate, as in the audit's client.sha256");
    text_append_string(text, "sha256:");
    text_append_hex(text, slice_of(out->digest, sizeof out->digest));
    return ERR_OK;
}

// parse_serial reads `HEX issuer:NAME`.
static enum err parse_serial(struct slice s, struct text *text, struct block *out,
                             struct errinfo *info)
{
    static const struct slice mark = {(const uint8_t *)" issuer:", 8};
    const size_t space = slice_find(s, ' ');
    const struct slice rest = slice_from(s, space);
    uint8_t bytes[CERT_SERIAL_MAX];
    size_t digits = 0;
    struct dn issuer;
    if (!slice_starts_with(rest, mark))
        return errinfo_set(info, ERR_INPUT,
                           "a serial needs its issuer: serial:4f01 issuer:CN=Clients CA");
    if (!digits_read(slice_first(s, space), bytes, sizeof bytes, &digits))
        return errinfo_set(info, ERR_INPUT, "a serial is 1 to %d hexadecimal digits",
                           2 * CERT_SERIAL_MAX);
    TRY(dn_parse(slice_from(rest, mark.len), &issuer, info));
    struct slice serial = slice_of(bytes, (digits + 1) / 2);
    while (serial.len > 1 && serial.data[0] == 0)
        serial = slice_from(serial, 1);
    out->kind = BLOCK_SERIAL;
    cert_id_of_serial(&issuer, serial, out->digest);
    text_append_string(text, "serial:");
    text_append_hex(text, serial);
    text_append(text, mark);
    dn_format(&issuer, text);
    return ERR_OK;
}

enum err block_parse(struct slice s, char text[BLOCK_TEXT_CAP], struct block *out,
                     struct errinfo *info)
{
    static const struct {
        const char *mark;
        enum err (*parse)(struct slice, struct text *, struct block *, struct errinfo *);
    } kinds[] = {{"client:", parse_client}, {"sha256:", parse_sha256}, {"serial:", parse_serial}};
    struct text spelling;
    *out = (struct block){.text = text};
    text_init(&spelling, text, BLOCK_TEXT_CAP);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        const struct slice mark = slice_of_string(kinds[i].mark);
        if (!slice_starts_with(s, mark))
            continue;
        TRY(kinds[i].parse(slice_from(s, mark.len), &spelling, out, info));
        return spelling.is_cut ? errinfo_set(info, ERR_LIMIT, "the issuer's name is too long")
                               : ERR_OK;
    }
    return errinfo_set(info, ERR_INPUT,
                       "expected client:NAME, sha256:HEX, or serial:HEX issuer:NAME");
}

const char *block_client_name(const struct block *block)
{
    return block->kind == BLOCK_CLIENT ? block->text + strlen("client:") : NULL;
}

static int compare(const void *a, const void *b)
{
    const struct block *left = a;
    const struct block *right = b;
    if (left->kind != right->kind)
        return left->kind < right->kind ? -1 : 1;
    return memcmp(left->digest, right->digest, CERT_DIGEST_LEN);
}

// fill copies the blocks, sorts them and looks for twins.
static enum err fill(struct blocklist *list, const struct block *blocks, size_t count)
{
    list->items = arena_alloc(list->arena, count, sizeof *list->items);
    if (list->items == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < count; i++) {
        list->items[i] = blocks[i];
        list->items[i].text = arena_copy_string(list->arena, slice_of_string(blocks[i].text));
        list->has_clients |= blocks[i].kind == BLOCK_CLIENT;
        if (list->items[i].text == NULL)
            return ERR_MEMORY;
    }
    list->count = count;
    if (count > 1)
        qsort(list->items, count, sizeof *list->items, compare);
    for (size_t i = 1; i < count; i++) {
        if (compare(&list->items[i - 1], &list->items[i]) == 0)
            return ERR_INPUT;
    }
    return ERR_OK;
}

enum err blocklist_create(const struct block *blocks, size_t count, struct blocklist **out)
{
    *out = NULL;
    if (count > BLOCKS_MAX)
        return ERR_LIMIT;
    struct blocklist *list = calloc(1, sizeof *list);
    if (list == NULL)
        return ERR_MEMORY;
    atomic_init(&list->refs, 1);
    list->arena = arena_create();
    const enum err error = list->arena == NULL ? ERR_MEMORY : fill(list, blocks, count);
    if (error == ERR_OK)
        *out = list;
    else
        blocklist_unref(list);
    return error;
}

// change makes a list without `less` and with `more`, which may be NULL.
static enum err change(const struct blocklist *list, const struct block *less,
                       const struct block *more, struct blocklist **out)
{
    size_t kept = 0;
    *out = NULL;
    struct block *blocks = calloc(blocklist_count(list) + 1, sizeof *blocks);
    if (blocks == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < blocklist_count(list); i++) {
        if (&list->items[i] != less)
            blocks[kept++] = list->items[i];
    }
    if (more != NULL)
        blocks[kept++] = *more;
    const enum err error = blocklist_create(blocks, kept, out);
    free(blocks);
    return error;
}

enum err blocklist_add(const struct blocklist *list, const struct block *block,
                       struct blocklist **out)
{
    return change(list, NULL, block, out);
}

enum err blocklist_remove(const struct blocklist *list, const struct block *block,
                          struct blocklist **out)
{
    const struct block *found = blocklist_find(list, block);
    *out = NULL;
    return found == NULL ? ERR_INPUT : change(list, found, NULL, out);
}

struct blocklist *blocklist_ref(struct blocklist *list)
{
    if (list != NULL)
        (void)atomic_fetch_add_explicit(&list->refs, 1, memory_order_relaxed);
    return list;
}

void blocklist_unref(struct blocklist *list)
{
    if (list == NULL || atomic_fetch_sub_explicit(&list->refs, 1, memory_order_acq_rel) != 1)
        return;
    arena_destroy(list->arena);
    free(list);
}

size_t blocklist_count(const struct blocklist *list)
{
    return list == NULL ? 0 : list->count;
}

const struct block *blocklist_at(const struct blocklist *list, size_t index)
{
    ASSERT(index < blocklist_count(list));
    return &list->items[index];
}

const struct block *blocklist_find(const struct blocklist *list, const struct block *like)
{
    if (blocklist_count(list) == 0)
        return NULL;
    return bsearch(like, list->items, list->count, sizeof *list->items, compare);
}

static const struct block *find_digest(const struct blocklist *list, enum block_kind kind,
                                       const uint8_t digest[CERT_DIGEST_LEN])
{
    struct block like = {.kind = kind};
    (void)bytes_copy(like.digest, sizeof like.digest, slice_of(digest, CERT_DIGEST_LEN));
    return blocklist_find(list, &like);
}

const struct block *blocklist_judge(const struct blocklist *list, const char *client,
                                    const struct chain_record *record)
{
    const struct block *found = NULL;
    if (blocklist_count(list) == 0)
        return NULL;
    if (client != NULL && list->has_clients) {
        uint8_t digest[CERT_DIGEST_LEN];
        digest_name(slice_of_string(client), digest);
        found = find_digest(list, BLOCK_CLIENT, digest);
    }
    for (size_t i = 0; found == NULL && record != NULL && i < record->count; i++) {
        found = find_digest(list, BLOCK_SHA256, record->links[i].sha256);
        if (found == NULL)
            found = find_digest(list, BLOCK_SERIAL, record->links[i].issuer_serial);
    }
    return found;
}

bool blocklist_has_certificate(const struct blocklist *list, const uint8_t sha256[CERT_DIGEST_LEN],
                               struct slice issuer_name, struct slice serial)
{
    struct dn issuer;
    uint8_t digest[CERT_DIGEST_LEN];
    if (blocklist_count(list) == 0)
        return false;
    if (find_digest(list, BLOCK_SHA256, sha256) != NULL)
        return true;
    if (dn_from_der(issuer_name, &issuer) != ERR_OK)
        return false;
    cert_id_of_serial(&issuer, serial, digest);
    return find_digest(list, BLOCK_SERIAL, digest) != NULL;
}
