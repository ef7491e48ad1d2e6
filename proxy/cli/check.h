// check: `sallyport check`: is this configuration good, and what does it come to?
#pragma once

// check_command runs `check` with its own arguments (`argv[0]` is the command's name) and gives the
// exit status: 0 good, 1 warnings with --strict, 2 wrong usage, 3 not loadable. Blocking; writes to
// stdout (what was asked for) and stderr (findings, usage).
int check_command(int argc, char **argv);
