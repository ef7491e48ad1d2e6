// What is not named is allowed.
#include "proxy/keeper/keeper_calls.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "proxy/cage/calls.h"
#include "proxy/cage/sanitizer.h"

#define COUNT_OF(list) (sizeof(list) / sizeof *(list))

static const int forbidden[] = {
    SYS_mknodat,
#ifdef SYS_mknod
    SYS_mknod,
#endif
};

enum err keeper_calls_restrict(struct errinfo *info)
{
    static const uint32_t families[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};
    struct calls calls;
    if (sanitizer_is_here() || calls_are_possible(info) != ERR_OK)
        return ERR_OK;
    calls_begin(&calls);
    calls_add_hostile(&calls, EPERM);
    calls_add(&calls, forbidden, COUNT_OF(forbidden), EPERM);
    calls_add_values(&calls, SYS_socket, 0, families, COUNT_OF(families), EAFNOSUPPORT);
    calls_add_processes(&calls, EPERM);
    return calls_enter(&calls, CALLS_PASS, info);
}
