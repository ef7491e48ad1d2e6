// Fuzzes ocsp_note_parse: what is accepted is the note again when it is written, byte for byte.
#include "proxy/ocsp/ocsp_note.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t again[OCSP_NOTE_MAX];
    struct ocsp_note note;
    const struct slice bytes = slice_of(data, size);
    if (ocsp_note_parse(bytes, &note) != ERR_OK)
        return 0;
    ASSERT(note.status == OCSP_REVOKED || note.status == OCSP_UNKNOWN);
    ASSERT(note.subject.serial.len <= OCSP_SERIAL_MAX_LEN && note.timeout_ms > 0);
    ASSERT(slice_equal(bytes, slice_of(again, ocsp_note_format(&note, again))));
    return 0;
}
