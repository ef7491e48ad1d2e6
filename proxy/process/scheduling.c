// glibc has no function for these calls before 2.41.
#include "proxy/process/scheduling.h"

#include <sched.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

// The least that the kernel takes.
static const uint64_t turn_ns = 100000;

// attributes is sched_attr in its first version, SCHED_ATTR_SIZE_VER0.
struct attributes {
    uint32_t size;
    uint32_t policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime; // of the ordinary policy: a turn, in nanoseconds
    uint64_t deadline;
    uint64_t period;
};

void scheduling_take_short_turns(void)
{
    struct attributes attributes = {.size = sizeof attributes};
    if (syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) != 0 ||
        attributes.policy != SCHED_OTHER)
        return;
    attributes.runtime = turn_ns;
    (void)syscall(SYS_sched_setattr, 0, &attributes, 0);
}
