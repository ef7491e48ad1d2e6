// Fuzzes the values of extensions: as text, as certificate policies, as QC statements. What is good is walked through and
// keeps its bounds; what is bad leaves nothing.
#include "auth/cert_policies.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_texts(struct slice value)
{
    struct extension_texts texts;
    struct slice text = {0};
    size_t count = 0;
    const bool is_text = extension_texts_of(value, &texts);
    while (is_text && extension_texts_next(&texts, &text)) {
        ASSERT(text.len > 0 && text.len <= value.len && slice_find(text, '*') == text.len);
        count++;
    }
    ASSERT(!is_text || (count > 0 && count <= EXTENSION_TEXTS_MAX));
    ASSERT((extension_only_text(value).data != NULL) == (is_text && count == 1));
}

// check_list counts the OIDs of a list, each of which is there once.
static void check_list(const struct oid_list *list, bool is_good)
{
    struct slice rest = oid_list_slice(list);
    struct slice oid = {0};
    size_t count = 0;
    while (oid_set_next(&rest, &oid)) {
        ASSERT(oid.len > 0 && oid.len <= EXTENSION_NAMED_OID_MAX && !oid_set_has(rest, oid));
        count++;
    }
    ASSERT(count <= CERT_POLICIES_MAX && (is_good || count == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct slice value = slice_of(data, size);
    struct oid_list policies;
    struct oid_list statements;
    bool has_any = false;
    const bool is_good = cert_policies_read(value, &policies, &has_any);
    check_texts(value);
    check_list(&policies, is_good);
    ASSERT(qc_statements_read(value, &statements) == is_good);
    check_list(&statements, is_good);
    ASSERT(is_good || !has_any);
    return 0;
}
