// connect: `sallyport connect`, the sidecar: a plain proxy on this machine that goes through the real one.
#pragma once

// connect_command runs `sallyport connect` and gives the exit status.
int connect_command(int argc, char **argv);
