// Where it listens, compared and judged.
#include "proxy/config/admin_settings.h"

#include <string.h>

#include "proxy/config/endpoint_text.h"

bool admin_settings_is_local(const struct admin_settings *settings)
{
    return settings->socket_path != NULL || ip_addr_is_loopback(&settings->address.address);
}

bool admin_settings_trusts_all(const struct admin_settings *settings)
{
    return settings->tls == NULL && admin_settings_is_local(settings);
}

bool admin_settings_is_same_place(const struct admin_settings *a, const struct admin_settings *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    if (a->socket_path != NULL || b->socket_path != NULL)
        return a->socket_path != NULL && b->socket_path != NULL &&
               strcmp(a->socket_path, b->socket_path) == 0;
    return endpoint_equal(&a->address, &b->address);
}
