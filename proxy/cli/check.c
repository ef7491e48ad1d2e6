// Loads the configuration exactly as `serve` does, and tells about it instead of using it.
#include "proxy/cli/commands.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "auth/base/date.h"
#include "auth/base/json.h"
#include "auth/ocsp_settings.h"
#include "proxy/audit/sink.h"
#include "proxy/cli/neighbours.h"
#include "proxy/cli/options.h"
#include "proxy/config/crl_sources.h"
#include "proxy/config/endpoint_text.h"
#include "proxy/config/limits.h"
#include "proxy/config/loader.h"
#include "proxy/config/snapshot.h"
#include "proxy/config/source.h"
#include "proxy/config/units.h"
#include "proxy/lint/lint.h"
#include "proxy/service/caging.h"
#include "proxy/service/included_report.h"
#include "proxy/tls/library.h"

enum { NAME_CAP = HOSTNAME_MAX_LEN + 4 };

struct check_options {
    const char *path; // borrowed from argv
    bool is_strict;
    bool is_main;
    bool is_json;
};

static const char usage[] =
    "usage: sallyport check -c FILE [--main] [--strict] [--json]\n"
    "\n"
    "Reads the configuration and every file that it names, and says what is wrong with it.\n"
    "\n"
    "  -c, --config FILE   the configuration\n"
    "      --main          an included file that is refused is told, and is no failure\n"
    "      --strict        warnings count as errors: exit 1 when there is one\n"
    "      --json          one JSON object on stdout: findings and summary\n"
    "  -h, --help          this text\n"
    "\n"
    "Exit: 0 good, 1 warnings with --strict, or a refused included file, 2 usage, 3 the configuration\n"
    "cannot be loaded.\n";

static size_t count_rules(const struct policy *policy)
{
    size_t count = policy->deny_count;
    const struct client_file *file = NULL; // of the client before
    for (size_t i = 0; i < policy->client_count; i++) {
        const struct client *client = &policy->clients[i];
        count += client->allow_count + client->deny_count;
        if (client->file != file)
            count += client->file->deny_count;
        file = client->file;
    }
    return count;
}

static const char *plural(size_t count)
{
    return count == 1 ? "" : "s";
}

// name_format writes a name that a listener is reached by, with `*.` where it stands for all below.
static const char *name_format(const struct host_pattern *name, char out[NAME_CAP])
{
    (void)snprintf(out, NAME_CAP, "%s%s", name->kind == HOST_PATTERN_SUFFIX ? "*." : "",
                   name->name.text);
    return out;
}

// days_left gives the days that the first certificate of `site` is still valid.
static int64_t days_left(const struct site *site, int64_t now_s)
{
    return date_days_left(now_s, tls_context_describe(site->tls, 0)->not_after_s);
}

// print_further prints the certificates after the first, and the other names of a listener.
static void print_further(const struct listener_config *listener, int64_t now_s)
{
    char name[NAME_CAP];
    for (size_t i = 1; i < tls_context_certificate_count(listener->sites[0].tls); i++) {
        const struct tls_context_info *info = tls_context_describe(listener->sites[0].tls, i);
        (void)printf("    also the certificate of %s (%" PRId64 " days left)\n", info->subject,
                     date_days_left(now_s, info->not_after_s));
    }
    for (size_t i = 1; i < listener->site_count; i++) {
        const struct site *sni = &listener->sites[i];
        (void)printf("    as");
        for (size_t n = 0; n < sni->name_count; n++)
            (void)printf(" %s", name_format(&sni->names[n], name));
        (void)printf(": trust %s, certificate %s (%" PRId64 " days left)\n", sni->trust_name,
                     sni->chain_path, days_left(sni, now_s));
    }
}

static void print_listeners(const struct snapshot *snapshot, int64_t now_s)
{
    for (size_t i = 0; i < snapshot->listener_count; i++) {
        const struct listener_config *listener = &snapshot->listeners[i];
        char address[ENDPOINT_TEXT_CAP];
        (void)printf("  listener %s on %s, trust %s, certificate %s (%" PRId64
                     " days left), %s%s\n",
                     listener->name, endpoint_format(&listener->address, address),
                     listener->sites[0].trust_name, listener->sites[0].chain_path,
                     days_left(&listener->sites[0], now_s),
                     listener->http2.streams > 0 ? "offers HTTP/2" : "HTTP/1.1 alone",
                     listener->proxy_protocol.from != NULL ? ", awaits PROXY headers" : "");
        print_further(listener, now_s);
    }
}

static void print_crls(const struct trust *trust, int64_t now_s)
{
    for (size_t i = 0; i < trust_crl_count(trust); i++) {
        const struct trust_crl crl = trust_crl_at(trust, i);
        (void)printf("  trust.%s: CRL of %s, number %s, %zu entries (%" PRId64 " days left)%s\n",
                     trust_name(trust), crl.issuer, crl.number, crl.entry_count,
                     date_days_left(now_s, crl.next_update_s),
                     crl.state == TRUST_CRL_COUNTS  ? ""
                     : crl.state == TRUST_CRL_WAITS ? ", waits for its issuer"
                                                    : ", has no effect");
    }
    if (!trust_goes_by_crls(trust))
        (void)printf("  no revocation by CRL: trust.%s has no crl\n", trust_name(trust));
}

// print_sources says where the lists of a profile come from, and what is there of them.
static void print_sources(const struct snapshot *snapshot, const struct trust *trust)
{
    const struct crl_source_entry *entry = snapshot->crl_sources;
    for (; entry != NULL; entry = entry->next) {
        const struct crl_source *source = entry->source;
        char every[QUANTITY_TEXT_CAP];
        if (strcmp(source->trust, trust_name(trust)) != 0)
            continue;
        if (source->is_learned) {
            (void)printf("  trust.%s: CRLs that certificates name, under %zu prefix%s, every %s, "
                         "kept in %s\n",
                         source->trust, source->prefix_count, source->prefix_count == 1 ? "" : "es",
                         quantity_format(QUANTITY_DURATION, source->every_ms, every), source->path);
            continue;
        }
        (void)printf("  trust.%s: CRL from %s every %s, %s\n", source->trust, source->url.text,
                     quantity_format(QUANTITY_DURATION, source->every_ms, every),
                     access(source->path, F_OK) == 0 ? "kept in" : "not there yet; to be kept in");
        (void)printf("    %s\n", source->path);
    }
}

// print_purposes says what is chosen, where it is not what everybody has.
static void print_purposes(const struct trust *trust)
{
    const uint32_t usages = trust_usages(trust);
    if (usages == (USAGE_CLIENT_AUTH | USAGE_NONE))
        return;
    (void)printf("  trust.%s: purposes", trust_name(trust));
    for (size_t i = 0; i < USAGE_COUNT; i++) {
        if ((usages & UINT32_C(1) << i) != 0)
            (void)printf(" %s", usage_name(i));
    }
    (void)printf("%s\n", (usages & (USAGE_ANY | USAGE_SERVER_AUTH)) != 0
                             ? ", so certificates count that were not made for clients alone"
                             : "");
}

static void print_trusts(const struct snapshot *snapshot, int64_t now_s)
{
    for (size_t i = 0; i < snapshot->trust_count; i++) {
        const struct trust *trust = snapshot->trusts[i];
        for (size_t j = 0; j < trust_certificate_count(trust); j++) {
            const struct trust_certificate found = trust_certificate_at(trust, j);
            (void)printf("  trust.%s: %s %s (%" PRId64 " days left)%s%s\n", trust_name(trust),
                         found.is_anchor ? "anchor" : "helper", found.subject,
                         date_days_left(now_s, found.not_after_s),
                         found.is_left_out ? ", left out" : "",
                         trust_lacks_crl(trust, j) ? ", has no CRL" : "");
        }
        print_purposes(trust);
        print_crls(trust, now_s);
        print_sources(snapshot, trust);
        neighbours_print_ocsp(trust);
    }
}

static void print_limits(const struct snapshot *snapshot)
{
    char text[LIMITS_TEXT_CAP];
    if (proxy_limits_format(&snapshot->limits, text)[0] != '\0')
        (void)printf("  limits: %s\n", text);
    for (size_t i = 0; i < snapshot->policy->client_count; i++) {
        const struct client *client = &snapshot->policy->clients[i];
        if (client_limits_format(&client->limits, text)[0] != '\0')
            (void)printf("  client %s: limits: %s\n", client->name, text);
    }
}

static void print_included(const struct snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->included.count; i++) {
        const struct included_part *part = &snapshot->included.items[i];
        (void)printf("  included %s: ", part->path);
        if (part->state == INCLUDED_GOOD)
            (void)printf("%zu client%s\n", part->client_count, plural(part->client_count));
        else if (part->state == INCLUDED_CONTESTED)
            (void)printf("%zu client%s, but for what another file had first\n", part->client_count,
                         plural(part->client_count));
        else
            (void)printf("refused, its clients may do nothing\n");
    }
}

// print_library says what is wrong with the program itself: no key of the configuration can change it, so --strict does not count it.
static void print_library(int64_t now_s)
{
    char data[TLS_LIBRARY_ADVICE_CAP];
    struct text text;
    const struct tls_library library = tls_library_describe();
    if (!tls_library_is_old(&library, now_s))
        return;
    text_init(&text, data, sizeof data);
    tls_library_append_advice(&library, &text);
    (void)printf("  program: warning: %s\n", text.data);
}

static void print_summary(const struct check_options *options, const struct snapshot *snapshot,
                          size_t warning_count, int64_t now_s)
{
    const struct policy *policy = snapshot->policy;
    if (warning_count == 0)
        (void)printf("%s is good (%s)\n", source_label(options->path), snapshot->id);
    else
        (void)printf("%s can be used, with %zu warning%s (%s)\n", source_label(options->path),
                     warning_count, plural(warning_count), snapshot->id);
    (void)printf("  looked at as user %u%s\n", (unsigned)geteuid(),
                 geteuid() == 0 ? " (root)" : "");
    print_listeners(snapshot, now_s);
    print_trusts(snapshot, now_s);
    (void)printf("  clients %zu, rules %zu%s\n", policy->client_count, count_rules(policy),
                 policy->client_count == 0 ? ": every request will be denied" : "");
    print_included(snapshot);
    print_limits(snapshot);
    (void)printf("  workers %" PRIu32 "\n", snapshot->workers);
    (void)printf("  audit %s (when it cannot be written: %s)\n", sink_label(snapshot->audit_path),
                 snapshot->audit_on_full == AUDIT_REFUSE ? "refuse" : "drop");
    if (snapshot->audit_chain != NULL)
        (void)printf("  audit chained with the key %s, signed every %g s\n",
                     snapshot->audit_chain->signer->verifier.name,
                     (double)snapshot->audit_chain->every_ms / SECOND_MS);
    caging_print(snapshot);
    neighbours_print(snapshot);
    print_library(now_s);
}

// add_served adds what a listener and its names have in common.
static void add_served(struct text *out, const struct site *site, int64_t now_s)
{
    json_add_string(out, "trust", site->trust_name);
    json_add_string(out, "chain", site->chain_path);
    json_add_number(out, "days_left", days_left(site, now_s));
}

static void add_listener(struct text *out, const struct listener_config *listener, int64_t now_s)
{
    char address[ENDPOINT_TEXT_CAP];
    char name[NAME_CAP];
    json_begin_object(out, NULL);
    json_add_string(out, "name", listener->name);
    json_add_string(out, "address", endpoint_format(&listener->address, address));
    add_served(out, &listener->sites[0], now_s);
    json_add_bool(out, "http2", listener->http2.streams > 0);
    json_begin_array(out, "sni");
    for (size_t i = 1; i < listener->site_count; i++) {
        const struct site *sni = &listener->sites[i];
        json_begin_object(out, NULL);
        json_begin_array(out, "names");
        for (size_t n = 0; n < sni->name_count; n++)
            json_add_string(out, NULL, name_format(&sni->names[n], name));
        json_end_array(out);
        add_served(out, sni, now_s);
        json_end_object(out);
    }
    json_end_array(out);
    json_end_object(out);
}

static void add_crls(struct text *out, const struct trust *trust, int64_t now_s)
{
    json_add_bool(out, "crl", trust_goes_by_crls(trust));
    json_begin_array(out, "crls");
    for (size_t i = 0; i < trust_crl_count(trust); i++) {
        const struct trust_crl crl = trust_crl_at(trust, i);
        json_begin_object(out, NULL);
        json_add_string(out, "issuer", crl.issuer);
        json_add_string(out, "number", crl.number);
        json_add_count(out, "entries", crl.entry_count);
        json_add_number(out, "days_left", date_days_left(now_s, crl.next_update_s));
        json_add_bool(out, "counts", crl.state == TRUST_CRL_COUNTS);
        json_add_bool(out, "waits", crl.state == TRUST_CRL_WAITS);
        json_end_object(out);
    }
    json_end_array(out);
}

static void add_trust(struct text *out, const struct trust *trust, int64_t now_s)
{
    json_begin_object(out, NULL);
    json_add_string(out, "name", trust_name(trust));
    json_begin_array(out, "purposes");
    for (size_t i = 0; i < USAGE_COUNT; i++) {
        if ((trust_usages(trust) & UINT32_C(1) << i) != 0)
            json_add_string(out, NULL, usage_name(i));
    }
    json_end_array(out);
    add_crls(out, trust, now_s);
    json_begin_array(out, "certificates");
    for (size_t i = 0; i < trust_certificate_count(trust); i++) {
        const struct trust_certificate found = trust_certificate_at(trust, i);
        json_begin_object(out, NULL);
        json_add_string(out, "subject", found.subject);
        json_add_bool(out, "anchor", found.is_anchor);
        json_add_bool(out, "left_out", found.is_left_out);
        json_add_bool(out, "lacks_crl", trust_lacks_crl(trust, i));
        json_add_number(out, "days_left", date_days_left(now_s, found.not_after_s));
        json_end_object(out);
    }
    json_end_array(out);
    json_add_string(out, "ocsp",
                    ocsp_mode_name(trust_ocsp(trust) == NULL ? OCSP_OFF : trust_ocsp(trust)->mode));
    json_end_object(out);
}

static void add_summary(struct text *out, const struct snapshot *snapshot, int64_t now_s)
{
    json_begin_object(out, "summary");
    json_add_string(out, "config", snapshot->id);
    json_begin_array(out, "listeners");
    for (size_t i = 0; i < snapshot->listener_count; i++)
        add_listener(out, &snapshot->listeners[i], now_s);
    json_end_array(out);
    json_begin_array(out, "trust");
    for (size_t i = 0; i < snapshot->trust_count; i++)
        add_trust(out, snapshot->trusts[i], now_s);
    json_end_array(out);
    included_append_json(snapshot, out);
    json_add_count(out, "clients", snapshot->policy->client_count);
    json_add_count(out, "rules", count_rules(snapshot->policy));
    json_add_count(out, "workers", snapshot->workers);
    json_add_string(out, "audit", snapshot->audit_path);
    json_add_string(out, "audit_chain",
                    snapshot->audit_chain == NULL ? NULL
                                                  : snapshot->audit_chain->signer->verifier.name);
    json_add_count(out, "user", geteuid());
    const struct tls_library library = tls_library_describe();
    json_add_bool(out, "old_library", tls_library_is_old(&library, now_s));
    json_end_object(out);
}

// print_json writes the whole answer; `snapshot` is NULL when the file could not be loaded.
static void print_json(const struct diagnostics *diagnostics, const struct snapshot *snapshot,
                       bool is_good, int64_t now_s)
{
    struct text out = cli_json_begin();
    json_add_string(&out, "result", is_good ? "good" : "bad");
    diagnostics_append_json(diagnostics, &out, SEVERITY_NOTE);
    json_add_count(&out, "errors", diagnostics->error_count);
    json_add_count(&out, "warnings", diagnostics->warning_count);
    json_add_count(&out, "not_shown", diagnostics->dropped_count);
    if (snapshot != NULL)
        add_summary(&out, snapshot, now_s);
    cli_json_end(&out);
}

// run loads the file and prints what there is to say.
static int run(const struct check_options *options, int64_t now_s)
{
    struct diagnostics diagnostics;
    struct snapshot *snapshot = NULL;
    diagnostics_init(&diagnostics);
    const struct process_hook hook = {.begin = caging_try};
    const struct load_options load = {.now_s = now_s, .hook = &hook};
    enum err error = snapshot_load(options->path, &load, &diagnostics, &snapshot);
    if (error == ERR_OK)
        error = caging_check(snapshot, &diagnostics);
    if (error == ERR_OK)
        error = lint_policy(snapshot, &diagnostics);
    diagnostics_sort(&diagnostics);
    int status = CLI_OK;
    if (error != ERR_OK)
        status = CLI_UNLOADABLE;
    else if ((options->is_strict && diagnostics.warning_count != 0) ||
             (!options->is_main && diagnostics.included_count != 0))
        status = CLI_FAILED;
    if (options->is_json) {
        print_json(&diagnostics, snapshot, status == CLI_OK, now_s);
    } else {
        // What other notes say stands in the summary.
        diagnostics_print(&diagnostics, stderr, SEVERITY_WARNING);
        if (status != CLI_UNLOADABLE)
            print_summary(options, snapshot, diagnostics.warning_count, now_s);
        if (status != CLI_UNLOADABLE)
            diagnostics_print_remarks(&diagnostics, stdout);
        if (options->is_strict && status == CLI_FAILED && diagnostics.warning_count != 0)
            cli_say("check", "%zu warning%s, and --strict", diagnostics.warning_count,
                    plural(diagnostics.warning_count));
        if (status == CLI_FAILED && diagnostics.included_count != 0)
            cli_say("check", "an included file is refused; the rest can be used");
        if (status == CLI_UNLOADABLE)
            cli_say("check", "%zu error%s", diagnostics.error_count,
                    plural(diagnostics.error_count));
    }
    snapshot_unref(snapshot);
    diagnostics_deinit(&diagnostics);
    return status;
}

int check_command(int argc, char **argv)
{
    struct check_options asked = {0};
    const struct cli_option options[] = {
        {"config", .letter = 'c', .text = &asked.path},
        {"main", .flag = &asked.is_main},
        {"strict", .flag = &asked.is_strict},
        {"json", .flag = &asked.is_json},
        {.name = NULL},
    };
    const struct cli_syntax syntax = {.command = "check", .usage = usage, .options = options};
    const struct cli_line line = cli_read(&syntax, argc, argv);
    if (line.is_over)
        return line.exit_status;
    if (asked.path == NULL)
        return cli_fail_usage("check", "which configuration? -c FILE is required");
    const int status = run(&asked, (int64_t)time(NULL));
    // What was asked for must have arrived.
    return cli_finish("check") == CLI_OK ? status : CLI_FAILED;
}
