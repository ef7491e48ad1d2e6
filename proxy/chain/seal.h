// seal: the members that the writer of the audit log adds at the end of each record: which instance of the writer it
// was, the record's number, and, in a chain, the SHA-256 of the line before. The first record of an instance also names
// the last line that the instance found.
//
//   ,"instance":"1a2b3c4d","seq":7,"prev":"9f86..."}
//   ,"instance":"1a2b3c4d","seq":0,"prev":null,"after":{"instance":"0c51aa20","seq":90,"sha256":"60303a..."}}
//
// Pure, and strict: what is read back is written in this one way. Knows no JSON beside these members.
#pragma once

#include "auth/base/text.h"
#include "proxy/chain/merkle.h"

enum { SEAL_CAP = 320 }; // bytes of the longest, with the line break and a NUL

// seal_link is a line that was found.
struct seal_link {
    enum {
        SEAL_LINK_NONE, // there was none
        SEAL_LINK_LINE, // it has no seal
        SEAL_LINK_RECORD,
    } kind;
    uint32_t instance; // of a record
    uint64_t seq;
    struct merkle_hash hash; // of the line without its line break
};

struct seal {
    uint32_t instance;
    uint64_t seq;
    bool is_chained;         // it has `prev`
    struct merkle_hash prev; // not of the first one
    struct seal_link after;  // of the first one, whose `seq` is 0
};

// seal_append writes the end of a record, from the comma after its last member to the line break.
void seal_append(const struct seal *seal, struct text *out);

// seal_parse reads the end of a line, without its line break. False: the line has no seal.
bool seal_parse(struct slice line, struct seal *out);

// seal_link_find names the last whole line of `tail`, the end of a log: the last one with a seal, if what follows it
// are at most torn lines. `is_all`: the tail is the whole log, so that it begins with a line.
struct seal_link seal_link_find(struct slice tail, bool is_all);

// instance_parse reads 8 lower-case hexadecimal digits, seq_parse decimal digits without a leading zero.
bool instance_parse(struct slice text, uint32_t *out);
bool seq_parse(struct slice text, uint64_t *out);
