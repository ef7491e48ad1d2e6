// fleet_view: the answers about a fleet as tables for people: who is there, and what the others have done.
//
// Knows no command line and no socket. docs/CONTROL.md describes the members of the answers.
#pragma once

#include <jansson.h>

// fleet_view_print writes the answer of `status --fleet`, or of an order to other proxies, to stdout.
void fleet_view_print(void *arg, const json_t *root);

// fleet_view_print_part writes what `status` says of the fleet in its own answer; nothing where nothing is shared.
void fleet_view_print_part(const json_t *root);
