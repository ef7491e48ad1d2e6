// Everybody who can reach the address could read what the proxy is doing: beyond this machine only what `open` names is told, and
// only to those in `from`.
#include "proxy/config/admin.h"

#include <sys/un.h>

#include "auth/hostname.h"
#include "proxy/config/endpoint_text.h"
#include "proxy/config/listeners.h"
#include "proxy/config/named_files.h"

enum {
    SOCKET_PATH_MAX = sizeof((struct sockaddr_un *)0)->sun_path - 1,
    PREFIXES_MAX = 64,
    NAMES_MAX = 64,
};

static const char *const page_words[] = {
#define X(symbol, name) name,
    ADMIN_PAGE_TABLE(X)
#undef X
};

static const struct key metrics_keys[] = {
    KEY_ROW("clients", KEY_BOOL, struct admin_settings, has_clients, .fallback = true),
};

const struct section admin_metrics_section = SECTION("`metrics`", metrics_keys);

static const struct key keys[] = {
    KEY_KNOWN("address", KEY_REQUIRED), KEY_KNOWN("open", KEY_OPTIONAL),
    KEY_KNOWN("from", KEY_OPTIONAL),    KEY_KNOWN("names", KEY_OPTIONAL),
    KEY_KNOWN("metrics", KEY_OPTIONAL), KEY_KNOWN("certificates", KEY_OPTIONAL),
    KEY_KNOWN("trust", KEY_OPTIONAL),
};

const struct section admin_section = SECTION("`admin`", keys);

// socket_read reads the path after `unix:`. The node keeps its place, for messages.
static void socket_read(struct reader *reader, const struct node *node, struct admin_settings *out)
{
    struct node path = *node;
    path.text = slice_from(node->text, strlen("unix:"));
    if (!reader_path(reader, &path, "`address`", &out->socket_path))
        return;
    if (strlen(out->socket_path) > SOCKET_PATH_MAX)
        reader_error(reader, node,
                     "`address`: the path of a Unix socket has at most %d bytes, and this has %zu"
                     "\na separate folder under /run is the usual place",
                     (int)SOCKET_PATH_MAX, strlen(out->socket_path));
}

static void address_read(struct reader *reader, const struct node *node, struct admin_settings *out)
{
    struct slice text = {0};
    struct errinfo info = {0};
    if (!reader_text(reader, node, "`address`", CONFIG_PATH_MAX, &text))
        return;
    if (slice_starts_with(text, SLICE_LITERAL("unix:")))
        socket_read(reader, node, out);
    else if (endpoint_parse(text, &out->address, &info) != ERR_OK)
        reader_error(reader, node, "`address`: %s, or \"unix:PATH\"", info.text);
}

static bool page_read(struct reader *reader, const struct node *node, void *out, void *arg)
{
    size_t page = 0;
    (void)arg;
    if (!reader_choice(reader, node, "a page of `open`", page_words, ADMIN_OPENABLE, &page))
        return false;
    *(unsigned *)out = 1U << page;
    return true;
}

static bool prefix_read(struct reader *reader, const struct node *node, void *out, void *arg)
{
    struct slice text = {0};
    struct errinfo info = {0};
    (void)arg;
    if (!reader_text(reader, node, "a prefix of `from`", CONFIG_TEXT_MAX, &text))
        return false;
    if (ip_prefix_parse(text, out, &info) != ERR_OK)
        return reader_refuse(reader, node, "`from`:", info.text, "");
    return true;
}

static bool name_read(struct reader *reader, const struct node *node, void *out, void *arg)
{
    struct slice text = {0};
    struct hostname name;
    (void)arg;
    if (!reader_text(reader, node, "a name of `names`", CONFIG_TEXT_MAX, &text))
        return false;
    if (hostname_parse(text, &name) != ERR_OK)
        return reader_refuse(reader, node, "`names`:", "it is not a host name",
                             "addresses and localhost may always be asked for");
    const char **place = out;
    *place = reader_copy(reader, hostname_slice(&name));
    return *place != NULL;
}

static void lists_read(struct reader *reader, const struct node *node, struct admin_settings *out)
{
    static const struct items pages = {
        .what = "`open`", .max = ADMIN_OPENABLE, .size = sizeof(unsigned), .read = page_read};
    static const struct items prefixes = {.what = "`from`",
                                          .max = PREFIXES_MAX,
                                          .size = sizeof(struct ip_prefix),
                                          .read = prefix_read};
    static const struct items names = {
        .what = "`names`", .max = NAMES_MAX, .size = sizeof(const char *), .read = name_read};
    size_t count = 0;
    const unsigned *open = reader_items(reader, node_get(node, "open"), &pages, &count);
    for (size_t i = 0; i < count; i++)
        out->open |= open[i];
    out->from = reader_items(reader, node_get(node, "from"), &prefixes, &out->from_count);
    out->names = reader_items(reader, node_get(node, "names"), &names, &out->name_count);
}

// check_access refuses what nobody, or everybody, could look at.
static void check_access(struct reader *reader, const struct node *node,
                         const struct admin_settings *settings)
{
    const bool has_open = settings->open != 0;
    if (has_open != (settings->from_count > 0))
        reader_error(reader, node,
                     "`admin`: `open` says what may be seen without a certificate, and `from` by "
                     "whom: both are needed, or neither");
    else if (!admin_settings_is_local(settings) && !has_open && settings->tls == NULL)
        reader_error(reader, node_get(node, "address"),
                     "`admin`: others than this machine can reach this address, and nobody there "
                     "may see anything"
                     "\nuse a loopback address or \"unix:PATH\"; or say with `certificates` and "
                     "`trust` who may see everything, or with `open` what those in `from` may see");
    else if (settings->socket_path != NULL && has_open)
        reader_error(reader, node,
                     "`admin`: `open` and `from` are about addresses, and a Unix socket has none"
                     "\nwho can open the socket may see everything");
}

// secrecy_read reads with which certificate it speaks TLS, and which certificates may see everything.
static void secrecy_read(struct reader *reader, const struct node *node,
                         const struct name_list *trusts, struct snapshot *snapshot,
                         struct admin_settings *out)
{
    const struct node *certificates = node_get(node, "certificates");
    const struct node *trust = node_get(node, "trust");
    struct site site = {0};
    if (certificates == NULL && trust == NULL)
        return;
    if (certificates == NULL || trust == NULL) {
        reader_error(reader, node,
                     "`admin`: `certificates` are its own, and `trust` is the profile of those who "
                     "may see everything: both are needed, or neither");
        return;
    }
    if (out->socket_path != NULL) {
        reader_error(reader, certificates,
                     "`admin`: a Unix socket needs no certificates: who can open it may see "
                     "everything");
        return;
    }
    listeners_read_site(reader, node, trusts, snapshot, out->open != 0, &site);
    out->tls = site.tls;
    if (site.trust != NULL && trust_ocsp(site.trust) != NULL)
        reader_error(reader, trust,
                     "`admin`: the profile `%s` has `ocsp`, and `admin` asks nobody"
                     "\nname a profile without it",
                     site.trust_name);
    out->trust_name = site.trust_name;
    for (size_t i = 0; i < snapshot->listener_count && site.trust_name != NULL; i++) {
        if (snapshot->listeners[i].sites[0].trust_name == site.trust_name)
            reader_warning(reader, trust,
                           "the clients of the listener `%s` have certificates of `%s`, too: each "
                           "of them may see here what all others do"
                           "\ngive those who watch a profile of their own",
                           snapshot->listeners[i].name, site.trust_name);
    }
}

// check_place refuses a place that is taken.
static void check_place(struct reader *reader, const struct node *node,
                        const struct admin_settings *settings, const struct snapshot *snapshot)
{
    if (settings->socket_path != NULL) {
        if (snapshot->control_path != NULL &&
            strcmp(settings->socket_path, snapshot->control_path) == 0)
            reader_error(reader, node, "`admin` and `control` are the same socket");
        return;
    }
    for (size_t i = 0; i < snapshot->listener_count; i++) {
        if (endpoint_is_taken(&snapshot->listeners[i].address, &settings->address))
            reader_error(reader, node, "`admin` has the address of the listener `%s`",
                         snapshot->listeners[i].name);
    }
}

void admin_read(struct reader *reader, const struct node *node, const struct name_list *trusts,
                struct snapshot *snapshot)
{
    const size_t errors_before = reader->diagnostics->error_count;
    if (node == NULL || !section_read(reader, node, &admin_section, NULL))
        return;
    struct admin_settings *settings = reader_alloc(reader, 1, sizeof *settings);
    if (settings == NULL)
        return;
    snapshot->admin = settings; // it frees what is made now, also where the rest is wrong
    address_read(reader, node_get(node, "address"), settings);
    lists_read(reader, node, settings);
    (void)section_read(reader, node_get(node, "metrics"), &admin_metrics_section, settings);
    secrecy_read(reader, node, trusts, snapshot, settings);
    if (reader->diagnostics->error_count > errors_before)
        return;
    check_access(reader, node, settings);
    check_place(reader, node_get(node, "address"), settings, snapshot);
}
