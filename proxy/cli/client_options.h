// client_options: what the commands of the client's side, `connect` and `doctor`, share on the command line:
// which proxy, with which files, asked of which DNS.
#pragma once

#include "auth/target.h"
#include "proxy/cli/options.h"
#include "proxy/net/resolver_options.h"
#include "proxy/sidecar/credential_files.h"

enum { CLIENT_SERVERS_MAX = 4 };

// client_options_read reads a command line with the options of `own` and the shared ones, which go into `out`.
struct cli_line client_options_read(const struct cli_syntax *own, int argc, char **argv,
                                    struct proxy_way *out) MUST_USE;

// proxy_url_parse reads `https://HOST:PORT`, with or without a final slash, and nothing else. ERR_INPUT with a
// sentence in `info` that says what to write instead.
enum err proxy_url_parse(const char *url, struct target *out, struct errinfo *info) MUST_USE;
