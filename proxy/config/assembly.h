// assembly: the policy that the main file and the included files make together, and what counts of each included file.
//
// An included file that is wrong by itself is refused as a whole. It keeps what it said when it was good last, as long as that is
// known and good still; otherwise its clients may do nothing, and what it held stays its own (holdings.h). Of two files that
// want the same the one that held it first has it (rivals.h). A new file that wants what is another one's is refused; in any other
// such an entry comes after the older one, a client whose name another file has may do nothing, a rule gets another name,
// and the rest counts at once: so nobody has to wait for another file to take something away. Nothing that an included file says
// can refuse the configuration. The main file's clients come first, then those of the files in order. Opens no files.
#pragma once

#include "auth/policy.h"
#include "proxy/config/clients.h"
#include "proxy/config/include.h"
#include "proxy/config/included_parts.h"

// assembly is what is put together.
struct assembly {
    const struct name_list *trusts;
    const struct parent_names *parents;    // that a `via` may name
    const struct include_list *included;   // NULL: none
    const struct included_parts *in_force; // what files said and hold; NULL: nothing
    struct arena *arena;                   // borrowed; of `parts` and their texts
    struct included_parts parts;           // out
};

// assembly_read reads the main file `root` and the included files into `policy`, and seals it. What is kept goes into the
// reader's arena, which must be the policy's. What is wrong in an included file is reported, and counts as `included_count`
// among the errors.
void assembly_read(struct reader *reader, const struct node *root, struct assembly *assembly,
                   struct policy *policy);

// clients_read is assembly_read without included files.
void clients_read(struct reader *reader, const struct node *root, const struct name_list *trusts,
                  const struct parent_names *parents, struct policy *policy);
