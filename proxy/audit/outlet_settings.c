// A label says form and place.
#include "proxy/audit/outlet_settings.h"

bool outlet_settings_equal(const struct outlet_settings *a, const struct outlet_settings *b)
{
    return a->form == b->form && a->is_required == b->is_required &&
           strcmp(a->label, b->label) == 0;
}
