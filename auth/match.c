// From an identity to the client that the config calls it: every part of an entry compared with the
// typed name of its kind, never with another (the rules of docs/CONFIG.md; wounds of the others: SAN types
// mixed up, several CNs, several SPIFFE ids). Sees an identity only through its accessors.
#include "auth/match.h"

// any_san tells whether one usable SAN of `kind` fits `wanted`; an empty one fits nothing. What is
// malformed, holds a wildcard, or is one of two SPIFFE ids is not usable: identity.c saw to that.
static bool any_san(const struct identity *identity, enum san_kind kind, struct slice wanted,
                    bool (*fits)(struct slice wanted, struct slice value))
{
    if (wanted.len == 0)
        return false;
    for (size_t i = 0; i < identity->san_count; i++) {
        const struct san *san = &identity->sans[i];
        if (san->kind == kind && san->is_usable && fits(wanted, san->value))
            return true;
    }
    return false;
}

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

bool match_uri_fits(struct slice wanted, struct slice value)
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

bool match_dns_fits(struct slice wanted, struct slice value)
{
    if (!match_is_dns_pattern(wanted))
        return slice_equal_ignore_case(wanted, value);
    const struct slice suffix = slice_from(wanted, 1); // with its dot
    if (suffix.len < 2 || value.len <= suffix.len)
        return false;
    const size_t front = value.len - suffix.len;
    return slice_equal_ignore_case(slice_from(value, front), suffix);
}

// match_email_fits splits at the value's own `@`: a usable one has exactly one, and something on both sides.
bool match_email_fits(struct slice wanted, struct slice value)
{
    const size_t at = slice_find(value, '@');
    return slice_equal(slice_first(wanted, at), slice_first(value, at)) &&
           slice_equal_ignore_case(slice_from(wanted, at), slice_from(value, at));
}

static bool ip_fits(struct slice wanted, struct slice value)
{
    return slice_equal(wanted, value);
}

static enum entry_part san_misfit(const struct match_entry *entry, const struct identity *identity)
{
    if (entry->uri != NULL &&
        !any_san(identity, SAN_URI, slice_of_string(entry->uri), match_uri_fits))
        return ENTRY_URI;
    if (entry->dns != NULL &&
        !any_san(identity, SAN_DNS, slice_of_string(entry->dns), match_dns_fits))
        return ENTRY_DNS;
    if (entry->email != NULL &&
        !any_san(identity, SAN_EMAIL, slice_of_string(entry->email), match_email_fits))
        return ENTRY_EMAIL;
    if (entry->ip != NULL) {
        const struct slice bytes = ip_addr_slice(entry->ip);
        if (entry->ip->family == IP_NONE || !any_san(identity, SAN_IP, bytes, ip_fits))
            return ENTRY_IP;
    }
    return ENTRY_FITS;
}

static bool digest_fits(const uint8_t *wanted, const uint8_t *value)
{
    return wanted == NULL ||
           slice_equal(slice_of(wanted, IDENTITY_DIGEST_LEN), slice_of(value, IDENTITY_DIGEST_LEN));
}

static bool dn_fits(struct slice wanted, const struct dn *value)
{
    return wanted.data == NULL || slice_equal(wanted, slice_of(value->bytes, value->len));
}

// name_misfit compares what is not a SAN.
static enum entry_part name_misfit(const struct match_entry *entry, const struct identity *identity)
{
    if (entry->trust != NULL &&
        !slice_equal(slice_of_string(entry->trust), slice_of_string(identity->trust_name)))
        return ENTRY_TRUST;
    if (entry->cn != NULL) {
        // Empty also when there are several: an entry that asks for an empty CN fits nobody.
        const struct slice cn = dn_common_name(&identity->subject);
        if (cn.len == 0 || !slice_equal(cn, slice_of_string(entry->cn)))
            return ENTRY_CN;
    }
    if (!dn_fits(entry->subject, &identity->subject))
        return ENTRY_SUBJECT;
    if (!dn_fits(entry->issuer, &identity->issuer))
        return ENTRY_ISSUER;
    if (entry->serial.data != NULL && !slice_equal(entry->serial, identity->serial))
        return ENTRY_SERIAL;
    if (!digest_fits(entry->sha256, identity->sha256))
        return ENTRY_SHA256;
    return digest_fits(entry->spki_sha256, identity->spki_sha256) ? ENTRY_FITS : ENTRY_SPKI_SHA256;
}

// asks_for_certificate tells whether any part is set that only a certificate can fit.
static bool asks_for_certificate(const struct match_entry *entry)
{
    return entry->any || entry->trust != NULL || entry->uri != NULL || entry->dns != NULL ||
           entry->email != NULL || entry->ip != NULL || entry->cn != NULL ||
           entry->subject.data != NULL || entry->issuer.data != NULL || entry->sha256 != NULL ||
           entry->spki_sha256 != NULL || entry->serial.data != NULL;
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
    // An empty entry must never mean "everybody", and a certificate that nobody verified nobody.
    if (entry->anonymous && asks_for_certificate(entry))
        return ENTRY_EMPTY; // that no loader lets pass: it asks for both
    if (entry->anonymous)
        return identity == NULL ? ENTRY_FITS : ENTRY_ANONYMOUS;
    if (!asks_for_certificate(entry))
        return ENTRY_EMPTY;
    if (identity == NULL)
        return ENTRY_CERTIFICATE;
    if (identity->trust_name[0] == '\0')
        return ENTRY_UNVERIFIED;
    const enum entry_part part = name_misfit(entry, identity);
    return part == ENTRY_FITS ? san_misfit(entry, identity) : part;
}

bool match_entry_fits(const struct match_entry *entry, const struct identity *identity)
{
    return match_entry_misfit(entry, identity) == ENTRY_FITS;
}
