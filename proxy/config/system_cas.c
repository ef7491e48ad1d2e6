// Debian's place.
#include "proxy/config/system_cas.h"

#include "proxy/config/named_files.h"

enum { CA_FILE_MAX = 16 * 1024 * 1024 }; // bytes

const char SYSTEM_CAS_PATH[] = "/etc/ssl/certs/ca-certificates.crt";

bool system_cas_read(struct reader *reader, const struct node *node, const char *what,
                     struct file_content *out)
{
    struct errinfo info = {0};
    if (file_read(SYSTEM_CAS_PATH, CA_FILE_MAX, FILE_PUBLIC, out, &info) != ERR_OK)
        return reader_error(reader, node,
                            "%s: %s: %s"
                            "\ninstall the package ca-certificates, or name CAs of your own under "
                            "`ca`",
                            what, SYSTEM_CAS_PATH, info.text);
    reader_note_file(reader, SYSTEM_CAS_PATH, out->bytes);
    return true;
}
