// outlet_settings: one entry of `audit.also`: where records go beside the file, and in which form.
#pragma once

#include "auth/policy.h"
#include "proxy/tls/server_trust.h"

enum outlet_form {
    OUTLET_SYSLOG, // RFC 5424; over a stream with octet counting (RFC 6587, 3.4.1; RFC 5425)
    OUTLET_LINES,  // the lines as the file has them
};

enum { OUTLETS_MAX = 4 };

// outlet_form_name gives the word of the configuration. Static memory.
const char *outlet_form_name(enum outlet_form form);

struct outlet_settings {
    enum outlet_form form;
    const char *label;        // as the configuration writes the place; borrowed
    const char *unix_path;    // of a Unix socket; borrowed; NULL: TCP
    struct endpoint endpoint; // of TCP
    bool is_required;         // without it the log counts as one that cannot be written
    struct server_trust *tls; // a reference of the holder; NULL: in the clear
};

// outlet_settings_is_same_place tells whether both send the same to the same receiver, so that the second can go on with the
// queue of the first.
bool outlet_settings_is_same_place(const struct outlet_settings *a,
                                   const struct outlet_settings *b);

// outlet_settings_equal tells whether both mean the same.
bool outlet_settings_equal(const struct outlet_settings *a, const struct outlet_settings *b);
