// The steps in their order. What a step finds out is noted for it; the first failure is the cause of all.
#include "proxy/sidecar/examination.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "auth/base/date.h"
#include "proxy/config/file.h"
#include "proxy/config/system_resolver.h"
#include "proxy/net/dns_client.h"
#include "proxy/sidecar/ca_list.h"
#include "proxy/sidecar/visit.h"

enum {
    DAY_S = 24 * 60 * 60,
    WARN_BEFORE_S = 14 * DAY_S,
    PATIENCE_MS = 30 * 1000,
    CA_FILE_MAX = 16 * 1024 * 1024,
    NAMES_CAP = 400,
    NAMES_SHOWN = 8,
    JAVA_NAMES_MAX = 32 * 1024, // bytes; it reads no longer handshake message
};

// ward is one examination under way.
struct ward {
    const struct exam_plan *plan; // borrowed
    struct examination *out;      // borrowed
    struct route route;           // loop, resolver and credentials are owned
    struct buffer_pool pool;
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
    switch (outcome) {
    case EXAM_SKIPPED:
        return "skipped";
    case EXAM_OK:
        return "ok";
    case EXAM_WARNING:
        return "warning";
    case EXAM_FAILED:
        return "failed";
    }
    return "";
}

static void set_detail(struct exam_finding *finding, const char *format, va_list args)
{
    (void)vsnprintf(finding->detail, sizeof finding->detail, format, args);
    for (char *at = finding->detail; *at != '\0'; at++) {
        if ((unsigned char)*at < 0x20 || *at == 0x7F)
            *at = ' ';
    }
}

// note writes what a step has found; a failure is not written over.
static void note(struct ward *ward, enum exam_step step, enum exam_outcome outcome,
                 const char *format, ...) PRINTF_LIKE(4, 5);
static void note(struct ward *ward, enum exam_step step, enum exam_outcome outcome,
                 const char *format, ...)
{
    struct exam_finding *finding = &ward->out->steps[step];
    va_list args;
    if (finding->outcome == EXAM_FAILED)
        return;
    finding->outcome = outcome;
    va_start(args, format);
    set_detail(finding, format, args);
    va_end(args);
}

// fail notes that a step has failed.
static void fail(struct ward *ward, enum exam_step step, enum cause cause, const char *format, ...)
    PRINTF_LIKE(4, 5);
static void fail(struct ward *ward, enum exam_step step, enum cause cause, const char *format, ...)
{
    struct exam_finding *finding = &ward->out->steps[step];
    va_list args;
    if (finding->outcome == EXAM_FAILED)
        return;
    finding->outcome = EXAM_FAILED;
    finding->cause = cause;
    va_start(args, format);
    set_detail(finding, format, args);
    va_end(args);
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
    for (size_t i = 0; i < identity_san_count(identity); i++) {
        const struct san *san = identity_san(identity, i);
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

static void check_own_certificate(struct ward *ward, int64_t now_s)
{
    const struct credentials *credentials = ward->route.credentials;
    const struct own_certificate *own = &credentials->own;
    char data[EXAM_DETAIL_CAP];
    struct text text;
    if (!own->is_shown) {
        note(
            ward, EXAM_OWN_CERTIFICATE, EXAM_WARNING,
            "none was given (--cert, --key): the proxy will want one, unless it is optional there");
        return;
    }
    text_init(&text, data, sizeof data);
    append_dn(identity_subject(credentials->identity), &text);
    text_append_string(&text, ", issued by ");
    append_dn(identity_issuer(credentials->identity), &text);
    text_append_string(&text, ", ");
    append_date(own->not_after_s, now_s, &text);
    text_append_format(&text, ", with %zu intermediates",
                       sk_CRYPTO_BUFFER_num(credentials->chain) - 1);
    if (now_s > own->not_after_s)
        fail(ward, EXAM_OWN_CERTIFICATE, CAUSE_EXPIRED, "%s", text.data);
    else if (now_s < own->not_before_s)
        fail(ward, EXAM_OWN_CERTIFICATE, CAUSE_NOT_YET_VALID,
             "%s; not valid before %" PRId64 " (Unix time), and it is %" PRId64, text.data,
             own->not_before_s, now_s);
    else if (!own->is_for_clients)
        fail(ward, EXAM_OWN_CERTIFICATE, CAUSE_BAD_PURPOSE,
             "%s; its key usage or extended key usage leaves out TLS clients", text.data);
    else
        note(ward, EXAM_OWN_CERTIFICATE,
             own->not_after_s - now_s < WARN_BEFORE_S ? EXAM_WARNING : EXAM_OK, "%s", text.data);
}

// load reads the files, the first step.
static bool load(struct ward *ward, int64_t now_s)
{
    struct errinfo info;
    enum cause cause = CAUSE_NONE;
    const struct credential_paths *paths = &ward->plan->paths;
    if (credentials_load(paths, now_s, &ward->route.credentials, &cause, &info) != ERR_OK) {
        fail(ward, EXAM_FILES, cause, "%s", info.text);
        return false;
    }
    note(ward, EXAM_FILES, EXAM_OK, "%s%s",
         paths->cert == NULL ? "" : "the key belongs to the certificate; ",
         "the CA file can be used");
    check_own_certificate(ward, now_s);
    return true;
}

static void note_name(struct ward *ward, const struct upstream_facts *facts)
{
    char host[TARGET_TEXT_CAP];
    char data[NAMES_CAP];
    struct text text;
    text_init(&text, data, sizeof data);
    (void)target_format_host(&ward->plan->proxy, host);
    for (size_t i = 0; i < facts->address_count; i++) {
        char address[IP_TEXT_CAP];
        text_append_format(&text, "%s%s", i == 0 ? "" : ", ",
                           ip_addr_format(&facts->addresses[i], address));
    }
    if (ward->plan->proxy.kind == TARGET_ADDRESS)
        note(ward, EXAM_NAME, EXAM_OK, "%s is an address", host);
    else
        note(ward, EXAM_NAME, EXAM_OK, "%s is %s (%" PRId64 " ms)", host, text.data,
             facts->resolve_ms);
}

// note_proxy_certificate notes what the proxy has shown.
static void note_proxy_certificate(struct ward *ward, const struct upstream_facts *facts,
                                   enum cause cause, const char *why, int64_t now_s)
{
    char data[EXAM_DETAIL_CAP];
    char pin[PIN_TEXT_CAP];
    struct text text;
    if (facts->server == NULL && cause_side(cause) != SIDE_PROXY)
        return;
    text_init(&text, data, sizeof data);
    if (cause == CAUSE_PROXY_PIN_MISMATCH) { // first, for the rest may be cut
        text_append_format(&text, "%s, and --pin has ", why);
        pins_append(&ward->plan->pins, &text);
        text_append_string(&text, "; ");
        why = "";
    }
    if (facts->server != NULL) {
        append_dn(identity_subject(facts->server), &text);
        text_append_string(&text, ", for ");
        append_names(facts->server, &text);
        text_append_string(&text, ", issued by ");
        append_dn(identity_issuer(facts->server), &text);
        text_append_string(&text, ", ");
        append_date(identity_not_after_s(facts->server), now_s, &text);
        text_append_format(&text, "; the proxy sends %zu certificates; its key is %s",
                           facts->chain_count,
                           pin_format(identity_spki_sha256(facts->server), pin));
    }
    if (cause != CAUSE_NONE)
        fail(ward, EXAM_PROXY_CERTIFICATE, cause, "%s%s%s", text.data, why[0] == '\0' ? "" : "; ",
             why);
    else if (identity_not_after_s(facts->server) - now_s < WARN_BEFORE_S)
        note(ward, EXAM_PROXY_CERTIFICATE, EXAM_WARNING, "%s", text.data);
    else
        note(ward, EXAM_PROXY_CERTIFICATE, EXAM_OK, "%s", text.data);
}

// step_of tells at which step a way to the proxy ends that ends for this cause.
static enum exam_step step_of(enum cause cause)
{
    switch (cause) {
    case CAUSE_DNS_NOT_FOUND:
    case CAUSE_DNS_FAILED:
        return EXAM_NAME;
    case CAUSE_CONNECTION_REFUSED:
    case CAUSE_CONNECTION_TIMEOUT:
    case CAUSE_NO_RESOURCES:
        return EXAM_TCP;
    case CAUSE_PROXY_UNKNOWN_CA:
    case CAUSE_PROXY_MISSING_INTERMEDIATE:
    case CAUSE_PROXY_BAD_PURPOSE:
    case CAUSE_PROXY_EXPIRED:
    case CAUSE_PROXY_NOT_YET_VALID:
    case CAUSE_PROXY_NAME_MISMATCH:
    case CAUSE_PROXY_PIN_MISMATCH:
    case CAUSE_PROXY_BAD_CERTIFICATE:
        return EXAM_PROXY_CERTIFICATE;
    case CAUSE_CLOSED:
    case CAUSE_HANDSHAKE_TIMEOUT:
    case CAUSE_PLAIN_HTTP:
    case CAUSE_NOT_TLS:
    case CAUSE_PROTOCOL:
        return EXAM_HANDSHAKE;
    case CAUSE_NO_CERTIFICATE_REQUESTED:
        return EXAM_CA_LIST;
    case CAUSE_NO_CERTIFICATE:
    case CAUSE_EXPIRED:
    case CAUSE_NOT_YET_VALID:
    case CAUSE_REVOKED:
    case CAUSE_UNKNOWN_CA:
    case CAUSE_MISSING_INTERMEDIATE:
    case CAUSE_BAD_PURPOSE:
    case CAUSE_WEAK_KEY:
    case CAUSE_REFUSED:
    case CAUSE_UNAVAILABLE:
        return EXAM_ACCEPTED;
    case CAUSE_NOT_A_PROXY:
        return EXAM_WHOAMI;
    case CAUSE_DENIED:
    case CAUSE_TARGET_FAILED:
        return EXAM_CONNECT;
    case CAUSE_TLS_TO_SIDECAR: // the sidecar alone has a plain port
    case CAUSE_CERT_FILE:
    case CAUSE_KEY_FILE:
    case CAUSE_KEY_ENCRYPTED:
    case CAUSE_KEY_MISMATCH:
    case CAUSE_CA_FILE:
    case CAUSE_NONE:
    case CAUSE_COUNT:
        break;
    }
    return EXAM_FILES;
}

// check_ca_list compares what the proxy asks for with what we have to show.
static enum cause check_ca_list(struct ward *ward, const struct upstream_facts *facts)
{
    const struct credentials *credentials = ward->route.credentials;
    struct file_content ca = {0};
    struct errinfo info;
    char data[NAMES_CAP];
    struct text names;
    text_init(&names, data, sizeof data);
    if (!facts->was_asked) {
        fail(ward, EXAM_CA_LIST, CAUSE_NO_CERTIFICATE_REQUESTED,
             "no certificate was asked for in the handshake");
        return CAUSE_NO_CERTIFICATE_REQUESTED;
    }
    ca_list_append(facts->ca_names, &names);
    if (!credentials->own.is_shown) {
        note(ward, EXAM_CA_LIST, EXAM_WARNING,
             "the proxy asks for a certificate of: %s; you gave none", names.data);
        return CAUSE_NO_CERTIFICATE;
    }
    if (file_read(ward->plan->paths.ca, CA_FILE_MAX, FILE_PUBLIC, &ca, &info) != ERR_OK)
        ca = (struct file_content){0};
    const enum ca_list_finding finding =
        ca_list_check(credentials->chain, facts->ca_names, ca.bytes);
    file_content_deinit(&ca);
    switch (finding) {
    case CA_LIST_SILENT:
        note(ward, EXAM_CA_LIST, EXAM_OK, "the proxy does not say which CAs it accepts");
        return CAUSE_NONE;
    case CA_LIST_FITS:
        if (ca_list_wire_len(facts->ca_names) > JAVA_NAMES_MAX)
            note(ward, EXAM_CA_LIST, EXAM_WARNING,
                 "the proxy names %zu CAs, yours among them, in %zu bytes: Java reads no more than "
                 "%d and ends the handshake; the proxy needs `client_ca_names: none`",
                 sk_CRYPTO_BUFFER_num(facts->ca_names), ca_list_wire_len(facts->ca_names),
                 JAVA_NAMES_MAX);
        else
            note(ward, EXAM_CA_LIST, EXAM_OK, "the proxy accepts certificates of: %s; this is one",
                 names.data);
        return CAUSE_NONE;
    case CA_LIST_LACKS_INTERMEDIATE:
        note(ward, EXAM_CA_LIST, EXAM_WARNING,
             "the proxy accepts certificates of: %s; the chain in --cert ends below that",
             names.data);
        return CAUSE_MISSING_INTERMEDIATE;
    case CA_LIST_UNKNOWN:
    case CA_LIST_UNREADABLE:
        break;
    }
    note(ward, EXAM_CA_LIST, EXAM_WARNING,
         "the proxy accepts certificates of: %s; the chain in --cert does not lead to one",
         names.data);
    return CAUSE_UNKNOWN_CA;
}

// cause_of_word is for a proxy that tells in HTTP why it refuses a certificate (`refuse_with: http`).
static enum cause cause_of_word(struct slice details)
{
    static const struct {
        const char *word;
        enum cause cause;
    } words[] = {
        {"no_certificate", CAUSE_NO_CERTIFICATE},
        {"expired", CAUSE_EXPIRED},
        {"not_yet_valid", CAUSE_NOT_YET_VALID},
        {"unknown_ca", CAUSE_UNKNOWN_CA},
        {"missing_intermediate", CAUSE_MISSING_INTERMEDIATE},
        {"bad_purpose", CAUSE_BAD_PURPOSE},
        {"revoked", CAUSE_REVOKED},
        {"weak_key", CAUSE_WEAK_KEY},
        {"bad_signature", CAUSE_REFUSED},
        {"bad_certificate", CAUSE_REFUSED},
        {"too_long_lived", CAUSE_REFUSED},
        {"chain_too_long", CAUSE_REFUSED},
        {"name_constraint", CAUSE_REFUSED},
        {"crl_missing", CAUSE_REFUSED},
        {"crl_expired", CAUSE_REFUSED},
        {"denied_certificate", CAUSE_REFUSED},
        {"blocked", CAUSE_REFUSED},
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (slice_equal(details, slice_of_string(words[i].word)))
            return words[i].cause;
    }
    return CAUSE_NONE;
}

// details_of gives what stands in the `details="..."` of a Proxy-Status.
static struct slice details_of(struct slice status)
{
    static const struct slice key = {(const uint8_t *)"details=\"", 9};
    while (status.len > 0 && !slice_starts_with(status, key))
        status = slice_from(status, 1);
    const struct slice value = slice_from(status, key.len);
    return slice_first(value, slice_find(value, '"'));
}

// refusal_of tells why a proxy refuses this client in HTTP, or CAUSE_NONE. One that lets in clients without a
// certificate has no more to say to them than that there is none: that is no refusal.
static enum cause refusal_of(const struct visit *visit)
{
    const struct slice details = details_of(visit_field(visit, "proxy-status"));
    const struct slice word = slice_first(details, slice_find(details, ';'));
    const enum cause cause = cause_of_word(word);
    if (visit_answer(visit)->status != 403)
        return CAUSE_NONE;
    return cause == CAUSE_NO_CERTIFICATE && word.len < details.len ? CAUSE_NONE : cause;
}

static bool is_sallyport(const struct visit *visit)
{
    return slice_starts_with(visit_field(visit, "proxy-status"), SLICE_LITERAL("sallyport"));
}

// value_of gives what stands after a key of the proxy's own JSON, up to the next comma: for a person to read.
static struct slice value_of(struct slice json, const char *key)
{
    const struct slice wanted = slice_of_string(key);
    while (json.len > 0 && !slice_starts_with(json, wanted))
        json = slice_from(json, 1);
    const struct slice value = slice_from(json, wanted.len);
    return slice_first(value, slice_find(value, ','));
}

// read_whoami looks at the answer to the question who we are.
static void read_whoami(struct ward *ward, const struct visit *visit)
{
    const struct message_head *answer = visit_answer(visit);
    const struct slice body = visit_body(visit);
    const enum cause refused = refusal_of(visit);
    if (!is_sallyport(visit)) {
        fail(ward, EXAM_WHOAMI, CAUSE_NOT_A_PROXY,
             "it answers %u %.*s, without the Proxy-Status of a Sallyport", answer->status,
             (int)slice_first(answer->reason, 80).len, (const char *)answer->reason.data);
        return;
    }
    if (refused != CAUSE_NONE) {
        fail(ward, EXAM_ACCEPTED, refused, "%u %.*s", answer->status, (int)answer->reason.len,
             (const char *)answer->reason.data);
        return;
    }
    note(ward, EXAM_ACCEPTED, EXAM_OK, "the proxy accepts this %s",
         ward->route.credentials->own.is_shown ? "certificate" : "client without a certificate");
    if (answer->status == 200 && slice_starts_with(body, SLICE_LITERAL("{"))) {
        (void)string_copy(ward->out->whoami, sizeof ward->out->whoami, body);
        const struct slice client = slice_first(value_of(body, "\"client\":"), 64);
        const struct slice mode = slice_first(value_of(body, "\"mode\":"), 64);
        note(ward, EXAM_WHOAMI, EXAM_OK, "the proxy knows this machine as client %.*s, mode %.*s",
             (int)client.len, (const char *)client.data, (int)mode.len, (const char *)mode.data);
    } else {
        note(ward, EXAM_WHOAMI, EXAM_WARNING, "the proxy does not say who this client is: %u %.*s",
             answer->status, (int)slice_first(answer->reason, 200).len,
             (const char *)answer->reason.data);
    }
}

// read_way notes how far the way to the proxy was open. True: an answer can be looked at.
static bool read_way(struct ward *ward, const struct visit *visit, int64_t now_s)
{
    const struct upstream_facts *facts = upstream_facts(visit_upstream(visit));
    const enum cause cause = visit_answer(visit) == NULL ? visit_cause(visit) : CAUSE_NONE;
    const char *why = upstream_detail(visit_upstream(visit));
    const enum exam_step last = cause == CAUSE_NONE ? EXAM_STEP_COUNT : step_of(cause);
    const bool is_connected = visit_is_connected(visit);
    char address[IP_TEXT_CAP];
    if (facts->address_count > 0)
        note_name(ward, facts);
    if (last > EXAM_TCP || is_connected)
        note(ward, EXAM_TCP, EXAM_OK, "%s:%u connected (%" PRId64 " ms)",
             ip_addr_format(&facts->dialled, address), ward->plan->proxy.port, facts->connect_ms);
    if (last == EXAM_PROXY_CERTIFICATE || facts->server != NULL)
        note_proxy_certificate(ward, facts, last == EXAM_PROXY_CERTIFICATE ? cause : CAUSE_NONE,
                               why, now_s);
    if (is_connected)
        note(ward, EXAM_HANDSHAKE, EXAM_OK, "TLS %s, %s (%" PRId64 " ms)", facts->tls_version,
             facts->tls_cipher, facts->handshake_ms);
    const bool is_refused = last == EXAM_ACCEPTED;
    enum cause doubt = CAUSE_NONE;
    if (is_connected || is_refused)
        doubt = check_ca_list(ward, facts);
    if (cause == CAUSE_UNKNOWN_CA && doubt == CAUSE_MISSING_INTERMEDIATE)
        fail(ward, EXAM_ACCEPTED, doubt, "the proxy sent the alert %s", why);
    else if (is_refused)
        fail(ward, EXAM_ACCEPTED, cause, "the proxy sent the alert %s", why);
    else if (cause != CAUSE_NONE && is_connected) // it ended after the handshake
        fail(ward, EXAM_ACCEPTED, cause, "%s", why);
    else if (cause != CAUSE_NONE && last != EXAM_PROXY_CERTIFICATE)
        fail(ward, last, cause, "%s", why);
    return cause == CAUSE_NONE;
}

// ask_whoami walks the whole way once, and asks the proxy who we are.
static enum err ask_whoami(struct ward *ward, int64_t now_s)
{
    const struct slice request = SLICE_LITERAL("GET http://sallyport.internal/whoami HTTP/1.1\r\n"
                                               "Host: sallyport.internal\r\n"
                                               "Connection: close\r\n\r\n");
    struct visit *visit = NULL;
    TRY(visit_make(&ward->route, request, PATIENCE_MS, &visit));
    if (read_way(ward, visit, now_s))
        read_whoami(ward, visit);
    visit_destroy(visit);
    return ERR_OK;
}

// read_connect looks at the answer to a CONNECT.
static void read_connect(struct ward *ward, const struct visit *visit, const char *target)
{
    const struct message_head *answer = visit_answer(visit);
    if (answer == NULL) {
        fail(ward, EXAM_CONNECT, visit_cause(visit), "%s", upstream_detail(visit_upstream(visit)));
        return;
    }
    const struct slice status = visit_field(visit, "proxy-status");
    const struct slice reason = slice_first(answer->reason, 100);
    if (answer->status == 200) {
        note(ward, EXAM_CONNECT, EXAM_OK, "a tunnel to %s was opened", target);
        return;
    }
    const enum cause cause = !is_sallyport(visit)                             ? CAUSE_NOT_A_PROXY
                             : answer->status == 502 || answer->status == 504 ? CAUSE_TARGET_FAILED
                             : answer->status == 503 || answer->status == 429 ? CAUSE_UNAVAILABLE
                                                                              : CAUSE_DENIED;
    fail(ward, EXAM_CONNECT, cause, "%s: %u %.*s; Proxy-Status: %.*s", target, answer->status,
         (int)reason.len, (const char *)reason.data, (int)slice_first(status, 200).len,
         (const char *)status.data);
}

static enum err ask_connect(struct ward *ward)
{
    const struct target *to = ward->plan->to;
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
    TRY(visit_make(&ward->route, text_slice(&text), PATIENCE_MS, &visit));
    read_connect(ward, visit, authority);
    visit_destroy(visit);
    return ERR_OK;
}

static enum err walk(struct ward *ward, int64_t now_s)
{
    const struct exam_finding *steps = ward->out->steps;
    TRY(ask_whoami(ward, now_s));
    for (size_t i = EXAM_NAME; i < EXAM_WHOAMI; i++) {
        if (steps[i].outcome == EXAM_FAILED)
            return ERR_OK;
    }
    if (ward->plan->to == NULL || steps[EXAM_WHOAMI].outcome == EXAM_FAILED)
        return ERR_OK;
    return ask_connect(ward);
}

// open prepares a loop and a resolver for the way.
static enum err open_route(struct ward *ward)
{
    struct errinfo info;
    struct resolver_options options = {.server_count = ward->plan->server_count};
    for (size_t i = 0; i < options.server_count; i++)
        options.servers[i] = ward->plan->servers[i];
    struct route *route = &ward->route;
    route->ways[0].proxy = ward->plan->proxy;
    route->way_count = 1;
    route->pins = &ward->plan->pins;
    route->pool = &ward->pool;
    route->keeps_facts = true;
    route->timeouts = (struct upstream_timeouts){
        .resolve_ms = 5000, .attempt_ms = 3000, .connect_ms = 10000, .handshake_ms = 10000};
    route->loop = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
    if (route->loop == NULL || dns_client_global_init() != ERR_OK)
        return ERR_SYSTEM;
    TRY(system_resolver_fill(&options));
    const enum err error = resolver_create(route->loop, &options, &route->resolver, &info);
    host_table_unref(options.hosts);
    return error;
}

static void close_route(struct ward *ward)
{
    struct route *route = &ward->route;
    resolver_destroy(route->resolver);
    dns_client_global_deinit();
    if (route->loop != NULL)
        ev_loop_destroy(route->loop);
    buffer_pool_deinit(&ward->pool);
    credentials_unref(route->credentials);
}

enum err examination_run(const struct exam_plan *plan, struct examination *out)
{
    *out = (struct examination){.cause = CAUSE_NONE};
    struct ward ward = {.plan = plan, .out = out};
    const int64_t now_s = time(NULL);
    enum err error = ERR_OK;
    if (load(&ward, now_s)) {
        error = open_route(&ward);
        if (error == ERR_OK)
            error = walk(&ward, now_s);
        close_route(&ward);
    }
    for (size_t i = 0; i < EXAM_STEP_COUNT && out->cause == CAUSE_NONE; i++) {
        if (out->steps[i].outcome == EXAM_FAILED)
            out->cause = out->steps[i].cause;
    }
    return error;
}
