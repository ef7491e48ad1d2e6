// Fuzzes the CA's index. What can be read says the same when it is read again, every entry is found by its
// serial, and half a line at the end changes nothing.
#include "proxy/pki/index.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct index empty_index(void)
{
    return (struct index){.path = "ca.index", .fd = -1, .lock_fd = -1};
}

static void check_entries(const struct index *index)
{
    for (size_t i = 0; i < index->count; i++) {
        const struct index_entry *entry = &index->entries[i];
        const struct index_entry *found = index_find(index, entry->serial);
        char serial[INDEX_SERIAL_CAP];
        ASSERT(found != NULL && found >= entry); // the last of one serial
        ASSERT(strcmp(found->serial, entry->serial) == 0);
        ASSERT(index_parse_serial(entry->serial, serial) && strcmp(serial, entry->serial) == 0);
        ASSERT(INDEX_KIND_NAMES[entry->kind] != NULL);
        ASSERT(!entry->is_revoked || REVOCATIONS[entry->reason].name != NULL);
    }
    ASSERT(index_find(index, "no serial") == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct index index = empty_index();
    struct index again = empty_index();
    struct errinfo info;
    size_t len = 0;
    size_t again_len = 0;
    if (index_read(&index, slice_of(data, size), &len, &info) == ERR_OK) {
        ASSERT(len <= size && (len == 0 || data[len - 1] == '\n'));
        check_entries(&index);
        ASSERT(index_read(&again, slice_of(data, len), &again_len, &info) == ERR_OK);
        ASSERT(again_len == len && again.count == index.count);
        ASSERT(again.crl_number == index.crl_number);
    }
    index_deinit(&index);
    index_deinit(&again);
    return 0;
}
