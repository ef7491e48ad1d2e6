// Fuzzes dns_answer_parse and srv_answer_parse with a message. Whatever a server sends, the answer is bounded and whole, its
// aliases are text that can be logged, and a message that is cut is never read beyond its end. What is kept of it in
// the cache comes out as it went in.
#include <stdlib.h>

#include "proxy/net/dns_answer.h"
#include "proxy/net/dns_cache.h"

enum { INPUT_MAX = 65535 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_aliases(const struct dns_aliases *aliases)
{
    size_t names = 0;
    ASSERT(aliases->len <= DNS_ALIASES_CAP && aliases->count <= DNS_MAX_CHAIN + 1);
    for (size_t i = 0; i < aliases->len; i++) {
        const char byte = aliases->text[i];
        names += byte == '\0';
        ASSERT(byte == '\0' || byte == '.' || byte == '-' || byte == '_' || byte == '\\' ||
               (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z'));
    }
    ASSERT(names == aliases->count);
    ASSERT(aliases->len == 0 || aliases->text[aliases->len - 1] == '\0');
}

static void check_answer(const struct dns_answer *answer, enum dns_type type)
{
    ASSERT(answer->count <= DNS_MAX_ADDRESSES);
    ASSERT((answer->result == RESOLVE_OK) == (answer->count > 0));
    ASSERT(answer->result != RESOLVE_TIMED_OUT);
    for (size_t i = 0; i < answer->count; i++) {
        ASSERT(answer->addresses[i].family == (type == DNS_TYPE_A ? IP_V4 : IP_V6));
        for (size_t j = 0; j < i; j++)
            ASSERT(!ip_addr_equal(&answer->addresses[i], &answer->addresses[j]));
    }
    check_aliases(&answer->aliases);
}

static void check_cached(const struct dns_answer *answer, struct slice name, enum dns_type type)
{
    struct dns_cache *cache = dns_cache_create(2, 4096);
    struct dns_answer found = {0};
    if (cache == NULL)
        return;
    dns_cache_put(cache, name, type, answer, 1000);
    ASSERT(dns_cache_get(cache, name, type, 0, &found));
    ASSERT(found.result == answer->result && found.count == answer->count);
    check_answer(&found, type);
    dns_cache_destroy(cache);
}

static void check_places(const struct srv_list *places, const struct dns_answer *answer)
{
    const bool is_good = places->count > 0 || places->is_unavailable;
    ASSERT(places->count <= SRV_PLACES_MAX && (answer->result == RESOLVE_OK) == is_good);
    ASSERT((answer->places != NULL) == is_good && (places->count == 0 || !places->is_unavailable));
    struct srv_rank ranks[SRV_PLACES_MAX] = {{0}};
    uint32_t random[SRV_PLACES_MAX];
    uint8_t order[SRV_PLACES_MAX];
    unsigned seen = 0;
    for (size_t i = 0; i < places->count; i++) {
        const struct target *target = &places->places[i].target;
        struct hostname again;
        ASSERT(target->port > 0 && hostname_parse(hostname_slice(&target->name), &again) == ERR_OK);
        ranks[i] = places->places[i].rank;
        ASSERT(i == 0 || ranks[i - 1].priority <= ranks[i].priority);
        random[i] = answer->ttl_s * (uint32_t)(i + 1);
    }
    srv_order(ranks, places->count, random, order);
    for (size_t i = 0; i < places->count; i++)
        seen |= 1u << order[i];
    ASSERT(seen == (1u << places->count) - 1);
}

static void check_service(struct slice message, struct slice name)
{
    struct dns_answer answer;
    struct srv_list places;
    uint8_t *copy = malloc(message.len + 1);
    if (copy == NULL)
        return;
    (void)bytes_copy(copy, message.len, message);
    if (srv_answer_parse(slice_of(copy, message.len), name, &places, &answer) == ERR_OK)
        check_places(&places, &answer);
    free(copy);
}

static void check(struct slice message, struct slice name, enum dns_type type)
{
    struct dns_answer answer;
    uint8_t *copy = malloc(message.len + 1); // of its own, so that reading one too far is seen
    if (copy == NULL)
        return;
    (void)bytes_copy(copy, message.len, message);
    if (dns_answer_parse(slice_of(copy, message.len), name, type, &answer) == ERR_OK) {
        check_answer(&answer, type);
        check_cached(&answer, name, type);
    }
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct slice message = slice_of(data, size < INPUT_MAX ? size : INPUT_MAX);
    const struct slice name = SLICE_LITERAL("www.example");
    check(message, name, DNS_TYPE_A);
    check(message, name, DNS_TYPE_AAAA);
    check_service(message, name);
    check(slice_first(message, message.len / 2), name, DNS_TYPE_A);
    return 0;
}
