// From an identity to the client that the config calls it: every part of an entry compared with the
// typed name of its kind, never with another (the rules of docs/CONFIG.md; wounds of the others: SAN types
// mixed up, several CNs, several SPIFFE ids). Sees an identity only through its accessors.
#include "auth/match.h"

// Where the authority of a URI starts (RFC 3986 3): after `scheme://`; `uri.len` without one.
static size_t authority_start(struct slice uri)
{
    const size_t colon = slice_find(uri, ':');
    if (colon == 0 || !slice_starts_with(slice_from(uri, colon), SLICE_LITERAL("://")))
        return uri.len;
    return colon + 3;
}

// Behind a `/` after a non-empty authority only: `spiffe://*` and `spiffe://org*` would let another organisation in.
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

bool match_part_fits(enum entry_part part, struct slice wanted, struct slice value)
{
    static bool (*const fits[ENTRY_IP + 1])(struct slice wanted, struct slice value) = {
        [ENTRY_URI] = uri_fits, [ENTRY_DNS] = dns_fits, [ENTRY_EMAIL] = email_fits};
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

struct match_parts match_parts_of(const struct match_entry *entry)
{
    return (struct match_parts){{[ENTRY_TRUST] = text_of(entry->trust),
                                 [ENTRY_CN] = text_of(entry->cn),
                                 [ENTRY_SUBJECT] = entry->subject,
                                 [ENTRY_ISSUER] = entry->issuer,
                                 [ENTRY_SERIAL] = entry->serial,
                                 [ENTRY_SHA256] = digest_of(entry->sha256),
                                 [ENTRY_SPKI_SHA256] = digest_of(entry->spki_sha256),
                                 [ENTRY_URI] = text_of(entry->uri),
                                 [ENTRY_DNS] = text_of(entry->dns),
                                 [ENTRY_EMAIL] = text_of(entry->email),
                                 [ENTRY_IP] = address_of(entry->ip)}};
}

struct match_parts match_parts_of_identity(const struct identity *identity)
{
    return (struct match_parts){{[ENTRY_TRUST] = slice_of_string(identity->trust_name),
                                 // Empty also when there are several.
                                 [ENTRY_CN] = dn_common_name(&identity->subject),
                                 [ENTRY_SUBJECT] = dn_slice(&identity->subject),
                                 [ENTRY_ISSUER] = dn_slice(&identity->issuer),
                                 [ENTRY_SERIAL] = identity->serial,
                                 [ENTRY_SHA256] = digest_of(identity->sha256),
                                 [ENTRY_SPKI_SHA256] = digest_of(identity->spki_sha256)}};
}

enum entry_part match_part_of_san(enum san_kind kind)
{
    static const enum entry_part parts[] = {[SAN_DNS] = ENTRY_DNS,
                                            [SAN_URI] = ENTRY_URI,
                                            [SAN_EMAIL] = ENTRY_EMAIL,
                                            [SAN_IP] = ENTRY_IP};
    return parts[kind];
}

// any_san tells whether one usable SAN fits; an empty one fits nothing. What is malformed, holds a wildcard, or is one of
// two SPIFFE ids is not usable: identity.c saw to that.
static bool any_san(const struct identity *identity, enum entry_part part, struct slice wanted)
{
    for (size_t i = 0; i < identity->san_count && wanted.len > 0; i++) {
        const struct san *san = &identity->sans[i];
        if (san->is_usable && match_part_of_san(san->kind) == part &&
            match_part_fits(part, wanted, san->value))
            return true;
    }
    return false;
}

// is_misfit tells whether the identity lacks what an entry asks for in `part`. An empty CN fits nobody.
static bool is_misfit(const struct identity *identity, enum entry_part part, struct slice wanted,
                      struct slice own)
{
    if (wanted.data == NULL)
        return false;
    if (part >= ENTRY_URI)
        return !any_san(identity, part, wanted);
    return !slice_equal(wanted, own) || (part == ENTRY_CN && own.len == 0);
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
    const struct match_parts wanted = match_parts_of(entry);
    bool asks_for_certificate = entry->any;
    for (enum entry_part part = ENTRY_TRUST; part <= ENTRY_IP; part++)
        asks_for_certificate |= wanted.of[part].data != NULL;
    // An empty entry must never mean "everybody", and a certificate that nobody verified nobody.
    if (entry->anonymous == asks_for_certificate)
        return ENTRY_EMPTY; // both is what no loader lets pass
    if (entry->anonymous)
        return identity == NULL ? ENTRY_FITS : ENTRY_ANONYMOUS;
    if (identity == NULL)
        return ENTRY_CERTIFICATE;
    if (identity->trust_name[0] == '\0')
        return ENTRY_UNVERIFIED;
    const struct match_parts own = match_parts_of_identity(identity);
    for (enum entry_part part = ENTRY_TRUST; part <= ENTRY_IP; part++) {
        if (is_misfit(identity, part, wanted.of[part], own.of[part]))
            return part;
    }
    return ENTRY_FITS;
}

bool match_entry_fits(const struct match_entry *entry, const struct identity *identity)
{
    return match_entry_misfit(entry, identity) == ENTRY_FITS;
}
