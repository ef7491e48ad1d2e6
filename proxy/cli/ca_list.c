// `sallyport ca list` and `ca inspect`: what was issued, and what is in a file.
#include <inttypes.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

#include "auth/ipaddr.h"
#include "proxy/cli/ca_verbs.h"
#include "proxy/pki/new_file.h"

enum { JSON_CAP = 32 * 1024, TIME_CAP = 32, VALUE_MAX = 2048, MAX_OBJECTS = 100 };

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

// format_time writes RFC 3339; "" for no time.
static const char *format_time(int64_t seconds, char out[TIME_CAP])
{
    const time_t time = (time_t)seconds;
    struct tm tm;
    if (seconds == INT64_MAX || seconds == INT64_MIN || gmtime_r(&time, &tm) == NULL ||
        strftime(out, TIME_CAP, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        out[0] = '\0';
    return out;
}

static const char *state_of(const struct index_entry *entry, int64_t now_s)
{
    if (entry->is_revoked)
        return "revoked";
    return entry->not_after_s < now_s ? "expired" : "valid";
}

static void print_entry(const struct index_entry *entry, int64_t now_s, bool is_json)
{
    char not_after[TIME_CAP];
    char revoked[TIME_CAP];
    const char *state = state_of(entry, now_s);
    (void)format_time(entry->not_after_s, not_after);
    (void)format_time(entry->revoked_s, revoked);
    if (!is_json) {
        (void)printf("%-7s  %-7s  %-20s  %s  %s%s%s\n", state, index_kind_name(entry->kind),
                     not_after[0] == '\0' ? "-" : not_after, entry->serial,
                     entry->name[0] == '\0' ? "-" : entry->name, entry->is_revoked ? "  " : "",
                     entry->is_revoked ? revocation_name(entry->reason) : "");
        return;
    }
    char not_before[TIME_CAP];
    (void)format_time(entry->not_before_s, not_before);
    // Nothing here needs escaping: names, hex and our own words.
    (void)printf("{\"name\":\"%s\",\"kind\":\"%s\",\"state\":\"%s\",\"serial\":\"%s\",",
                 entry->name, index_kind_name(entry->kind), state, entry->serial);
    if (entry->kind == INDEX_UNKNOWN)
        (void)printf("\"not_before\":null,\"not_after\":null");
    else
        (void)printf("\"not_before\":\"%s\",\"not_after\":\"%s\"", not_before, not_after);
    if (entry->is_revoked)
        (void)printf(",\"revoked\":\"%s\",\"reason\":\"%s\"", revoked,
                     revocation_name(entry->reason));
    (void)printf("}\n");
}

static int list_run(const char *directory, bool is_json)
{
    struct errinfo info;
    struct index index;
    struct authority authority;
    const int64_t now_s = (int64_t)time(NULL);
    if (authority_load(directory, AUTHORITY_ISSUING, now_s, &authority, &info) != ERR_OK)
        return ca_fail_opening("ca list", &info);
    const int64_t end_s = authority_not_after_s(&authority);
    const enum err error = authority_read_index(&authority, false, &index, &info);
    authority_deinit(&authority);
    if (error != ERR_OK) {
        cli_say("ca list", "%s", info.text);
        return CLI_FAILED;
    }
    if (index.is_missing)
        cli_say("ca list", "there is no ca.index yet: these are the certificates whose files are "
                           "here; what else was issued is not known");
    char end[TIME_CAP];
    cli_say("ca list",
            "the CA itself expires at %s: nothing that it has issued is valid after that",
            format_time(end_s, end));
    for (size_t i = 0; i < index.count; i++)
        print_entry(&index.entries[i], now_s, is_json);
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

// field appends `"key":"value",` or, for people, `key: value` and a line end; values escaped alike.
static void field(struct text *out, bool is_json, const char *key, struct slice value)
{
    if (is_json)
        text_append_format(out, "\"%s\":", key);
    else
        text_append_format(out, "%-14s ", key);
    text_append_json(out, value, VALUE_MAX);
    text_append_string(out, is_json ? "," : "\n");
}

static void field_string(struct text *out, bool is_json, const char *key, const char *value)
{
    field(out, is_json, key, slice_of_string(value));
}

static void field_hex(struct text *out, bool is_json, const char *key, struct slice bytes)
{
    char buffer[2 * IDENTITY_SERIAL_MAX + 1];
    struct text text;
    text_init(&text, buffer, sizeof buffer);
    text_append_hex(&text, bytes);
    field(out, is_json, key, text_slice(&text));
}

static void field_dn(struct text *out, bool is_json, const char *key, const struct dn *dn)
{
    char buffer[DN_TEXT_CAP];
    struct text text;
    text_init(&text, buffer, sizeof buffer);
    dn_format(dn, &text);
    field(out, is_json, key, text_slice(&text));
}

static void field_san(struct text *out, bool is_json, enum san_kind kind,
                      const struct identity *identity)
{
    static const char *const keys[] = {[SAN_DNS] = "san_dns",
                                       [SAN_URI] = "san_uri",
                                       [SAN_EMAIL] = "san_email",
                                       [SAN_IP] = "san_ip"};
    bool is_first = true;
    if (is_json)
        text_append_format(out, "\"%s\":[", keys[kind]);
    for (size_t i = 0; i < identity_san_count(identity); i++) {
        const struct san *san = identity_san(identity, i);
        if (san->kind != kind)
            continue;
        struct slice value = san->value;
        struct ip_addr addr = {.family = value.len == 4 ? IP_V4 : IP_V6};
        char ip[IP_TEXT_CAP];
        if (kind == SAN_IP && (value.len == 4 || value.len == 16) &&
            bytes_copy(addr.bytes, sizeof addr.bytes, value)) {
            (void)ip_addr_format(&addr, ip);
            value = slice_of_string(ip);
        }
        if (!is_json) {
            field(out, false, keys[kind], value);
            continue;
        }
        if (!is_first)
            text_append_string(out, ",");
        is_first = false;
        text_append_json(out, value, VALUE_MAX);
    }
    if (is_json)
        text_append_string(out, "],");
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

// print_text ends an object and writes it; false when there is too much of it.
static bool print_text(struct text *out, bool is_json)
{
    if (out->is_cut)
        return false;
    if (is_json && out->len > 0)
        out->data[out->len - 1] = '}'; // in place of the last comma
    (void)fwrite(out->data, 1, out->len, stdout);
    (void)fputc('\n', stdout);
    return true;
}

static bool print_certificate(X509 *cert, bool is_json, struct text *out)
{
    struct identity *identity = NULL;
    char time[TIME_CAP];
    if (identity_create(cert, NULL, &identity) != ERR_OK)
        return false;
    text_append_string(out, is_json ? "{" : "");
    field_string(out, is_json, "type", "certificate");
    field_string(out, is_json, "usage", usage_of(cert));
    field_dn(out, is_json, "subject", identity_subject(identity));
    field_dn(out, is_json, "issuer", identity_issuer(identity));
    field_hex(out, is_json, "serial", identity_serial(identity));
    field_string(out, is_json, "not_before", format_time(identity_not_before_s(identity), time));
    field_string(out, is_json, "not_after", format_time(identity_not_after_s(identity), time));
    field_san(out, is_json, SAN_URI, identity);
    field_san(out, is_json, SAN_DNS, identity);
    field_san(out, is_json, SAN_EMAIL, identity);
    field_san(out, is_json, SAN_IP, identity);
    field_hex(out, is_json, "sha256", slice_of(identity_sha256(identity), IDENTITY_DIGEST_LEN));
    field_hex(out, is_json, "spki_sha256",
              slice_of(identity_spki_sha256(identity), IDENTITY_DIGEST_LEN));
    identity_destroy(identity);
    return print_text(out, is_json);
}

static bool print_crl(X509_CRL *crl, bool is_json, struct text *out)
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
    char time[TIME_CAP];
    char count[TIME_CAP];
    const STACK_OF(X509_REVOKED) *rows = X509_CRL_get_REVOKED(crl);
    (void)snprintf(count, sizeof count, "%zu", rows == NULL ? 0 : sk_X509_REVOKED_num(rows));
    text_append_string(out, is_json ? "{" : "");
    field_string(out, is_json, "type", "crl");
    field_dn(out, is_json, "issuer", &issuer);
    field_string(out, is_json, "number", number_text == NULL ? "" : number_text);
    field_string(out, is_json, "this_update", format_time(this_s, time));
    field_string(out, is_json, "next_update", format_time(next_s, time));
    field_string(out, is_json, "revoked", count);
    OPENSSL_free(number_text);
    ASN1_INTEGER_free(number);
    return print_text(out, is_json);
}

// print_object writes one X509_INFO; false when it cannot be shown.
static bool print_object(const X509_INFO *object, bool is_json, size_t *shown)
{
    char *buffer = malloc(JSON_CAP);
    if (buffer == NULL)
        return false;
    bool is_good = true;
    struct text text;
    text_init(&text, buffer, JSON_CAP);
    if (object->x509 != NULL)
        is_good = print_certificate(object->x509, is_json, &text);
    text_init(&text, buffer, JSON_CAP);
    if (object->crl != NULL)
        is_good = is_good && print_crl(object->crl, is_json, &text);
    *shown += object->x509 != NULL || object->crl != NULL;
    free(buffer);
    return is_good;
}

// no_passphrase answers the library's question for the passphrase of a key.
static int no_passphrase(char *buffer, int size, int is_writing, void *data)
{
    (void)buffer;
    (void)size;
    (void)is_writing;
    (void)data;
    return -1;
}

static int inspect_run(const char *path, bool is_json)
{
    struct errinfo info;
    struct pem pem;
    if (new_file_read(path, false, &pem, &info) != ERR_OK) {
        cli_say("ca inspect", "%s", info.text);
        return CLI_FAILED;
    }
    BIO *bio = BIO_new_mem_buf(pem.data, (ossl_ssize_t)pem.len);
    // A key in the file is not asked for: no passphrase is given, and none is asked on the terminal.
    STACK_OF(X509_INFO) *objects =
        bio == NULL ? NULL : PEM_X509_INFO_read_bio(bio, NULL, no_passphrase, NULL);
    size_t shown = 0;
    bool is_good = true;
    for (size_t i = 0; objects != NULL && i < sk_X509_INFO_num(objects) && i < MAX_OBJECTS; i++)
        is_good = print_object(sk_X509_INFO_value(objects, i), is_json, &shown) && is_good;
    sk_X509_INFO_pop_free(objects, X509_INFO_free);
    ERR_clear_error();
    BIO_free(bio);
    pem_deinit(&pem);
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
