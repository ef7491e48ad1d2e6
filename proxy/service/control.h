// control: what is asked at the control socket, and what comes of it.
//
// On main's loop. Every command ends with one answer and one `admin` record. A client that has to wait (for a reload, for
// the workers to adopt a block, for their numbers) is kept in a list, which is looked through before the loop waits.
#pragma once

#include "proxy/service/state.h"

struct control;

// control_create opens the control socket of the configuration, but serves nobody yet. ERR_DENIED or ERR_SYSTEM with a
// sentence in `info`.
enum err control_create(struct service *service, struct control **out,
                        struct errinfo *info) MUST_USE;

// control_serve begins to answer. The workers run.
enum err control_serve(struct control *control, struct errinfo *info) MUST_USE;

// control_destroy tells everybody who still waits that the process ends, and removes the socket. The workers
// have ended, the audit log has not. NULL is allowed.
void control_destroy(struct control *control);
