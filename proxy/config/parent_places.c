// Over https:// the certificate says whether it is the right proxy. DNS is not believed: of a service it is the domain that is
// written here whose name the certificate must have, or the name of a place that `targets` allows.
#include "proxy/config/parent_places.h"

#include <string.h>

#include "proxy/uplink/srv_settings.h"

static const struct key srv_keys[] = {
    KEY_KNOWN("srv", KEY_REQUIRED),
    KEY_KNOWN("targets", KEY_OPTIONAL),
};

const struct section parent_srv_section = SECTION("a service in `to`", srv_keys);

// place is one entry of `to`.
struct place {
    struct target target;
    bool is_clear;
    const struct srv_settings *srv; // NULL: it is a URL
};

static bool srv_target_read(struct reader *reader, const struct node *node, void *item, void *arg)
{
    struct host_pattern *out = item;
    struct errinfo info;
    struct slice text = {0};
    (void)arg;
    if (!reader_text(reader, node, "`targets`", CONFIG_TEXT_MAX, &text))
        return false;
    if (host_pattern_parse(text, out, &info) != ERR_OK)
        return reader_error(reader, node, "`targets` %s: %s", reader_quote(reader, text),
                            info.text);
    if (out->kind == HOST_PATTERN_ANY)
        return reader_refuse(reader, node, "`targets`",
                             "any name at all would be believed that DNS says",
                             "write *.DOMAIN, or leave `targets` out: then the certificates must "
                             "have the domain of the service");
    return true;
}

// srv_read reads a service. False: it cannot be used.
static bool srv_read(struct reader *reader, const struct node *node, struct place *out)
{
    static const struct items items = {.what = "`targets`",
                                       .min = 1,
                                       .max = SRV_TARGETS_MAX,
                                       .size = sizeof(struct host_pattern),
                                       .read = srv_target_read};
    const struct node *targets = node_get(node, "targets");
    struct errinfo info;
    struct slice text = {0};
    if (!section_read(reader, node, &parent_srv_section, NULL) ||
        !reader_text(reader, node_get(node, "srv"), "`srv`", CONFIG_TEXT_MAX, &text))
        return false;
    struct srv_settings *settings = reader_alloc(reader, 1, sizeof *settings);
    if (settings == NULL)
        return false;
    if (srv_name_parse(text, &settings->service, &info) != ERR_OK)
        return reader_error(reader, node_get(node, "srv"), "`srv` %s: %s",
                            reader_quote(reader, text), info.text);
    size_t count = 0;
    const struct host_pattern *patterns =
        targets == NULL ? NULL : reader_items(reader, targets, &items, &count);
    for (size_t i = 0; i < count; i++)
        settings->targets[i] = patterns[i];
    settings->target_count = count;
    out->srv = settings;
    return targets == NULL || count > 0;
}

static bool place_read(struct reader *reader, const struct node *node, void *item, void *arg)
{
    const struct slice secure = SLICE_LITERAL("https://");
    const struct slice clear = SLICE_LITERAL("http://");
    struct place *out = item;
    struct slice text = {0};
    struct target host;
    (void)arg;
    if (node->kind == NODE_MAP)
        return srv_read(reader, node, out);
    if (!reader_text(reader, node, "`to`", CONFIG_TEXT_MAX, &text))
        return false;
    out->is_clear = slice_equal_ignore_case(slice_first(text, clear.len), clear);
    if (!out->is_clear && !slice_equal_ignore_case(slice_first(text, secure.len), secure))
        return reader_refuse(reader, node, "`to`:", "it begins with neither https:// nor http://",
                             "write https://HOST:PORT");
    struct slice rest = slice_from(text, out->is_clear ? clear.len : secure.len);
    if (slice_ends_with(rest, SLICE_LITERAL("/")))
        rest = slice_first(rest, rest.len - 1);
    if (target_parse(rest, &out->target) == ERR_OK)
        return true;
    return reader_refuse(reader, node, "`to`:",
                         target_host_parse(rest, &host) == ERR_OK
                             ? "it has no port"
                             : "expected a host name or an address, a port, and nothing else",
                         "write https://HOST:PORT");
}

// take_service takes the one service of a list. Several, or one beside URLs, would be tried in an order that nobody has said.
static void take_service(struct reader *reader, const struct node *node, const struct place *place,
                         size_t count, struct parent_config *out)
{
    if (count > 1)
        reader_error(reader, node,
                     "`to`: a service stands alone: DNS says the order of its places"
                     "\nmake two parents, and name both in `via`");
    out->srv = place->srv;
}

void parent_places_read(struct reader *reader, const struct node *node, struct parent_config *out)
{
    static const struct items items = {.what = "`to`",
                                       .min = 1,
                                       .max = PARENT_PROXIES_MAX,
                                       .size = sizeof(struct place),
                                       .read = place_read};
    size_t count = 0;
    const struct place *places = reader_items(reader, node, &items, &count);
    for (size_t i = 0; i < count; i++) {
        if (places[i].srv == NULL)
            continue;
        take_service(reader, node, &places[i], count, out);
        return;
    }
    struct target *proxies = count == 0 ? NULL : reader_alloc(reader, count, sizeof *proxies);
    if (proxies == NULL)
        return;
    out->is_clear = places[0].is_clear;
    bool is_near = true;
    for (size_t i = 0; i < count; i++) {
        proxies[i] = places[i].target;
        is_near = is_near && target_is_loopback(&proxies[i]);
        if (places[i].is_clear != out->is_clear)
            reader_error(reader, node,
                         "`to`: https:// and http:// in one list: they need different things"
                         "\nmake two parents, and name both in `via`");
    }
    out->proxies = proxies;
    out->proxy_count = count;
    if (out->is_clear && !is_near)
        reader_warning(reader, node,
                       "`to`: over http:// everybody on the way there reads which targets are "
                       "asked for, and may answer in the parent's place"
                       "\nwrite https:// where the parent speaks TLS");
}
