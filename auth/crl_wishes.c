// A few places under one flag, held for as long as one look takes.
#include "auth/crl_wishes.h"

#include <openssl/sha.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "auth/crl_points.h"

// wish is one URL; a place in use has been named.
struct wish {
    struct http_url url;
    struct crl_point point; // as a chain's record has it: SHA-256 of the URI in the certificate
    uint8_t issuer[CERT_DIGEST_LEN]; // of the certificate that named it first
    int64_t named_s;                 // Unix seconds; when it was named last
};

struct crl_wishes {
    atomic_size_t refs;
    atomic_bool is_busy; // somebody reads or writes what follows
    size_t count;
    struct wish wishes[CRL_WISHES_MAX];
    size_t unlisted_count;
    size_t unlisted_said; // of them, in front
    struct http_url unlisted[CRL_WISHES_MAX_UNLISTED];
    size_t prefix_count; // these two never change
    struct http_url prefixes[CRL_WISHES_MAX_PREFIXES];
};

struct crl_wishes *crl_wishes_create(const struct http_url *prefixes, size_t count)
{
    ASSERT(count <= CRL_WISHES_MAX_PREFIXES);
    struct crl_wishes *wishes = calloc(1, sizeof *wishes);
    if (wishes == NULL)
        return NULL;
    atomic_init(&wishes->refs, 1);
    atomic_init(&wishes->is_busy, false);
    for (size_t i = 0; i < count; i++)
        wishes->prefixes[i] = prefixes[i];
    wishes->prefix_count = count;
    return wishes;
}

struct crl_wishes *crl_wishes_ref(struct crl_wishes *wishes)
{
    if (wishes != NULL)
        (void)atomic_fetch_add_explicit(&wishes->refs, 1, memory_order_relaxed);
    return wishes;
}

void crl_wishes_unref(struct crl_wishes *wishes)
{
    if (wishes != NULL && atomic_fetch_sub_explicit(&wishes->refs, 1, memory_order_acq_rel) == 1)
        free(wishes);
}

// begin takes it for this thread, if nobody else has it.
static bool begin(struct crl_wishes *wishes)
{
    return !atomic_exchange_explicit(&wishes->is_busy, true, memory_order_acquire);
}

static void end(struct crl_wishes *wishes)
{
    atomic_store_explicit(&wishes->is_busy, false, memory_order_release);
}

static bool is_allowed(const struct crl_wishes *wishes, const struct http_url *url)
{
    return http_url_is_under_any(url, wishes->prefixes, wishes->prefix_count);
}

static bool is_of(const struct wish *wish, const uint8_t *issuer)
{
    return memcmp(wish->issuer, issuer, CERT_DIGEST_LEN) == 0;
}

static size_t count_of(const struct crl_wishes *wishes, const uint8_t *issuer)
{
    size_t count = 0;
    for (size_t i = 0; i < wishes->count; i++)
        count += is_of(&wishes->wishes[i], issuer);
    return count;
}

// find_oldest gives the one of this issuer that was named longest ago, or NULL.
static struct wish *find_oldest(struct crl_wishes *wishes, const uint8_t *issuer)
{
    struct wish *oldest = NULL;
    for (size_t i = 0; i < wishes->count; i++) {
        struct wish *wish = &wishes->wishes[i];
        if (is_of(wish, issuer) && (oldest == NULL || wish->named_s < oldest->named_s))
            oldest = wish;
    }
    return oldest;
}

// make_room gives a place for one more wish of this issuer; NULL: there is none.
static struct wish *make_room(struct crl_wishes *wishes, const uint8_t *issuer, int64_t now_s)
{
    const struct wish *largest = NULL; // one of the issuer that has most
    size_t most = 0;
    if (wishes->count < CRL_WISHES_MAX)
        return &wishes->wishes[wishes->count++];
    for (size_t i = 0; i < wishes->count; i++) {
        const size_t count = count_of(wishes, wishes->wishes[i].issuer);
        if (count > most) {
            most = count;
            largest = &wishes->wishes[i];
        }
    }
    if (most > count_of(wishes, issuer) + 1)
        return find_oldest(wishes, largest->issuer);
    struct wish *own = find_oldest(wishes, issuer);
    return own != NULL && now_s - own->named_s > CRL_WISHES_FRESH_S ? own : NULL;
}

static struct wish *find_url(struct crl_wishes *wishes, const struct http_url *url)
{
    size_t i = 0;
    while (i < wishes->count && !http_url_equal(url, &wishes->wishes[i].url))
        i++;
    return i < wishes->count ? &wishes->wishes[i] : NULL;
}

// naming is a certificate that names URIs.
struct naming {
    struct crl_wishes *wishes;
    const uint8_t *issuer;
    int64_t now_s;
};

// add_unlisted remembers one that is under no prefix, once.
static void add_unlisted(struct crl_wishes *wishes, const struct http_url *url)
{
    size_t i = 0;
    while (i < wishes->unlisted_count && !http_url_equal(url, &wishes->unlisted[i]))
        i++;
    if (i == wishes->unlisted_count && i < CRL_WISHES_MAX_UNLISTED)
        wishes->unlisted[wishes->unlisted_count++] = *url;
}

static void note_uri(void *arg, struct slice uri)
{
    const struct naming *naming = arg;
    struct crl_wishes *wishes = naming->wishes;
    struct wish wanted = {.named_s = naming->now_s};
    struct errinfo info;
    if (http_url_parse(uri, &wanted.url, &info) != ERR_OK ||
        !begin(wishes)) // in use: the next handshake notes it
        return;
    if (!is_allowed(wishes, &wanted.url)) {
        add_unlisted(wishes, &wanted.url);
        end(wishes);
        return;
    }
    struct wish *wish = find_url(wishes, &wanted.url);
    if (wish != NULL) {
        wish->named_s = naming->now_s;
    } else if ((wish = make_room(wishes, naming->issuer, naming->now_s)) != NULL) {
        SHA256(uri.data, uri.len, wanted.point.digest);
        ASSERT(
            bytes_copy(wanted.issuer, CERT_DIGEST_LEN, slice_of(naming->issuer, CERT_DIGEST_LEN)));
        *wish = wanted;
    }
    end(wishes);
}

void crl_wishes_note(struct crl_wishes *wishes, const X509 *cert,
                     const uint8_t issuer[CERT_DIGEST_LEN], int64_t now_s)
{
    struct naming naming = {.wishes = wishes, .issuer = issuer, .now_s = now_s};
    if (wishes != NULL)
        crl_points_visit(cert, note_uri, &naming);
}

static void renew_link(struct crl_wishes *wishes, const struct chain_link *link, int64_t now_s)
{
    for (size_t i = 0; i < wishes->count; i++) {
        const struct crl_point *point = &wishes->wishes[i].point;
        if (crl_points_have_common(point, 1, link->points, link->point_count))
            wishes->wishes[i].named_s = now_s;
    }
}

void crl_wishes_renew(struct crl_wishes *wishes, const struct chain_record *record, int64_t now_s)
{
    if (wishes == NULL || !begin(wishes))
        return;
    for (size_t i = 0; i + 1 < record->count; i++)
        renew_link(wishes, &record->links[i], now_s);
    end(wishes);
}

void crl_wishes_inherit(struct crl_wishes *wishes, struct crl_wishes *before)
{
    if (wishes == NULL || before == NULL)
        return;
    while (!begin(before))
        (void)sched_yield();
    for (size_t i = 0; i < before->count && wishes->count < CRL_WISHES_MAX; i++) {
        if (is_allowed(wishes, &before->wishes[i].url))
            wishes->wishes[wishes->count++] = before->wishes[i];
    }
    for (size_t i = 0; i < before->unlisted_count; i++) {
        if (is_allowed(wishes, &before->unlisted[i]))
            continue;
        add_unlisted(wishes, &before->unlisted[i]);
        wishes->unlisted_said += i < before->unlisted_said;
    }
    end(before);
}

bool crl_wishes_read_unlisted(struct crl_wishes *wishes, bool is_said, struct http_url *out,
                              size_t *out_count, size_t *out_news)
{
    *out_count = 0;
    *out_news = 0;
    if (wishes == NULL)
        return true;
    if (!begin(wishes))
        return false;
    for (size_t i = 0; i < wishes->unlisted_count; i++)
        out[i] = wishes->unlisted[i];
    *out_count = wishes->unlisted_count;
    *out_news = wishes->unlisted_said;
    if (is_said)
        wishes->unlisted_said = wishes->unlisted_count;
    end(wishes);
    return true;
}

bool crl_wishes_read(struct crl_wishes *wishes, int64_t now_s, struct http_url *out,
                     size_t *out_count)
{
    size_t kept = 0;
    *out_count = 0;
    if (wishes == NULL)
        return true;
    if (!begin(wishes))
        return false;
    for (size_t i = 0; i < wishes->count; i++) {
        int64_t *named_s = &wishes->wishes[i].named_s;
        *named_s = *named_s > now_s ? now_s : *named_s; // the clock was ahead
        if (now_s - *named_s > CRL_WISHES_KEEP_S)
            continue;
        out[kept] = wishes->wishes[i].url;
        if (kept != i)
            wishes->wishes[kept] = wishes->wishes[i];
        kept++;
    }
    wishes->count = kept;
    end(wishes);
    *out_count = kept;
    return true;
}
