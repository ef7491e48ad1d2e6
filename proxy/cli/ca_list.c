// `sallyport ca list` shows what was issued; `ca inspect` shows what is in a file.
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

#include "auth/base/date.h"
#include "auth/base/json.h"
#include "proxy/cli/ca_verbs.h"
#include "proxy/cli/fields.h"

enum { JSON_CAP = 32 * 1024, VALUE_MAX = 2048 };

static const char LIST_USAGE[] =
    "usage: sallyport ca list [--dir DIR] [--json]\n"
    "\n"
    "Shows every certificate that was issued, in the order of issue: state, kind, end, serial,\n"
    "name; and on stderr when the CA itself ends. Without ca.index (a folder of an earlier version) it shows those whose files are here.\n"
    "\n"
    "  --dir DIR  the authority's directory (default: the current directory)\n"
    "  --json     one JSON object a line\n"
    "  --help     this text\n";

static const char INSPECT_USAGE[] =
    "usage: sallyport ca inspect FILE [--json]\n"
    "\n"
    "Shows what the certificates or CRLs in a PEM file say. Verifies nothing.\n"
    "\n"
    "  --json  one JSON object a line\n"
    "  --help  this text\n";

static const char *state_of(const struct index_entry *entry, int64_t now_s)
{
    if (entry->is_revoked)
        return "revoked";
    return entry->not_after_s < now_s ? "expired" : "valid";
}

static void print_line(const struct index_entry *entry, const char *state)
{
    char not_after[DATE_TEXT_CAP];
    (void)date_format(entry->not_after_s, DATE_SECOND, not_after);
    (void)printf("%-7s  %-7s  %-20s  %s  %s%s%s\n", state, INDEX_KIND_NAMES[entry->kind],
                 not_after[0] == '\0' ? "-" : not_after, entry->serial,
                 entry->name[0] == '\0' ? "-" : entry->name, entry->is_revoked ? "  " : "",
                 entry->is_revoked ? REVOCATIONS[entry->reason].name : "");
}

static void print_json(const struct index_entry *entry, const char *state)
{
    const bool has_times = entry->kind != INDEX_UNKNOWN;
    struct text out = cli_json_begin();
    json_add_string(&out, "name", entry->name);
    json_add_string(&out, "kind", INDEX_KIND_NAMES[entry->kind]);
    json_add_string(&out, "state", state);
    json_add_string(&out, "serial", entry->serial);
    json_add_time(&out, "not_before", has_times ? entry->not_before_s : INT64_MAX);
    json_add_time(&out, "not_after", has_times ? entry->not_after_s : INT64_MAX);
    if (entry->is_revoked) {
        json_add_time(&out, "revoked", entry->revoked_s);
        json_add_string(&out, "reason", REVOCATIONS[entry->reason].name);
    }
    cli_json_end(&out);
}

static int list_run(const char *directory, bool is_json)
{
    struct index index;
    int64_t end_s = 0;
    const int64_t now_s = (int64_t)time(NULL);
    const int status = ca_open_index("ca list", directory, false, &index, &end_s);
    if (status != CLI_OK)
        return status;
    if (index.is_missing)
        cli_say("ca list", "there is no ca.index yet: these are the certificates whose files are "
                           "here; what else was issued is not known");
    char end[DATE_TEXT_CAP];
    cli_say("ca list",
            "the CA itself expires at %s: nothing that it has issued is valid after that",
            date_format(end_s, DATE_SECOND, end));
    for (size_t i = 0; i < index.count; i++)
        (is_json ? print_json : print_line)(&index.entries[i], state_of(&index.entries[i], now_s));
    index_deinit(&index);
    return cli_finish("ca list");
}

int ca_list_command(int argc, char **argv)
{
    const char *directory = ".";
    bool is_json = false;
    const struct cli_option options[] = {
        {"dir", .text = &directory},
        {"json", .flag = &is_json},
        {.name = NULL},
    };
    const struct cli_syntax syntax = {
        .command = "ca list", .usage = LIST_USAGE, .options = options};
    const struct cli_line line = cli_read(&syntax, argc, argv);
    return line.is_over ? line.exit_status : list_run(directory, is_json);
}

static void field_string(struct fields *out, const char *key, const char *value)
{
    fields_add(out, key, slice_of_string(value));
}

static void field_time(struct fields *out, const char *key, int64_t at_s)
{
    char date[DATE_TEXT_CAP];
    field_string(out, key, date_format(at_s, DATE_SECOND, date));
}

static const char *usage_of(X509 *cert)
{
    if (X509_check_ca(cert))
        return "ca";
    const uint32_t usage = X509_get_extended_key_usage(cert);
    const bool is_client = (usage & XKU_SSL_CLIENT) != 0;
    const bool is_server = (usage & XKU_SSL_SERVER) != 0;
    return is_client && is_server ? "client and server"
           : is_client            ? "client"
           : is_server            ? "server"
                                  : "other";
}

static bool add_certificate(X509 *cert, struct fields *out)
{
    struct identity *identity = NULL;
    if (identity_create(cert, NULL, &identity) != ERR_OK)
        return false;
    field_string(out, "type", "certificate");
    field_string(out, "usage", usage_of(cert));
    fields_add_dn(out, "subject", &identity->subject);
    fields_add_dn(out, "issuer", &identity->issuer);
    fields_add_hex(out, "serial", identity->serial);
    field_time(out, "not_before", identity->not_before_s);
    field_time(out, "not_after", identity->not_after_s);
    fields_add_sans(out, identity);
    fields_add_hex(out, "sha256", slice_of(identity->sha256, IDENTITY_DIGEST_LEN));
    fields_add_hex(out, "spki_sha256", slice_of(identity->spki_sha256, IDENTITY_DIGEST_LEN));
    identity_destroy(identity);
    return true;
}

static bool add_crl(X509_CRL *crl, struct fields *out)
{
    uint8_t *der = NULL;
    const int len = i2d_X509_NAME(X509_CRL_get_issuer(crl), &der);
    struct dn issuer;
    const bool is_good = len > 0 && dn_from_der(slice_of(der, (size_t)len), &issuer) == ERR_OK;
    OPENSSL_free(der);
    int64_t this_s = INT64_MIN;
    int64_t next_s = INT64_MIN;
    if (!is_good || !ASN1_TIME_to_posix(X509_CRL_get0_lastUpdate(crl), &this_s))
        return false;
    if (X509_CRL_get0_nextUpdate(crl) != NULL)
        (void)ASN1_TIME_to_posix(X509_CRL_get0_nextUpdate(crl), &next_s);
    ASN1_INTEGER *number = X509_CRL_get_ext_d2i(crl, NID_crl_number, NULL, NULL);
    char *number_text = number == NULL ? NULL : i2s_ASN1_INTEGER(NULL, number);
    char count[24];
    const STACK_OF(X509_REVOKED) *rows = X509_CRL_get_REVOKED(crl);
    (void)snprintf(count, sizeof count, "%zu", rows == NULL ? 0 : sk_X509_REVOKED_num(rows));
    field_string(out, "type", "crl");
    fields_add_dn(out, "issuer", &issuer);
    field_string(out, "number", number_text == NULL ? "" : number_text);
    field_time(out, "this_update", this_s);
    field_time(out, "next_update", next_s);
    field_string(out, "revoked", count);
    OPENSSL_free(number_text);
    ASN1_INTEGER_free(number);
    return true;
}

// print_object writes one X509_INFO; false when it cannot be shown.
static bool print_object(const X509_INFO *object, bool is_json)
{
    char *buffer = malloc(JSON_CAP);
    if (buffer == NULL)
        return false;
    struct text text;
    struct fields out = {.text = &text, .value_max = VALUE_MAX, .is_json = is_json};
    text_init(&text, buffer, JSON_CAP);
    if (is_json)
        json_begin_object(&text, NULL);
    bool is_good =
        object->x509 != NULL ? add_certificate(object->x509, &out) : add_crl(object->crl, &out);
    if (is_json)
        json_end_object(&text);
    is_good = is_good && !text.is_cut;
    if (is_good)
        (void)puts(buffer);
    free(buffer);
    return is_good;
}

static int inspect_run(const char *path, bool is_json)
{
    struct errinfo info;
    struct file_content pem;
    if (file_read(path, PEM_FILE_MAX, FILE_PUBLIC, &pem, &info) != ERR_OK)
        return cli_fail("ca inspect", &info);
    BIO *bio = BIO_new_mem_buf(pem.bytes.data, (ossl_ssize_t)pem.bytes.len);
    // Without a callback the library asks nobody for a passphrase.
    STACK_OF(X509_INFO) *objects =
        bio == NULL ? NULL : PEM_X509_INFO_read_bio(bio, NULL, NULL, NULL);
    size_t shown = 0;
    bool is_good = true;
    for (size_t i = 0; objects != NULL && i < sk_X509_INFO_num(objects); i++) {
        const X509_INFO *object = sk_X509_INFO_value(objects, i);
        if (object->x509 == NULL && object->crl == NULL)
            continue;
        shown++;
        is_good = print_object(object, is_json) && is_good;
    }
    sk_X509_INFO_pop_free(objects, X509_INFO_free);
    ERR_clear_error();
    BIO_free(bio);
    file_content_deinit(&pem);
    if (shown == 0)
        cli_say("ca inspect", "%s holds no certificate and no CRL in PEM", path);
    else if (!is_good)
        cli_say("ca inspect", "%s: something in it is malformed and was left out", path);
    return shown > 0 && is_good ? cli_finish("ca inspect") : CLI_FAILED;
}

int ca_inspect_command(int argc, char **argv)
{
    bool is_json = false;
    const struct cli_option options[] = {
        {"json", .flag = &is_json},
        {.name = NULL},
    };
    const struct cli_syntax syntax = {.command = "ca inspect",
                                      .usage = INSPECT_USAGE,
                                      .options = options,
                                      .argument_missing = "which file? FILE is missing",
                                      .argument_max = 1};
    const struct cli_line line = cli_read(&syntax, argc, argv);
    return line.is_over ? line.exit_status : inspect_run(line.arguments[0], is_json);
}
