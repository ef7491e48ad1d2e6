// ca: the commands of the built-in certificate authority: `sallyport ca init`, `ca issue`.
#pragma once

// ca_command runs `ca VERB ...` (`argv[0]` is `ca`) and gives the exit status: 0 done, 1 failed, 2
// usage, a verb or flag that is not supported yet included. Blocking; paths go to stdout.
int ca_command(int argc, char **argv);
