// key_holder: the process that has the private keys, and signs for the one that serves. It has no network, executes nothing,
// and opens nothing but files below the folders in which keys were when it started. No byte of a private key leaves it.
//
// It is started with one end of a socket pair (key_message.h), and ends when the other end does. Its threads: one for that
// socket, and one for each line. It knows no configuration.
#pragma once

// key_holder_run serves the socket that the environment names (keeper_holder.h) until its other end is closed. The exit status;
// called by main, once.
int key_holder_run(void);
