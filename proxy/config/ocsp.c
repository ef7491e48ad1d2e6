// Who is asked: the responder of the configuration, or those that certificates name below listed prefixes.
#include "proxy/config/ocsp.h"

#include <inttypes.h>

#include "proxy/config/units.h"

enum { TIMEOUT_MIN_MS = 100 };

enum { MODE_COUNT = 3 };

static const char *const mode_words[MODE_COUNT] = {"off", "soft", "require"};
static const char *const scope_words[] = {"chain", "leaf", NULL};

static const struct key ocsp_keys[] = {
    KEY_KNOWN("mode", KEY_REQUIRED),
    KEY_KNOWN("responder", KEY_OPTIONAL),
    KEY_KNOWN("aia", KEY_OPTIONAL),
    KEY_ROW("scope", KEY_CHOICE, struct ocsp_settings, is_for_leaves, .words = scope_words),
    KEY_ROW("timeout", KEY_DURATION, struct ocsp_settings, timeout_ms, .min = TIMEOUT_MIN_MS,
            .max = 10 * SECOND_MS, .fallback = 2 * SECOND_MS),
    KEY_ROW("nonce", KEY_BOOL, struct ocsp_settings, has_nonce, .fallback = false),
};

const struct section ocsp_section = SECTION("`ocsp`", ocsp_keys);

// url_read reads a URL of HTTP in the clear: an answer is signed, and whom one would believe over TLS would be one more
// thing to configure.
static bool url_read(struct reader *reader, const struct node *node, const char *what,
                     struct http_url *out)
{
    struct slice text = {0};
    struct errinfo info;
    if (!reader_text(reader, node, what, HTTP_URL_MAX_LEN, &text))
        return false;
    if (!slice_contains(text, SLICE_LITERAL("://")))
        return reader_error(reader, node, "%s: the URL must begin with http://", what);
    if (http_url_parse(text, out, &info) != ERR_OK)
        return reader_error(reader, node, "%s: %s", what, info.text);
    if (out->is_https)
        return reader_error(reader, node,
                            "%s: OCSP is asked over http:// only"
                            "\nan answer is signed; write http:// and the port of the responder",
                            what);
    return true;
}

static bool prefix_read(struct reader *reader, const struct node *node, struct http_url *out)
{
    if (!url_read(reader, node, "`aia`", out))
        return false;
    return http_url_is_prefix(out) ||
           reader_error(reader, node,
                        "`aia`: a prefix ends with `/`"
                        "\nwrite http://ocsp.example.org/ for everything on that server");
}

// read_places reads who may be asked.
static bool read_places(struct reader *reader, const struct node *node,
                        struct ocsp_settings *settings)
{
    const struct node *responder = node_get(node, "responder");
    const struct node *prefixes = node_get(node, "aia");
    bool is_good = true;
    if (responder != NULL && prefixes != NULL)
        return reader_error(reader, prefixes,
                            "`ocsp` has `responder` and `aia`: one of them says who is asked");
    settings->has_responder = responder != NULL;
    if (responder != NULL)
        return url_read(reader, responder, "`responder`", &settings->responder);
    for (const struct node *entry = prefixes == NULL ? NULL : prefixes->child; entry != NULL;
         entry = entry->next)
        is_good =
            prefix_read(reader, entry, &settings->prefixes[settings->prefix_count++]) && is_good;
    return is_good;
}

// check_timeout refuses a wait that no handshake lives through: it would end without an answer under either mode.
static bool check_timeout(struct reader *reader, const struct node *node, int64_t timeout_ms,
                          int64_t handshake_ms)
{
    const struct node *timeout = node_get(node, "timeout");
    return timeout_ms < handshake_ms ||
           reader_error(
               reader, timeout == NULL ? node : timeout,
               "`ocsp`: a handshake may wait %" PRId64
               "ms for answers, and `timeouts.handshake` ends it after %" PRId64 "ms"
               "\nmake `timeout` shorter than `timeouts.handshake`, which also has to hold the client's own messages",
               timeout_ms, handshake_ms);
}

struct ocsp_settings *ocsp_read(struct reader *reader, const struct node *node,
                                int64_t handshake_ms)
{
    if (node == NULL || !reader_expect(reader, node, NODE_MAP, ocsp_section.what))
        return NULL;
    const struct node *prefixes = node_get(node, "aia");
    if (prefixes != NULL && !reader_list(reader, prefixes, "`aia`", 1, OCSP_MAX_PREFIXES))
        return NULL;
    struct ocsp_settings *settings =
        ocsp_settings_create(prefixes == NULL ? 0 : prefixes->child_count);
    if (settings == NULL) {
        (void)reader_no_memory(reader);
        return NULL;
    }
    size_t mode = OCSP_OFF;
    const struct node *mode_node = node_get(node, "mode");
    bool is_good = section_read(reader, node, &ocsp_section, settings) && mode_node != NULL &&
                   reader_choice(reader, mode_node, "`mode`", mode_words, MODE_COUNT, &mode);
    is_good = read_places(reader, node, settings) && is_good;
    settings->mode = (enum ocsp_mode)mode;
    if (is_good && settings->mode != OCSP_OFF && !settings->has_responder && prefixes == NULL)
        is_good = reader_error(
            reader, node,
            "`ocsp` does not say who is asked"
            "\nname the `responder`, or under `aia` where those that certificates name may be");
    if (is_good && settings->mode != OCSP_OFF)
        is_good = check_timeout(reader, node, settings->timeout_ms, handshake_ms);
    if (is_good && settings->mode != OCSP_OFF)
        return settings;
    ocsp_settings_unref(settings);
    return NULL;
}
