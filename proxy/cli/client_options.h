// client_options: what the commands of the client's side, `connect` and `doctor`, share on the command line:
// which proxy, with which files, asked of which DNS.
#pragma once

#include "auth/target.h"
#include "proxy/net/resolver_options.h"
#include "proxy/sidecar/credentials.h"

enum { CLIENT_SERVERS_MAX = 4 };

struct client_options {
    struct target proxy;
    bool has_proxy;
    struct credential_paths paths; // borrowed from argv
    struct dns_server servers[CLIENT_SERVERS_MAX];
    size_t server_count;
};

// What getopt_long returns for the shared options, and the options themselves.
enum { OPTION_PROXY = 256, OPTION_CERT, OPTION_KEY, OPTION_CA, OPTION_RESOLVER };
#define CLIENT_OPTIONS                                                                             \
    {"proxy", required_argument, NULL, OPTION_PROXY},                                              \
        {"cert", required_argument, NULL, OPTION_CERT},                                            \
        {"key", required_argument, NULL, OPTION_KEY}, {"ca", required_argument, NULL, OPTION_CA},  \
    {                                                                                              \
        "resolver", required_argument, NULL, OPTION_RESOLVER                                       \
    }

// client_options_take takes one of the shared options: CLI_OK, or CLI_USAGE when it has complained; any other
// `found` is a complaint about it. `command` is the command's name.
int client_options_take(struct client_options *options, const char *command, int found,
                        char *const *argv);

// proxy_url_parse reads `https://HOST:PORT`, with or without a final slash, and nothing else. ERR_INPUT with a
// sentence in `info` that says what to write instead.
enum err proxy_url_parse(const char *url, struct target *out, struct errinfo *info) MUST_USE;
