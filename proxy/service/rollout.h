// rollout: the state of what comes into force while the proxy runs: a machine without a loop, a thread or a clock.
//
// Three things can come: a whole configuration (a reload), what takes trust away (a taking, read by itself when a reload
// is refused, and beside one that takes long), and another list of blocks (a revision). One loader reads reloads and one
// takings, each one load at a time. Each worker adopts what is handed over, one snapshot at a time. A revision waits for no
// loader: so the states of the loaders and the number of workers that still adopt are facts of their own. Work that comes
// meanwhile is pending. Work that failed because there was no memory, or because files did not fit together yet, is missed
// and becomes pending at the next tick.
//
// A reload that was read while a taking came into force may have read older files than that. Before it is taken, what takes
// trust away from it is read once more, so that it gives nothing back.
//
// The owner reports events, and then does what rollout_next says until that is ROLLOUT_WAIT. For one thread.
#pragma once

#include "proxy/service/loader.h"

enum {
    ROLLOUT_TRIES_MAX = 20, // of files that do not fit together
    ROLLOUT_LONG_TICKS = 2, // a reload that takes so many takes long
};

// Work, as bits of a set: a reload or a taking is the scope of its load.
enum {
    ROLLOUT_REVISION = 1 << 4,
    ROLLOUT_RELOADS = LOADER_ALL | LOADER_FILES,
    ROLLOUT_TAKINGS = LOADER_TAKING_ALL | LOADER_TAKING,
};

enum rollout_state {
    ROLLOUT_IDLE,    // nothing is being read
    ROLLOUT_LOADING, // a loader reads files
    ROLLOUT_LOADED, // it has read them, and the result waits until every worker has adopted what came before
};

enum rollout_step {
    ROLLOUT_WAIT,          // nothing to do before the next event
    ROLLOUT_REVISE,        // hand the snapshot in force over with today's blocks
    ROLLOUT_LOAD,          // start to read the reload `scope`
    ROLLOUT_FINISH,        // take what was read for it, and what ROLLOUT_COMPARE has read
    ROLLOUT_TAKE,          // start to read `taking_scope`
    ROLLOUT_FINISH_TAKING, // take what was read for it
    ROLLOUT_COMPARE, // start to read what takes trust away from what the reload has read; if that is not good, or there is
                     // no memory, report rollout_taken
};

struct rollout {
    enum rollout_state state; // of the reload
    enum loader_scope scope;  // of the reload under way, or of the last one
    enum rollout_state taking_state;
    enum loader_scope taking_scope; // of the taking under way, or of the last one
    int load_ticks;                 // since the reload under way was begun
    bool is_taking_due;             // files may have changed since the last taking
    bool is_taken_beside;           // a taking came into force since the reload under way was begun
    bool is_comparing;              // the taking under way is of what the reload has read
    uint32_t adopting_count;        // workers that have not adopted the newest snapshot yet
    unsigned pending;               // work that waits
    unsigned missed;                // work that the next tick makes pending
    int try_count; // how often files that did not fit together have been tried again; 0: they do fit
    bool is_tried_again;     // the reload that was refused last is tried again
    bool is_adopting_reload; // the newest snapshot is a reload's, and the reload has not ended
    bool is_adopting_taking; // what takes trust away is not known to be in force in every worker
    bool is_patient;         // a reload was put off; it waits for private keys the next time
    bool has_refused_file;   // the configuration file as it was read last is not the one in force
    uint64_t generation;     // of the newest snapshot
    uint64_t adopted_generation; // of the newest one that every worker has
    uint64_t missed_generation;  // of the newest one that a worker had no memory for
};

// rollout_next gives the next step and moves to the state in which that step is under way.
enum rollout_step rollout_next(struct rollout *rollout);

// rollout_changed reports that files have changed: those of a reload that was refused have all their tries again.
void rollout_changed(struct rollout *rollout);

// rollout_loaded reports that the reload has been read, rollout_taken that the taking has; ignored unless it was under way.
void rollout_loaded(struct rollout *rollout);
void rollout_taken(struct rollout *rollout);

// rollout_not_loaded reports that the reload could not be begun, rollout_not_taken that the taking could not.
void rollout_not_loaded(struct rollout *rollout);
void rollout_not_taken(struct rollout *rollout);

// rollout_declined reports that the reload is not wanted, whatever it is. What takes trust away is pending then.
void rollout_declined(struct rollout *rollout);

// rollout_take_all makes pending what takes trust away, also what a configuration file denies that may never come into force.
void rollout_take_all(struct rollout *rollout);

// rollout_handed reports that the snapshot of `generation` was given to `count` workers, and whether no other worker
// lacked the memory for it. True: nobody has to adopt it any more.
bool rollout_handed(struct rollout *rollout, uint32_t count, bool is_whole);

// rollout_adopted reports that `count` more workers have adopted the newest snapshot. True: now all have.
bool rollout_adopted(struct rollout *rollout, uint32_t count);

// rollout_has_all tells whether no worker lacked the memory for the newest snapshot.
bool rollout_has_all(const struct rollout *rollout);

// rollout_refused reports that the reload just loaded is refused; `is_pair`: for nothing but certificates whose keys do
// not fit (yet), which is normal while files are being changed. What takes trust away is pending then. True: the files
// are tried again, and nothing has to be said yet.
bool rollout_refused(struct rollout *rollout, bool is_pair);

// rollout_put_off reports that nothing was loaded, since the process that holds the private keys does not answer. What takes
// trust away is pending then, which needs no keys, and the reload after it.
void rollout_put_off(struct rollout *rollout);

// rollout_accepted reports that the reload just loaded is good. `is_new`: its snapshot is handed over next, with today's
// blocks; otherwise it is what is in force already.
void rollout_accepted(struct rollout *rollout, bool is_new);

// rollout_took reports the end of the taking just read: whether there was memory for all of it, and whether it is handed
// over next.
void rollout_took(struct rollout *rollout, bool is_whole, bool is_new);

// rollout_tick makes pending what was missed, as far as nothing under way may still bring it, and a taking beside a reload
// that takes long. To be called twice a second while a reload is read or anything is missed.
void rollout_tick(struct rollout *rollout);
