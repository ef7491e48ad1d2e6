// fleet: tunnels that are opened, held, used in several ways, and closed. Each command runs the loop until
// it is done and prints one JSON object.
#pragma once

#include "tests/bench/load/client.h"

struct fleet;

// fleet_create makes an empty one. `setup` is borrowed. NULL without memory.
struct fleet *fleet_create(const struct client_setup *setup);

// fleet_open opens `count` more tunnels to `target`, at most `at_once` at a time.
void fleet_open(struct fleet *fleet, const char *target, size_t count, size_t at_once);

// fleet_half_open makes `count` connections that get no further than the server's first flight.
void fleet_half_open(struct fleet *fleet, size_t count, size_t at_once);

// fleet_echo sends `size` bytes through each tunnel and waits for them, at most `at_once` at a time.
void fleet_echo(struct fleet *fleet, size_t size, size_t at_once);

// fleet_ping sends `size` bytes through all tunnels, again as soon as they are back, for `seconds`.
void fleet_ping(struct fleet *fleet, size_t size, double seconds);

// fleet_beat sends `size` bytes through each tunnel, once every `every_ms`, for `seconds`; not before the former ones are
// back, so that the longest time is the longest pause that a tunnel has had.
void fleet_beat(struct fleet *fleet, size_t size, double every_ms, double seconds);

// fleet_bulk moves as many bytes as it can for `seconds`.
void fleet_bulk(struct fleet *fleet, bool down, bool up, double seconds);

// fleet_beside moves bytes down in all tunnels but the last one, and sends `size` bytes through that, again and again, for
// `seconds`. There are at least two.
void fleet_beside(struct fleet *fleet, size_t size, double seconds);

// fleet_close ends all, in an orderly way or by reset.
void fleet_close(struct fleet *fleet, bool is_reset);
