// reload: `sallyport reload`: makes a running proxy read its configuration again, and tells how that went.
#pragma once

// reload_command runs the command; `argv[0]` is its name. Returns the exit status.
int reload_command(int argc, char **argv);
