/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The two boot parameters that shape ACS, pci=disable_acs_redir= and pci=config_acs=, read the way
 * the kernel reads them: which entry names which function, where the kernel gives up, and what it
 * then writes. What the kernel has done to the registers is not looked at here (acs-verify.h).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "machine.h"

enum p2p_boot_parameter {
        P2P_BOOT_DISABLE_ACS_REDIR, /* clears RR, CR and EC */
        P2P_BOOT_CONFIG_ACS,        /* FLAGS@DEVICE: sets and clears bit by bit */
        P2P_BOOT_PARAMETER_MAX,
};

/* "disable_acs_redir", "config_acs". */
const char *p2p_boot_parameter_to_string(enum p2p_boot_parameter parameter);

/* The bits that config_acs can name, bit 0 (SV) to bit 6 (DT). */
#define P2P_BOOT_ACS_BITS 0x007fU

/* What an IOMMU driver makes the kernel set on every function that can. */
#define P2P_BOOT_ACS_DEFAULT (P2P_ACS_SV | P2P_ACS_RR | P2P_ACS_CR | P2P_ACS_UF)

/* What the machine's kernel does with the parameters. Rows of one table, by release. */
struct p2p_boot_kernel {
        bool release_known; /* false: the rest is what the newest kernel does */
        bool has[P2P_BOOT_PARAMETER_MAX];
        /*
         * Linux 6.11 up to the fix: of a config_acs list only the first entry counts; a bit that is
         * to be cleared gets the value that firmware left; disable_acs_redir also sets every other
         * ACS bit that the function has.
         */
        bool misreads;
};

struct p2p_boot_kernel p2p_boot_kernel_for(const struct p2p_machine *m);

/* The releases without the fault, for a sentence: "6.12.23, 6.13.11, 6.14.2, 6.15". */
const char *p2p_boot_misread_fixed_in(void);

/* What a kernel command line says about PCI. */
struct p2p_boot_line {
        char *value[P2P_BOOT_PARAMETER_MAX]; /* the last one given, which is the one that counts;
                                                NULL: not given */
        uint32_t n_given[P2P_BOOT_PARAMETER_MAX]; /* how often */
        char *other_options;   /* all other options of all pci= parameters, in order, with commas;
                                  NULL: none */
        bool has_acs_override; /* pcie_acs_override=, which no mainline kernel knows, is there */
};

/* Reads it as the kernel does: double quotes, "--" ends it, the last value wins, a comma ends an
 * option. NULL or "" is a line without any. 0 or -ENOMEM. */
int p2p_boot_line_parse(const char *command_line, struct p2p_boot_line *ret);

/* Frees what parse made; accepts a zeroed one. */
void p2p_boot_line_deinit(struct p2p_boot_line *line);

enum p2p_boot_match_kind {
        P2P_BOOT_MATCH_NONE,    /* no entry names the function; the kernel leaves it alone */
        P2P_BOOT_MATCH_ENTRY,   /* entry, mask and flags say what the kernel writes */
        P2P_BOOT_MATCH_STOPPED, /* the kernel cannot read entry and gives up for this function */
        P2P_BOOT_MATCH_UNKNOWN, /* a fact of the function that entry asks for is not known */
        P2P_BOOT_MATCH_KIND_MAX,
};

enum p2p_boot_stop {
        P2P_BOOT_STOP_NONE,
        P2P_BOOT_STOP_NO_FLAGS,    /* config_acs without '@' */
        P2P_BOOT_STOP_BAD_FLAGS,   /* something else than 0, 1, x before the '@' */
        P2P_BOOT_STOP_FLAGS_RANGE, /* a flag for a bit above DT */
        P2P_BOOT_STOP_BAD_DEVICE,  /* neither an address with a path nor pci:VENDOR:DEVICE */
        P2P_BOOT_STOP_TRAILING,    /* text behind a device that is no separator */
        P2P_BOOT_STOP_MISREAD,     /* a later entry of a list that this kernel cannot read */
        P2P_BOOT_STOP_MAX,
};

/* Half a sentence: "there is no '@' between flags and device". Never NULL. */
const char *p2p_boot_stop_text(enum p2p_boot_stop stop);

struct p2p_boot_match {
        enum p2p_boot_match_kind kind;
        enum p2p_boot_stop stop; /* of STOPPED */
        uint32_t entry;          /* counted from 0, as p2p_boot_entries() counts */
        uint16_t mask, flags;    /* of ENTRY: the bits that are named, and their values */
};

/* Does what the kernel does when it finds the function: walks the list to the first entry that
 * names it. value: of p2p_boot_line. function: index into m. Costs the list times the depth. */
struct p2p_boot_match p2p_boot_match_function(const struct p2p_machine *m,
                                              const struct p2p_boot_kernel *kernel,
                                              enum p2p_boot_parameter parameter, const char *value,
                                              uint32_t function);

/* How many entries the value has, split at ';'; the text of entry i into *ret_text, *ret_len. */
uint32_t p2p_boot_entries(const char *value);
const char *p2p_boot_entry(const char *value, uint32_t entry, size_t *ret_len);

/*
 * The ACS control that a kernel writes at discovery. firmware: the control before. iommu: an IOMMU
 * driver asked for ACS. matches: for each parameter (NONE where it is not given). Bits that the
 * function lacks are not set.
 */
uint16_t p2p_boot_acs_control(const struct p2p_boot_kernel *kernel, uint16_t capability,
                              uint16_t firmware, bool iommu,
                              const struct p2p_boot_match matches[static P2P_BOOT_PARAMETER_MAX]);
