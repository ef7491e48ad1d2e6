// block: `sallyport block` and `sallyport unblock`: who is refused from now on, whatever the CA says.
#pragma once

// block_command and unblock_command run the commands; `argv[0]` is the name. They return the exit status.
int block_command(int argc, char **argv);
int unblock_command(int argc, char **argv);
