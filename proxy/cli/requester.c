// A chain is verified as a listener does. A claim goes through auth/claim, which reads names as rules and certificates
// have them.
#include "proxy/cli/requester.h"

#include <openssl/bytestring.h>
#include <openssl/pool.h>

#include "auth/base/hex.h"
#include "auth/chain_record.h"
#include "auth/claim.h"
#include "auth/ocsp_settings.h"
#include "auth/pem.h"
#include "proxy/cli/fields.h"
#include "proxy/config/file.h"

enum { CHAIN_FILE_MAX = 1024 * 1024 }; // bytes

// find_trust gives the profile of this name, or the only one.
static const struct trust *find_trust(const struct snapshot *snapshot, const char *name,
                                      struct errinfo *info)
{
    for (size_t i = 0; i < snapshot->trust_count; i++) {
        if (name == NULL ? snapshot->trust_count == 1
                         : strcmp(trust_name(snapshot->trusts[i]), name) == 0)
            return snapshot->trusts[i];
    }
    if (name == NULL)
        (void)errinfo_set(info, ERR_INPUT, "there is more than one trust profile: --trust NAME");
    else
        (void)errinfo_set(info, ERR_INPUT, "there is no trust profile `%.40s`", name);
    return NULL;
}

static void summarise(struct requester *requester, const char *how)
{
    struct text text;
    text_init(&text, requester->summary, sizeof requester->summary);
    text_append_string(&text, how);
    const size_t len = text.len;
    text_append_string(&text, ", ");
    dn_format(&requester->identity->subject, &text);
    if (text.len == len + 2) // it has no name
        text.len = len;
    text_append_format(&text, " (trust %s)", requester->identity->trust_name);
}

static void refuse(struct requester *requester, enum reason reason, const char *detail,
                   const struct trust *trust)
{
    requester->is_refused = true;
    requester->reason = reason;
    (void)snprintf(requester->refusal, sizeof requester->refusal, "%s: %s (trust %s)",
                   reason_name(reason), detail, trust_name(trust));
}

// judge_ocsp says whom the proxy would ask about a verified chain. It refuses one about which there is nobody to ask, where the
// mode wants an answer.
static void judge_ocsp(struct requester *requester, const struct trust *trust)
{
    const struct ocsp_settings *settings = trust_ocsp(trust);
    const struct chain_record *record = requester->identity->record;
    const struct ocsp_view unplaced = {.standing = OCSP_STANDS_UNPLACED};
    struct text text = {.data = requester->summary,
                        .len = strlen(requester->summary),
                        .cap = sizeof requester->summary};
    if (settings == NULL || record->count < 2)
        return;
    text_append_format(&text, "; OCSP (%s)", ocsp_mode_name(settings->mode));
    for (size_t i = 0; i + 1 < record->count && (i == 0 || !settings->is_for_leaves); i++) {
        struct http_url url;
        const bool is_found = ocsp_settings_find_url(settings, record->links[i].ocsp_urls, &url);
        const struct ocsp_verdict verdict = ocsp_decide(settings->mode, &unplaced, 1);
        text_append_format(&text, "%s asks %.200s about %s", i == 0 ? "" : ",",
                           is_found ? url.text : "nobody",
                           i == 0 ? "its certificate" : "a CA of its chain");
        if (!is_found && !requester->is_refused && verdict.reason != REASON_NONE)
            refuse(requester, verdict.reason, verdict.detail, trust);
    }
    text_append_string(&text, ", which is not done here");
}

// ---- a certificate ------------------------------------------------------------------------------

static enum err chain_read(const char *path, STACK_OF(CRYPTO_BUFFER) *chain, struct errinfo *info)
{
    struct file_content content = {0};
    TRY(file_read(path, CHAIN_FILE_MAX, FILE_PUBLIC, &content, info));
    enum err error = pem_read_chain(content.bytes, chain, info);
    file_content_deinit(&content);
    if (error == ERR_OK && sk_CRYPTO_BUFFER_num(chain) == 0)
        error = errinfo_set(info, ERR_INPUT, "%s: there is no certificate in it (PEM)", path);
    return error;
}

static enum err judge(const struct trust *trust, const STACK_OF(CRYPTO_BUFFER) *chain,
                      int64_t now_s, struct requester *out, struct errinfo *info)
{
    struct trust_verdict verdict;
    const enum err error = trust_verify(trust, chain, now_s, &verdict);
    identity_destroy(verdict.presented);
    if (error == ERR_MEMORY)
        return errinfo_set(info, error, "no memory");
    if (error == ERR_OK) {
        out->identity = verdict.identity;
        summarise(out, "a certificate that is good today");
        judge_ocsp(out, trust);
        return ERR_OK;
    }
    refuse(out, verdict.reason, verdict.detail, trust);
    return ERR_OK;
}

static enum err load_chain(const char *path, const struct trust *trust, int64_t now_s,
                           struct requester *out, struct errinfo *info)
{
    STACK_OF(CRYPTO_BUFFER) *chain = sk_CRYPTO_BUFFER_new_null();
    if (chain == NULL)
        return errinfo_set(info, ERR_MEMORY, "no memory");
    enum err error = chain_read(path, chain, info);
    if (error == ERR_OK)
        error = judge(trust, chain, now_s, out, info);
    sk_CRYPTO_BUFFER_pop_free(chain, CRYPTO_BUFFER_free);
    return error;
}

// ---- what is said of one ------------------------------------------------------------------------

// claimed is a claim with the memory that it points to.
struct claimed {
    struct claim claim;
    struct claimed_san sans[REQUESTER_CLAIMS_MAX];
    struct extension extensions[REQUESTER_CLAIMS_MAX];
    struct claimed_extension {
        uint8_t oid[DN_OID_MAX_LEN];
        uint8_t value[1024];
    } extension_bytes[REQUESTER_CLAIMS_MAX];
    struct oid_list policies;
    struct oid_list qc;
    char subject[DN_TEXT_CAP]; // of `names`
    struct text names;         // the `cn`, `ou` and `o`, as RFC 4514 text
    uint8_t serial[IDENTITY_SERIAL_MAX];
    uint8_t sha256[IDENTITY_DIGEST_LEN];
    uint8_t spki_sha256[IDENTITY_DIGEST_LEN];
};

static bool digest_read(struct slice text, uint8_t out[IDENTITY_DIGEST_LEN])
{
    size_t digits = 0;
    return hex_read(text, out, IDENTITY_DIGEST_LEN, &digits) &&
           digits == 2 * (size_t)IDENTITY_DIGEST_LEN;
}

// serial_read allows an odd number of digits, as `match` does, where no colons pair them.
static bool serial_read(struct slice text, struct claimed *out)
{
    size_t digits = 0;
    if (!hex_read(text, out->serial, sizeof out->serial, &digits) ||
        (digits % 2 == 1 && slice_find(text, ':') < text.len))
        return false;
    out->claim.serial = slice_of(out->serial, (digits + 1) / 2);
    return true;
}

// append_escaped writes a value of a name as RFC 4514 wants it.
static void append_escaped(struct slice value, struct text *out)
{
    for (size_t i = 0; i < value.len; i++) {
        const uint8_t byte = value.data[i];
        if ((byte >= '0' && byte <= '9') || (ascii_lower(byte) >= 'a' && ascii_lower(byte) <= 'z'))
            text_append(out, slice_of(&byte, 1));
        else
            text_append_format(out, "\\%02x", byte);
    }
}

// attribute_read adds one attribute to the subject.
static bool attribute_read(const char *type, struct slice value, struct claimed *out)
{
    text_append_format(&out->names, "%s%s=", out->names.len == 0 ? "" : ",", type);
    append_escaped(value, &out->names);
    out->claim.subject = text_slice(&out->names);
    return !out->names.is_cut && value.len > 0;
}

// extension_read reads `OID=TEXT`, as if the certificate had the text as a UTF8String, or `OID=#HEX`, the bytes themselves.
static bool extension_read(struct slice value, struct claimed *out)
{
    const size_t equals = slice_find(value, '=');
    const struct slice text = slice_from(value, equals + 1);
    struct claimed_extension *kept = &out->extension_bytes[out->claim.extension_count];
    size_t oid_len = 0;
    size_t len = 0;
    CBB cbb;
    CBB string;
    if (!oid_parse(slice_first(value, equals), kept->oid, &oid_len) || text.len == 0)
        return false;
    if (text.data[0] == '#') {
        size_t digits = 0;
        if (!hex_read(slice_from(text, 1), kept->value, sizeof kept->value, &digits) ||
            digits % 2 != 0)
            return false;
        len = digits / 2;
    } else if (!CBB_init_fixed(&cbb, kept->value, sizeof kept->value) ||
               !CBB_add_asn1(&cbb, &string, CBS_ASN1_UTF8STRING) ||
               !CBB_add_bytes(&string, text.data, text.len) || !CBB_finish(&cbb, NULL, &len)) {
        return false;
    }
    out->extensions[out->claim.extension_count++] = (struct extension){
        .oid = slice_of(kept->oid, oid_len), .value = slice_of(kept->value, len)};
    return true;
}

// oid_take adds one OID; the same one again changes nothing.
static bool oid_take(struct slice text, struct oid_list *list, struct slice *out)
{
    uint8_t oid[DN_OID_MAX_LEN];
    size_t len = 0;
    if (!oid_parse(text, oid, &len) || oid_is_any_policy(slice_of(oid, len)))
        return false;
    const bool is_there = oid_set_has(oid_list_slice(list), slice_of(oid, len)) ||
                          oid_list_add(list, slice_of(oid, len));
    *out = oid_list_slice(list);
    return is_there;
}

static bool claim_take(struct slice kind, struct slice value, struct claimed *out)
{
    enum san_kind san_kind = SAN_DNS;
    if (san_kind_parse(kind, &san_kind)) {
        out->sans[out->claim.san_count++] = (struct claimed_san){.kind = san_kind, .text = value};
        return value.len > 0;
    }
    if (slice_equal(kind, SLICE_LITERAL("cn")))
        return attribute_read("CN", value, out);
    if (slice_equal(kind, SLICE_LITERAL("extension")))
        return extension_read(value, out);
    if (slice_equal(kind, SLICE_LITERAL("policy")))
        return oid_take(value, &out->policies, &out->claim.policies);
    if (slice_equal(kind, SLICE_LITERAL("qc")))
        return oid_take(value, &out->qc, &out->claim.qc);
    if (slice_equal(kind, SLICE_LITERAL("ou")))
        return attribute_read("OU", value, out);
    if (slice_equal(kind, SLICE_LITERAL("o")))
        return attribute_read("O", value, out);
    if (slice_equal(kind, SLICE_LITERAL("subject")))
        out->claim.subject = value;
    else if (slice_equal(kind, SLICE_LITERAL("issuer")))
        out->claim.issuer = value;
    else if (slice_equal(kind, SLICE_LITERAL("serial")))
        return serial_read(value, out);
    else if (slice_equal(kind, SLICE_LITERAL("sha256")))
        return digest_read(value, out->sha256);
    else if (slice_equal(kind, SLICE_LITERAL("spki_sha256")))
        return digest_read(value, out->spki_sha256);
    else
        return false;
    return value.len > 0;
}

static enum err load_claims(const struct requester_options *options, const struct trust *trust,
                            struct requester *out, struct errinfo *info)
{
    struct claimed claimed = {.claim = {.trust_name = trust_name(trust)}};
    text_init(&claimed.names, claimed.subject, sizeof claimed.subject);
    claimed.claim.sans = claimed.sans;
    claimed.claim.extensions = claimed.extensions;
    claimed.claim.sha256 = claimed.sha256;
    claimed.claim.spki_sha256 = claimed.spki_sha256;
    for (size_t i = 0; i < options->claim_count; i++) {
        const struct slice all = slice_of_string(options->claims[i]);
        const size_t colon = slice_find(all, ':');
        const bool is_url = slice_contains(all, SLICE_LITERAL("://"));
        if (!claim_take(slice_first(all, colon), slice_from(all, colon + 1), &claimed))
            return errinfo_set(info, ERR_INPUT,
                               "%s: `%.100s` is not one of uri:URI, dns:NAME, email:ADDRESS, "
                               "ip:ADDRESS, cn:NAME, ou:NAME, o:NAME, extension:OID=TEXT, "
                               "policy:OID, qc:OID, subject:NAME, issuer:NAME, serial:HEX, "
                               "sha256:HEX, spki_sha256:HEX, anonymous%s%.100s%s",
                               options->option, options->claims[i],
                               is_url ? "; did you mean `uri:" : "",
                               is_url ? options->claims[i] : "", is_url ? "`?" : "");
    }
    TRY(claim_to_identity(&claimed.claim, &out->identity, info));
    const char *detail = "";
    const enum reason reason = trust_judge_names(trust, out->identity, &detail);
    if (reason != REASON_NONE) {
        refuse(out, reason, detail, trust);
        return ERR_OK;
    }
    char how[64];
    (void)snprintf(how, sizeof how, "somebody with what %s says", options->option);
    summarise(out, how);
    return ERR_OK;
}

bool requester_is_anonymous(const struct requester_options *options)
{
    return options->claim_count == 1 && strcmp(options->claims[0], "anonymous") == 0;
}

enum err requester_load(const struct requester_options *options, const struct snapshot *snapshot,
                        int64_t now_s, struct requester *out, struct errinfo *info)
{
    *out = (struct requester){0};
    enum err error = ERR_OK;
    if (requester_is_anonymous(options)) {
        (void)string_copy(out->summary, sizeof out->summary,
                          SLICE_LITERAL("a client without certificate"));
        return ERR_OK;
    }
    const struct trust *trust = find_trust(snapshot, options->trust, info);
    if (trust == NULL)
        return ERR_INPUT;
    if (options->chain_path != NULL)
        error = load_chain(options->chain_path, trust, now_s, out, info);
    else
        error = load_claims(options, trust, out, info);
    if (error != ERR_OK)
        requester_deinit(out);
    return error;
}

void requester_deinit(struct requester *requester)
{
    identity_destroy(requester->identity);
    *requester = (struct requester){0};
}
