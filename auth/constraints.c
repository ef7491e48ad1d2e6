// Address constraints, and CNs that stand for host names. What cannot be read, or is a kind that nobody
// here knows, is an error: a constraint is never passed over.
#include "auth/constraints.h"

#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/x509v3.h>

#include "auth/cert_id.h"

enum { IPV4_LEN = 4, IPV6_LEN = 16 };

// subtree_count gives how many constraints a certificate makes; 0 where they cannot be read, which
// the library refuses.
static size_t subtree_count(X509 *cert)
{
    NAME_CONSTRAINTS *constraints = X509_get_ext_d2i(cert, NID_name_constraints, NULL, NULL);
    if (constraints == NULL)
        return 0;
    const size_t count = sk_GENERAL_SUBTREE_num(constraints->permittedSubtrees) +
                         sk_GENERAL_SUBTREE_num(constraints->excludedSubtrees);
    NAME_CONSTRAINTS_free(constraints);
    return count;
}

// name_count gives how many names a certificate has, the parts of its subject included.
static size_t name_count(X509 *cert)
{
    size_t count = (size_t)X509_NAME_entry_count(X509_get_subject_name(cert));
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    count += sk_GENERAL_NAME_num(names);
    GENERAL_NAMES_free(names);
    return count;
}

size_t constraints_count_comparisons(X509 *const *certs, size_t count, size_t limit)
{
    size_t subtrees = 0; // of all certificates above
    size_t comparisons = 0;
    for (size_t i = count; i > 0 && comparisons <= limit; i--) {
        if (subtrees > 0)
            comparisons += subtrees * name_count(certs[i - 1]);
        subtrees += i > 1 ? subtree_count(certs[i - 1]) : 0;
    }
    return comparisons;
}

bool constraints_is_left(int error)
{
    return error == X509_V_ERR_UNSUPPORTED_CONSTRAINT_TYPE ||
           error == X509_V_ERR_NAME_CONSTRAINTS_WITHOUT_SANS;
}

// is_mask tells whether the bits are ones and then zeros.
static bool is_mask(struct slice mask)
{
    bool has_ended = false;
    for (size_t i = 0; i < mask.len; i++) {
        for (int bit = 7; bit >= 0; bit--) {
            const bool is_one = (mask.data[i] >> bit & 1) != 0;
            if (is_one && has_ended)
                return false;
            has_ended = !is_one;
        }
    }
    return true;
}

// match_address gives X509_V_OK where the address is in the range, X509_V_ERR_PERMITTED_VIOLATION where
// it is not, or why that cannot be said.
static int match_address(struct slice address, struct slice range)
{
    if (address.len != IPV4_LEN && address.len != IPV6_LEN)
        return X509_V_ERR_UNSUPPORTED_NAME_SYNTAX;
    if ((range.len != 2 * IPV4_LEN && range.len != 2 * IPV6_LEN) ||
        !is_mask(slice_from(range, range.len / 2)))
        return X509_V_ERR_UNSUPPORTED_CONSTRAINT_SYNTAX;
    if (range.len != 2 * address.len)
        return X509_V_ERR_PERMITTED_VIOLATION;
    for (size_t i = 0; i < address.len; i++) {
        if (((address.data[i] ^ range.data[i]) & range.data[address.len + i]) != 0)
            return X509_V_ERR_PERMITTED_VIOLATION;
    }
    return X509_V_OK;
}

// match_host does the same for a host name: the base itself, or labels in front of it.
static int match_host(struct slice host, struct slice base)
{
    if (base.len == 0)
        return X509_V_OK;
    if (base.len > host.len)
        return X509_V_ERR_PERMITTED_VIOLATION;
    const size_t rest = host.len - base.len;
    const bool is_at_label = rest == 0 || host.data[rest - 1] == '.' || base.data[0] == '.';
    return is_at_label && slice_equal_ignore_case(slice_from(host, rest), base)
               ? X509_V_OK
               : X509_V_ERR_PERMITTED_VIOLATION;
}

// judge_in looks for `name` in the subtrees of its type. `*out_seen` says whether there was one.
static int judge_in(const STACK_OF(GENERAL_SUBTREE) *subtrees, int type, struct slice name,
                    bool *out_seen)
{
    int found = X509_V_ERR_PERMITTED_VIOLATION;
    *out_seen = false;
    for (size_t i = 0; i < sk_GENERAL_SUBTREE_num(subtrees); i++) {
        const GENERAL_SUBTREE *subtree = sk_GENERAL_SUBTREE_value(subtrees, i);
        if (subtree->base->type != type)
            continue;
        *out_seen = true;
        if (subtree->minimum != NULL || subtree->maximum != NULL)
            return X509_V_ERR_SUBTREE_MINMAX;
        const int result = type == GEN_IPADD
                               ? match_address(name, asn1_slice(subtree->base->d.iPAddress))
                               : match_host(name, asn1_slice(subtree->base->d.dNSName));
        if (result == X509_V_OK)
            found = X509_V_OK;
        else if (result != X509_V_ERR_PERMITTED_VIOLATION)
            return result;
    }
    return found;
}

// judge_name applies the constraints of one certificate to one name, an address or a host name.
static int judge_name(const NAME_CONSTRAINTS *constraints, int type, struct slice name)
{
    bool is_seen = false;
    int result = judge_in(constraints->permittedSubtrees, type, name, &is_seen);
    if (is_seen && result != X509_V_OK)
        return result;
    result = judge_in(constraints->excludedSubtrees, type, name, &is_seen);
    if (is_seen && result == X509_V_OK)
        return X509_V_ERR_EXCLUDED_VIOLATION;
    return is_seen && result != X509_V_ERR_PERMITTED_VIOLATION ? result : X509_V_OK;
}

static int judge_addresses(const NAME_CONSTRAINTS *constraints, X509 *cert)
{
    int result = X509_V_OK;
    if (!cert_has_extension(cert, NID_subject_alt_name))
        return X509_V_OK;
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    if (names == NULL)
        return X509_V_ERR_UNSUPPORTED_NAME_SYNTAX;
    for (size_t i = 0; i < sk_GENERAL_NAME_num(names) && result == X509_V_OK; i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type == GEN_IPADD)
            result = judge_name(constraints, GEN_IPADD, asn1_slice(name->d.iPAddress));
    }
    GENERAL_NAMES_free(names);
    return result;
}

// is_host_like tells whether a CN may be taken for a host name: two labels or more of letters, digits,
// hyphens and underscores.
static bool is_host_like(struct slice text)
{
    bool has_dot = false;
    for (size_t i = 0; i < text.len; i++) {
        const uint8_t c = ascii_lower(text.data[i]);
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-' && c != '_' && c != '.')
            return false;
        has_dot |= c == '.';
    }
    return has_dot;
}

// judge_common_name applies constraints of host names to one CN. A NUL in it is read as an end by some.
static int judge_common_name(const NAME_CONSTRAINTS *constraints, const ASN1_STRING *value)
{
    uint8_t *utf8 = NULL;
    const int len = ASN1_STRING_to_UTF8(&utf8, value);
    if (len < 0)
        return X509_V_ERR_UNSUPPORTED_NAME_SYNTAX;
    const struct slice text = slice_of(utf8, (size_t)len);
    int result = X509_V_OK;
    if (slice_find(text, '\0') < text.len)
        result = X509_V_ERR_UNSUPPORTED_NAME_SYNTAX;
    else if (is_host_like(text))
        result = judge_name(constraints, GEN_DNS, text);
    OPENSSL_free(utf8);
    return result;
}

// judge_common_names looks at a leaf without any other name: there the CN may be taken for a host name.
static int judge_common_names(const NAME_CONSTRAINTS *constraints, X509 *leaf)
{
    X509_NAME *subject = X509_get_subject_name(leaf);
    if (cert_has_extension(leaf, NID_subject_alt_name))
        return X509_V_OK;
    int index = -1;
    while ((index = X509_NAME_get_index_by_NID(subject, NID_commonName, index)) >= 0) {
        const X509_NAME_ENTRY *entry = X509_NAME_get_entry(subject, index);
        const int result = judge_common_name(constraints, X509_NAME_ENTRY_get_data(entry));
        if (result != X509_V_OK)
            return result;
    }
    return X509_V_OK;
}

// drop_address takes out what was judged here, so that the library can judge the rest.
static int drop_address(GENERAL_SUBTREE *subtree, void *unused)
{
    (void)unused;
    if (subtree->base->type != GEN_IPADD)
        return 0;
    GENERAL_SUBTREE_free(subtree);
    return 1;
}

// has_foreign_type tells whether there is a constraint of a type that the library does not apply.
static bool has_foreign_type(const STACK_OF(GENERAL_SUBTREE) *subtrees)
{
    for (size_t i = 0; i < sk_GENERAL_SUBTREE_num(subtrees); i++) {
        const int type = sk_GENERAL_SUBTREE_value(subtrees, i)->base->type;
        if (type != GEN_DIRNAME && type != GEN_DNS && type != GEN_EMAIL && type != GEN_URI)
            return true;
    }
    return false;
}

// judge_below applies the constraints of certs[above] to all below it.
static int judge_below(X509 *const *certs, size_t above, NAME_CONSTRAINTS *constraints)
{
    int result = judge_common_names(constraints, certs[0]);
    if (!has_foreign_type(constraints->permittedSubtrees) &&
        !has_foreign_type(constraints->excludedSubtrees))
        return result; // the library has applied all the rest
    for (size_t i = 0; i < above && result == X509_V_OK; i++) {
        if (i == 0 || !cert_is_self_issued(certs[i]))
            result = judge_addresses(constraints, certs[i]);
    }
    if (result != X509_V_OK)
        return result;
    sk_GENERAL_SUBTREE_delete_if(constraints->permittedSubtrees, drop_address, NULL);
    sk_GENERAL_SUBTREE_delete_if(constraints->excludedSubtrees, drop_address, NULL);
    for (size_t i = 0; i < above && result == X509_V_OK; i++) {
        if (i == 0 || !cert_is_self_issued(certs[i]))
            result = NAME_CONSTRAINTS_check(certs[i], constraints);
    }
    return result;
}

int constraints_check_rest(X509 *const *certs, size_t count)
{
    int result = X509_V_OK;
    for (size_t above = count - 1; above > 0 && result == X509_V_OK; above--) {
        if (!cert_has_extension(certs[above], NID_name_constraints))
            continue;
        NAME_CONSTRAINTS *constraints =
            X509_get_ext_d2i(certs[above], NID_name_constraints, NULL, NULL);
        if (constraints == NULL)
            return X509_V_ERR_UNSUPPORTED_CONSTRAINT_SYNTAX;
        result = judge_below(certs, above, constraints);
        NAME_CONSTRAINTS_free(constraints);
    }
    return result;
}
