// kill: `sallyport kill`: ends a tunnel, or all of a client's.
#pragma once

// kill_command runs the command; `argv[0]` is its name. Returns the exit status.
int kill_command(int argc, char **argv);
