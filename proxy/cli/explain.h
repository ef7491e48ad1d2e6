// `sallyport explain`: why a request would be allowed or denied.
#pragma once

// explain_command runs it; returns the exit status.
int explain_command(int argc, char **argv);
