// parent_checks: asks the proxies of the parents again and again whether they can be used, and says on their boards which
// of them are down.
//
// Where a parent is a service in DNS, its places are looked up here, too, and asked.
//
// On main's loop, once for all workers; nothing here waits. Each proxy is asked at its own time, a little earlier or later
// than the configuration says, and only so many at once. A process that leaves its work to another one asks no more.
#pragma once

#include <ev.h>

#include "proxy/config/snapshot.h"
#include "proxy/metrics/exposition.h"

struct parent_checks;

// parent_checks_create makes one that asks nobody, on `loop`, which is borrowed. NULL without memory.
struct parent_checks *parent_checks_create(struct ev_loop *loop) MUST_USE;

// parent_checks_destroy ends everything. NULL is allowed.
void parent_checks_destroy(struct parent_checks *checks);

// parent_checks_adopt goes by `snapshot` from now on. What is known of a proxy that was asked in the same way before is
// on its board when this returns.
void parent_checks_adopt(struct parent_checks *checks, const struct snapshot *snapshot);

// parent_checks_leave ends all asking for good. Nothing is down on the boards then, for nobody finds out any more
// whether it still is. NULL is allowed.
void parent_checks_leave(struct parent_checks *checks);

// parent_checks_status adds the array `parents`: each proxy of each parent that is asked.
void parent_checks_status(const struct parent_checks *checks, struct text *out);

// parent_checks_metrics adds the families about them.
void parent_checks_metrics(const struct parent_checks *checks, struct exposition *out);
