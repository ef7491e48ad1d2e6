// One function for each kind of value, a table of keys, and the rules that hold between keys.
#include "proxy/config/matches.h"

#include "auth/base/hex.h"
#include "auth/base/text.h"
#include "auth/flat_json.h"
#include "auth/match.h"
#include "proxy/config/lists.h"

enum {
    EXTENSION_TEXT_MAX = 1024, // bytes of an extension's `text` or `equals`
    EXTENSION_DER_MAX = 1024,  // bytes of an extension's `der`
    MEMBER_MAX = 256,          // bytes of a name or text in `json`
    ATTRIBUTE_MAX = 256,       // bytes of a CN, OU or O; X.520 says 64 characters
    EMAIL_MAX = 320,           // bytes; RFC 5321 4.5.3.1
    URI_MAX = 2048,            // bytes; SPIFFE's limit
    HEX_MAX = 4096,            // bytes of text that is looked at
    OIDS_MAX = 8,              // of `policies` or `qc`
};

void match_read_digest(struct reader *reader, const struct node *node, const char *what,
                       void *field)
{
    const uint8_t **out = field;
    struct slice text = {0};
    size_t digits = 0;
    if (!reader_text(reader, node, what, HEX_MAX, &text))
        return;
    uint8_t *digest = reader_alloc(reader, IDENTITY_DIGEST_LEN, 1);
    if (digest == NULL)
        return;
    if (hex_read(text, digest, IDENTITY_DIGEST_LEN, &digits) &&
        digits == 2 * (size_t)IDENTITY_DIGEST_LEN) {
        *out = digest;
        return;
    }
    reader_error(reader, node, "%s: expected 64 hexadecimal digits\ncolons between them may stay",
                 what);
}

void match_read_serial(struct reader *reader, const struct node *node, const char *what,
                       void *field)
{
    struct slice *out = field;
    struct slice text = {0};
    size_t digits = 0;
    if (!reader_text(reader, node, what, HEX_MAX, &text))
        return;
    uint8_t *serial = reader_alloc(reader, IDENTITY_SERIAL_MAX, 1);
    if (serial == NULL)
        return;
    if (!hex_read(text, serial, IDENTITY_SERIAL_MAX, &digits)) {
        reader_error(reader, node, "%s: expected 1 to 64 hexadecimal digits", what);
        return;
    }
    struct slice value = slice_of(serial, (digits + 1) / 2);
    while (value.len > 0 && value.data[0] == 0)
        value = slice_from(value, 1);
    // A serial of zero is empty, but still set: its data is not NULL.
    *out = slice_of(value.len == 0 ? serial : value.data, value.len);
}

// uri_authority_end gives where the path begins, or 0 when `uri` has no non-empty authority.
static size_t uri_authority_end(struct slice uri)
{
    const size_t colon = slice_find(uri, ':');
    const struct slice rest = slice_from(uri, colon + 1);
    if (!slice_starts_with(rest, SLICE_LITERAL("//")))
        return 0;
    const size_t authority_len = slice_find(slice_from(rest, 2), '/');
    return authority_len == 0 ? 0 : colon + 1 + 2 + authority_len;
}

// check_uri gives what is wrong with `uri` as a pattern, or NULL. RFC 3986: a scheme, and nothing
// but printable ASCII; docs/CONFIG.md: `*` only as the whole last piece of a path.
static const char *check_uri(struct slice uri)
{
    const size_t colon = slice_find(uri, ':');
    if (colon == 0 || colon == uri.len)
        return "a URI begins with a scheme, such as spiffe://";
    for (size_t i = 0; i < uri.len; i++) {
        if (uri.data[i] <= 0x20 || uri.data[i] >= 0x7F)
            return "a URI holds printable ASCII only";
    }
    const size_t star = slice_find(uri, '*');
    if (star == uri.len)
        return NULL;
    const size_t path = uri_authority_end(uri);
    if (star + 1 != uri.len || path == 0 || star <= path || uri.data[star - 1] != '/')
        return "`*` is allowed only at the end, after a `/` that follows a host part: "
               "spiffe://example.org/team/*";
    return NULL;
}

static void uri_read(struct reader *reader, const struct node *node, const char *what, void *field)
{
    const char **out = field;
    struct slice text = {0};
    if (!reader_text(reader, node, what, URI_MAX, &text))
        return;
    const char *problem = check_uri(text);
    if (problem != NULL)
        reader_refuse(reader, node, what, problem, "");
    else
        *out = reader_copy(reader, text);
}

static void dns_read(struct reader *reader, const struct node *node, const char *what, void *field)
{
    const char **out = field;
    char ascii[IDN_CAP];
    struct host_pattern pattern = {0};
    if (!host_pattern_read(reader, node, what, ascii, &pattern))
        return;
    if (pattern.kind == HOST_PATTERN_ANY) {
        reader_error(reader, node,
                     "%s: `*` alone is not a name\n`any: true` fits every verified certificate",
                     what);
        return;
    }
    if (pattern.star_count > 0) {
        reader_error(
            reader, node,
            "%s: a `*` may stand for the first labels only\nwrite an entry for each name, or "
            "`*.` in front of what they end in",
            what);
        return;
    }
    // The final dot, where there is one, goes: SANs are written without.
    const struct slice name = slice_of_string(ascii);
    *out = reader_copy(
        reader, slice_ends_with(name, SLICE_LITERAL(".")) ? slice_first(name, name.len - 1) : name);
}

static void email_read(struct reader *reader, const struct node *node, const char *what,
                       void *field)
{
    const char **out = field;
    struct slice text = {0};
    struct hostname domain = {0};
    if (!reader_text(reader, node, what, EMAIL_MAX, &text))
        return;
    const size_t at = slice_find(text, '@');
    bool is_good = at > 0 && hostname_parse(slice_from(text, at + 1), &domain) == ERR_OK;
    for (size_t i = 0; i < at && is_good; i++)
        is_good = text.data[i] > 0x20 && text.data[i] < 0x7F && text.data[i] != '*';
    if (is_good)
        *out = reader_copy(reader, text);
    else
        reader_refuse(reader, node, what, "expected NAME@DOMAIN in ASCII", "");
}

static void ip_read(struct reader *reader, const struct node *node, const char *what, void *field)
{
    const struct ip_addr **out = field;
    struct slice text = {0};
    struct ip_prefix prefix = {0};
    struct errinfo info = {0};
    if (!reader_text(reader, node, what, CONFIG_TEXT_MAX, &text))
        return;
    // A prefix of full length stands for the address, and knows mapped ones.
    if (slice_find(text, '/') != text.len) {
        reader_refuse(reader, node, what, "expected one address, without a `/`", "");
    } else if (ip_prefix_parse(text, &prefix, &info) != ERR_OK) {
        reader_error(reader, node, "%s: %s", what, info.text); // which repeats the address
    } else {
        struct ip_addr *address = reader_alloc(reader, 1, sizeof *address);
        if (address != NULL)
            *address = prefix.addr;
        *out = address;
    }
}

void match_read_name(struct reader *reader, const struct node *node, const char *what, void *field)
{
    struct slice *out = field;
    struct slice text = {0};
    struct errinfo info = {0};
    struct dn parsed;
    if (!reader_text(reader, node, what, CONFIG_TEXT_MAX, &text))
        return;
    if (dn_parse(text, &parsed, &info) != ERR_OK) {
        reader_refuse(reader, node, what, info.text, "");
        return;
    }
    const char *bytes = reader_copy(reader, slice_of(parsed.bytes, parsed.len));
    if (bytes != NULL)
        *out = slice_of(bytes, parsed.len);
}

// attribute_read reads a CN, OU or O.
static void attribute_read(struct reader *reader, const struct node *node, const char *what,
                           void *field)
{
    const char **out = field;
    struct slice text = {0};
    if (reader_text(reader, node, what, ATTRIBUTE_MAX, &text))
        *out = reader_copy(reader, text);
}

// flag_read reads `any` and `anonymous`, where only `true` means anything.
static void flag_read(struct reader *reader, const struct node *node, const char *what, void *field)
{
    bool *out = field;
    if (reader_boolean(reader, node, what, out) && !*out)
        reader_error(reader, node, "%s: only `true` means anything\nleave the key out", what);
}

static const struct key extension_keys[] = {
    KEY_KNOWN("oid", KEY_REQUIRED),  KEY_KNOWN("text", KEY_OPTIONAL),
    KEY_KNOWN("der", KEY_OPTIONAL),  KEY_KNOWN("equals", KEY_OPTIONAL),
    KEY_KNOWN("json", KEY_OPTIONAL),
};

const struct section extension_section = SECTION("`extension`", extension_keys);

// oid_read reads an OID that no key of its own speaks about.
static bool oid_read(struct reader *reader, const struct node *node, struct slice *out)
{
    struct slice text = {0};
    uint8_t oid[DN_OID_MAX_LEN];
    size_t len = 0;
    if (!reader_text(reader, node, "`oid`", CONFIG_TEXT_MAX, &text))
        return false;
    if (!oid_parse(text, oid, &len) || len > EXTENSION_NAMED_OID_MAX)
        return reader_refuse(reader, node, "`oid`", "not an OID, or too long",
                             "write its numbers with dots, such as 1.3.6.1.4.1.99999.1");
    if (extension_is_own(slice_of(oid, len)))
        return reader_refuse(reader, node, "`oid`", "the proxy reads this extension itself",
                             "use `uri`, `dns`, `email` or `ip` for alternative names, `policies` "
                             "and `qc` for policies, and `purposes` of the trust profile for key "
                             "usages");
    *out = slice_of(reader_copy(reader, slice_of(oid, len)), len);
    return out->data != NULL;
}

static bool text_read(struct reader *reader, const struct node *node, struct extension_match *out)
{
    struct slice text = {0};
    out->kind = EXTENSION_TEXT;
    if (!reader_text(reader, node, "`text`", EXTENSION_TEXT_MAX, &text))
        return false;
    const size_t star = slice_find(text, '*');
    if (star < text.len && (star + 1 < text.len || !match_is_text_pattern(text)))
        return reader_refuse(
            reader, node, "`text`",
            "`*` is allowed only at the end, after a `/` that follows something: team/*", "");
    out->value = slice_of(reader_copy(reader, text), text.len);
    return out->value.data != NULL;
}

static bool der_read(struct reader *reader, const struct node *node, struct extension_match *out)
{
    struct slice text = {0};
    size_t digits = 0;
    out->kind = EXTENSION_DER;
    if (!reader_text(reader, node, "`der`", HEX_MAX, &text))
        return false;
    uint8_t *bytes = reader_alloc(reader, EXTENSION_DER_MAX, 1);
    if (bytes == NULL)
        return false;
    if (!hex_read(text, bytes, EXTENSION_DER_MAX, &digits) || digits % 2 != 0)
        return reader_refuse(reader, node, "`der`", "expected pairs of hexadecimal digits",
                             "the bytes of the extension's value: openssl asn1parse shows them");
    out->value = slice_of(bytes, digits / 2);
    return true;
}

static bool equals_read(struct reader *reader, const struct node *node, struct extension_match *out)
{
    struct slice text = {0};
    struct errinfo info = {0};
    out->kind = EXTENSION_EQUALS;
    if (!reader_text(reader, node, "`equals`", EXTENSION_TEXT_MAX, &text))
        return false;
    out->value = slice_of(reader_copy(reader, text), text.len);
    if (out->value.data == NULL)
        return false;
    if (name_template_parse(out->value, NAME_ALPHABET_VISIBLE, &out->equals, &info) != ERR_OK)
        return reader_refuse(reader, node, "`equals`", info.text, "");
    if (out->equals.part_count == 0 || name_template_has(&out->equals, NAME_PART_EXTENSION))
        return reader_refuse(reader, node, "`equals`",
                             "expected a part of the same certificate: {uri.path[N]}, {dns[0]} or "
                             "{cn}",
                             "for a fixed value use `text`");
    return true;
}

// member_read reads one `NAME: TEXT` of `json`.
static bool member_read(struct reader *reader, const struct node *node,
                        struct extension_member *out)
{
    struct slice name = {0};
    struct slice text = {0};
    struct errinfo info = {0};
    if (!reader_text(reader, node->key, "a member of `json`", MEMBER_MAX, &name) ||
        !reader_text(reader, node, "a member of `json`", MEMBER_MAX, &text))
        return false;
    out->name = slice_of(reader_copy(reader, name), name.len);
    out->is_any = slice_equal(text, SLICE_LITERAL("*"));
    const char *copy = reader_copy(reader, text);
    if (out->name.data == NULL || copy == NULL || out->is_any)
        return out->name.data != NULL && copy != NULL;
    if (name_template_parse(slice_of(copy, text.len), NAME_ALPHABET_VISIBLE, &out->equals, &info) !=
        ERR_OK)
        return reader_refuse(reader, node, "a member of `json`", info.text, "");
    if (name_template_has(&out->equals, NAME_PART_EXTENSION))
        return reader_refuse(reader, node, "a member of `json`",
                             "expected text, \"*\", or a part of the same certificate: "
                             "{uri.path[N]}, {dns[0]} or {cn}",
                             "");
    return true;
}

// json_read reads the members, and keeps their texts, each after its length, as what two entries are compared by.
static bool json_read(struct reader *reader, const struct node *node, struct extension_match *out)
{
    out->kind = EXTENSION_JSON;
    if (node->kind != NODE_MAP || node->child == NULL || node->child_count > FLAT_JSON_MAX_MEMBERS)
        return reader_error(reader, node,
                            "`json`: expected a map of 1 to 16 members"
                            "\nwrite json: {Name: \"{uri.path[1]}\", Id: \"*\"}");
    struct extension_member *members = reader_alloc(reader, node->child_count, sizeof *members);
    char *all = reader_alloc(reader, (size_t)node->child_count * 2 * (MEMBER_MAX + 4) + 1, 1);
    struct text text;
    if (members == NULL || all == NULL)
        return false;
    text_init(&text, all, (size_t)node->child_count * 2 * (MEMBER_MAX + 4) + 1);
    for (const struct node *entry = node->child; entry != NULL; entry = entry->next) {
        if (!member_read(reader, entry, &members[out->member_count++]))
            return false;
        text_append_format(&text, "%03zu:", entry->key->text.len);
        text_append(&text, entry->key->text);
        text_append_format(&text, "%03zu:", entry->text.len);
        text_append(&text, entry->text);
    }
    ASSERT(!text.is_cut);
    out->members = members;
    out->value = text_slice(&text);
    return true;
}

// set_key makes what two entries are compared by.
static bool set_key(struct reader *reader, struct extension_match *match)
{
    const size_t start = match->oid.len + 2;
    uint8_t *key = reader_alloc(reader, start + match->value.len, 1);
    if (key == NULL)
        return false;
    key[0] = (uint8_t)match->oid.len;
    key[start - 1] = (uint8_t)match->kind;
    ASSERT(bytes_copy(key + 1, match->oid.len, match->oid));
    ASSERT(bytes_copy(key + start, match->value.len, match->value));
    match->key = slice_of(key, start + match->value.len);
    return true;
}

static void extension_read(struct reader *reader, const struct node *node, const char *what,
                           void *field)
{
    const struct extension_match **out = field;
    (void)what;
    if (!section_read(reader, node, &extension_section, NULL))
        return;
    struct extension_match *match = reader_alloc(reader, 1, sizeof *match);
    const struct node *text = node_get(node, "text");
    const struct node *der = node_get(node, "der");
    const struct node *equals = node_get(node, "equals");
    const struct node *json = node_get(node, "json");
    if ((text != NULL) + (der != NULL) + (equals != NULL) + (json != NULL) != 1) {
        reader_error(reader, node,
                     "`extension` needs exactly one of `text`, `der`, `equals` and `json`"
                     "\nwrite {oid: \"1.3.6.1.4.1.99999.1\", text: \"team/*\"}");
        return;
    }
    if (match == NULL || !oid_read(reader, node_get(node, "oid"), &match->oid))
        return;
    const bool is_read = text != NULL     ? text_read(reader, text, match)
                         : der != NULL    ? der_read(reader, der, match)
                         : equals != NULL ? equals_read(reader, equals, match)
                                          : json_read(reader, json, match);
    if (is_read && set_key(reader, match))
        *out = match;
}

// oid_list_read reads `policies` or `qc`: 1 to 8 OIDs, any of which may fit.
static void oid_list_read(struct reader *reader, const struct node *node, const char *what,
                          void *field)
{
    struct slice *out = field;
    if (!reader_list(reader, node, what, 1, OIDS_MAX))
        return;
    uint8_t *bytes = reader_alloc(reader, OIDS_MAX * (1 + EXTENSION_NAMED_OID_MAX), 1);
    struct slice set = slice_of(bytes, 0);
    for (const struct node *item = node->child; bytes != NULL && item != NULL; item = item->next) {
        struct slice text = {0};
        uint8_t oid[DN_OID_MAX_LEN];
        size_t len = 0;
        if (!reader_text(reader, item, what, CONFIG_TEXT_MAX, &text))
            return;
        const bool is_oid = oid_parse(text, oid, &len) && len <= EXTENSION_NAMED_OID_MAX;
        const char *problem = !is_oid ? "not an OID, or too long"
                              : oid_is_any_policy(slice_of(oid, len))
                                  ? "anyPolicy says nothing about a certificate"
                              : oid_set_has(set, slice_of(oid, len)) ? "stands there twice"
                                                                     : NULL;
        if (problem != NULL) {
            reader_refuse(reader, item, what, problem,
                          "write numbers with dots, such as 0.4.0.194112.1.4");
            return;
        }
        bytes[set.len] = (uint8_t)len;
        ASSERT(bytes_copy(bytes + set.len + 1, EXTENSION_NAMED_OID_MAX, slice_of(oid, len)));
        set.len += 1 + len;
    }
    *out = set;
}

static const struct key keys[] = {
    KEY_OF("uri", uri_read, struct match_entry, uri),
    KEY_OF("dns", dns_read, struct match_entry, dns),
    KEY_OF("email", email_read, struct match_entry, email),
    KEY_OF("ip", ip_read, struct match_entry, ip),
    KEY_OF("cn", attribute_read, struct match_entry, cn),
    KEY_OF("ou", attribute_read, struct match_entry, ou),
    KEY_OF("o", attribute_read, struct match_entry, o),
    KEY_OF("extension", extension_read, struct match_entry, extension),
    KEY_OF("policies", oid_list_read, struct match_entry, policies),
    KEY_OF("qc", oid_list_read, struct match_entry, qc),
    KEY_OF("subject", match_read_name, struct match_entry, subject),
    KEY_OF("sha256", match_read_digest, struct match_entry, sha256),
    KEY_OF("spki_sha256", match_read_digest, struct match_entry, spki_sha256),
    KEY_OF("issuer", match_read_name, struct match_entry, issuer),
    KEY_OF("serial", match_read_serial, struct match_entry, serial),
    KEY_KNOWN("trust", KEY_OPTIONAL),
    KEY_OF("anonymous", flag_read, struct match_entry, anonymous),
    KEY_OF("any", flag_read, struct match_entry, any),
};

const struct section match_section = SECTION("a `match` entry", keys);

bool trust_reference_read(struct reader *reader, const struct node *node,
                          const struct name_list *trusts, size_t *out)
{
    if (trusts->count == 0)
        return false; // that there are no profiles has been reported
    return reader_choice(reader, node, "trust profile", trusts->names, trusts->count, out);
}

// check_combination holds what docs/CONFIG.md says about keys together.
static void check_combination(struct reader *reader, const struct node *node,
                              const struct name_list *trusts)
{
    const bool has_any = node_get(node, "any") != NULL;
    const bool has_trust = node_get(node, "trust") != NULL;
    const bool has_digest =
        node_get(node, "sha256") != NULL || node_get(node, "spki_sha256") != NULL;
    const bool is_anonymous = node_get(node, "anonymous") != NULL;
    size_t other_count = 0; // of the keys that say something about the certificate
    for (size_t i = 0; i < match_section.count; i++)
        other_count += strcmp(keys[i].name, "any") != 0 && strcmp(keys[i].name, "trust") != 0 &&
                       node_get(node, keys[i].name) != NULL;
    if (!has_any && other_count == 0) {
        reader_error(reader, node,
                     "a `match` entry says nothing about the certificate"
                     "\nadd a key such as `uri`, or `any: true` for every verified certificate");
        return;
    }
    if (is_anonymous && (has_any || has_trust || other_count != 1)) {
        reader_error(reader, node,
                     "`anonymous` must be alone: it is for clients without a certificate"
                     "\nwrite another entry for those with one");
        return;
    }
    if (has_any && other_count != 0)
        reader_error(reader, node,
                     "`any` must be alone, or together with `trust`"
                     "\nleave out `any`: the other keys already choose the certificates");
    if (trusts->count > 1 && !has_trust && !has_digest && !is_anonymous)
        reader_error(reader, node,
                     "a `match` entry has no `trust`: with several profiles each entry names the "
                     "one it means"
                     "\nthe same name from another CA is another client: add `trust: %s`",
                     trusts->names[0]);
}

static bool match_read(struct reader *reader, const struct node *node, void *out, void *arg)
{
    struct match_entry *entry = out;
    const struct name_list *trusts = arg;
    size_t trust = 0;
    entry->line = node->line;
    entry->column = node->column;
    if (!section_read(reader, node, &match_section, entry))
        return true;
    check_combination(reader, node, trusts);
    if (node_get(node, "trust") != NULL &&
        trust_reference_read(reader, node_get(node, "trust"), trusts, &trust))
        entry->trust = reader_copy(reader, slice_of_string(trusts->names[trust]));
    return true;
}

void matches_read(struct reader *reader, const struct node *node, const struct name_list *trusts,
                  const struct match_entry **out, size_t *out_count)
{
    const struct items entries = {.what = "`match`",
                                  .min = 1,
                                  .max = CLIENT_MATCHES_MAX,
                                  .size = sizeof(struct match_entry),
                                  .read = match_read,
                                  .arg = (void *)trusts};
    *out = reader_items(reader, node, &entries, out_count);
}
