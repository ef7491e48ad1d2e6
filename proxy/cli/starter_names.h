// starter_names: what this machine and its DNS say of the names that --allow wants, before they become rules: a rule
// with a name alone reaches public addresses only, and would never admit a name of this machine or of its network.
#pragma once

#include "proxy/cli/starter_config.h"

// starter_names_settle looks each whole name up that has no ranges of its own. `localhost`, names below it and names of
// /etc/hosts get their addresses as ranges; `*out_needs_hosts_file`: the proxy has to read that file to find one of
// them. A name that DNS leads to special addresses only is refused, for only its owner can say that this is meant:
// ERR_INPUT, and `info` says what to write. A name that cannot be looked up now is left as it is. ERR_MEMORY. Blocking:
// asks DNS, for some seconds at most.
enum err starter_names_settle(struct starter_allow *allows, size_t count,
                              bool *out_needs_hosts_file, struct errinfo *info) MUST_USE;

// starter_names_judge tells whether a rule with the name of `allow` alone could admit one of its addresses; ERR_INPUT
// with what to write instead where it could not. Pure.
enum err starter_names_judge(const struct starter_allow *allow, const struct ip_addr *found,
                             size_t count, struct errinfo *info) MUST_USE;
