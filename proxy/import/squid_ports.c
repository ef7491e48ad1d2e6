// Options that mean the same under two names (`cert=`, `tls-cert=`) are read alike.
#include "proxy/import/squid_ports.h"

#include "auth/target.h"
#include "proxy/import/squid_lines.h"

enum { SHOWN = 80 };

// option_of gives what is after NAME= in a word.
static bool option_of(struct slice word, const char *name, struct slice *value)
{
    const size_t equals = slice_find(word, '=');
    *value = slice_from(word, equals + 1);
    return equals < word.len && squid_word_is(slice_first(word, equals), name);
}

// file_of keeps the value of one of two options, if it is one.
static bool file_of(struct squid_config *config, struct slice word, const char *name,
                    const char *other, const char **out)
{
    struct slice value;
    if (!option_of(word, name, &value) && !option_of(word, other, &value))
        return false;
    *out = import_copy(config->notes, value);
    return true;
}

static void leave_option(struct squid_config *config, struct import_place place,
                         const char *directive, struct slice word, const char *why)
{
    import_say(config->notes, IMPORT_LEFT_OUT, place, "%s: `%.*s` is left out: %s", directive,
               (int)slice_first(word, SHOWN).len, (const char *)word.data, why);
}

// address_of writes the address of a port as a listener has it; false for a name.
static bool address_of(struct slice word, struct text *out)
{
    uint16_t port = 0;
    struct target target;
    char host[TARGET_TEXT_CAP];
    if (port_parse(word, &port) == ERR_OK) {
        text_append_format(out, "[::]:%u", (unsigned)port);
        return true;
    }
    if (target_parse(word, &target) != ERR_OK || target.kind != TARGET_ADDRESS)
        return false;
    const bool is_v6 = target.address.family == IP_V6;
    text_append_format(out, "%s%s%s:%u", is_v6 ? "[" : "", target_format_host(&target, host),
                       is_v6 ? "]" : "", (unsigned)target.port);
    return true;
}

// open_listener makes a listener of the first word; NULL where there is none to make, which is said.
static struct imported_listener *open_listener(struct squid_config *config,
                                               struct import_place place, const char *directive,
                                               struct slice *rest)
{
    struct slice word = {0};
    char buffer[TARGET_TEXT_CAP + 8];
    struct text address;
    text_init(&address, buffer, sizeof buffer);
    if (!squid_word_next(rest, &word) || !address_of(word, &address)) {
        leave_option(config, place, directive, word,
                     "write `address: \"ADDRESS:PORT\"`, with an address and no name");
        return NULL;
    }
    struct imported_listener *listener = import_alloc(config->notes, 1, sizeof *listener);
    if (listener != NULL)
        *listener =
            (struct imported_listener){.address = import_copy(config->notes, text_slice(&address))};
    return listener;
}

static bool is_mode(struct slice word)
{
    static const char *const modes[] = {"accel",       "intercept", "tproxy",
                                        "transparent", "ssl-bump",  "vhost"};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        if (squid_word_is(word, modes[i]))
            return true;
    }
    return false;
}

// verifying is how a port verifies its clients (Squid's src/security/ServerOptions.cc, syncCaFiles and
// updateContextClientCa): not at all without clientca; against each cafile; where there is none, against clientca.
struct verifying {
    const char *shown;  // clientca: the list of names that clients are shown
    const char *cafile; // a list as it is written
    bool has_path;      // capath: more CAs, and CRLs
    bool wants_crl;
};

// either_option_of gives the value of NAME= or tls-NAME=.
static bool either_option_of(struct slice word, const char *name, struct slice *value)
{
    const bool has_prefix = slice_starts_with(word, SLICE_LITERAL("tls-"));
    return option_of(slice_from(word, has_prefix ? 4 : 0), name, value);
}

// take_verifying takes an option about the verification of clients.
static bool take_verifying(struct squid_config *config, struct imported_listener *listener,
                           struct verifying *verifying, struct slice word)
{
    struct slice value;
    if (either_option_of(word, "crlfile", &value)) {
        listener->crl = imported_list(config->notes, NULL, value);
    } else if (either_option_of(word, "clientca", &value)) {
        verifying->shown = imported_list(config->notes, NULL, value);
    } else if (either_option_of(word, "cafile", &value)) {
        verifying->cafile = imported_list(config->notes, verifying->cafile, value);
    } else if (option_of(word, "sslflags", &value) || option_of(word, "tls-flags", &value)) {
        verifying->wants_crl = slice_contains(value, SLICE_LITERAL("VERIFY_CRL"));
        listener->is_leaf_only =
            verifying->wants_crl && !slice_contains(value, SLICE_LITERAL("VERIFY_CRL_ALL"));
    } else {
        return false;
    }
    return true;
}

// take_tls takes another option of TLS of https_port.
static bool take_tls(struct squid_config *config, struct imported_listener *listener,
                     struct slice word)
{
    struct slice value;
    const char *name = NULL; // nothing asks for it
    if (file_of(config, word, "cert", "tls-cert", &listener->chain) ||
        file_of(config, word, "key", "tls-key", &listener->key) ||
        file_of(config, word, "name", "name", &name))
        return true;
    if (option_of(word, "tls-min-version", &value)) {
        listener->min_is_1_3 = slice_equal(value, SLICE_LITERAL("1.3"));
        return true;
    }
    if (option_of(word, "options", &value) && slice_contains(value, SLICE_LITERAL("NO_TLSv1_3"))) {
        listener->max_is_1_2 = true;
        return true;
    }
    return false;
}

// is_same_trust tells whether two ports judge clients alike.
static bool is_same_trust(const struct imported_listener *a, const struct imported_listener *b)
{
    const char *const names[][2] = {{a->ca, b->ca}, {a->crl, b->crl}};
    for (size_t i = 0; i < 2; i++) {
        if ((names[i][0] == NULL) != (names[i][1] == NULL) ||
            (names[i][0] != NULL && strcmp(names[i][0], names[i][1]) != 0))
            return false;
    }
    return a->is_leaf_only == b->is_leaf_only;
}

// finish_verifying says whom the port's clients are verified against.
static void finish_verifying(struct squid_config *config, struct import_place place,
                             struct imported_listener *listener, const struct verifying *verifying)
{
    if (verifying->shown == NULL)
        import_say(
            config->notes, IMPORT_LEFT_OUT, place,
            "https_port: without clientca= it asks no client for a certificate; here each client shows one, of a CA in "
            "ca.crt (`trust`)");
    else
        listener->ca = verifying->cafile == NULL ? verifying->shown : verifying->cafile;
    if (verifying->shown != NULL && verifying->cafile != NULL)
        import_say(
            config->notes, IMPORT_REMARK, place,
            "https_port: clients are verified by tls-cafile=; clientca= is only a list to show");
    if (verifying->has_path ? listener->crl == NULL && !verifying->wants_crl
                            : listener->crl != NULL || !verifying->wants_crl)
        return;
    import_say(
        config->notes, IMPORT_LEFT_OUT, place,
        "https_port: CRLs are looked for, and not all of them are in a crlfile=. Who is revoked is not known, so no client "
        "is written at all. In a copy of the file, name them with crlfile= and remove capath=");
    if (config->blocked.file == NULL)
        config->blocked = place;
}

enum err squid_take_https_port(struct squid_config *config, struct import_place place,
                               struct slice rest, struct errinfo *info)
{
    struct slice word, value;
    struct verifying verifying = {0};
    (void)info;
    struct imported_listener *listener = open_listener(config, place, "https_port", &rest);
    if (listener == NULL)
        return ERR_OK;
    while (squid_word_next(&rest, &word)) {
        if (is_mode(word)) {
            leave_option(config, place, "https_port", word,
                         "this is a forward proxy for clients that know it; the port is not taken");
            return ERR_OK;
        }
        verifying.has_path = verifying.has_path || either_option_of(word, "capath", &value);
        if (!take_verifying(config, listener, &verifying, word) &&
            !take_tls(config, listener, word))
            leave_option(config, place, "https_port", word,
                         "docs/CONFIG.md has what a listener can say");
    }
    if (listener->key == NULL)
        listener->key = listener->chain;
    finish_verifying(config, place, listener, &verifying);
    if (!config->has_tls_port)
        config->imported->listeners = NULL; // those of http_port, which clients will not use
    config->has_tls_port = true;
    if (config->imported->listeners != NULL &&
        !is_same_trust(config->imported->listeners, listener))
        import_say(
            config->notes, IMPORT_LEFT_OUT, place,
            "https_port: another CA or CRL than the first port's: give it a trust profile and clients of its own");
    else
        imported_add_listener(config->imported, listener);
    return ERR_OK;
}

enum err squid_take_http_port(struct squid_config *config, struct import_place place,
                              struct slice rest, struct errinfo *info)
{
    struct slice word;
    (void)info;
    struct imported_listener *listener = open_listener(config, place, "http_port", &rest);
    bool is_taken = listener != NULL && !config->has_tls_port;
    while (listener != NULL && squid_word_next(&rest, &word)) {
        leave_option(config, place, "http_port", word, "this is no option of a listener with TLS");
        is_taken = is_taken && !is_mode(word);
    }
    if (is_taken)
        imported_add_listener(config->imported, listener);
    import_say(
        config->notes, IMPORT_LEFT_OUT, place,
        "http_port: clients in the clear have no name here. %s",
        config->has_tls_port
            ? "Only the ports with TLS are taken"
            : "Where no https_port is taken, a listener with TLS stands at this address; programs "
              "that cannot speak TLS to a proxy use `sallyport connect`");
    return ERR_OK;
}

// take_peer_option takes one option of cache_peer, and tells whether it is known.
static bool take_peer_option(struct squid_config *config, struct imported_parent *parent,
                             bool *is_tls, struct slice word)
{
    static const char *const harmless[] = {"no-query",          "default",    "no-digest",
                                           "no-netdb-exchange", "proxy-only", "no-delay"};
    struct slice value;
    if (squid_word_is(word, "tls") || squid_word_is(word, "ssl")) {
        *is_tls = true;
        return true;
    }
    if (file_of(config, word, "sslcert", "tls-cert", &parent->certificate) ||
        file_of(config, word, "sslkey", "tls-key", &parent->key) ||
        file_of(config, word, "sslcafile", "tls-cafile", &parent->ca))
        return true;
    if (option_of(word, "name", &value)) {
        const struct imported nobody = {0};
        imported_name(&nobody, value, parent->name);
        return true;
    }
    for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++) {
        if (squid_word_is(word, harmless[i]))
            return true;
    }
    return false;
}

static void leave_peer(struct squid_config *config, struct import_place place, const char *why)
{
    import_say(config->notes, IMPORT_LEFT_OUT, place, "cache_peer: left out: %s", why);
    config->peers_left = true;
}

enum err squid_take_peer(struct squid_config *config, struct import_place place, struct slice rest,
                         struct errinfo *info)
{
    struct slice host, type, port, word = {0};
    struct hostname name;
    struct ip_addr address;
    uint16_t number = 0;
    bool is_tls = false;
    if (!squid_word_next(&rest, &host) || !squid_word_next(&rest, &type) ||
        !squid_word_next(&rest, &port) || !squid_word_next(&rest, &word))
        return errinfo_set(info, ERR_INPUT, "cache_peer needs a host, a type and two ports");
    struct imported_parent *parent = import_alloc(config->notes, 1, sizeof *parent);
    if (parent == NULL)
        return errinfo_set(info, ERR_MEMORY, "no memory");
    *parent = (struct imported_parent){0};
    imported_name(&(struct imported){0}, host, parent->name);
    while (squid_word_next(&rest, &word)) {
        if (!take_peer_option(config, parent, &is_tls, word)) {
            leave_option(config, place, "cache_peer", word,
                         "docs/CONFIG.md (`parents`) has what a parent can say");
            config->peers_left = true;
        }
    }
    const bool is_v4 = ip_addr_parse(host, &address) == ERR_OK && address.family == IP_V4;
    if (!squid_word_is(type, "parent") || port_parse(port, &number) != ERR_OK ||
        (!is_v4 && hostname_parse(host, &name) != ERR_OK))
        leave_peer(config, place,
                   "only `parent`, with a host name or an IPv4 address, has an equal");
    else if (is_tls && parent->ca == NULL)
        leave_peer(
            config, place,
            "an https:// parent needs the CAs of its certificate: name them with tls-cafile=");
    else {
        char url[300];
        struct text out;
        text_init(&out, url, sizeof url);
        text_append_format(&out, "http%s://%.*s:%u", is_tls ? "s" : "", (int)host.len,
                           (const char *)host.data, (unsigned)number);
        parent->url = import_copy(config->notes, text_slice(&out));
        if (parent->key == NULL)
            parent->key = parent->certificate;
        if (!is_tls)
            parent->ca = parent->certificate = NULL;
        struct imported_parent **end = &config->peers;
        while (*end != NULL)
            end = &(*end)->next;
        *end = parent;
    }
    return ERR_OK;
}

enum err squid_take_never_direct(struct squid_config *config, struct import_place place,
                                 struct slice rest, struct errinfo *info)
{
    struct slice action = {0}, acl = {0}, more;
    (void)info;
    const bool is_whole = squid_word_next(&rest, &action) && squid_word_next(&rest, &acl) &&
                          !squid_word_next(&rest, &more) && squid_word_is(acl, "all");
    if (is_whole && squid_word_is(action, "allow")) {
        config->needs_peers = true;
        return ERR_OK;
    }
    if (is_whole && squid_word_is(action, "deny"))
        return ERR_OK;
    import_say(
        config->notes, IMPORT_LEFT_OUT, place,
        "never_direct: which requests go through a peer cannot be said line by line, so no client is written at all. "
        "Write `via` for the clients or rules, and remove the line from a copy of the file");
    if (config->blocked.file == NULL)
        config->blocked = place;
    return ERR_OK;
}

void squid_ports_finish(struct squid_config *config)
{
    enum { WAYS_MAX = 4 };
    const struct import_place whole = {0};
    size_t count = 0;
    for (const struct imported_parent *peer = config->peers; peer != NULL; peer = peer->next)
        count++;
    if (!config->needs_peers) {
        if (count > 0)
            import_say(
                config->notes, IMPORT_LEFT_OUT, whole,
                "cache_peer: left out: without `never_direct allow all` a CONNECT goes to the target itself. "
                "Write `parents`, and `via` for the clients that use them");
        return;
    }
    if (count == 0 || count > WAYS_MAX || config->peers_left) {
        import_say(
            config->notes, IMPORT_LEFT_OUT, whole,
            "never_direct: the peers cannot all be said (at most %d), and nothing may go to the targets themselves: "
            "so no client is written at all. Write `parents` and `via`",
            WAYS_MAX);
        config->is_way_unknown = true;
        return;
    }
    config->imported->parents = config->peers;
    import_say(
        config->notes, IMPORT_REMARK, whole,
        "parents: here a name is resolved before its parent is asked, and the parent is asked for the address; its rules "
        "must allow that. `resolve: parent` sends the name: docs/CONFIG.md");
}
