// Identities: what a leaf says of its holder, copied out of it once.
//
// The SAN extension is read here, byte by byte, and not through the library's GENERAL_NAMEs: types
// cannot be mixed up, and what could be read in two ways is marked as fitting nothing. Knows
// nothing of chains: whether the leaf may be believed is for auth/trust.
#include "auth/identity.h"

#include <openssl/bytestring.h>
#include <openssl/err.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/sha.h>
#include <stdlib.h>

#include "auth/base/json.h"
#include "auth/cert_id.h"
#include "auth/chain_record.h"
#include "auth/hostname.h"
#include "auth/ipaddr.h"

// What identity_append_json may write. The worst case is 2 x (2 x 512) for the names, whose text is
// escaped once already, 6 x 128 for the CN, the SANs' budget, and about 400 for all that is fixed.
enum {
    JSON_DN_MAX = 512,      // bytes taken of a subject's or issuer's text
    JSON_CN_MAX = 128,      // bytes taken of a CN
    JSON_SAN_MAX = 256,     // bytes taken of a SAN
    JSON_SAN_BUDGET = 2560, // bytes written for all SANs together
};

enum { SAN_VALUE_MAX = 4096 }; // bytes of one SAN

// What identity_append_extensions may write: 2 x 8 times an OID of at most 160 characters and 32 bytes round it, and the
// budget of the values, which are written as hex and perhaps as text of twice the length; lists of OIDs count as values.
enum {
    JSON_EXTENSION_MAX = 256,     // bytes of a value
    JSON_EXTENSION_BUDGET = 4096, // bytes written for all values
    JSON_EXTENSION_REPEATED = 2,  // as many with one OID are written: they fit nothing
};

// read_serial takes the magnitude; a negative serial could pass for a positive one.
static enum err read_serial(const X509 *leaf, struct identity *identity)
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(leaf);
    if (ASN1_STRING_type(serial) != V_ASN1_INTEGER)
        return ERR_INPUT;
    const struct slice bytes = cert_id_trim_serial(asn1_slice(serial));
    identity->serial = slice_of(identity->serial_bytes, bytes.len);
    return bytes_copy(identity->serial_bytes, sizeof identity->serial_bytes, bytes) ? ERR_OK
                                                                                    : ERR_LIMIT;
}

static enum err read_digests(X509 *leaf, struct identity *identity)
{
    uint8_t *der = NULL;
    if (!X509_digest(leaf, EVP_sha256(), identity->sha256, NULL))
        return ERR_MEMORY;
    const int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(leaf), &der);
    if (len <= 0)
        return ERR_MEMORY;
    SHA256(der, (size_t)len, identity->spki_sha256);
    OPENSSL_free(der);
    return ERR_OK;
}

static bool hostname_is_strict(struct slice s)
{
    struct hostname name;
    return s.len > 0 && s.data[s.len - 1] != '.' && hostname_parse(s, &name) == ERR_OK;
}

// uri_is_strict wants a scheme and then visible ASCII without a star.
static bool uri_is_strict(struct slice s)
{
    const size_t colon = slice_find(s, ':');
    if (colon == 0 || colon + 1 >= s.len)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        const uint8_t byte = s.data[i];
        const uint8_t lower = ascii_lower(byte);
        const bool is_letter = lower >= 'a' && lower <= 'z';
        const bool is_scheme_byte =
            is_letter ||
            (i > 0 && ((byte >= '0' && byte <= '9') || byte == '+' || byte == '-' || byte == '.'));
        if (byte <= ' ' || byte > '~' || byte == '*' || (i < colon && !is_scheme_byte))
            return false;
    }
    return true;
}

bool san_is_mailbox(struct slice value)
{
    const size_t at = slice_find(value, '@');
    if (at == 0 || at == value.len)
        return false;
    for (size_t i = 0; i < at; i++) { // RFC 5321 dot-string
        if (value.data[i] <= ' ' || value.data[i] > '~' ||
            strchr("\"(),:;<>[\\]", value.data[i]) != NULL)
            return false;
    }
    return hostname_is_strict(slice_from(value, at + 1));
}

bool san_is_strict(enum san_kind kind, struct slice value)
{
    switch (kind) {
    case SAN_DNS:
        return hostname_is_strict(value);
    case SAN_URI:
        return uri_is_strict(value);
    case SAN_EMAIL:
        return san_is_mailbox(value) && slice_find(value, '*') == value.len;
    case SAN_IP:
        return value.len == 4 || value.len == 16;
    }
    return false;
}

// san_next takes one GeneralName (RFC 5280 4.2.1.6) off the front; `*out_is_kept` is false for the
// kinds that no rule can name.
static enum err san_next(CBS *names, struct san *out, bool *out_is_kept)
{
    CBS value;
    CBS_ASN1_TAG tag = 0;
    if (!CBS_get_any_asn1(names, &value, &tag))
        return ERR_INPUT;
    *out = (struct san){.value = slice_of(CBS_data(&value), CBS_len(&value))};
    *out_is_kept = true;
    switch (tag) {
    case CBS_ASN1_CONTEXT_SPECIFIC | 1:
        out->kind = SAN_EMAIL;
        break;
    case CBS_ASN1_CONTEXT_SPECIFIC | 2:
        out->kind = SAN_DNS;
        break;
    case CBS_ASN1_CONTEXT_SPECIFIC | 6:
        out->kind = SAN_URI;
        break;
    case CBS_ASN1_CONTEXT_SPECIFIC | 7:
        out->kind = SAN_IP;
        break;
    case CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 0: // otherName
    case CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 3: // x400Address
    case CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 4: // directoryName
    case CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 5: // ediPartyName
    case CBS_ASN1_CONTEXT_SPECIFIC | 8:                        // registeredID
        *out_is_kept = false;
        return ERR_OK;
    default: // a tag is a number from outside, no enum of ours
        return ERR_INPUT;
    }
    if (out->value.len > SAN_VALUE_MAX)
        return ERR_LIMIT;
    out->is_usable = san_is_strict(out->kind, out->value);
    return ERR_OK;
}

bool san_is_spiffe(const struct san *san)
{
    const struct slice scheme = SLICE_LITERAL("spiffe://");
    return san->kind == SAN_URI &&
           slice_equal_ignore_case(slice_first(san->value, scheme.len), scheme);
}

// san_sums is what one pass over all SANs finds.
struct san_sums {
    size_t kept_count;   // at most IDENTITY_MAX_SANS
    size_t kept_len;     // bytes of their values
    size_t spiffe_count; // of all, so that a second one after many others counts too
};

static enum err sum_sans(CBS names, struct san_sums *out)
{
    *out = (struct san_sums){0};
    if (CBS_len(&names) == 0)
        return ERR_INPUT; // RFC 5280 4.2.1.6: at least one
    while (CBS_len(&names) > 0) {
        struct san san;
        bool is_kept = false;
        TRY(san_next(&names, &san, &is_kept));
        out->spiffe_count += is_kept && san_is_spiffe(&san);
        if (!is_kept)
            continue;
        if (++out->kept_count > IDENTITY_MAX_SANS)
            return ERR_LIMIT;
        out->kept_len += san.value.len;
    }
    return ERR_OK;
}

static enum err copy_sans(CBS names, const struct san_sums *sums, struct identity *identity)
{
    identity->sans = calloc(sums->kept_count + 1, sizeof *identity->sans);
    identity->san_bytes = malloc(sums->kept_len + 1);
    if (identity->sans == NULL || identity->san_bytes == NULL)
        return ERR_MEMORY;
    size_t used = 0;
    while (CBS_len(&names) > 0 && identity->san_count < sums->kept_count) {
        struct san san;
        bool is_kept = false;
        TRY(san_next(&names, &san, &is_kept));
        if (!is_kept)
            continue;
        uint8_t *copy = identity->san_bytes + used;
        const bool fits = bytes_copy(copy, sums->kept_len - used, san.value);
        ASSERT(fits);
        used += san.value.len;
        san.value.data = copy;
        if (san.kind == SAN_URI && sums->spiffe_count > 1)
            san.is_usable = false; // SPIFFE X.509-SVID 2: exactly one, anything else is nobody
        identity->sans[identity->san_count++] = san;
    }
    return ERR_OK;
}

static enum err read_sans(const X509 *leaf, struct identity *identity)
{
    const int index = X509_get_ext_by_NID(leaf, NID_subject_alt_name, -1);
    if (index < 0)
        return ERR_OK;
    if (X509_get_ext_by_NID(leaf, NID_subject_alt_name, index) >= 0)
        return ERR_INPUT; // RFC 5280 4.2: not more than one
    CBS cbs = cert_extension_value(leaf, index);
    CBS names;
    if (!CBS_get_asn1(&cbs, &names, CBS_ASN1_SEQUENCE) || CBS_len(&cbs) != 0)
        return ERR_INPUT;
    struct san_sums sums;
    TRY(sum_sans(names, &sums));
    return copy_sans(names, &sums, identity);
}

// kept_len gives how many bytes of the value are kept: all or none.
static size_t kept_len(const struct extension *extension)
{
    return extension->value.len > EXTENSION_VALUE_MAX ? 0 : extension->value.len;
}

enum err identity_keep_extensions(struct identity *identity, const struct extension *extensions,
                                  size_t count)
{
    size_t len = 1;
    for (size_t i = 0; i < count; i++) {
        if (i == EXTENSIONS_MAX || extensions[i].oid.len > EXTENSION_OID_MAX)
            return ERR_LIMIT;
        len += extensions[i].oid.len + kept_len(&extensions[i]);
    }
    // One piece: the array, then OIDs and values.
    identity->extensions = calloc(1, count * sizeof *extensions + len);
    if (identity->extensions == NULL)
        return ERR_MEMORY;
    uint8_t *at = (uint8_t *)(identity->extensions + count);
    for (size_t i = 0; i < count; i++) {
        const struct extension *from = &extensions[i];
        const struct slice value = slice_first(from->value, kept_len(from));
        struct extension *kept = &identity->extensions[identity->extension_count++];
        ASSERT(bytes_copy(at, len, from->oid));
        kept->oid = slice_of(at, from->oid.len);
        at += from->oid.len;
        ASSERT(bytes_copy(at, len, value));
        if (value.len == from->value.len)
            kept->value = slice_of(at, value.len);
        at += value.len;
    }
    return ERR_OK;
}

static enum err read_extensions(const X509 *leaf, struct identity *identity)
{
    struct extension read[EXTENSIONS_MAX + 1];
    size_t count = 0;
    for (int i = 0; i < X509_get_ext_count(leaf) && count <= EXTENSIONS_MAX; i++) {
        read[count] = extension_at(leaf, i);
        count += !extension_is_own(read[count].oid);
    }
    return count == 0 ? ERR_OK : identity_keep_extensions(identity, read, count);
}

const struct extension *identity_find_extension(const struct identity *identity, struct slice oid)
{
    const struct extension *found = NULL;
    for (size_t i = 0; i < identity->extension_count; i++) {
        if (!slice_equal(identity->extensions[i].oid, oid))
            continue;
        if (found != NULL)
            return NULL; // RFC 5280 4.2: not more than one
        found = &identity->extensions[i];
    }
    return found;
}

static enum err read_leaf(X509 *leaf, const char *trust_name, struct identity *identity)
{
    identity->trust_name = strdup(trust_name == NULL ? "" : trust_name);
    if (identity->trust_name == NULL)
        return ERR_MEMORY;
    TRY(cert_id_read_name(X509_get_subject_name(leaf), &identity->subject));
    TRY(cert_id_read_name(X509_get_issuer_name(leaf), &identity->issuer));
    TRY(read_serial(leaf, identity));
    if (!cert_read_validity(leaf, &identity->not_before_s, &identity->not_after_s))
        return ERR_INPUT;
    TRY(read_sans(leaf, identity));
    TRY(read_extensions(leaf, identity));
    return read_digests(leaf, identity);
}

enum err identity_create(X509 *leaf, const char *trust_name, struct identity **out)
{
    *out = NULL;
    struct identity *identity = calloc(1, sizeof *identity);
    if (identity == NULL)
        return ERR_MEMORY;
    const enum err error = read_leaf(leaf, trust_name, identity);
    if (error != ERR_OK) {
        ERR_clear_error(); // nobody may take it for an error of the TLS session
        identity_destroy(identity);
        return error;
    }
    *out = identity;
    return ERR_OK;
}

struct identity *identity_share(struct identity *identity)
{
    identity->other_owners++;
    return identity;
}

void identity_destroy(struct identity *identity)
{
    if (identity == NULL)
        return;
    if (identity->other_owners > 0) {
        identity->other_owners--;
        return;
    }
    free(identity->trust_name);
    chain_record_destroy(identity->record);
    free(identity->sans);
    free(identity->san_bytes);
    free(identity->extensions);
    free(identity->policies.bytes);
    free(identity);
}

// add_dn tells whether the whole name was written; so do the functions below.
static bool add_dn(const char *name, const struct dn *dn, struct text *out)
{
    char buffer[DN_TEXT_CAP];
    struct text text;
    text_init(&text, buffer, sizeof buffer);
    dn_format(dn, &text);
    json_add_bytes(out, name, text_slice(&text), JSON_DN_MAX);
    return text.len <= JSON_DN_MAX;
}

static bool add_san(const struct san *san, struct text *out)
{
    if (san->kind != SAN_IP) {
        json_add_bytes(out, NULL, san->value, JSON_SAN_MAX);
        return san->value.len <= JSON_SAN_MAX;
    }
    char ip[IP_TEXT_CAP] = "";
    struct ip_addr addr = {.family = san->value.len == 4 ? IP_V4 : IP_V6};
    if (san->is_usable) {
        const bool fits = bytes_copy(addr.bytes, sizeof addr.bytes, san->value);
        ASSERT(fits);
        (void)ip_addr_format(&addr, ip);
    }
    json_add_string(out, NULL, ip);
    return true;
}

// san_json_cost is the most that this SAN can take with its quotes and comma: printable ASCII
// doubles at worst, a control byte becomes six.
static size_t san_json_cost(const struct san *san)
{
    const size_t len = san->value.len < JSON_SAN_MAX ? san->value.len : JSON_SAN_MAX;
    const size_t text_len = san->kind == SAN_IP ? IP_TEXT_CAP : len;
    return text_len * (san->is_usable ? 2 : 6) + 3;
}

// add_sans adds the SANs of one kind, as far as the budget goes; where there are none, only if `is_always`.
static bool add_sans(const char *name, const struct identity *identity, enum san_kind kind,
                     bool is_always, size_t *budget, struct text *out)
{
    size_t count = 0;
    bool is_whole = true;
    for (size_t i = 0; i < identity->san_count; i++) {
        const struct san *san = &identity->sans[i];
        if (san->kind != kind)
            continue;
        const size_t cost = san_json_cost(san);
        if (cost > *budget) {
            is_whole = false;
            break;
        }
        *budget -= cost;
        if (count++ == 0)
            json_begin_array(out, name);
        is_whole = add_san(san, out) && is_whole;
    }
    if (count == 0 && is_always)
        json_begin_array(out, name);
    if (count > 0 || is_always)
        json_end_array(out);
    return is_whole;
}

void identity_append_json(const struct identity *identity, struct text *out)
{
    size_t budget = JSON_SAN_BUDGET;
    bool is_whole = add_dn("subject", &identity->subject, out);
    json_add_bytes(out, "cn", dn_common_name(&identity->subject), JSON_CN_MAX);
    is_whole = add_sans("san_uri", identity, SAN_URI, true, &budget, out) && is_whole;
    is_whole = add_sans("san_dns", identity, SAN_DNS, false, &budget, out) && is_whole;
    is_whole = add_sans("san_email", identity, SAN_EMAIL, false, &budget, out) && is_whole;
    is_whole = add_sans("san_ip", identity, SAN_IP, false, &budget, out) && is_whole;
    json_add_hex(out, "serial", identity->serial.len == 0 ? SLICE_LITERAL("\0") : identity->serial);
    is_whole = add_dn("issuer", &identity->issuer, out) && is_whole;
    json_add_hex(out, "sha256", slice_of(identity->sha256, IDENTITY_DIGEST_LEN));
    json_add_hex(out, "spki_sha256", slice_of(identity->spki_sha256, IDENTITY_DIGEST_LEN));
    json_add_time(out, "not_after", identity->not_after_s);
    if (!is_whole)
        json_add_bool(out, "cut", true);
}

static void add_extension(const struct extension *extension, struct slice oid, size_t *budget,
                          struct text *out)
{
    char data[4 * EXTENSION_OID_MAX];
    struct text dotted;
    text_init(&dotted, data, sizeof data);
    oid_format(oid, &dotted);
    json_begin_object(out, NULL);
    json_add_string(out, "oid", data);
    const size_t cost = extension == NULL ? 0 : 4 * extension->value.len + 32;
    if (extension != NULL && (extension->value.data == NULL || cost > *budget ||
                              extension->value.len > JSON_EXTENSION_MAX)) {
        json_add_bool(out, "cut", true);
    } else if (extension != NULL) {
        *budget -= cost;
        const struct slice text = extension_only_text(extension->value);
        json_add_hex(out, "der", extension->value);
        if (text.data != NULL)
            json_add_bytes(out, "text", text, JSON_EXTENSION_MAX);
    }
    json_end_object(out);
}

// add_oids adds a list of OIDs, all or none.
static void add_oids(const char *name, struct slice set, size_t *budget, struct text *out)
{
    struct slice oid = {0};
    const size_t cost = 4 * set.len; // a byte is three digits and a dot at most
    if (cost > *budget) {
        json_add_null(out, name);
        return;
    }
    *budget -= cost;
    json_begin_array(out, name);
    while (oid_set_next(&set, &oid)) {
        char data[4 * EXTENSION_OID_MAX];
        struct text dotted;
        text_init(&dotted, data, sizeof data);
        oid_format(oid, &dotted);
        json_add_string(out, NULL, data);
    }
    json_end_array(out);
}

static bool is_of_policies(struct slice oid)
{
    return slice_equal(oid, CERT_POLICIES_OID) || slice_equal(oid, QC_STATEMENTS_OID);
}

static void add_policies(const struct identity *identity, struct slice named, size_t *budget,
                         struct text *out)
{
    if (oid_set_has(named, CERT_POLICIES_OID))
        add_oids("policies", identity->policies.policies, budget, out);
    if (oid_set_has(named, QC_STATEMENTS_OID))
        add_oids("qc", identity->policies.qc, budget, out);
}

void identity_append_extensions(const struct identity *identity, struct slice named,
                                struct text *out)
{
    struct slice oid = {0};
    size_t budget = JSON_EXTENSION_BUDGET;
    size_t written = 0;
    add_policies(identity, named, &budget, out);
    while (oid_set_next(&named, &oid)) {
        size_t count = 0;
        if (is_of_policies(oid))
            continue;
        if (written++ == 0)
            json_begin_array(out, "extensions");
        for (size_t i = 0; i < identity->extension_count && count < JSON_EXTENSION_REPEATED; i++) {
            if (!slice_equal(identity->extensions[i].oid, oid))
                continue;
            count++;
            add_extension(&identity->extensions[i], oid, &budget, out);
        }
        if (count == 0)
            add_extension(NULL, oid, &budget, out);
    }
    if (written > 0)
        json_end_array(out);
}
