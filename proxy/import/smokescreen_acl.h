// smokescreen_acl: the ACL of Smokescreen, version v1 (pkg/smokescreen/acl/v1), as clients.
//
// For each request Smokescreen asks in this order: is the host in allowed_domains of the service? In global_deny_list? In
// global_allow_list? Otherwise `action` decides. Here a denial always wins, so a name that is both allowed to a service and
// denied to all is denied; a note says so.
#pragma once

#include "proxy/import/smokescreen_state.h"

// smokescreen_read_acl reads the map `root` and adds the clients. ERR_INPUT for what Smokescreen would not start with.
enum err smokescreen_read_acl(struct smokescreen *state, const struct node *root,
                              struct errinfo *info) MUST_USE;
