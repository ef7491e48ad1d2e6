// doctor: `sallyport doctor`: is the way through the proxy open from this machine, and if not, who can do what?
#pragma once

// doctor_command runs `sallyport doctor` and gives the exit status.
int doctor_command(int argc, char **argv);
