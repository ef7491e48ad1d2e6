// Comparison of two settings, field by field.
#include "proxy/store/store_settings.h"

static bool equal_text(const char *a, const char *b)
{
    return slice_equal(slice_of_string(a), slice_of_string(b));
}

bool store_settings_equal(const struct store_settings *a, const struct store_settings *b)
{
    if (a->place_count != b->place_count || a->is_tls != b->is_tls ||
        a->has_tls_name != b->has_tls_name ||
        (a->has_tls_name && !target_equal_host(&a->tls_name, &b->tls_name)) ||
        !equal_text(a->master, b->master) || !equal_text(a->user, b->user) ||
        !equal_text(a->password, b->password) || !equal_text(a->prefix, b->prefix) ||
        !server_trust_equal(a->tls, b->tls))
        return false;
    for (size_t i = 0; i < a->place_count; i++) {
        if (!target_equal(&a->places[i], &b->places[i]))
            return false;
    }
    return true;
}
