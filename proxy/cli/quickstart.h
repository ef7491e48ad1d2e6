// quickstart: `sallyport quickstart DIR`: everything for a first run in one directory.
#pragma once

// quickstart_command makes what is missing of sallyport.yaml, ca.crt, ca.key, server.crt,
// server.key, client.crt and client.key, checks what is there, never overwrites, and prints on
// stdout the two commands to go on with: start the proxy, use it. Exit status: 0 done, 1 failed (a
// file that does not fit the others is named), 2 usage. Blocking.
int quickstart_command(int argc, char **argv);
