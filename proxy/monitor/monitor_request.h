// monitor_request: what is asked of the listener for metrics and health, and whether the asker may see it.
//
// Pure. GET and HEAD only, so that nothing can be changed by asking. A Host that is not ours is refused: a page of the
// internet whose name leads to this machine (DNS rebinding) must not be able to read here what the proxy is doing.
#pragma once

#include "proxy/config/admin_settings.h"
#include "proxy/http/head.h"

enum { MONITOR_HEAD_MAX = 8 * 1024 }; // bytes of a request

// monitor_source is who asks.
struct monitor_source {
    struct ip_addr address; // canonical; IP_NONE: over a Unix socket
    bool is_trusted;        // may see everything
};

struct monitor_request {
    enum admin_page page;
    bool is_head;        // no body is wanted
    struct slice accept; // the first Accept field; borrowed from the input; empty: none
};

// monitor_refusal is an answer that says no.
struct monitor_refusal {
    uint16_t status; // 0: go on
    const char *why; // a sentence in static memory
};

// monitor_source_of tells who asks from `address` (IP_NONE: over the Unix socket).
struct monitor_source monitor_source_of(const struct admin_settings *settings,
                                        const struct ip_addr *address);

// monitor_may_speak tells whether anything at all may be for this source, so that others get no answer: over TLS its
// certificate is not known yet.
bool monitor_may_speak(const struct admin_settings *settings, const struct monitor_source *source);

// monitor_request_decide reads the head of a request. `*out` is set when the status of the refusal is 0.
struct monitor_refusal monitor_request_decide(const struct admin_settings *settings,
                                              const struct monitor_source *source,
                                              const struct message_head *head,
                                              struct monitor_request *out);
