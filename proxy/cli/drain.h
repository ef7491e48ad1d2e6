// drain: `sallyport drain`: makes a running proxy finish what it has and end, as SIGTERM does.
#pragma once

// drain_command runs the command; `argv[0]` is its name. Returns the exit status.
int drain_command(int argc, char **argv);
