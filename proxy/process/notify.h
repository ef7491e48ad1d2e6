// notify: reports the state of the process to the service manager: the protocol of sd_notify(3), one datagram for each
// message.
#pragma once

// notify_send sends `state` (such as `READY=1`) to the socket in NOTIFY_SOCKET. Without that variable, or when the socket
// cannot be reached, nothing happens. Called by main.
void notify_send(const char *state);

// notify_send_reloading reports that a reload begins, as Type=notify-reload requires. READY=1 must follow. Called by
// main.
void notify_send_reloading(void);
