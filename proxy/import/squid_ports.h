// squid_ports: the directives of squid.conf that say where clients come in, and which other proxies there are.
//
// Each takes the words after its name, puts what it can say into the configuration, and says the rest. An error is one of the
// file: Squid does not start with it either.
#pragma once

#include "proxy/import/squid_state.h"

enum err squid_take_http_port(struct squid_config *config, struct import_place place,
                              struct slice rest, struct errinfo *info) MUST_USE;
enum err squid_take_https_port(struct squid_config *config, struct import_place place,
                               struct slice rest, struct errinfo *info) MUST_USE;
enum err squid_take_peer(struct squid_config *config, struct import_place place, struct slice rest,
                         struct errinfo *info) MUST_USE;

// squid_take_never_direct understands `allow all` and `deny all`; anything else blocks.
enum err squid_take_never_direct(struct squid_config *config, struct import_place place,
                                 struct slice rest, struct errinfo *info) MUST_USE;

// squid_ports_finish says what the ports and peers come to, once the whole file is read.
void squid_ports_finish(struct squid_config *config);
