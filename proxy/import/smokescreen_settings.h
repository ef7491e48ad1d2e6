// smokescreen_settings: the keys of Smokescreen's configuration file, but for what the ACL says.
#pragma once

#include "proxy/import/smokescreen_state.h"

// smokescreen_read_settings reads the map `root`. ERR_INPUT for what Smokescreen would not start with.
enum err smokescreen_read_settings(struct smokescreen *state, const struct node *root,
                                   struct errinfo *info) MUST_USE;
