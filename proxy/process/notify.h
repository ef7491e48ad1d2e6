// notify: tells the service manager how we are: the protocol of sd_notify(3), one datagram a message.
#pragma once

// notify_send sends `state` (such as `READY=1`) to the socket that NOTIFY_SOCKET names. Without one, or
// when it cannot be reached, nothing happens. Called by main.
void notify_send(const char *state);

// notify_send_reloading says that a reload begins, as Type=notify-reload wants it; READY=1 is to follow. Called by main.
void notify_send_reloading(void);
