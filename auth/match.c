// Compares each part of an entry with the values of its own type, never with those of another (the rules of
// docs/CONFIG.md). What an entry does not ask for is not read.
#include "auth/match.h"

#include "auth/flat_json.h"

// Where the authority of a URI starts (RFC 3986 3): after `scheme://`; `uri.len` without one.
static size_t authority_start(struct slice uri)
{
    const size_t colon = slice_find(uri, ':');
    if (colon == 0 || !slice_starts_with(slice_from(uri, colon), SLICE_LITERAL("://")))
        return uri.len;
    return colon + 3;
}

// After a `/` that follows a non-empty authority only: `spiffe://*` and `spiffe://org*` would let another organisation in.
bool match_is_uri_pattern(struct slice wanted)
{
    if (!slice_ends_with(wanted, SLICE_LITERAL("/*")))
        return false;
    const struct slice rest = slice_from(wanted, authority_start(wanted));
    const size_t authority_len = slice_find(rest, '/');
    return authority_len != 0 && authority_len < rest.len;
}

static bool uri_fits(struct slice wanted, struct slice value)
{
    if (!match_is_uri_pattern(wanted))
        return slice_equal(wanted, value);
    const struct slice prefix = slice_first(wanted, wanted.len - 1);
    return value.len > prefix.len && slice_starts_with(value, prefix);
}

bool match_is_dns_pattern(struct slice wanted)
{
    return slice_starts_with(wanted, SLICE_LITERAL("*."));
}

static bool dns_fits(struct slice wanted, struct slice value)
{
    if (!match_is_dns_pattern(wanted))
        return slice_equal_ignore_case(wanted, value);
    const struct slice suffix = slice_from(wanted, 1); // with its dot
    if (suffix.len < 2 || value.len <= suffix.len)
        return false;
    const size_t front = value.len - suffix.len;
    return slice_equal_ignore_case(slice_from(value, front), suffix);
}

// email_fits splits at the value's own `@`: a usable one has exactly one, and something on both sides.
static bool email_fits(struct slice wanted, struct slice value)
{
    const size_t at = slice_find(value, '@');
    return slice_equal(slice_first(wanted, at), slice_first(value, at)) &&
           slice_equal_ignore_case(slice_from(wanted, at), slice_from(value, at));
}

bool match_is_text_pattern(struct slice wanted)
{
    if (slice_contains(wanted, SLICE_LITERAL("://")))
        return match_is_uri_pattern(wanted);
    return wanted.len > 2 && slice_ends_with(wanted, SLICE_LITERAL("/*"));
}

static bool text_fits(struct slice wanted, struct slice value)
{
    if (!match_is_text_pattern(wanted))
        return slice_equal(wanted, value);
    const struct slice prefix = slice_first(wanted, wanted.len - 1);
    return value.len > prefix.len && slice_starts_with(value, prefix);
}

// key_fits compares what two entries ask of an extension, by their keys: only a pattern fits another one.
static bool key_fits(struct slice wanted, struct slice value)
{
    const size_t start = (size_t)wanted.data[0] + 2; // of the value
    if (wanted.data[start - 1] != EXTENSION_TEXT)
        return slice_equal(wanted, value);
    return slice_equal(slice_first(wanted, start), slice_first(value, start)) &&
           text_fits(slice_from(wanted, start), slice_from(value, start));
}

// set_fits tells whether all OIDs of a set, one at least, are among those that are wanted.
static bool set_fits(struct slice wanted, struct slice set)
{
    struct slice oid = {0};
    bool fits = set.len > 0;
    while (fits && oid_set_next(&set, &oid))
        fits = oid_set_has(wanted, oid);
    return fits;
}

bool match_part_fits(enum entry_part part, struct slice wanted, struct slice value)
{
    static bool (*const fits[ENTRY_PART_COUNT])(struct slice wanted, struct slice value) = {
        [ENTRY_URI] = uri_fits,       [ENTRY_DNS] = dns_fits,      [ENTRY_EMAIL] = email_fits,
        [ENTRY_EXTENSION] = key_fits, [ENTRY_POLICIES] = set_fits, [ENTRY_QC] = set_fits};
    return fits[part] == NULL ? slice_equal(wanted, value) : fits[part](wanted, value);
}

static struct slice text_of(const char *text)
{
    return text == NULL ? (struct slice){0} : slice_of_string(text);
}

static struct slice digest_of(const uint8_t *digest)
{
    return slice_of(digest, digest == NULL ? 0 : IDENTITY_DIGEST_LEN);
}

// address_of gives nothing, which fits nothing, for an address of no family.
static struct slice address_of(const struct ip_addr *address)
{
    return address == NULL
               ? (struct slice){0}
               : slice_first(ip_addr_slice(address), address->family == IP_NONE ? 0 : SIZE_MAX);
}

struct slice match_wanted(const struct match_entry *entry, enum entry_part part)
{
    switch (part) {
    case ENTRY_TRUST:
        return text_of(entry->trust);
    case ENTRY_CN:
        return text_of(entry->cn);
    case ENTRY_SUBJECT:
        return entry->subject;
    case ENTRY_ISSUER:
        return entry->issuer;
    case ENTRY_SERIAL:
        return entry->serial;
    case ENTRY_SHA256:
        return digest_of(entry->sha256);
    case ENTRY_SPKI_SHA256:
        return digest_of(entry->spki_sha256);
    case ENTRY_URI:
        return text_of(entry->uri);
    case ENTRY_DNS:
        return text_of(entry->dns);
    case ENTRY_EMAIL:
        return text_of(entry->email);
    case ENTRY_IP:
        return address_of(entry->ip);
    case ENTRY_OU:
        return text_of(entry->ou);
    case ENTRY_O:
        return text_of(entry->o);
    case ENTRY_EXTENSION:
        return entry->extension == NULL ? (struct slice){0} : entry->extension->key;
    case ENTRY_POLICIES:
        return entry->policies;
    case ENTRY_QC:
        return entry->qc;
    case ENTRY_FITS:
    case ENTRY_EMPTY:
    case ENTRY_ANONYMOUS:
    case ENTRY_CERTIFICATE:
    case ENTRY_UNVERIFIED:
    case ENTRY_PART_COUNT:
        break;
    }
    return (struct slice){0};
}

struct match_values match_values_of(const struct identity *identity, enum entry_part part)
{
    return (struct match_values){.identity = identity,
                                 .part = part,
                                 .names = dn_values_of(&identity->subject, DN_ORGANIZATIONAL_UNIT)};
}

// next_san leaves out what is malformed, holds a wildcard, or is one of two SPIFFE ids: identity.c saw to that.
static bool next_san(struct match_values *values, enum san_kind kind, struct slice *out)
{
    while (values->next < values->identity->san_count) {
        const struct san *san = &values->identity->sans[values->next++];
        if (san->is_usable && san->kind == kind) {
            *out = san->value;
            return true;
        }
    }
    return false;
}

static bool next_unit(struct match_values *values, struct slice *out)
{
    while (dn_values_next(&values->names, out)) {
        if (out->len > 0)
            return true;
    }
    return false;
}

// next_of_set gives the next OID of a set, as a set.
static bool next_of_set(struct match_values *values, struct slice set, struct slice *out)
{
    const struct slice rest = slice_from(set, values->next);
    if (rest.len == 0)
        return false;
    *out = slice_first(rest, (size_t)rest.data[0] + 1);
    values->next += out->len;
    return true;
}

// only gives a value that a certificate has once; empty, it is none.
static bool only(struct match_values *values, struct slice value, struct slice *out)
{
    *out = value;
    return values->next++ == 0 && value.len > 0;
}

bool match_values_next(struct match_values *values, struct slice *out)
{
    const struct identity *identity = values->identity;
    switch (values->part) {
    case ENTRY_TRUST:
        return only(values, slice_of_string(identity->trust_name), out);
    case ENTRY_CN:
        return only(values, dn_only_value(&identity->subject, DN_COMMON_NAME), out);
    case ENTRY_SUBJECT:
        return only(values, dn_slice(&identity->subject), out);
    case ENTRY_ISSUER:
        return only(values, dn_slice(&identity->issuer), out);
    case ENTRY_SERIAL:
        *out = identity->serial; // empty where it is 0
        return values->next++ == 0 && out->data != NULL;
    case ENTRY_SHA256:
        return only(values, digest_of(identity->sha256), out);
    case ENTRY_SPKI_SHA256:
        return only(values, digest_of(identity->spki_sha256), out);
    case ENTRY_URI:
        return next_san(values, SAN_URI, out);
    case ENTRY_DNS:
        return next_san(values, SAN_DNS, out);
    case ENTRY_EMAIL:
        return next_san(values, SAN_EMAIL, out);
    case ENTRY_IP:
        return next_san(values, SAN_IP, out);
    case ENTRY_OU:
        return next_unit(values, out);
    case ENTRY_O:
        return only(values, dn_only_value(&identity->subject, DN_ORGANIZATION), out);
    case ENTRY_POLICIES:
        return next_of_set(values, identity->policies.policies, out);
    case ENTRY_QC:
        return next_of_set(values, identity->policies.qc, out);
    case ENTRY_EXTENSION: // see extension_fits
    case ENTRY_FITS:
    case ENTRY_EMPTY:
    case ENTRY_ANONYMOUS:
    case ENTRY_CERTIFICATE:
    case ENTRY_UNVERIFIED:
    case ENTRY_PART_COUNT:
        break;
    }
    return false;
}

static bool has_value(const struct identity *identity, enum entry_part part, struct slice wanted)
{
    struct match_values values = match_values_of(identity, part);
    struct slice value = {0};
    while (match_values_next(&values, &value)) {
        if (match_part_fits(part, wanted, value))
            return true;
    }
    return false;
}

static bool any_text_fits(const struct extension_match *wanted, struct slice value)
{
    struct extension_texts texts;
    struct slice text = {0};
    bool fits = false;
    if (!extension_texts_of(value, &texts))
        return false;
    while (!fits && extension_texts_next(&texts, &text))
        fits = text_fits(wanted->value, text);
    return fits;
}

// equals_template tells whether a text is what the template gives of the same certificate.
static bool equals_template(const struct name_template *wanted, const struct identity *identity,
                            struct slice value)
{
    char data[EXTENSION_VALUE_MAX];
    struct text expected;
    text_init(&expected, data, sizeof data);
    return name_template_format(wanted, identity, (struct slice){0}, &expected) == NAME_OK &&
           slice_equal(value, text_slice(&expected));
}

static bool member_fits(const struct extension_member *wanted, const struct identity *identity,
                        struct slice json)
{
    struct slice found = {0};
    if (!flat_json_find(json, wanted->name, &found) || found.len == 0)
        return false;
    return wanted->is_any || equals_template(&wanted->equals, identity, found);
}

static bool members_fit(const struct extension_match *wanted, const struct identity *identity,
                        struct slice json)
{
    for (size_t i = 0; i < wanted->member_count; i++) {
        if (!member_fits(&wanted->members[i], identity, json))
            return false;
    }
    return wanted->member_count > 0;
}

static bool extension_fits(const struct extension_match *wanted, const struct identity *identity)
{
    const struct extension *found = identity_find_extension(identity, wanted->oid);
    if (found == NULL || found->value.data == NULL)
        return false;
    switch (wanted->kind) {
    case EXTENSION_TEXT:
        return any_text_fits(wanted, found->value);
    case EXTENSION_DER:
        return slice_equal(wanted->value, found->value);
    case EXTENSION_EQUALS:
        return equals_template(&wanted->equals, identity, extension_only_text(found->value));
    case EXTENSION_JSON:
        return members_fit(wanted, identity, found->value);
    }
    return false;
}

const char *entry_part_name(enum entry_part part)
{
    static const char *const names[] = {
#define X(symbol, name) name,
        ENTRY_PART_TABLE(X)
#undef X
    };
    return names[part];
}

enum entry_part match_entry_misfit(const struct match_entry *entry, const struct identity *identity)
{
    bool asks_for_certificate = entry->any;
    for (enum entry_part part = ENTRY_TRUST; part < ENTRY_PART_COUNT; part++)
        asks_for_certificate |= match_wanted(entry, part).data != NULL;
    // An empty entry must never mean "everybody", and a certificate that nobody verified nobody.
    if (entry->anonymous == asks_for_certificate)
        return ENTRY_EMPTY; // both is what no loader lets pass
    if (entry->anonymous)
        return identity == NULL ? ENTRY_FITS : ENTRY_ANONYMOUS;
    if (identity == NULL)
        return ENTRY_CERTIFICATE;
    if (identity->trust_name[0] == '\0')
        return ENTRY_UNVERIFIED;
    for (enum entry_part part = ENTRY_TRUST; part < ENTRY_PART_COUNT; part++) {
        const struct slice wanted = match_wanted(entry, part);
        if (wanted.data == NULL)
            continue;
        if (!(part == ENTRY_EXTENSION ? extension_fits(entry->extension, identity)
                                      : has_value(identity, part, wanted)))
            return part;
    }
    return ENTRY_FITS;
}

bool match_entry_fits(const struct match_entry *entry, const struct identity *identity)
{
    return match_entry_misfit(entry, identity) == ENTRY_FITS;
}

// ---- entry and entry ----------------------------------------------------------------------------

bool match_part_names(enum entry_part part)
{
    return part != ENTRY_TRUST && part != ENTRY_ISSUER && part != ENTRY_OU && part != ENTRY_O &&
           part != ENTRY_POLICIES && part != ENTRY_QC;
}

// extension_names tells whether the value is written, and not completed from the certificate or any.
static bool extension_names(const struct extension_match *wanted)
{
    bool names = wanted->kind == EXTENSION_TEXT || wanted->kind == EXTENSION_DER;
    for (size_t i = 0; wanted->kind == EXTENSION_JSON && i < wanted->member_count; i++)
        names |= !wanted->members[i].is_any && wanted->members[i].equals.part_count == 0;
    return names;
}

bool match_entry_names(const struct match_entry *entry)
{
    for (enum entry_part part = ENTRY_TRUST; part < ENTRY_PART_COUNT; part++) {
        if (match_part_names(part) && match_wanted(entry, part).data != NULL &&
            (part != ENTRY_EXTENSION || extension_names(entry->extension)))
            return true;
    }
    return false;
}

bool match_entry_covers(const struct match_entry *wide, const struct match_entry *narrow)
{
    if (wide->anonymous || narrow->anonymous)
        return wide->anonymous && narrow->anonymous;
    for (enum entry_part part = ENTRY_TRUST; part < ENTRY_PART_COUNT; part++) {
        const struct slice a = match_wanted(wide, part);
        const struct slice b = match_wanted(narrow, part);
        // A pattern is compared as if it were a name: what another pattern fits, it covers.
        if (a.data != NULL &&
            (b.data == NULL || !(slice_equal(a, b) || match_part_fits(part, a, b))))
            return false;
    }
    return true;
}

// sets_meet tells whether an OID is in both.
static bool sets_meet(struct slice a, struct slice b)
{
    struct slice oid = {0};
    bool meet = false;
    while (!meet && oid_set_next(&a, &oid))
        meet = oid_set_has(b, oid);
    return meet;
}

// parts_agree tells whether something could be what both ask for.
static bool parts_agree(enum entry_part part, struct slice a, struct slice b)
{
    if (part == ENTRY_POLICIES || part == ENTRY_QC)
        return sets_meet(a, b);
    return slice_equal(a, b) || match_part_fits(part, a, b) || match_part_fits(part, b, a);
}

bool match_entry_meets(const struct match_entry *a, const struct match_entry *b)
{
    bool names_same = false;
    if (a->anonymous || b->anonymous)
        return a->anonymous && b->anonymous;
    if (match_entry_covers(a, b) || match_entry_covers(b, a))
        return true;
    for (enum entry_part part = ENTRY_TRUST; part < ENTRY_PART_COUNT; part++) {
        const struct slice in_a = match_wanted(a, part);
        const struct slice in_b = match_wanted(b, part);
        if (in_a.data == NULL || in_b.data == NULL)
            continue;
        if (!parts_agree(part, in_a, in_b))
            return false;
        names_same |= match_part_names(part);
    }
    return names_same;
}
