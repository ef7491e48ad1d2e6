// `sallyport check-cert`: reads files, asks auth/trust, and prints one JSON object on one line.
#include "proxy/cli/commands.h"

#include <openssl/err.h>
#include <openssl/pool.h>
#include <stdio.h>
#include <time.h>

#include "auth/base/json.h"
#include "auth/chain_record.h"
#include "auth/ipaddr.h"
#include "auth/pem.h"
#include "auth/spiffe_id.h"
#include "auth/trust.h"
#include "proxy/cli/fields.h"
#include "proxy/cli/options.h"
#include "proxy/config/file.h"
#include "proxy/config/units.h"
#include "proxy/tls/context.h"

enum {
    CA_FILE_MAX = 16 * 1024 * 1024,
    CRL_FILE_MAX = 256 * 1024 * 1024,
};
#define LAST_SECOND INT64_C(253402300799) // of the year 9999

static const char USAGE[] =
    "usage: sallyport check-cert --ca FILE --chain FILE [--crl FILE] [--at EPOCH]\n"
    "                            [--peer KIND:VALUE] [--max-depth N] [--max-chain SIZE]\n"
    "                            [--spiffe DOMAIN] [--extension OID]... [--strict]\n"
    "\n"
    "Would a listener accept this client certificate? Prints one JSON object on one line.\n"
    "\n"
    "  --ca FILE          PEM, or a SPIFFE bundle: every certificate in it is an anchor, nothing else is trusted\n"
    "  --chain FILE       PEM: the leaf first, the others untrusted, in any order\n"
    "  --crl FILE         PEM: revocation lists; every certificate below the anchor needs one\n"
    "  --at EPOCH         Unix seconds (default: now)\n"
    "  --peer KIND:VALUE  dns:, email:, ip: or uri: that the leaf must have, exactly\n"
    "  --max-depth N      intermediates between leaf and anchor (default: 3, at most 8)\n"
    "  --max-chain SIZE   bytes of certificates (default: 16KiB, at most 64KiB), as a listener's max_chain\n"
    "  --spiffe DOMAIN    the trust domain that a SPIFFE ID must be of, as `spiffe` of a trust profile\n"
    "  --extension OID    one that `match` names, up to 8 times: it may be critical, and is shown\n"
    "  --strict           RFC 5280 to the letter\n"
    "  --json             changes nothing: it is JSON\n"
    "  --help             this text\n"
    "\n"
    "Exit status: 0 accepted, 1 rejected, 2 usage, 3 a file cannot be loaded.\n";

struct arguments {
    const char *ca_path;
    const char *chain_path;
    const char *crl_path;     // NULL without
    const char *trust_domain; // NULL without
    struct oid_list named;    // the OIDs of extensions
    size_t named_count;
    int64_t at_s;
    int64_t max_depth;
    uint32_t max_chain;
    bool is_strict;
    bool has_peer;
    enum san_kind peer_kind;
    struct slice peer; // into argv, or `peer_address`
    struct ip_addr peer_address;
};

// answer is what is printed.
struct answer {
    const char *result;
    const char *reason;
    struct errinfo detail;
    struct trust_verdict verdict; // identity only when accepted
    int status;
};

static void answer_set(struct answer *answer, const char *result, int status, const char *reason,
                       const char *detail)
{
    answer->result = result;
    answer->status = status;
    answer->reason = reason;
    (void)errinfo_set(&answer->detail, ERR_OK, "%s", detail);
}

static void reject(struct answer *answer, enum reason reason, const char *detail)
{
    answer_set(answer, "reject", CLI_FAILED, reason_name(reason), detail);
}

static void give_up(struct answer *answer, const char *detail)
{
    answer_set(answer, "error", CLI_UNLOADABLE, "not_loadable", detail);
}

static enum err take_peer(void *arg, const char *value, struct errinfo *info)
{
    struct arguments *out = arg;
    struct ip_addr *address = &out->peer_address;
    const struct slice all = slice_of_string(value);
    const size_t colon = slice_find(all, ':');
    out->peer = slice_from(all, colon + 1);
    out->has_peer = san_kind_parse(slice_first(all, colon), &out->peer_kind) && out->peer.len > 0;
    if (out->has_peer && out->peer_kind == SAN_IP) {
        out->has_peer = ip_addr_parse(out->peer, address) == ERR_OK;
        out->peer = ip_addr_slice(address);
    }
    if (out->has_peer)
        return ERR_OK;
    return errinfo_set(info, ERR_INPUT,
                       "'%.100s' is not one of dns:NAME, email:ADDRESS, ip:ADDRESS, uri:URI",
                       value);
}

static enum err take_extension(void *arg, const char *value, struct errinfo *info)
{
    struct arguments *out = arg;
    uint8_t oid[DN_OID_MAX_LEN];
    size_t len = 0;
    if (!oid_parse(slice_of_string(value), oid, &len) || len > EXTENSION_NAMED_OID_MAX)
        return errinfo_set(info, ERR_INPUT, "'%.100s' is no OID such as 1.3.6.1.4.1.99999.1",
                           value);
    if (oid_list_add(&out->named, slice_of(oid, len)) && ++out->named_count > EXTENSIONS_NAMED_MAX)
        return errinfo_set(info, ERR_LIMIT, "a configuration names at most %d OIDs",
                           EXTENSIONS_NAMED_MAX);
    return ERR_OK;
}

static enum err take_max_chain(void *arg, const char *value, struct errinfo *info)
{
    struct arguments *out = arg;
    int64_t bytes = 0;
    TRY(quantity_parse(QUANTITY_SIZE, slice_of_string(value), &bytes, info));
    if (bytes < TLS_MAX_CHAIN_LEAST || bytes > TLS_MAX_CHAIN_MOST)
        return errinfo_set(info, ERR_INPUT, "'%.100s' is not between 16KiB and 64KiB", value);
    out->max_chain = (uint32_t)bytes;
    return ERR_OK;
}

static struct cli_line read_line(int argc, char **argv, struct arguments *out)
{
    bool is_json = false; // it is JSON anyway
    *out = (struct arguments){.at_s = (int64_t)time(NULL),
                              .max_depth = TRUST_DEFAULT_MAX_DEPTH,
                              .max_chain = TLS_MAX_CHAIN_LEAST};
    const struct cli_option options[] = {
        {"ca", .text = &out->ca_path},
        {"chain", .text = &out->chain_path},
        {"crl", .text = &out->crl_path},
        {"at", .number = &out->at_s, .max = LAST_SECOND},
        {"peer", .take = take_peer, .arg = out},
        {"max-depth", .number = &out->max_depth, .max = UINT32_MAX},
        {"max-chain", .take = take_max_chain, .arg = out},
        {"spiffe", .text = &out->trust_domain},
        {"extension", .take = take_extension, .arg = out},
        {"strict", .flag = &out->is_strict},
        {"json", .flag = &is_json},
        {.name = NULL},
    };
    const struct cli_syntax syntax = {.command = "check-cert", .usage = USAGE, .options = options};
    const struct cli_line line = cli_read(&syntax, argc, argv);
    if (!line.is_over && (out->ca_path == NULL || out->chain_path == NULL))
        return cli_end(cli_fail_usage("check-cert", "--ca and --chain are needed"));
    if (!line.is_over && out->trust_domain != NULL &&
        !spiffe_domain_is_valid(slice_of_string(out->trust_domain)))
        return cli_end(cli_fail_usage(
            "check-cert", "--spiffe: a trust domain has 1 to 255 of a-z 0-9 . _ -, such as "
                          "example.org"));
    return line;
}

// block_push keeps one certificate of a PEM file.
static enum err block_push(void *arg, const char *kind, struct slice der, size_t number,
                           struct errinfo *info)
{
    STACK_OF(CRYPTO_BUFFER) *chain = arg;
    if (!slice_ends_with(slice_of_string(kind), SLICE_LITERAL("CERTIFICATE")))
        return errinfo_set(info, ERR_INPUT, "block %zu is a '%.40s', no certificate", number, kind);
    CRYPTO_BUFFER *buffer = CRYPTO_BUFFER_new(der.data, der.len, NULL);
    if (buffer != NULL && sk_CRYPTO_BUFFER_push(chain, buffer) != 0)
        return ERR_OK;
    CRYPTO_BUFFER_free(buffer);
    return errinfo_set(info, ERR_MEMORY, "no memory");
}

// inputs are the files, read.
struct inputs {
    struct file_content ca;
    struct file_content chain_pem;
    struct file_content crl;
    STACK_OF(CRYPTO_BUFFER) *chain; // owned
};

// anchors_add begins the profile that the chain is judged by. What it refuses, `check` refuses too.
static enum err anchors_add(const struct arguments *arguments, const struct inputs *inputs,
                            struct trust **out, struct errinfo *info)
{
    const uint32_t max_depth =
        arguments->max_depth > TRUST_MAX_DEPTH ? TRUST_MAX_DEPTH : (uint32_t)arguments->max_depth;
    const struct trust_options options = {.name = "check-cert",
                                          .trust_domain = arguments->trust_domain,
                                          .max_depth = max_depth,
                                          .is_strict = arguments->is_strict,
                                          .trusts_every_ca = true};
    if (trust_create(&options, out) != ERR_OK ||
        trust_understand(*out, oid_list_slice(&arguments->named)) != ERR_OK)
        return errinfo_set(info, ERR_MEMORY, "no memory");
    return trust_add_ca(*out, inputs->ca.bytes, info);
}

static bool has_peer(const struct identity *identity, const struct arguments *arguments)
{
    const struct slice wanted = arguments->peer;
    for (size_t i = 0; i < identity->san_count; i++) {
        const struct san *san = &identity->sans[i];
        if (!san->is_usable || san->kind != arguments->peer_kind)
            continue;
        bool is_equal = false;
        if (san->kind == SAN_DNS) {
            is_equal = slice_equal_ignore_case(san->value, wanted);
        } else if (san->kind == SAN_EMAIL) { // the domain ignores case, the mailbox does not
            const size_t at = slice_find(wanted, '@');
            is_equal = slice_equal(slice_first(san->value, at), slice_first(wanted, at)) &&
                       slice_equal_ignore_case(san->value, wanted);
        } else {
            is_equal = slice_equal(san->value, wanted);
        }
        if (is_equal)
            return true;
    }
    return false;
}

static void judge(const struct arguments *arguments, const struct inputs *inputs,
                  const struct trust *trust, struct answer *answer)
{
    struct trust_verdict *verdict = &answer->verdict;
    enum err error = trust_check_size(inputs->chain, arguments->max_chain, verdict);
    if (error == ERR_OK)
        error = trust_verify(trust, inputs->chain, arguments->at_s, verdict);
    if (error == ERR_MEMORY) {
        give_up(answer, "no memory");
    } else if (error != ERR_OK) {
        reject(answer, verdict->reason, verdict->detail);
    } else if (arguments->has_peer && !has_peer(verdict->identity, arguments)) {
        answer_set(answer, "reject", CLI_FAILED, "peer_mismatch",
                   "the chain is good, but the certificate does not have the name of --peer");
    } else {
        answer_set(answer, "accept", CLI_OK, "accepted",
                   "the chain is good for a client of a listener");
    }
}

static bool input_read(const char *path, size_t max_len, struct file_content *out,
                       struct answer *answer)
{
    struct errinfo info;
    if (file_read(path, max_len, FILE_PUBLIC, out, &info) == ERR_OK)
        return true;
    give_up(answer, info.text);
    return false;
}

// judge_with makes the profile ready, with the lists, and judges. Anchors that are not valid at that time,
// and lists that do not count, reject the chain, as they do while a listener runs.
static void judge_with(const struct arguments *arguments, const struct inputs *inputs,
                       struct trust *trust, struct answer *answer)
{
    struct errinfo info;
    enum err error = ERR_OK;
    if (arguments->crl_path != NULL)
        error = trust_add_crl(trust, inputs->crl.bytes, &info);
    const bool has_lists = error == ERR_OK;
    if (error == ERR_OK)
        error = trust_finish(trust, arguments->at_s, &info);
    if (error == ERR_OK)
        judge(arguments, inputs, trust, answer);
    else if (error == ERR_MEMORY)
        give_up(answer, info.text);
    else if (has_lists && !trust_has_anchor(trust))
        reject(answer, REASON_UNKNOWN_CA, info.text);
    else
        reject(answer, REASON_CRL_MISSING, info.text);
}

static void check(const struct arguments *arguments, struct inputs *inputs, struct answer *answer)
{
    struct errinfo info;
    struct trust *trust = NULL;
    size_t count = 0;
    inputs->chain = sk_CRYPTO_BUFFER_new_null();
    if (inputs->chain == NULL) {
        give_up(answer, "no memory");
        return;
    }
    if (!input_read(arguments->ca_path, CA_FILE_MAX, &inputs->ca, answer) ||
        !input_read(arguments->chain_path, CA_FILE_MAX, &inputs->chain_pem, answer) ||
        (arguments->crl_path != NULL &&
         !input_read(arguments->crl_path, CRL_FILE_MAX, &inputs->crl, answer)))
        return;
    if (pem_read_blocks(inputs->chain_pem.bytes, block_push, inputs->chain, &count, &info) !=
        ERR_OK) {
        reject(answer, REASON_BAD_CERTIFICATE, info.text);
        return;
    }
    if (anchors_add(arguments, inputs, &trust, &info) == ERR_OK)
        judge_with(arguments, inputs, trust, answer);
    else
        give_up(answer, info.text);
    trust_destroy(trust);
}

static void add_identity(const struct identity *identity, struct slice named, struct text *out)
{
    const struct slice cn = dn_common_name(&identity->subject);
    const struct slice serial = identity->serial;
    struct fields fields = {.text = out, .value_max = SIZE_MAX, .is_json = true};
    json_begin_object(out, "identity");
    fields_add_dn(&fields, "subject", &identity->subject);
    json_add_bytes(out, "cn", cn, cn.len);
    fields_add_sans(&fields, identity);
    json_add_hex(out, "serial", serial.len == 0 ? slice_of("", 1) : serial);
    fields_add_dn(&fields, "issuer", &identity->issuer);
    json_add_hex(out, "sha256", slice_of(identity->sha256, IDENTITY_DIGEST_LEN));
    json_add_hex(out, "spki_sha256", slice_of(identity->spki_sha256, IDENTITY_DIGEST_LEN));
    identity_append_extensions(identity, named, out);
    json_end_object(out);
}

static void add_path(const struct chain_record *record, struct text *out)
{
    json_begin_array(out, "chain");
    for (size_t i = 0; record != NULL && i < record->count; i++)
        json_add_hex(out, NULL, slice_of(record->links[i].sha256, CERT_DIGEST_LEN));
    json_end_array(out);
}

// answer_print writes the one line. Only an accepted chain has identity, path and end.
static int answer_print(const struct answer *answer, struct slice named)
{
    const bool is_accepted = answer->status == CLI_OK;
    const struct identity *identity = answer->verdict.identity;
    struct text out = cli_json_begin();
    json_add_string(&out, "result", answer->result);
    json_add_string(&out, "reason", answer->reason);
    json_add_string(&out, "detail", answer->detail.text);
    json_add_count(&out, "depth", is_accepted ? answer->verdict.depth : 0);
    if (is_accepted)
        add_identity(identity, named, &out);
    add_path(is_accepted ? identity->record : NULL, &out);
    if (is_accepted)
        json_add_time(&out, "not_after", answer->verdict.not_after_s);
    else
        json_add_null(&out, "not_after");
    cli_json_end(&out);
    return cli_finish("check-cert") == CLI_OK ? answer->status : CLI_UNLOADABLE;
}

int check_cert_command(int argc, char **argv)
{
    struct arguments arguments;
    struct inputs inputs = {.chain = NULL};
    struct answer answer = {.result = ""};
    const struct cli_line line = read_line(argc, argv, &arguments);
    if (line.is_over)
        return line.exit_status;
    check(&arguments, &inputs, &answer);
    const int status = answer_print(&answer, oid_list_slice(&arguments.named));
    identity_destroy(answer.verdict.identity);
    identity_destroy(answer.verdict.presented);
    sk_CRYPTO_BUFFER_pop_free(inputs.chain, CRYPTO_BUFFER_free);
    file_content_deinit(&inputs.ca);
    file_content_deinit(&inputs.chain_pem);
    file_content_deinit(&inputs.crl);
    return status;
}
