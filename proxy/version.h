// version: of the program, for `sallyport version`, and for a running proxy that is asked.
#pragma once

#define SALLYPORT_VERSION "0.2.0"
