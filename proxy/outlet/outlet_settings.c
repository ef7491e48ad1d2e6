// A label says the place; two entries with the same one and the same form are the same receiver.
#include "proxy/outlet/outlet_settings.h"

bool outlet_settings_is_same_place(const struct outlet_settings *a, const struct outlet_settings *b)
{
    return a->form == b->form && strcmp(a->label, b->label) == 0;
}

bool outlet_settings_equal(const struct outlet_settings *a, const struct outlet_settings *b)
{
    return outlet_settings_is_same_place(a, b) && a->is_required == b->is_required &&
           server_trust_equal(a->tls, b->tls);
}

const char *outlet_form_name(enum outlet_form form)
{
    return form == OUTLET_SYSLOG ? "syslog" : "lines";
}
