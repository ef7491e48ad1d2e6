// activation: listening sockets that the service manager has opened for the process (sd_listen_fds(3)): LISTEN_PID, LISTEN_FDS
// and LISTEN_FDNAMES.
#pragma once

#include "proxy/service/inheritance.h"

enum { ACTIVATION_FDS_MAX = 64, ACTIVATION_FIRST_FD = 3 };

// activation_parse reads the number of sockets and their names, which are separated by colons. `names` gets as many, borrowed
// from the text; without a text they are empty. ERR_INPUT with a sentence. Pure.
enum err activation_parse(const char *count_text, const char *names_text,
                          struct slice names[ACTIVATION_FDS_MAX], size_t *out_count,
                          struct errinfo *info) MUST_USE;

// activation_take adds the sockets to what the process was given, if there are any for it, each to the listener of its name. They
// listen where the configuration says, or it is an error: a socket that nobody accepts from swallows connections. The
// variables are removed from the environment. ERR_INPUT or ERR_MEMORY. Called by main, before there are threads.
enum err activation_take(const struct snapshot *snapshot, struct inheritance *inheritance,
                         struct errinfo *info) MUST_USE;
