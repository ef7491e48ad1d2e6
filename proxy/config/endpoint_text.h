// endpoint_text: `ADDRESS:PORT` as the configuration and messages write it. Pure.
#pragma once

#include "auth/policy.h"

enum { ENDPOINT_TEXT_CAP = IP_TEXT_CAP + 8 }; // bytes, with the NUL

// endpoint_parse reads `127.0.0.1:8443` or `[::]:8443`, strictly: an address and no name, the port
// in decimal without leading zeros, 0 included. ERR_INPUT with a sentence in `info`, with a way
// out where there is one.
enum err endpoint_parse(struct slice s, struct endpoint *out, struct errinfo *info) MUST_USE;

// endpoint_format writes the same form, NUL-terminated, and returns `out`.
const char *endpoint_format(const struct endpoint *endpoint, char out[ENDPOINT_TEXT_CAP]);

// endpoint_equal tells whether both are the same port of the same address.
bool endpoint_equal(const struct endpoint *a, const struct endpoint *b);

// endpoint_is_taken tells whether `b` cannot be bound beside `a`: 0.0.0.0 takes every IPv4 address, [::] every address; port 0
// takes nothing.
bool endpoint_is_taken(const struct endpoint *a, const struct endpoint *b);
