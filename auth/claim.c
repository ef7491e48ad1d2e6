// Fills an identity from text. The names are read by the parsers of the rules, and judged usable by the same
// test as those of a certificate.
#include "auth/claim.h"

#include <stdlib.h>

#include "auth/cert_id.h"
#include "auth/ipaddr.h"

static enum err read_dn(struct slice text, struct dn *out, struct errinfo *info)
{
    return text.len == 0 ? ERR_OK : dn_parse(text, out, info);
}

static enum err read_serial(struct slice serial, struct identity *identity, struct errinfo *info)
{
    serial = cert_id_trim_serial(serial);
    identity->serial = slice_of(identity->serial_bytes, serial.len);
    if (!bytes_copy(identity->serial_bytes, sizeof identity->serial_bytes, serial))
        return errinfo_set(info, ERR_LIMIT, "a serial of more than %d bytes",
                           (int)IDENTITY_SERIAL_MAX);
    return ERR_OK;
}

// add_san adds one name to those that are there. `used` counts the bytes in san_bytes.
static void add_san(const struct claimed_san *claimed, struct identity *identity, size_t *used,
                    size_t cap)
{
    struct san *san = &identity->sans[identity->san_count];
    struct ip_addr address;
    struct slice value = claimed->text;
    if (claimed->kind == SAN_IP) {
        if (ip_addr_parse(claimed->text, &address) != ERR_OK)
            value = (struct slice){0}; // a malformed one fits nothing
        else
            value = ip_addr_slice(&address);
    }
    const bool fits = bytes_copy(identity->san_bytes + *used, cap - *used, value);
    ASSERT(fits);
    *san = (struct san){.kind = claimed->kind,
                        .value = slice_of(identity->san_bytes + *used, value.len)};
    san->is_usable = san_is_strict(san->kind, san->value);
    *used += value.len;
    identity->san_count++;
}

static enum err read_sans(const struct claim *claim, struct identity *identity,
                          struct errinfo *info)
{
    enum { ADDRESS_MAX = 16 };
    size_t cap = 1;
    if (claim->san_count > IDENTITY_MAX_SANS)
        return errinfo_set(info, ERR_LIMIT, "%zu alternative names; %d are looked at",
                           claim->san_count, (int)IDENTITY_MAX_SANS);
    for (size_t i = 0; i < claim->san_count; i++)
        cap += claim->sans[i].text.len + ADDRESS_MAX;
    identity->sans = calloc(claim->san_count + 1, sizeof *identity->sans);
    identity->san_bytes = malloc(cap);
    if (identity->sans == NULL || identity->san_bytes == NULL)
        return ERR_MEMORY;
    size_t used = 0;
    size_t spiffe_count = 0;
    for (size_t i = 0; i < claim->san_count; i++) {
        add_san(&claim->sans[i], identity, &used, cap);
        spiffe_count += san_is_spiffe(&identity->sans[i]);
    }
    for (size_t i = 0; i < identity->san_count; i++) {
        if (spiffe_count > 1 && identity->sans[i].kind == SAN_URI)
            identity->sans[i].is_usable = false; // as identity.c does
    }
    return ERR_OK;
}

static enum err read_extensions(const struct claim *claim, struct identity *identity,
                                struct errinfo *info)
{
    const enum err error =
        identity_keep_extensions(identity, claim->extensions, claim->extension_count);
    if (error == ERR_LIMIT)
        return errinfo_set(info, error, "more than %d extensions, or an OID that is too long",
                           (int)EXTENSIONS_MAX);
    return error;
}

static void read_digest(const uint8_t *digest, uint8_t out[IDENTITY_DIGEST_LEN])
{
    if (digest == NULL)
        return;
    const bool fits = bytes_copy(out, IDENTITY_DIGEST_LEN, slice_of(digest, IDENTITY_DIGEST_LEN));
    ASSERT(fits);
}

static enum err read_claim(const struct claim *claim, struct identity *identity,
                           struct errinfo *info)
{
    identity->trust_name = strdup(claim->trust_name == NULL ? "" : claim->trust_name);
    if (identity->trust_name == NULL)
        return ERR_MEMORY;
    TRY(read_dn(claim->subject, &identity->subject, info));
    TRY(read_dn(claim->issuer, &identity->issuer, info));
    TRY(read_serial(claim->serial, identity, info));
    TRY(read_sans(claim, identity, info));
    TRY(read_extensions(claim, identity, info));
    TRY(cert_policies_keep(claim->policies, claim->qc, &identity->policies));
    read_digest(claim->sha256, identity->sha256);
    read_digest(claim->spki_sha256, identity->spki_sha256);
    identity->not_after_s = claim->not_after_s;
    return ERR_OK;
}

enum err claim_to_identity(const struct claim *claim, struct identity **out, struct errinfo *info)
{
    *out = NULL;
    struct identity *identity = calloc(1, sizeof *identity);
    if (identity == NULL)
        return ERR_MEMORY;
    const enum err error = read_claim(claim, identity, info);
    if (error != ERR_OK) {
        identity_destroy(identity);
        return error;
    }
    *out = identity;
    return ERR_OK;
}
