/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A machine while it is being read: the record, and beside each function what is only needed until
 * the whole is there. Functions are added first, sorted by address and no two alike; then each is
 * read, which may happen in several threads because each touches its own slot only; then what
 * depends on others (parents, virtual functions, hidden config space) is settled by one.
 */

#include "config-parse.h"
#include "machine.h"
#include "sysfs-text.h"

/* What was wrong with a function's files, as bits; each becomes a warning. */
#define P2PD_PROBLEM_DIRECTORY 0x001U   /* cannot be opened */
#define P2PD_PROBLEM_CONFIG_HUGE 0x002U /* config is longer than 4096 bytes */
#define P2PD_PROBLEM_RESOURCE 0x004U
#define P2PD_PROBLEM_UEVENT 0x008U
#define P2PD_PROBLEM_NUMBER 0x010U /* a file of one number that does not parse */
#define P2PD_PROBLEM_LINK 0x020U   /* driver, iommu_group or physfn is no such link */
#define P2PD_PROBLEM_PLACE 0x040U  /* path in sys/devices does not say where it hangs */
#define P2PD_PROBLEM_NAMES 0x080U  /* more children than are kept */

struct p2pd_scratch {
        struct p2p_config_extra *extra; /* never NULL; of a function that was read */
        struct p2p_place place;
        const char *path; /* below sys/devices, where no link tells it; else NULL. Not owned */
        enum p2p_why place_why; /* of place; not KNOWN: bus numbers must tell */
        bool is_gone;           /* vanished between listing and reading (live) */
        /* Not read: its facts, which were settled then, are those of the machine before. */
        bool is_kept;
        uint32_t was; /* where it was in that machine, or P2P_NONE; see sysfs-keep.h */
        bool has_physfn;
        struct p2p_address physfn; /* of a VF, as its link says */
        uint32_t group_number;     /* meaningful when the function's group_why is KNOWN */
        uint32_t problems;
        /* Strings in the text of the thread that read it, each NUL-terminated: driver, CPU list,
         * IOMMU, names. An empty one is none. */
        uint32_t text_at;
        uint16_t n_names;
        uint8_t reader;
};

struct p2pd_scan {
        struct p2p_machine *machine;
        struct p2pd_scratch *scratch;   /* one for each of machine->functions */
        struct p2p_config_extra *extra; /* theirs: large, and of few functions when few are read */
};

/* Allocates scratch for the functions that the machine has now. 0 or -ENOMEM. */
int p2pd_scan_init(struct p2pd_scan *s, struct p2p_machine *m);
void p2pd_scan_deinit(struct p2pd_scan *s);

/* A function as it was found; incarnation as in struct p2p_function. */
struct p2pd_found {
        struct p2p_address address;
        uint64_t incarnation;
};

/* Sorts them and adds each address once to the machine. 0 or -ENOMEM. */
int p2pd_scan_add_functions(struct p2p_machine *m, struct p2pd_found *found, size_t n);

/* The few texts that many functions share, kept once. {0} at first. */
#define P2PD_STRINGS_MAX 32U
struct p2pd_strings {
        const char *texts[P2PD_STRINGS_MAX];
        uint32_t n;
};

/* A copy of the text that belongs to the machine, the same for the same text if there is room to
 * remember it. All calls with one machine. NULL: out of memory. */
const char *p2pd_strings_copy(struct p2pd_strings *s, struct p2p_machine *m, const char *text);

/* Parses config space bytes of function i. */
void p2pd_scan_parse_config(struct p2pd_scan *s, uint32_t i, const struct p2p_config_input *in);

/* Drops the functions that are gone. Before indices are used. */
void p2pd_scan_drop_gone(struct p2pd_scan *s);

/* Sets the BARs of function i from its registers alone, for a source that has no `resource`. */
void p2pd_scan_bars_from_registers(struct p2pd_scan *s, uint32_t i, enum p2p_why missing);

/* Turns what config-parse and the readers noted into warnings of the machine. */
void p2pd_scan_warn(struct p2pd_scan *s);

/*
 * Finds every function's parent and root bus: from its place where known, else from the bus numbers
 * of the bridges. missing: why a parent is not among the functions.
 * 0 or -ENOMEM.
 */
int p2pd_place_functions(struct p2pd_scan *s, enum p2p_why missing);

/* Recognises virtual functions of a source that does not name them (ids read ffff:ffff) by the
 * SR-IOV ranges of the physical functions. Before placing. */
void p2pd_place_virtual_functions(struct p2pd_scan *s);

/* After placing: what is hidden by bridges above, what virtual functions have from their physical
 * ones, ARI from the port above. Functions that are kept were settled when they were read; virtual
 * ones among them follow a physical one that was read. */
void p2pd_settle(struct p2pd_scan *s);
