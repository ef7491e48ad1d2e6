// A chain's record to queries, queries to entries of the book, entries to standings, standings to a verdict.
#include "proxy/session/ocsp_hold.h"

#include <openssl/sha.h>
#include <stdlib.h>

#include "auth/chain_record.h"
#include "auth/ocsp_settings.h"
#include "proxy/clock/clock.h"
#include "proxy/ocsp/ocsp_book.h"

// It stays good for the same chain under the same settings.
struct ocsp_hold {
    struct ocsp_book *book;         // borrowed
    struct ocsp_settings *settings; // ref
    uint8_t path[CERT_DIGEST_LEN];  // path_of the chain
    size_t count;
    struct ocsp_entry *entries[OCSP_HOLD_MAX]; // held; NULL: there is nobody to ask, or no room
    bool is_crowded[OCSP_HOLD_MAX];            // there was no room, or no memory, the last time
    bool is_doubted[OCSP_HOLD_MAX];            // the profile does not take its answer
};

// asked_count tells how many certificates of a chain are asked about: all below the anchor, or the leaf alone.
static size_t asked_count(const struct ocsp_settings *settings, const struct chain_record *record)
{
    const size_t below = record->count - 1 < OCSP_HOLD_MAX ? record->count - 1 : OCSP_HOLD_MAX;
    return settings->is_for_leaves && below > 1 ? 1 : below;
}

// name_certificate makes a query about one certificate of a chain, without a URL. False: it has no number that could be asked
// about.
static bool name_certificate(const struct chain_record *record, size_t index,
                             struct ocsp_query *out)
{
    const struct chain_link *link = &record->links[index];
    *out = (struct ocsp_query){
        .authority = link->authority,
        .anchor = record->links[record->count - 1].sha256,
        .subject = {.issuer_name = link->issuer_name,
                    .issuer_key = record->links[index + 1].key,
                    .serial = slice_of(link->serial, link->serial_len)},
    };
    return link->has_serial;
}

// make_query makes the query about one certificate of a chain. False: there is nobody to ask.
static bool make_query(const struct ocsp_settings *settings, const struct chain_record *record,
                       size_t index, struct http_url *url, struct ocsp_query *out)
{
    if (!name_certificate(record, index, out) ||
        !ocsp_settings_find_url(settings, record->links[index].ocsp_urls, url))
        return false;
    out->url = url;
    out->timeout_ms = settings->timeout_ms;
    out->has_nonce = settings->has_nonce;
    return true;
}

void ocsp_hold_destroy(struct ocsp_hold *hold)
{
    if (hold == NULL)
        return;
    for (size_t i = 0; i < hold->count; i++) {
        if (hold->entries[i] != NULL)
            ocsp_book_release(hold->book, hold->entries[i]);
    }
    ocsp_settings_unref(hold->settings);
    free(hold);
}

// path_of gives the SHA-256 of all certificates of a chain, one after the other. The same leaf may come by another path, of other
// length, to the same anchor.
static void path_of(const struct chain_record *record, uint8_t out[CERT_DIGEST_LEN])
{
    SHA256_CTX ctx;
    (void)SHA256_Init(&ctx);
    for (size_t i = 0; i < record->count; i++)
        (void)SHA256_Update(&ctx, record->links[i].sha256, CERT_DIGEST_LEN);
    (void)SHA256_Final(out, &ctx);
}

static bool is_of(const struct ocsp_hold *hold, const struct ocsp_settings *settings,
                  const struct chain_record *record)
{
    uint8_t path[CERT_DIGEST_LEN];
    if (hold == NULL || hold->settings != settings)
        return false;
    path_of(record, path);
    return memcmp(hold->path, path, CERT_DIGEST_LEN) == 0;
}

// fill holds the entries that are not held yet: there may be room for them now.
static void fill(struct ocsp_hold *hold, const struct chain_record *record)
{
    for (size_t i = 0; i < hold->count; i++) {
        struct ocsp_query query;
        struct http_url url;
        if (hold->entries[i] != NULL || !make_query(hold->settings, record, i, &url, &query))
            continue;
        hold->entries[i] = ocsp_book_hold(hold->book, &query);
        hold->is_crowded[i] = hold->entries[i] == NULL;
    }
}

// create makes one of a chain that holds nothing yet. NULL without memory.
static struct ocsp_hold *create(struct ocsp_book *book, struct ocsp_settings *settings,
                                const struct chain_record *record)
{
    struct ocsp_hold *hold = calloc(1, sizeof *hold);
    if (hold == NULL)
        return NULL;
    hold->book = book;
    hold->settings = ocsp_settings_ref(settings);
    hold->count = asked_count(settings, record);
    path_of(record, hold->path);
    return hold;
}

// believer is a profile that hears what the book knows about a certificate of a chain.
struct believer {
    const struct ocsp_hearer *hearer;
    const struct chain_record *record;
    size_t index;
    int64_t now_s;
};

// denies tells whether the profile does not believe one who has signed: nobody may speak in that name any more.
static bool denies(const struct believer *believer, const struct ocsp_delegate *signer)
{
    const struct ocsp_hearer *hearer = believer->hearer;
    return (signer->is_there &&
            blocklist_has_certificate(hearer->blocks, signer->sha256,
                                      believer->record->links[believer->index].issuer_name,
                                      slice_of(signer->serial, signer->serial_len))) ||
           trust_denies_delegate(hearer->trust, believer->record, believer->index, signer,
                                 believer->now_s);
}

// is_revoked_for tells whether a certificate that stands like this is revoked for the profile: also where it does not believe the
// one who has taken that back.
static bool is_revoked_for(const struct believer *believer, enum ocsp_standing standing,
                           const struct ocsp_grounds *grounds)
{
    return standing == OCSP_STANDS_REVOKED ||
           (grounds->was_revoked && denies(believer, &grounds->reinstater));
}

// view_of_nobody tells how a certificate stands about which nobody is asked, for want of a place or of a URL. What was said
// of it elsewhere counts.
static struct ocsp_view view_of_nobody(const struct ocsp_hold *hold,
                                       const struct believer *believer, int64_t now_ms)
{
    struct ocsp_query query;
    struct ocsp_grounds grounds;
    if (name_certificate(believer->record, believer->index, &query) &&
        is_revoked_for(believer,
                       ocsp_book_look(hold->book, &query, believer->now_s, now_ms, &grounds),
                       &grounds))
        return (struct ocsp_view){.standing = OCSP_STANDS_REVOKED};
    return (struct ocsp_view){.standing = hold->is_crowded[believer->index] ? OCSP_STANDS_CROWDED
                                                                            : OCSP_STANDS_UNPLACED};
}

// view_at tells how a certificate of the chain stands for `hearer`. That it is good one may have said in whose name
// nobody may speak any more.
static struct ocsp_view view_at(struct ocsp_hold *hold, size_t index,
                                const struct ocsp_hearer *hearer, const struct chain_record *record,
                                int64_t now_ms)
{
    struct ocsp_grounds grounds;
    const struct believer believer = {
        .hearer = hearer, .record = record, .index = index, .now_s = wall_clock_ms() / 1000};
    struct ocsp_entry *entry = hold->entries[index];
    hold->is_doubted[index] = false;
    if (entry == NULL)
        return view_of_nobody(hold, &believer, now_ms);
    const enum ocsp_standing standing =
        ocsp_book_standing(hold->book, entry, believer.now_s, now_ms, &grounds);
    if (is_revoked_for(&believer, standing, &grounds))
        return (struct ocsp_view){.standing = OCSP_STANDS_REVOKED};
    if (standing != OCSP_STANDS_GOOD || !denies(&believer, &grounds.good))
        return (struct ocsp_view){.standing = standing, .fault = grounds.fault};
    hold->is_doubted[index] = true;
    return (struct ocsp_view){.standing = ocsp_book_doubt(hold->book, entry, now_ms),
                              .fault = OCSP_FAULT_DENIED};
}

struct ocsp_verdict ocsp_hold_judge(struct ocsp_hold **hold, struct ocsp_book *book,
                                    const struct identity *identity,
                                    const struct ocsp_hearer *hearer, int64_t now_ms)
{
    struct ocsp_settings *settings = identity == NULL ? NULL : trust_ocsp(hearer->trust);
    struct ocsp_hold *old = *hold;
    if (settings == NULL || !is_of(old, settings, identity->record)) {
        *hold = settings == NULL ? NULL : create(book, settings, identity->record);
        if (*hold != NULL)
            fill(*hold, identity->record);
        ocsp_hold_destroy(old); // only now, so that what both have stays
    } else {
        fill(old, identity->record);
    }
    if (settings == NULL)
        return ocsp_decide(OCSP_OFF, NULL, 0);
    if (*hold == NULL)
        return (struct ocsp_verdict){.reason = REASON_NO_MEMORY, .detail = "no memory"};
    struct ocsp_view views[OCSP_HOLD_MAX];
    const int64_t now_s = wall_clock_ms() / 1000;
    for (size_t i = 0; i < (*hold)->count; i++) {
        views[i] = view_at(*hold, i, hearer, identity->record, now_ms);
        if (views[i].standing == OCSP_STANDS_UNASKED)
            ocsp_book_ask(book, (*hold)->entries[i]);
        if (views[i].standing >= OCSP_STANDS_UNKNOWN && (*hold)->entries[i] != NULL)
            ocsp_book_ask_again(book, (*hold)->entries[i], now_s, now_ms);
    }
    return ocsp_decide(settings->mode, views, (*hold)->count);
}

bool ocsp_hold_is_good(struct ocsp_book *book, const struct identity *identity,
                       const struct ocsp_hearer *hearer, int64_t now_ms)
{
    const struct ocsp_settings *settings = trust_ocsp(hearer->trust);
    if (settings == NULL)
        return true;
    const int64_t now_s = wall_clock_ms() / 1000;
    const size_t count = asked_count(settings, identity->record);
    for (size_t i = 0; i < count; i++) {
        struct ocsp_query query;
        struct http_url url;
        struct ocsp_grounds grounds;
        const struct believer believer = {
            .hearer = hearer, .record = identity->record, .index = i, .now_s = now_s};
        if (!make_query(settings, identity->record, i, &url, &query))
            return false;
        const enum ocsp_standing standing = ocsp_book_look(book, &query, now_s, now_ms, &grounds);
        if (standing != OCSP_STANDS_GOOD || is_revoked_for(&believer, standing, &grounds) ||
            denies(&believer, &grounds.good))
            return false;
    }
    return true;
}

bool ocsp_hold_waits(const struct ocsp_hold *hold, int64_t now_ms)
{
    const int64_t now_s = wall_clock_ms() / 1000;
    for (size_t i = 0; hold != NULL && i < hold->count; i++) {
        struct ocsp_entry *entry = hold->entries[i];
        const bool waits =
            entry != NULL &&
            (hold->is_doubted[i] ? ocsp_book_is_asked(hold->book, entry)
                                 : ocsp_book_standing(hold->book, entry, now_s, now_ms, NULL) ==
                                       OCSP_STANDS_UNASKED);
        if (waits)
            return true;
    }
    return false;
}

size_t ocsp_hold_count(const struct ocsp_hold *hold)
{
    return hold == NULL ? 0 : hold->count;
}
