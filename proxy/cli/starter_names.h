// starter_names: looks up the names of --allow before they become rules. A rule with a name alone reaches public
// addresses only, so it would never allow a name of this machine or of its network.
#pragma once

#include "proxy/cli/starter_config.h"

// starter_names_settle looks up each exact name that has no ranges. `localhost`, names below it and names in /etc/hosts
// get their addresses as ranges. `*out_needs_hosts_file` tells whether the proxy has to read that file to find one of
// them. A name that DNS resolves to special addresses only is refused, because only its owner knows whether that is
// intended: ERR_INPUT, and `info` says what to write. A name that cannot be resolved now stays as it is. ERR_MEMORY.
// Blocking: asks DNS, for some seconds at most.
enum err starter_names_settle(struct starter_allow *allows, size_t count,
                              bool *out_needs_hosts_file, struct errinfo *info) MUST_USE;

// starter_names_judge checks that a rule with only the name of `allow` could admit one of its addresses. Otherwise
// ERR_INPUT, and `info` says what to write instead. Pure.
enum err starter_names_judge(const struct starter_allow *allow, const struct ip_addr *found,
                             size_t count, struct errinfo *info) MUST_USE;
