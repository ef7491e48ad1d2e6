// included_keeper: keeps which included files are in force, for the next start and the next process.
#pragma once

struct service;

// included_keep writes the record of the snapshot in force beside the file of blocks, where there is one and it has changed. A record that
// cannot be written is removed, so that nobody goes by an old one, and a warning tells. For the process that serves. Blocking.
void included_keep(struct service *service);
