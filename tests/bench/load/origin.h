// origin: the servers behind the proxy that is measured: echo, sink, source, and a source whose bytes
// look like TLS records. Plain TCP on 127.0.0.1.
#pragma once

// origin_run listens on four ports that the kernel picks, prints `ready echo=PORT sink=PORT source=PORT
// records=PORT` and serves until its stdin ends. Gives the exit status.
int origin_run(void);
