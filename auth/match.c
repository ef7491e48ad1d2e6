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
    static bool (*const fits[ENTRY_PART_COUNT])(struct slice wanted,
                                                struct slice value) = {[ENTRY_URI] = uri_fits,
                                                                       [ENTRY_DNS] = dns_fits,
                                                                       [ENTRY_EMAIL] = email_fits,
                                                                       [ENTRY_POLICIES] = set_fits,
                                                                       [ENTRY_QC] = set_fits};
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
    case ENTRY_LATER:
    case ENTRY_PART_COUNT:
        break;
    }
    return (struct slice){0};
}

struct slice match_implied(const struct match_entry *entry, enum entry_part part)
{
    struct slice found = match_wanted(entry, part);
    if (found.data != NULL || entry->subject.data == NULL || (part != ENTRY_CN && part != ENTRY_O))
        return found;
    found =
        dn_bytes_only_value(entry->subject, part == ENTRY_CN ? DN_COMMON_NAME : DN_ORGANIZATION);
    return found.len == 0 ? (struct slice){0} : found;
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
    case ENTRY_LATER:
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

bool match_member_names(const struct extension_member *member)
{
    return !member->is_any && member->equals.part_count == 0;
}

// extension_names tells whether the value is written, and not completed from the certificate or any.
static bool extension_names(const struct extension_match *wanted)
{
    bool names = wanted->kind == EXTENSION_TEXT || wanted->kind == EXTENSION_DER;
    for (size_t i = 0; wanted->kind == EXTENSION_JSON && i < wanted->member_count; i++)
        names |= match_member_names(&wanted->members[i]);
    return names;
}

// part_is_named tells whether an entry names somebody in a part.
static bool part_is_named(enum entry_part part, const struct match_entry *entry)
{
    if (part == ENTRY_SUBJECT && entry->subject.data != NULL) {
        // What all certificates of an issuer have in common, such as `O=SPIRE,C=US`, names nobody.
        struct slice name = {0};
        struct dn_values names = {.type = DN_COMMON_NAME, .rest = entry->subject};
        return dn_values_next(&names, &name);
    }
    return match_part_names(part) && match_wanted(entry, part).data != NULL &&
           (part != ENTRY_EXTENSION || extension_names(entry->extension));
}

bool match_entry_names(const struct match_entry *entry)
{
    for (enum entry_part part = ENTRY_TRUST; part < ENTRY_PART_COUNT; part++) {
        if (part_is_named(part, entry))
            return true;
    }
    return false;
}

static bool templates_equal(const struct name_template *a, const struct name_template *b)
{
    bool are_equal = a->part_count == b->part_count && slice_equal(a->head, b->head);
    for (size_t i = 0; are_equal && i < a->part_count; i++)
        are_equal = a->parts[i].kind == b->parts[i].kind &&
                    a->parts[i].segment == b->parts[i].segment &&
                    slice_equal(a->parts[i].after, b->parts[i].after);
    return are_equal;
}

static const struct extension_member *find_member(const struct extension_match *match,
                                                  struct slice name)
{
    for (size_t i = 0; i < match->member_count; i++) {
        if (slice_equal(match->members[i].name, name))
            return &match->members[i];
    }
    return NULL;
}

// member_has_value tells whether a member can be this text; with `is_sure` whether it is, for every certificate.
static bool member_has_value(const struct extension_member *member, struct slice text, bool is_sure)
{
    if (member->is_any)
        return text.len > 0;
    return member->equals.part_count == 0 ? slice_equal(member->equals.head, text)
                                          : !is_sure && text.len > 0;
}

// members_have_value tells whether the object `json` can be what the members ask for; with `is_sure` whether it is.
static bool members_have_value(const struct extension_match *wanted, struct slice json,
                               bool is_sure)
{
    bool have = wanted->member_count > 0;
    for (size_t i = 0; have && i < wanted->member_count; i++) {
        struct slice text = {0};
        have = flat_json_find(json, wanted->members[i].name, &text) &&
               member_has_value(&wanted->members[i], text, is_sure);
    }
    return have;
}

// members_cover tells whether each object that `narrow` fits is one that `wide` fits.
static bool members_cover(const struct extension_match *wide, const struct extension_match *narrow)
{
    bool cover = wide->member_count > 0;
    for (size_t i = 0; cover && i < wide->member_count; i++) {
        const struct extension_member *a = &wide->members[i];
        const struct extension_member *b = find_member(narrow, a->name);
        cover = b != NULL && (a->is_any || (!b->is_any && templates_equal(&a->equals, &b->equals)));
    }
    return cover;
}

// extension_covers tells whether each value that `narrow` fits is one that `wide` fits.
static bool extension_covers(const struct extension_match *wide,
                             const struct extension_match *narrow)
{
    if (slice_equal(wide->key, narrow->key))
        return true;
    if (!slice_equal(wide->oid, narrow->oid))
        return false;
    if (wide->kind == EXTENSION_TEXT && narrow->kind == EXTENSION_TEXT)
        return text_fits(wide->value, narrow->value);
    if (wide->kind == EXTENSION_TEXT && narrow->kind == EXTENSION_DER)
        return any_text_fits(wide, narrow->value);
    if (wide->kind == EXTENSION_JSON && narrow->kind == EXTENSION_JSON)
        return members_cover(wide, narrow);
    return wide->kind == EXTENSION_JSON && narrow->kind == EXTENSION_DER &&
           members_have_value(wide, narrow->value, true);
}

// members_agree tells whether one object could be what both ask for.
static bool members_agree(const struct extension_match *a, const struct extension_match *b)
{
    bool agree = true;
    for (size_t i = 0; agree && i < a->member_count; i++) {
        const struct extension_member *in_a = &a->members[i];
        const struct extension_member *in_b = find_member(b, in_a->name);
        agree = in_b == NULL || !match_member_names(in_a) || !match_member_names(in_b) ||
                slice_equal(in_a->equals.head, in_b->equals.head);
    }
    return agree;
}

// equals_agrees tells whether what a certificate completes could be what another entry asks of the extension.
static bool equals_agrees(const struct extension_match *equals, const struct extension_match *other)
{
    if (other->kind == EXTENSION_TEXT)
        return match_is_text_pattern(other->value) ||
               name_template_can_give(&equals->equals, other->value);
    if (other->kind == EXTENSION_DER)
        return name_template_can_give(&equals->equals, extension_only_text(other->value));
    return other->kind == EXTENSION_EQUALS &&
           name_template_may_agree(&equals->equals, &other->equals);
}

// extensions_agree tells whether one value could be what both ask of the same extension. An object is never a text, which
// begins with another byte.
static bool extensions_agree(const struct extension_match *a, const struct extension_match *b)
{
    if (extension_covers(a, b) || extension_covers(b, a))
        return true;
    if (a->kind == EXTENSION_EQUALS || b->kind == EXTENSION_EQUALS)
        return a->kind == EXTENSION_EQUALS ? equals_agrees(a, b) : equals_agrees(b, a);
    if (a->kind == EXTENSION_JSON && b->kind == EXTENSION_JSON)
        return members_agree(a, b);
    if (a->kind == EXTENSION_JSON && b->kind == EXTENSION_DER)
        return members_have_value(a, b->value, false);
    return a->kind == EXTENSION_DER && b->kind == EXTENSION_JSON &&
           members_have_value(b, a->value, false);
}

// extensions_name_same tells whether two that agree have a written value in common, or a written member.
static bool extensions_name_same(const struct extension_match *a, const struct extension_match *b)
{
    bool name_same = false;
    if (a->kind != EXTENSION_JSON || b->kind != EXTENSION_JSON)
        return extension_names(a) && extension_names(b);
    for (size_t i = 0; i < a->member_count; i++) {
        const struct extension_member *in_b = find_member(b, a->members[i].name);
        name_same |= in_b != NULL && match_member_names(&a->members[i]) && match_member_names(in_b);
    }
    return name_same;
}

// is_wide_uri tells whether a pattern holds every name of an authority, or all that a first part of a path says that is no
// team's: `ns` and `sa` stand in front of the names of namespaces and service accounts (Kubernetes), `spire` is SPIRE's own.
static bool is_wide_uri(struct slice wanted)
{
    static const char *const common[] = {"/*", "/ns/*", "/sa/*", "/spire/*", "/spire/agent/*"};
    const size_t start = authority_start(wanted);
    const struct slice rest = slice_from(wanted, start);
    const struct slice path = slice_from(rest, slice_find(rest, '/'));
    bool is_wide = false;
    for (size_t i = 0; i < sizeof common / sizeof *common && !is_wide; i++)
        is_wide = slice_equal(path, slice_of_string(common[i]));
    return is_wide && match_is_uri_pattern(wanted);
}

// is_wide tells whether what is asked for in a part holds everybody of a domain.
static bool is_wide(enum entry_part part, const struct match_entry *entry)
{
    const struct slice wanted = match_wanted(entry, part);
    if (part == ENTRY_DNS)
        return match_is_dns_pattern(wanted) &&
               slice_find(slice_from(wanted, 2), '.') + 2 >= wanted.len - 1;
    if (part == ENTRY_EXTENSION)
        return entry->extension->kind == EXTENSION_TEXT && is_wide_uri(entry->extension->value);
    return part == ENTRY_URI && is_wide_uri(wanted);
}

bool match_entry_names_few(const struct match_entry *entry)
{
    for (enum entry_part part = ENTRY_TRUST; part < ENTRY_PART_COUNT; part++) {
        if (part_is_named(part, entry) && !is_wide(part, entry))
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
        const struct slice b = match_implied(narrow, part);
        if (a.data == NULL)
            continue;
        if (b.data == NULL)
            return false;
        // A pattern is compared as if it were a name: what another pattern fits, it covers.
        if (!(part == ENTRY_EXTENSION ? extension_covers(wide->extension, narrow->extension)
                                      : slice_equal(a, b) || match_part_fits(part, a, b)))
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
static bool parts_agree(enum entry_part part, const struct match_entry *a,
                        const struct match_entry *b)
{
    const struct slice in_a = match_implied(a, part);
    const struct slice in_b = match_implied(b, part);
    if (part == ENTRY_EXTENSION)
        return extensions_agree(a->extension, b->extension);
    if (part == ENTRY_POLICIES || part == ENTRY_QC)
        return sets_meet(in_a, in_b);
    return slice_equal(in_a, in_b) || match_part_fits(part, in_a, in_b) ||
           match_part_fits(part, in_b, in_a);
}

// are_in_common tells whether both entries ask for something in a part.
static bool are_in_common(enum entry_part part, const struct match_entry *a,
                          const struct match_entry *b)
{
    if (match_implied(a, part).data == NULL || match_implied(b, part).data == NULL)
        return false;
    return part != ENTRY_EXTENSION || slice_equal(a->extension->oid, b->extension->oid);
}

// may_have_both tells whether one certificate may have both of two values that differ: it has several OUs, SANs, policies and
// texts of an extension, and of SPIFFE ids one (SPIFFE X.509-SVID 2).
static bool may_have_both(enum entry_part part, const struct match_entry *a,
                          const struct match_entry *b)
{
    const struct slice scheme = SLICE_LITERAL("spiffe://");
    if (part == ENTRY_URI)
        return !slice_starts_with(match_wanted(a, part), scheme) ||
               !slice_starts_with(match_wanted(b, part), scheme);
    if (part == ENTRY_EXTENSION)
        return a->extension->kind == EXTENSION_TEXT && b->extension->kind == EXTENSION_TEXT;
    return part == ENTRY_DNS || part == ENTRY_EMAIL || part == ENTRY_IP || part == ENTRY_OU ||
           part == ENTRY_POLICIES || part == ENTRY_QC;
}

bool match_entry_meets(const struct match_entry *a, const struct match_entry *b)
{
    bool names_same = false;
    if (a->anonymous || b->anonymous)
        return a->anonymous && b->anonymous;
    if (match_entry_covers(a, b) || match_entry_covers(b, a))
        return true;
    for (enum entry_part part = ENTRY_TRUST; part < ENTRY_PART_COUNT; part++) {
        if (!are_in_common(part, a, b))
            continue;
        if (!parts_agree(part, a, b)) {
            if (!may_have_both(part, a, b))
                return false;
            continue;
        }
        names_same |= part == ENTRY_EXTENSION ? extensions_name_same(a->extension, b->extension)
                      : part == ENTRY_SUBJECT ? part_is_named(part, a)
                                              : match_part_names(part);
    }
    return names_same;
}
