// status: the answers of `status` and `top` as tables for people.
//
// Knows no command line and no socket. docs/CONTROL.md describes the members of the answers.
#pragma once

#include <jansson.h>

// status_print writes the state of the proxy to stdout. What needs attention has a line or a mark with `!`.
void status_print(void *arg, const json_t *root);

// status_print_top writes the busiest tunnels to stdout.
void status_print_top(void *arg, const json_t *root);
