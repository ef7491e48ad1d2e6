// crl_mark_file: the file beside a kept list with its mark (auth/crl_mark.h).
//
// Its name begins with a dot, so that nobody who reads the folder takes it for a list. Everybody who may write it may write the list
// too. Blocking.
#pragma once

#include "auth/crl_mark.h"
#include "proxy/config/reader.h"

// crl_mark_file_path makes the name of the mark of the list at `path`. False: it is too long.
bool crl_mark_file_path(const char *path, char out[CONFIG_PATH_MAX + 1]);

// crl_mark_file_read tells who has signed `list`, which is kept at `path`. False: nobody remembers.
bool crl_mark_file_read(const char *path, struct slice list, uint8_t out[CERT_DIGEST_LEN]);
