// Fuzzes http_url_parse: what is accepted has one canonical spelling, which reads back as itself, and nothing in it can be
// read in two ways.
#include "auth/http_url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_path(struct slice path)
{
    ASSERT(path.len > 0 && path.data[0] == '/');
    for (size_t i = 0; i < path.len; i++)
        ASSERT(path.data[i] > ' ' && path.data[i] < 0x7F &&
               strchr("#\\\"<>", path.data[i]) == NULL);
    const struct slice plain = slice_first(path, slice_find(path, '?'));
    ASSERT(!slice_contains(plain, SLICE_LITERAL("/../")) &&
           !slice_contains(plain, SLICE_LITERAL("/./")) &&
           !slice_ends_with(plain, SLICE_LITERAL("/..")) &&
           !slice_contains(plain, SLICE_LITERAL("%2E")));
}

// check_prefix tells that what is under a prefix asks the same server.
static void check_prefix(const struct http_url *url)
{
    struct http_url prefix;
    struct errinfo info;
    ASSERT(http_url_parse(SLICE_LITERAL("http://pki.example.org/crl/"), &prefix, &info) == ERR_OK);
    if (!http_url_is_under(url, &prefix))
        return;
    ASSERT(!url->is_https && url->target.port == 80);
    ASSERT(target_equal_host(&url->target, &prefix.target));
    const struct slice path = http_url_path(url);
    ASSERT(slice_starts_with(path, SLICE_LITERAL("/crl/")));
    ASSERT(!slice_contains(slice_first(path, slice_find(path, '?')), SLICE_LITERAL("%25")));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_url url;
    struct http_url again;
    struct errinfo info;
    if (http_url_parse(slice_of(data, size), &url, &info) != ERR_OK) {
        ASSERT(url.len == 0);
        return 0;
    }
    ASSERT(url.len <= HTTP_URL_MAX_LEN && url.text[url.len] == '\0');
    ASSERT(url.target.port != 0);
    ASSERT(http_url_parse(slice_of(url.text, url.len), &again, &info) == ERR_OK);
    ASSERT(http_url_equal(&url, &again) && again.path_at == url.path_at);
    ASSERT(target_equal_host(&url.target, &again.target) && url.target.port == again.target.port);
    const struct slice authority = http_url_authority(&url);
    ASSERT(authority.len > 0 && slice_find(authority, '@') == authority.len);
    check_path(http_url_path(&url));
    check_prefix(&url);
    return 0;
}
