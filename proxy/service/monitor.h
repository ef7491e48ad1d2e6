// monitor: answers those who ask for metrics and health, where `admin` of the configuration says.
//
// On main's loop. What is asked of the workers goes through the survey, so that no worker waits for a reader.
#pragma once

#include "proxy/service/monitor_place.h"

struct service;
struct monitor;

// monitor_create makes one that serves nothing yet; NULL without memory.
struct monitor *monitor_create(struct service *service) MUST_USE;

// monitor_adopt goes on at `place`, which it takes over, and gives up the old one where it is another. Without memory it
// serves nothing, and says so. What is served is `place` of the service's state.
void monitor_adopt(struct monitor *monitor, struct monitor_place *place);

// monitor_fd gives the listening socket; -1: there is none. NULL is allowed.
int monitor_fd(const struct monitor *monitor);

// monitor_leave leaves the place to another process: nothing is served any more. NULL is allowed.
void monitor_leave(struct monitor *monitor);

// monitor_destroy closes everything. The survey has been stopped. NULL is allowed.
void monitor_destroy(struct monitor *monitor);
