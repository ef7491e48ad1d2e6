// Each thing that an entry names is a claim, and so is each name. Sorted, claims on the same thing stand beside each other,
// and a pattern in front of what it fits: host names are written backward for that. One pass then finds all that meet. Claims
// of one file on one thing are a run: whether two runs concern each other at all is decided once for both.
#include "proxy/config/rivals.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "auth/base/array.h"
#include "auth/extension.h"
#include "auth/flat_json.h"
#include "auth/match.h"

// What a claim is on, beside the parts of an entry.
enum {
    CLAIM_CLIENT_NAME = ENTRY_PART_COUNT,
    CLAIM_RULE_NAME,
    CLAIM_WIDE, // and the part after that: what an entry that names nobody asks for, and who may be covered by it
};

enum { COST_FULL = 16 }; // of a comparison; where the profiles differ it is 1

// claim is one thing that one file says is its own.
struct claim {
    struct slice bytes; // sorted by these; of a pattern only what is fixed
    unsigned kind;
    bool is_pattern;
    bool is_probe; // compared with patterns only
    struct rival *rival;
    enum claim_rank rank;
    size_t number;                   // in its standing: of the entry, the client or the rule's name
    const struct client *client;     // NULL: of a rule's name
    const struct match_entry *entry; // NULL: of a name
    const struct node *node;         // of a rule's name
};

// run is claims of one rank of one file on one thing, which stand beside each other.
struct run {
    size_t start;
    size_t end;
};

struct claims {
    struct arena *arena; // owned; of the bytes that had to be written again
    struct claim *items; // owned
    size_t count;
    size_t cap;
    struct run *open; // owned; patterns that fit what comes, and what is equal to it
    size_t open_count;
    size_t open_cap;
    bool has_wide; // some entry names nobody
    bool is_tie;   // claims of one rank are compared now, and else those of different ranks
};

// ---- making them --------------------------------------------------------------------------------

static enum err add(struct claims *claims, const struct claim *claim)
{
    struct claim *items =
        array_make_room(claims->items, claims->count, &claims->cap, sizeof *items);
    if (items == NULL)
        return ERR_MEMORY;
    claims->items = items;
    items[claims->count++] = *claim;
    return ERR_OK;
}

// backward writes a host name from its end, in lower case.
static bool backward(struct arena *arena, struct slice name, struct slice *out)
{
    uint8_t *bytes = arena_alloc_bytes(arena, name.len + 1);
    for (size_t i = 0; bytes != NULL && i < name.len; i++)
        bytes[i] = ascii_lower(name.data[name.len - 1 - i]);
    *out = slice_of(bytes, name.len);
    return bytes != NULL;
}

// lower writes an address with its domain in lower case.
static bool lower(struct arena *arena, struct slice email, struct slice *out)
{
    uint8_t *bytes = arena_alloc_bytes(arena, email.len + 1);
    const size_t at = slice_find(email, '@');
    for (size_t i = 0; bytes != NULL && i < email.len; i++)
        bytes[i] = i < at ? email.data[i] : ascii_lower(email.data[i]);
    *out = slice_of(bytes, email.len);
    return bytes != NULL;
}

// claim_bytes writes what is claimed in the way in which it sorts. False without memory.
static bool claim_bytes(struct claims *claims, enum entry_part part, struct claim *claim)
{
    const struct slice wanted = claim->bytes;
    if (part == ENTRY_DNS) {
        claim->is_pattern = match_is_dns_pattern(wanted);
        return backward(claims->arena, slice_from(wanted, claim->is_pattern ? 1 : 0),
                        &claim->bytes);
    }
    if (part == ENTRY_EMAIL)
        return lower(claims->arena, wanted, &claim->bytes);
    claim->is_pattern = part == ENTRY_URI && match_is_uri_pattern(wanted);
    if (claim->is_pattern)
        claim->bytes = slice_first(wanted, wanted.len - 1);
    return true;
}

// What a claim on an extension is on, after its OID.
enum { ON_TEXT, ON_DER, ON_MEMBER };

// add_on_extension claims a text, the bytes of a value, or a member `name` with the value `value`.
static enum err add_on_extension(struct claims *claims, const struct claim *owner, unsigned on,
                                 struct slice name, struct slice value)
{
    const struct slice oid = owner->entry->extension->oid;
    struct claim claim = *owner;
    struct text text;
    const size_t cap = oid.len + name.len + value.len + 8;
    char *bytes = (char *)arena_alloc_bytes(claims->arena, cap);
    if (bytes == NULL)
        return ERR_MEMORY;
    claim.is_pattern = on == ON_TEXT && match_is_text_pattern(value);
    text_init(&text, bytes, cap);
    text_append_format(&text, "%c", (int)oid.len);
    text_append(&text, oid);
    text_append_format(&text, "%c%c", (int)on, (int)name.len);
    text_append(&text, name);
    text_append(&text, slice_first(value, value.len - (claim.is_pattern ? 1 : 0)));
    claim.bytes = text_slice(&text);
    return add(claims, &claim);
}

// add_der claims a value, and all that it says: its texts, or the members of an object.
static enum err add_der(struct claims *claims, const struct claim *owner, struct slice value)
{
    const struct slice none = {0};
    struct extension_texts texts;
    struct slice name = {0};
    struct slice text = {0};
    TRY(add_on_extension(claims, owner, ON_DER, none, value));
    for (size_t i = 0; flat_json_at(value, i, &name, &text); i++)
        TRY(add_on_extension(claims, owner, ON_MEMBER, name, text));
    if (!extension_texts_of(value, &texts))
        return ERR_OK;
    while (extension_texts_next(&texts, &text))
        TRY(add_on_extension(claims, owner, ON_TEXT, none, text));
    return ERR_OK;
}

// add_extension claims what is written of an extension, in such a way that a text is the same wherever it is written.
static enum err add_extension(struct claims *claims, const struct claim *owner)
{
    const struct extension_match *match = owner->entry->extension;
    if (match->kind == EXTENSION_TEXT)
        return add_on_extension(claims, owner, ON_TEXT, (struct slice){0}, match->value);
    if (match->kind == EXTENSION_DER)
        return add_der(claims, owner, match->value);
    for (size_t i = 0; match->kind == EXTENSION_JSON && i < match->member_count; i++) {
        if (match_member_names(&match->members[i]))
            TRY(add_on_extension(claims, owner, ON_MEMBER, match->members[i].name,
                                 match->members[i].equals.head));
    }
    return ERR_OK;
}

// add_wide claims what an entry that names nobody asks for: issuer, OU or O; without these, everybody.
static enum err add_wide(struct claims *claims, const struct claim *owner, bool is_probe)
{
    static const enum entry_part parts[] = {ENTRY_ISSUER, ENTRY_OU, ENTRY_O};
    struct claim claim = *owner;
    claim.is_pattern = !is_probe;
    claim.is_probe = is_probe;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        claim.kind = (unsigned)CLAIM_WIDE + parts[i];
        claim.bytes = match_implied(owner->entry, parts[i]);
        if (claim.bytes.data == NULL)
            continue;
        TRY(add(claims, &claim));
        if (!is_probe)
            return ERR_OK;
    }
    claim.kind = CLAIM_WIDE;
    claim.bytes = slice_of("", 0);
    return add(claims, &claim);
}

// add_entry claims each thing that an entry of `match` names.
static enum err add_entry(struct claims *claims, const struct claim *owner)
{
    if (!match_entry_names(owner->entry))
        return add_wide(claims, owner, false);
    for (enum entry_part part = ENTRY_TRUST; part < ENTRY_PART_COUNT; part++) {
        struct claim claim = *owner;
        claim.kind = part;
        claim.bytes = match_implied(owner->entry, part);
        if (claim.bytes.data == NULL || !match_part_names(part))
            continue;
        if (part == ENTRY_EXTENSION) {
            TRY(add_extension(claims, &claim));
            continue;
        }
        if (!claim_bytes(claims, part, &claim))
            return ERR_MEMORY;
        TRY(add(claims, &claim));
    }
    return claims->has_wide ? add_wide(claims, owner, true) : ERR_OK;
}

// rank_of gives the rank of a claim that the file held before, or did not.
static enum claim_rank rank_of(const struct rival *rival, bool is_held)
{
    if (rival->is_main)
        return CLAIM_OF_MAIN;
    if (rival->standing == NULL)
        return CLAIM_OF_NEWCOMER;
    if (!is_held)
        return CLAIM_NEW;
    return rival->standing->is_inherited ? CLAIM_INHERITED : CLAIM_HELD;
}

// add_client claims the name and the entries of the client `number`; the first entry is `*entry_number` in the standing.
static enum err add_client(struct claims *claims, struct rival *rival, size_t number,
                           size_t *entry_number)
{
    const struct standing *standing = rival->standing;
    const struct client *client = &rival->part->clients[number];
    struct claim claim = {.bytes = slice_of_string(client->name),
                          .kind = CLAIM_CLIENT_NAME,
                          .rival = rival,
                          .rank =
                              rank_of(rival, standing != NULL && standing->clients[number].is_held),
                          .number = number,
                          .client = client};
    TRY(add(claims, &claim));
    for (size_t j = 0; j < client->match_count; j++) {
        claim.entry = &client->matches[j];
        claim.number = (*entry_number)++;
        claim.rank = rank_of(rival, standing != NULL && standing->entries[claim.number].is_held);
        TRY(add_entry(claims, &claim));
    }
    return ERR_OK;
}

static enum err add_file(struct claims *claims, struct rival *rival)
{
    const struct standing *standing = rival->standing;
    const struct named_places *rules = &rival->part->rule_names;
    size_t entry_number = 0;
    for (size_t i = 0; i < rival->part->client_count; i++)
        TRY(add_client(claims, rival, i, &entry_number));
    for (size_t i = 0; i < rules->count; i++) {
        const struct claim claim = {
            .bytes = slice_of_string(rules->items[i].name),
            .kind = CLAIM_RULE_NAME,
            .rival = rival,
            .rank = rank_of(rival, standing != NULL && standing->rules[i].is_held),
            .number = i,
            .node = rules->items[i].node};
        TRY(add(claims, &claim));
    }
    return ERR_OK;
}

// has_wide tells whether some entry names nobody.
static bool has_wide(const struct client_part *part)
{
    for (size_t i = 0; i < part->client_count; i++) {
        for (size_t j = 0; j < part->clients[i].match_count; j++) {
            if (!match_entry_names(&part->clients[i].matches[j]))
                return true;
        }
    }
    return false;
}

static int compare_bytes(struct slice a, struct slice b)
{
    const size_t least = a.len < b.len ? a.len : b.len;
    const int order = least == 0 ? 0 : memcmp(a.data, b.data, least);
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

// compare_claims: by kind, bytes, patterns first, file, and rank.
static int compare_claims(const void *left, const void *right)
{
    const struct claim *a = left;
    const struct claim *b = right;
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    const int order = compare_bytes(a->bytes, b->bytes);
    if (order != 0)
        return order;
    if (a->is_pattern != b->is_pattern)
        return a->is_pattern ? -1 : 1;
    if (a->rival != b->rival)
        return a->rival < b->rival ? -1 : 1;
    return (a->rank > b->rank) - (a->rank < b->rank);
}

// ---- who loses ----------------------------------------------------------------------------------

static const char *place_name(const struct claim *claim)
{
    return claim->rival->part->file->name;
}

static uint32_t place_line(const struct claim *claim)
{
    if (claim->entry != NULL)
        return claim->entry->line;
    return claim->client != NULL ? claim->client->line : claim->node->line;
}

// report says what the loser claims that is the other one's.
static void report(const struct claim *loser, const struct claim *other)
{
    struct reader *reader = loser->rival->reader;
    const struct node at = {.line = place_line(loser),
                            .column = loser->entry != NULL ? loser->entry->column : 1};
    if (loser->entry != NULL && other->entry != NULL)
        reader_error(
            reader, &at,
            "match[%zu] of client `%s` can fit certificates of the client `%s` of another "
            "file (%s:%" PRIu32 ")"
            "\neach certificate belongs to one file, the one that was first: narrow one of "
            "the two",
            (size_t)(loser->entry - loser->client->matches), loser->client->name,
            other->client->name, place_name(other), place_line(other));
    else if (!slice_equal(loser->bytes, other->bytes))
        reader_error(reader, &at,
                     "the client name `%s` and the name `%s` of another file (%s:%" PRIu32
                     ") can be the same for some certificate"
                     "\nbegin the two names with different text",
                     loser->client->name, other->client->name, place_name(other),
                     place_line(other));
    else
        reader_error(reader, &at,
                     "the %s name `%.*s` is one of another file (%s:%" PRIu32 ")"
                     "\nnames are unique in all files: choose another one",
                     loser->kind == CLAIM_RULE_NAME ? "rule" : "client", (int)loser->bytes.len,
                     (const char *)loser->bytes.data, place_name(other), place_line(other));
}

// mark gives the mark of a claim of a file that is not new.
static bool *mark(const struct claim *claim)
{
    const struct standing *standing = claim->rival->standing;
    if (claim->entry != NULL)
        return &standing->entries[claim->number].is_contested;
    return claim->kind == CLAIM_RULE_NAME ? &standing->rules[claim->number].is_contested
                                          : &standing->clients[claim->number].is_contested;
}

// lose lets a claim give way, and with it a file that is new: there the first finding is enough to see whose it is.
static void lose(const struct claim *loser, const struct claim *other)
{
    struct rival *rival = loser->rival;
    if (rival->standing == NULL ? rival->loses : *mark(loser))
        return;
    if (rival->report_count++ < RIVAL_FINDINGS_MAX)
        report(loser, other);
    if (rival->standing == NULL) {
        rival->loses = true;
        return;
    }
    *mark(loser) = true;
    rival->has_contested = true;
}

// judge lets the claim of the lower rank give way, or both of one rank.
static void judge(const struct claims *claims, const struct claim *a, const struct claim *b)
{
    if ((a->rank == b->rank) != claims->is_tie)
        return;
    if (a->rank <= b->rank)
        lose(a, b);
    if (b->rank <= a->rank)
        lose(b, a);
}

// limit_of gives how much a file may be compared: more where it is in force, now or after a restart.
static size_t limit_of(const struct claims *claims, const struct rival *rival)
{
    const bool is_new = rival->standing == NULL && !claims->is_tie;
    return (size_t)RIVAL_WORK_MAX * COST_FULL * (is_new ? 1 : RIVAL_WORK_KNOWN);
}

// spend counts work for a file. False: it has had its share.
static bool spend(const struct claims *claims, struct rival *rival, size_t cost)
{
    if (rival->is_main)
        return true;
    rival->work += cost;
    if (rival->work <= limit_of(claims, rival))
        return true;
    if (!rival->is_spent)
        reader_error(rival->reader, NULL,
                     "the entries of `match` in this file are so much alike, or so like those of "
                     "other files, that they cannot be compared in reasonable time"
                     "\nlet each entry name something that is its own, such as a `uri`");
    rival->loses |= rival->standing == NULL;
    rival->is_spent = true;
    return false;
}

// is_out tells whether nothing more is to be learned about a file: it is new and has lost. One that lost to another new one
// still counts against others.
static bool is_out(const struct claims *claims, const struct rival *rival)
{
    return rival->standing == NULL && rival->loses &&
           (!claims->is_tie || rival->is_dropped || rival->is_spent);
}

// payer gives the claim whose file pays for a comparison: that of the lower rank, and of equals that of the larger file.
static const struct claim *payer(const struct claim *a, const struct claim *b)
{
    if (a->rank != b->rank)
        return a->rank < b->rank ? a : b;
    return a->rival->claim_count > b->rival->claim_count ? a : b;
}

// is_settled tells whether claims of two files need not be compared, or not any more.
static bool is_settled(const struct claims *claims, const struct claim *a, const struct claim *b)
{
    const struct claim *pays = payer(a, b);
    if (a->rival == b->rival || is_out(claims, a->rival) || is_out(claims, b->rival) ||
        (a->rank == b->rank) != claims->is_tie || (pays->entry != NULL && pays->rival->is_spent))
        return true;
    if (a->rank == b->rank)
        return a->rank >= CLAIM_HELD ||
               (a->rank == CLAIM_OF_NEWCOMER && a->rival->loses && b->rival->loses);
    return pays->rank == CLAIM_OF_NEWCOMER && pays->rival->loses;
}

// differ_in_trust tells whether two entries are for two profiles, which is seen at once.
static bool differ_in_trust(const struct match_entry *a, const struct match_entry *b)
{
    return a != NULL && b != NULL && a->trust != NULL && b->trust != NULL &&
           strcmp(a->trust, b->trust) != 0;
}

// ---- the pass -----------------------------------------------------------------------------------

// compare_runs compares each claim of one run with each of another one, until that decides nothing more.
static void compare_runs(const struct claims *claims, struct run left, struct run right)
{
    const struct claim *a = &claims->items[left.start];
    const struct claim *b = &claims->items[right.start];
    struct rival *pays = payer(a, b)->rival;
    for (size_t i = left.start; i < left.end; i++) {
        for (size_t j = right.start; j < right.end; j++) {
            const struct claim *one = &claims->items[i];
            const struct claim *other = &claims->items[j];
            const bool differs = differ_in_trust(one->entry, other->entry);
            if (is_settled(claims, a, b))
                return;
            // That names are the same costs nothing to see.
            if (one->entry != NULL && !spend(claims, pays, differs ? 1 : COST_FULL))
                return;
            if (!differs && (one->entry == NULL || match_entry_meets(one->entry, other->entry)))
                judge(claims, one, other);
        }
    }
}

static bool holds(const struct claim *pattern, const struct claim *claim)
{
    return pattern->kind == claim->kind && slice_starts_with(claim->bytes, pattern->bytes);
}

static bool is_on_same(const struct claim *a, const struct claim *b)
{
    return a->kind == b->kind && a->is_pattern == b->is_pattern && slice_equal(a->bytes, b->bytes);
}

// run_from gives the claims of one file on one thing, from `start` on.
static struct run run_from(const struct claims *claims, size_t start)
{
    const struct claim *first = &claims->items[start];
    size_t end = start + 1;
    while (end < claims->count && claims->items[end].rival == first->rival &&
           claims->items[end].rank == first->rank && is_on_same(first, &claims->items[end]))
        end++;
    return (struct run){start, end};
}

// open_run keeps a run for what comes after it.
static enum err open_run(struct claims *claims, struct run run)
{
    struct run *open =
        array_make_room(claims->open, claims->open_count, &claims->open_cap, sizeof *open);
    if (open == NULL)
        return ERR_MEMORY;
    claims->open = open;
    open[claims->open_count++] = run;
    return ERR_OK;
}

// still_counts tells whether an open run has to do with what is claimed now: a pattern that holds it, or the same.
static bool still_counts(const struct claims *claims, struct run run, const struct claim *claim)
{
    const struct claim *first = &claims->items[run.start];
    return first->is_pattern ? holds(first, claim) : is_on_same(first, claim);
}

// pass compares each run of claims with the patterns that hold it, and with the equal ones of other files in front of it.
static enum err pass(struct claims *claims)
{
    struct run run = {0};
    for (size_t i = 0; i < claims->count; i = run.end) {
        const struct claim *claim = &claims->items[i];
        run = run_from(claims, i);
        while (claims->open_count > 0 &&
               !still_counts(claims, claims->open[claims->open_count - 1], claim))
            claims->open_count--;
        if (is_out(claims, claim->rival))
            continue;
        for (size_t j = 0; j < claims->open_count; j++)
            compare_runs(claims, claims->open[j], run);
        if (!claim->is_probe && !is_out(claims, claim->rival))
            TRY(open_run(claims, run));
    }
    return ERR_OK;
}

// ---- templates ----------------------------------------------------------------------------------

// first_name gives the first claim on a client's name that begins with `head` or comes after that.
static size_t first_name(const struct claims *claims, struct slice head)
{
    size_t low = 0;
    size_t high = claims->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const struct claim *claim = &claims->items[middle];
        if (claim->kind < CLAIM_CLIENT_NAME ||
            (claim->kind == CLAIM_CLIENT_NAME && compare_bytes(claim->bytes, head) < 0))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

// compare_names compares a name that certificates complete with one of another file.
static void compare_names(const struct claims *claims, const struct claim *made,
                          const struct claim *name)
{
    const struct name_template *template = made->client->name_template;
    const struct name_template *other = name->client->name_template;
    if (made->rival == name->rival)
        (void)spend(claims, made->rival, 1);
    if (is_settled(claims, made, name) || payer(made, name)->rival->is_spent ||
        !spend(claims, payer(made, name)->rival, COST_FULL))
        return;
    if (other != NULL ? name_template_may_agree(template, other)
                      : name_template_can_give(template, name->bytes))
        judge(claims, made, name);
}

// compare_templates finds names that could become one. Of two templates the head of one begins that of the other, or they
// cannot agree; so it is enough to look at names that begin with the head.
static void compare_templates(const struct claims *claims)
{
    for (size_t i = first_name(claims, slice_of("", 0));
         i < claims->count && claims->items[i].kind == CLAIM_CLIENT_NAME; i++) {
        const struct claim *made = &claims->items[i];
        if (made->client->name_template == NULL)
            continue;
        const struct slice head = made->client->name_template->head;
        for (size_t j = first_name(claims, head);
             j < claims->count && claims->items[j].kind == CLAIM_CLIENT_NAME &&
             slice_starts_with(claims->items[j].bytes, head) && !is_out(claims, made->rival);
             j++)
            compare_names(claims, made, &claims->items[j]);
    }
}

// find judges claims of different ranks, or of one.
static enum err find(struct claims *claims, struct rival *rivals, size_t count, bool is_tie)
{
    claims->is_tie = is_tie;
    claims->open_count = 0;
    for (size_t i = 0; i < count; i++)
        rivals[i].work = 0; // of this turn
    TRY(pass(claims));
    compare_templates(claims);
    return ERR_OK;
}

// mark_new marks every new claim of a file that could not be compared.
static void mark_new(struct rival *rival)
{
    const struct standing *standing = rival->standing;
    rival->has_contested = true;
    for (size_t i = 0; i < standing->entry_count; i++)
        standing->entries[i].is_contested |= !standing->entries[i].is_held;
    for (size_t i = 0; i < rival->part->client_count; i++)
        standing->clients[i].is_contested |= !standing->clients[i].is_held;
    for (size_t i = 0; i < rival->part->rule_names.count; i++)
        standing->rules[i].is_contested |= !standing->rules[i].is_held;
}

enum err rivals_find(struct rival *rivals, size_t count)
{
    struct claims claims = {.arena = arena_create()};
    enum err error = claims.arena == NULL ? ERR_MEMORY : ERR_OK;
    for (size_t i = 0; i < count; i++)
        claims.has_wide |= has_wide(rivals[i].part);
    for (size_t i = 0; i < count && error == ERR_OK; i++) {
        const size_t before = claims.count;
        error = add_file(&claims, &rivals[i]);
        rivals[i].claim_count = claims.count - before;
    }
    if (claims.count > 0)
        qsort(claims.items, claims.count, sizeof *claims.items, compare_claims);
    if (error == ERR_OK)
        error = find(&claims, rivals, count, false);
    for (size_t i = 0; i < count; i++)
        rivals[i].is_dropped = rivals[i].loses;
    if (error == ERR_OK)
        error = find(&claims, rivals, count, true);
    for (size_t i = 0; i < count; i++) {
        if (rivals[i].is_spent && rivals[i].standing != NULL)
            mark_new(&rivals[i]);
    }
    arena_destroy(claims.arena);
    free(claims.items);
    free(claims.open);
    return error;
}
