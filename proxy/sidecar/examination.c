// The steps in their order. What a step finds out is noted for it; the first failure is the cause of all.
#include "proxy/sidecar/examination.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "auth/base/date.h"
#include "proxy/config/file.h"
#include "proxy/config/system_resolver.h"
#include "proxy/http/proxy_status.h"
#include "proxy/net/dns_channel.h"
#include "proxy/sidecar/ca_list.h"
#include "proxy/sidecar/visit.h"

enum {
    DAY_S = 24 * 60 * 60,
    WARN_BEFORE_S = 14 * DAY_S,
    PATIENCE_MS = 30 * 1000,
    CA_FILE_MAX = 16 * 1024 * 1024,
    NAMES_CAP = 400,
    NAMES_SHOWN = 8,
    MEMBER_MAX = 64,
    JAVA_NAMES_MAX = 32 * 1024, // bytes; it reads no longer handshake message
};

// examiner is one examination under way.
struct examiner {
    const struct proxy_way *way;     // borrowed
    struct examination *out;         // borrowed
    struct credentials *credentials; // ref
    struct proxy_route route;
    struct buffer_pool pool;
    struct upstream_facts facts; // of the first visit
};

const char *exam_step_name(enum exam_step step)
{
    static const char *const names[EXAM_STEP_COUNT] = {
#define X(symbol, name) [symbol] = name,
        EXAM_STEP_TABLE(X)
#undef X
    };
    return names[step];
}

const char *exam_outcome_name(enum exam_outcome outcome)
{
    static const char *const names[] = {
        [EXAM_SKIPPED] = "skipped",
        [EXAM_OK] = "ok",
        [EXAM_WARNING] = "warning",
        [EXAM_FAILED] = "failed",
    };
    return names[outcome];
}

// note writes what a step has found; `cause` is for EXAM_FAILED. A failure is not written over.
static void note(struct examiner *examiner, enum exam_step step, enum exam_outcome outcome,
                 enum cause cause, const char *format, ...) PRINTF_LIKE(5, 6);
static void note(struct examiner *examiner, enum exam_step step, enum exam_outcome outcome,
                 enum cause cause, const char *format, ...)
{
    struct exam_finding *finding = &examiner->out->steps[step];
    va_list args;
    if (finding->outcome == EXAM_FAILED)
        return;
    finding->outcome = outcome;
    finding->cause = cause;
    va_start(args, format);
    (void)vsnprintf(finding->detail, sizeof finding->detail, format, args);
    va_end(args);
    for (char *at = finding->detail; *at != '\0'; at++) {
        if ((unsigned char)*at < 0x20 || *at == 0x7F)
            *at = ' ';
    }
}

// append_date appends `until 2026-12-01 (9.3 days left)`, or how long ago it was.
static void append_date(int64_t not_after_s, int64_t now_s, struct text *out)
{
    char date[DATE_TEXT_CAP];
    const double days = (double)(not_after_s - now_s) / DAY_S;
    (void)date_format(not_after_s, DATE_MINUTE, date);
    if (days >= 0)
        text_append_format(out, "valid until %s (%.1f days left)", date, days);
    else
        text_append_format(out, "expired on %s (%.1f days ago)", date, -days);
}

static void append_dn(const struct dn *dn, struct text *out)
{
    char data[DN_TEXT_CAP];
    struct text text;
    text_init(&text, data, sizeof data);
    dn_format(dn, &text);
    text_append(out, slice_first(text_slice(&text), 120));
}

// append_names appends the names of a server.
static void append_names(const struct identity *identity, struct text *out)
{
    size_t shown = 0;
    for (size_t i = 0; i < identity->san_count; i++) {
        const struct san *san = &identity->sans[i];
        struct ip_addr address = {.family = san->value.len == 4 ? IP_V4 : IP_V6};
        char text[IP_TEXT_CAP];
        if ((san->kind != SAN_DNS && san->kind != SAN_IP) || shown == NAMES_SHOWN)
            continue;
        text_append_string(out, shown++ == 0 ? "" : ", ");
        if (san->kind == SAN_DNS)
            text_append(out, slice_first(san->value, 80));
        else if (bytes_copy(address.bytes, sizeof address.bytes, san->value))
            text_append_string(out, ip_addr_format(&address, text));
    }
    if (shown == 0)
        text_append_string(out, "no name at all");
}

static void check_own_certificate(struct examiner *examiner, int64_t now_s)
{
    const struct credentials *credentials = examiner->credentials;
    const struct own_certificate *own = &credentials->own;
    char data[EXAM_DETAIL_CAP];
    struct text text;
    if (!own->is_shown) {
        note(
            examiner, EXAM_OWN_CERTIFICATE, EXAM_WARNING, CAUSE_NONE,
            "none was given (--cert, --key): the proxy will want one, unless it is optional there");
        return;
    }
    text_init(&text, data, sizeof data);
    append_dn(&credentials->identity->subject, &text);
    text_append_string(&text, ", issued by ");
    append_dn(&credentials->identity->issuer, &text);
    text_append_string(&text, ", ");
    append_date(own->not_after_s, now_s, &text);
    text_append_format(&text, ", with %zu intermediates",
                       sk_CRYPTO_BUFFER_num(credentials->chain) - 1);
    if (now_s > own->not_after_s)
        note(examiner, EXAM_OWN_CERTIFICATE, EXAM_FAILED, CAUSE_EXPIRED, "%s", text.data);
    else if (now_s < own->not_before_s)
        note(examiner, EXAM_OWN_CERTIFICATE, EXAM_FAILED, CAUSE_NOT_YET_VALID,
             "%s; not valid before %" PRId64 " (Unix time), and it is %" PRId64, text.data,
             own->not_before_s, now_s);
    else if (!own->is_for_clients)
        note(examiner, EXAM_OWN_CERTIFICATE, EXAM_FAILED, CAUSE_BAD_PURPOSE,
             "%s; its key usage or extended key usage leaves out TLS clients", text.data);
    else
        note(examiner, EXAM_OWN_CERTIFICATE,
             own->not_after_s - now_s < WARN_BEFORE_S ? EXAM_WARNING : EXAM_OK, CAUSE_NONE, "%s",
             text.data);
}

// load reads the files, the first step.
static bool load(struct examiner *examiner, int64_t now_s)
{
    struct errinfo info;
    enum cause cause = CAUSE_NONE;
    const struct credential_paths *paths = &examiner->way->paths;
    if (credentials_load(paths, now_s, &examiner->credentials, &cause, &info) != ERR_OK) {
        note(examiner, EXAM_FILES, EXAM_FAILED, cause, "%s", info.text);
        return false;
    }
    note(examiner, EXAM_FILES, EXAM_OK, CAUSE_NONE, "%s%s",
         paths->cert == NULL ? "" : "the key belongs to the certificate; ",
         "the CA file can be used");
    check_own_certificate(examiner, now_s);
    return true;
}

static void note_name(struct examiner *examiner)
{
    const struct way *way = &examiner->route.ways[0];
    char host[TARGET_TEXT_CAP];
    char data[NAMES_CAP];
    struct text text;
    text_init(&text, data, sizeof data);
    (void)target_format_host(&examiner->way->route.proxies[0], host);
    for (size_t i = 0; i < way->address_count; i++) {
        char address[IP_TEXT_CAP];
        text_append_format(&text, "%s%s", i == 0 ? "" : ", ",
                           ip_addr_format(&way->addresses[i], address));
    }
    if (examiner->way->route.proxies[0].kind == TARGET_ADDRESS)
        note(examiner, EXAM_NAME, EXAM_OK, CAUSE_NONE, "%s is an address", host);
    else
        note(examiner, EXAM_NAME, EXAM_OK, CAUSE_NONE, "%s is %s (%" PRId64 " ms)", host, text.data,
             examiner->facts.resolve_ms);
}

// note_proxy_certificate notes what the proxy has shown.
static void note_proxy_certificate(struct examiner *examiner, const struct upstream_facts *facts,
                                   enum cause cause, const char *why, int64_t now_s)
{
    char data[EXAM_DETAIL_CAP];
    char pin[PIN_TEXT_CAP];
    struct text text;
    if (facts->server == NULL && cause_info(cause)->side != SIDE_PROXY)
        return;
    text_init(&text, data, sizeof data);
    if (cause == CAUSE_PROXY_PIN_MISMATCH) { // first, for the rest may be cut
        text_append_format(&text, "%s, and --pin has ", why);
        pins_append(&examiner->way->route.pins, &text);
        text_append_string(&text, "; ");
        why = "";
    }
    if (facts->server != NULL) {
        append_dn(&facts->server->subject, &text);
        text_append_string(&text, ", for ");
        append_names(facts->server, &text);
        text_append_string(&text, ", issued by ");
        append_dn(&facts->server->issuer, &text);
        text_append_string(&text, ", ");
        append_date(facts->server->not_after_s, now_s, &text);
        text_append_format(&text, "; certificates sent: %zu; its key is %s", facts->chain_count,
                           pin_format(facts->server->spki_sha256, pin));
    }
    if (cause != CAUSE_NONE)
        note(examiner, EXAM_PROXY_CERTIFICATE, EXAM_FAILED, cause, "%s%s%s", text.data,
             why[0] == '\0' ? "" : "; ", why);
    else
        note(examiner, EXAM_PROXY_CERTIFICATE,
             facts->server->not_after_s - now_s < WARN_BEFORE_S ? EXAM_WARNING : EXAM_OK,
             CAUSE_NONE, "%s", text.data);
}

// check_ca_list compares what the proxy asks for with what we have to show.
static enum cause check_ca_list(struct examiner *examiner, const struct upstream_facts *facts)
{
    const struct credentials *credentials = examiner->credentials;
    struct file_content ca = {0};
    struct errinfo info;
    char data[NAMES_CAP];
    struct text names;
    text_init(&names, data, sizeof data);
    if (!facts->was_asked) {
        note(examiner, EXAM_CA_LIST, EXAM_FAILED, CAUSE_NO_CERTIFICATE_REQUESTED,
             "no certificate was asked for in the handshake");
        return CAUSE_NO_CERTIFICATE_REQUESTED;
    }
    ca_list_append(facts->ca_names, &names);
    if (!credentials->own.is_shown) {
        note(examiner, EXAM_CA_LIST, EXAM_WARNING, CAUSE_NONE,
             "the proxy asks for a certificate of: %s; you gave none", names.data);
        return CAUSE_NO_CERTIFICATE;
    }
    if (file_read(examiner->way->paths.ca, CA_FILE_MAX, FILE_PUBLIC, &ca, &info) != ERR_OK)
        ca = (struct file_content){0};
    const enum ca_list_finding finding =
        ca_list_check(credentials->chain, facts->ca_names, ca.bytes);
    file_content_deinit(&ca);
    switch (finding) {
    case CA_LIST_SILENT:
        note(examiner, EXAM_CA_LIST, EXAM_OK, CAUSE_NONE,
             "the proxy does not say which CAs it accepts");
        return CAUSE_NONE;
    case CA_LIST_FITS:
        if (ca_list_wire_len(facts->ca_names) > JAVA_NAMES_MAX)
            note(examiner, EXAM_CA_LIST, EXAM_WARNING, CAUSE_NONE,
                 "the proxy names %zu CAs, yours among them, in %zu bytes: Java reads no more than "
                 "%d and ends the handshake; the proxy needs `client_ca_names: none`",
                 sk_CRYPTO_BUFFER_num(facts->ca_names), ca_list_wire_len(facts->ca_names),
                 JAVA_NAMES_MAX);
        else
            note(examiner, EXAM_CA_LIST, EXAM_OK, CAUSE_NONE,
                 "the proxy accepts certificates of: %s; this is one", names.data);
        return CAUSE_NONE;
    case CA_LIST_LACKS_INTERMEDIATE:
        note(examiner, EXAM_CA_LIST, EXAM_WARNING, CAUSE_NONE,
             "the proxy accepts certificates of: %s; the chain in --cert ends below that",
             names.data);
        return CAUSE_MISSING_INTERMEDIATE;
    case CA_LIST_UNKNOWN:
    case CA_LIST_UNREADABLE:
        break;
    }
    note(examiner, EXAM_CA_LIST, EXAM_WARNING, CAUSE_NONE,
         "the proxy accepts certificates of: %s; the chain in --cert does not lead to one",
         names.data);
    return CAUSE_UNKNOWN_CA;
}

// details_of gives what the proxy itself, and none after it, says in the `details` of Proxy-Status; empty: it is no Sallyport,
// or says nothing.
static struct slice details_of(const struct visit *visit)
{
    const struct proxy_status_member member = proxy_status_last(visit_field(visit, "proxy-status"));
    return slice_equal(member.name, SLICE_LITERAL("sallyport")) ? member.details
                                                                : (struct slice){0};
}

// reason_of gives the reason in `details`: the word before the first semicolon. REASON_NONE: none that is known here.
static enum reason reason_of(struct slice details)
{
    const struct slice word = slice_first(details, slice_find(details, ';'));
    for (int i = REASON_NONE + 1; i < REASON_COUNT; i++) {
        if (slice_equal(word, slice_of_string(reason_name((enum reason)i))))
            return (enum reason)i;
    }
    return REASON_NONE;
}

// cause_of_visit tells why the proxy refuses, by the words of its answer.
static enum cause cause_of_visit(const struct visit *visit)
{
    const struct slice details = details_of(visit);
    const size_t end = slice_find(details, ';');
    return cause_of_answer(reason_of(details), end + 2 > details.len
                                                   ? (struct slice){0}
                                                   : slice_from(details, end + 2));
}

// refusal_of tells why a proxy refuses this client in HTTP, or CAUSE_NONE. One that lets in clients without a
// certificate has no more to say to them than that there is none: that is no refusal.
static enum cause refusal_of(const struct visit *visit)
{
    const struct slice details = details_of(visit);
    const enum cause cause = cause_of_visit(visit);
    if (visit->answer.status != 403 || cause_info(cause)->step != EXAM_ACCEPTED)
        return CAUSE_NONE;
    const bool is_all = slice_find(details, ';') == details.len;
    return cause == CAUSE_NO_CERTIFICATE && !is_all ? CAUSE_NONE : cause;
}

static bool is_sallyport(const struct visit *visit)
{
    return slice_equal(proxy_status_last(visit_field(visit, "proxy-status")).name,
                       SLICE_LITERAL("sallyport"));
}

// append_member appends a member of the proxy's JSON, for a person to read.
static void append_member(const json_t *object, const char *name, struct text *out)
{
    char *value = json_dumps(json_object_get(object, name), JSON_ENCODE_ANY);
    text_append(out, slice_first(slice_of_string(value == NULL ? "" : value), MEMBER_MAX));
    free(value);
}

// read_whoami looks at the answer to the question who we are.
static void read_whoami(struct examiner *examiner, const struct visit *visit)
{
    const struct message_head *answer = &visit->answer;
    const struct slice body = visit_body(visit);
    const enum cause refused = refusal_of(visit);
    if (!is_sallyport(visit)) {
        note(examiner, EXAM_WHOAMI, EXAM_FAILED, CAUSE_NOT_A_PROXY,
             "it answers %u %.*s, without the Proxy-Status of a Sallyport", answer->status,
             (int)slice_first(answer->reason, 80).len, (const char *)answer->reason.data);
        return;
    }
    if (refused != CAUSE_NONE) {
        note(examiner, EXAM_ACCEPTED, EXAM_FAILED, refused, "%u %.*s", answer->status,
             (int)answer->reason.len, (const char *)answer->reason.data);
        return;
    }
    note(examiner, EXAM_ACCEPTED, EXAM_OK, CAUSE_NONE, "the proxy accepts this %s",
         examiner->credentials->own.is_shown ? "certificate" : "client without a certificate");
    json_t *whoami = NULL;
    // a certificate may have a NUL in a name; here it is only written again
    if (answer->status == 200)
        whoami = json_loadb((const char *)body.data, body.len,
                            JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    if (whoami == NULL) {
        note(examiner, EXAM_WHOAMI, EXAM_WARNING, CAUSE_NONE,
             "the proxy does not say who this client is: %u %.*s", answer->status,
             (int)slice_first(answer->reason, 200).len, (const char *)answer->reason.data);
        return;
    }
    (void)string_copy(examiner->out->whoami, sizeof examiner->out->whoami, body);
    if (json_is_null(json_object_get(whoami, "client"))) {
        json_decref(whoami);
        note(
            examiner, EXAM_WHOAMI, EXAM_WARNING, CAUSE_NONE,
            "the proxy accepts this client, but no entry of its `clients` fits: it may go nowhere");
        return;
    }
    char data[2 * MEMBER_MAX + 16];
    struct text text;
    text_init(&text, data, sizeof data);
    append_member(whoami, "client", &text);
    text_append_string(&text, ", mode ");
    append_member(whoami, "mode", &text);
    json_decref(whoami);
    note(examiner, EXAM_WHOAMI, EXAM_OK, CAUSE_NONE, "the proxy knows this machine as client %s",
         text.data);
}

static void note_handshake(struct examiner *examiner, const char *protocol)
{
    const struct upstream_facts *facts = &examiner->facts;
    note(examiner, EXAM_HANDSHAKE, EXAM_OK, CAUSE_NONE, "TLS %s, %s, %s (%" PRId64 " ms)%s",
         facts->tls_version, facts->tls_cipher,
         facts->tls_group == NULL ? "an unknown group" : facts->tls_group, facts->handshake_ms,
         protocol);
}

// read_way notes how far the way to the proxy was open. True: an answer can be looked at.
static bool read_way(struct examiner *examiner, const struct visit *visit, int64_t now_s)
{
    const struct upstream_facts *facts = &examiner->facts;
    const enum cause cause = visit->has_answer ? CAUSE_NONE : visit->failure.cause;
    const char *why = visit->failure.detail;
    const enum exam_step last = cause == CAUSE_NONE ? EXAM_STEP_COUNT : cause_info(cause)->step;
    const bool is_connected = visit->is_connected;
    char address[IP_TEXT_CAP];
    if (examiner->route.ways[0].address_count > 0)
        note_name(examiner);
    if (last > EXAM_TCP || is_connected)
        note(examiner, EXAM_TCP, EXAM_OK, CAUSE_NONE, "%s:%u connected (%" PRId64 " ms)",
             ip_addr_format(&facts->dialled, address), examiner->way->route.proxies[0].port,
             facts->connect_ms);
    if (last == EXAM_PROXY_CERTIFICATE || facts->server != NULL)
        note_proxy_certificate(examiner, facts, last == EXAM_PROXY_CERTIFICATE ? cause : CAUSE_NONE,
                               why, now_s);
    if (is_connected)
        note_handshake(examiner, "");
    const bool is_refused = last == EXAM_ACCEPTED;
    enum cause doubt = CAUSE_NONE;
    if (is_connected || is_refused)
        doubt = check_ca_list(examiner, facts);
    if (cause == CAUSE_UNKNOWN_CA && doubt == CAUSE_MISSING_INTERMEDIATE)
        note(examiner, EXAM_ACCEPTED, EXAM_FAILED, doubt, "the proxy sent the alert %s", why);
    else if (is_refused)
        note(examiner, EXAM_ACCEPTED, EXAM_FAILED, cause, "the proxy sent the alert %s", why);
    else if (cause != CAUSE_NONE && is_connected) // it ended after the handshake
        note(examiner, EXAM_ACCEPTED, EXAM_FAILED, cause, "%s", why);
    else if (cause != CAUSE_NONE && last != EXAM_PROXY_CERTIFICATE)
        note(examiner, last, EXAM_FAILED, cause, "%s", why);
    return cause == CAUSE_NONE;
}

// ask_whoami walks the whole way once, and asks the proxy who we are.
static enum err ask_whoami(struct examiner *examiner, int64_t now_s)
{
    const struct slice request = SLICE_LITERAL("GET http://sallyport.internal/whoami HTTP/1.1\r\n"
                                               "Host: sallyport.internal\r\n"
                                               "Connection: close\r\n\r\n");
    struct visit *visit = NULL;
    examiner->route.facts = &examiner->facts;
    TRY(visit_make(&examiner->route, request, PATIENCE_MS, &visit));
    examiner->route.facts = NULL;
    if (read_way(examiner, visit, now_s))
        read_whoami(examiner, visit);
    visit_destroy(visit);
    return ERR_OK;
}

// ask_protocol finds out whether tunnels can share a connection to this proxy.
static enum err ask_protocol(struct examiner *examiner)
{
    bool is_offered = false;
    TRY(visit_offers_http2(&examiner->route, PATIENCE_MS, &is_offered));
    note_handshake(examiner, is_offered ? ", offers HTTP/2" : ", HTTP/1.1 alone");
    return ERR_OK;
}

// read_connect looks at the answer to a CONNECT.
static void read_connect(struct examiner *examiner, const struct visit *visit, const char *target)
{
    const struct message_head *answer = &visit->answer;
    if (!visit->has_answer) {
        note(examiner, EXAM_CONNECT, EXAM_FAILED, visit->failure.cause, "%s",
             visit->failure.detail);
        return;
    }
    const struct slice status = visit_field(visit, "proxy-status");
    const struct slice reason = slice_first(answer->reason, 100);
    if (answer->status == 200) {
        note(examiner, EXAM_CONNECT, EXAM_OK, CAUSE_NONE, "a tunnel to %s was opened", target);
        return;
    }
    const enum cause cause = is_sallyport(visit) ? cause_of_visit(visit) : CAUSE_NOT_A_PROXY;
    note(examiner, EXAM_CONNECT, EXAM_FAILED, cause, "%s: %u %.*s; Proxy-Status: %.*s", target,
         answer->status, (int)reason.len, (const char *)reason.data,
         (int)slice_first(status, 200).len, (const char *)status.data);
}

static enum err ask_connect(struct examiner *examiner, const struct target *to)
{
    char host[TARGET_TEXT_CAP];
    char authority[TARGET_TEXT_CAP + 16];
    char data[2 * sizeof authority + 64];
    struct text text;
    struct visit *visit = NULL;
    (void)target_format_host(to, host);
    const bool is_v6 = to->kind == TARGET_ADDRESS && to->address.family == IP_V6;
    (void)snprintf(authority, sizeof authority, is_v6 ? "[%s]:%u" : "%s:%u", host, to->port);
    text_init(&text, data, sizeof data);
    text_append_format(&text, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", authority, authority);
    TRY(visit_make(&examiner->route, text_slice(&text), PATIENCE_MS, &visit));
    read_connect(examiner, visit, authority);
    visit_destroy(visit);
    return ERR_OK;
}

// ask goes the way to the proxy, and through it to `to` where that makes sense.
static enum err ask(struct examiner *examiner, const struct target *to, int64_t now_s)
{
    const struct exam_finding *steps = examiner->out->steps;
    TRY(ask_whoami(examiner, now_s));
    for (size_t i = EXAM_NAME; i <= EXAM_WHOAMI; i++) {
        if (steps[i].outcome == EXAM_FAILED)
            return ERR_OK;
    }
    TRY(ask_protocol(examiner));
    return to == NULL ? ERR_OK : ask_connect(examiner, to);
}

// ask_on_loop asks with a loop and a resolver of its own.
static enum err ask_on_loop(struct examiner *examiner, struct proxy_route_options *options,
                            const struct target *to, int64_t now_s)
{
    struct errinfo info;
    struct ev_loop *loop = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
    enum err error = loop == NULL ? ERR_SYSTEM : dns_channel_global_init();
    if (error == ERR_OK)
        error = system_resolver_fill(&options->resolver);
    if (error == ERR_OK)
        error = proxy_route_open(&examiner->route, options, loop, &examiner->pool,
                                 examiner->credentials, &info);
    if (error == ERR_OK)
        error = ask(examiner, to, now_s);
    proxy_route_close(&examiner->route);
    host_table_unref(options->resolver.hosts);
    dns_channel_global_deinit();
    if (loop != NULL)
        ev_loop_destroy(loop);
    return error;
}

enum err examination_run(struct proxy_way *way, const struct target *to, struct examination *out)
{
    *out = (struct examination){.cause = CAUSE_NONE};
    struct examiner examiner = {.way = way, .out = out};
    const int64_t now_s = time(NULL);
    enum err error = ERR_OK;
    if (load(&examiner, now_s))
        error = ask_on_loop(&examiner, &way->route, to, now_s);
    buffer_pool_deinit(&examiner.pool);
    upstream_facts_deinit(&examiner.facts);
    credentials_unref(examiner.credentials);
    for (size_t i = 0; i < EXAM_STEP_COUNT && out->cause == CAUSE_NONE; i++) {
        if (out->steps[i].outcome == EXAM_FAILED)
            out->cause = out->steps[i].cause;
    }
    return error;
}
