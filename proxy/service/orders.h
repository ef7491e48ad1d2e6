// orders: what the whole process is told, by a signal, at the control socket, or by the process that leads it.
#pragma once

#include "proxy/service/state.h"

// service_begin_drain does what SIGTERM does. Nothing where the process drains, or stops, already.
void service_begin_drain(struct service *service);

// service_drain_after has the drain begin after `after_ms`, 0: at once. Until then everything goes on, but who asks whether the proxy
// is ready hears that it is not, and no upgrade that is under way comes to its end. What was announced before stays, unless it
// is to begin at once.
void service_drain_after(struct service *service, int64_t after_ms);

// service_stop_now does what SIGINT does.
void service_stop_now(struct service *service);

// service_reopen_audit does what SIGUSR1 does: it is for those who have moved the file away.
void service_reopen_audit(struct service *service);
