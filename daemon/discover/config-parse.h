/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Config space bytes in, facts out. Pure: no I/O, any bytes are accepted, nothing past the given
 * length is touched. What cannot be told from the bytes is unknown, with why.
 *
 * Lists are walked as the Linux kernel walks them (the first capability with the id counts,
 * whatever its version; a bounded number of steps), because the verdict must be the kernel's; where
 * the structure is broken in a way that hides what the hardware does, the facts are unknown.
 */

#include <stdbool.h>
#include <stdint.h>

#include "machine.h"

#define P2P_CONFIG_HEADER_BYTES 64U
#define P2P_CONFIG_CARDBUS_BYTES 128U
#define P2P_CONFIG_CONVENTIONAL_BYTES 256U
#define P2P_CONFIG_EXTENDED_BYTES 4096U

struct p2p_config_input {
        const uint8_t *bytes; /* may be NULL with n_bytes 0 */
        uint32_t n_bytes;     /* at most P2P_CONFIG_EXTENDED_BYTES */
        uint32_t size_bytes;  /* how many there are for the kernel; 0: not known */
        bool is_vf;           /* reads ffff:ffff and has no BARs of its own */
        /* Why the bytes past n_bytes are not there; KNOWN when n_bytes is all that there are. */
        enum p2p_why short_why;
        /* What it means if a PCI Express function has no more than 256 bytes: HIDDEN (the kernel
         * gave 256) or NOT_CAPTURED (a dump may be short). */
        enum p2p_why conventional_why;
};

enum p2p_config_warning_kind {
        P2P_CONFIG_WARNING_LIST_LOOPS,
        P2P_CONFIG_WARNING_LIST_POINTER, /* below 0x40, or below 0x100 in the extended list */
        P2P_CONFIG_WARNING_LIST_ALL_ONES,
        P2P_CONFIG_WARNING_EXTENDED_LOOPS,
        P2P_CONFIG_WARNING_EXTENDED_POINTER,
        P2P_CONFIG_WARNING_EXTENDED_ALL_ONES,
        P2P_CONFIG_WARNING_VERSION_0, /* an extended capability of interest with version 0 */
        P2P_CONFIG_WARNING_TRUNCATED, /* a capability passes the end of config space */
        P2P_CONFIG_WARNING_ALL_ONES,  /* the whole function reads all ones */
        P2P_CONFIG_WARNING_BUS_NUMBERS,
        P2P_CONFIG_WARNING_KIND_MAX,
};

/* A format for one uint32_t, the offset. Never NULL for a valid value. */
const char *p2p_config_warning_format(enum p2p_config_warning_kind kind);

#define P2P_CONFIG_WARNINGS_MAX 4U

struct p2p_config_warning {
        enum p2p_config_warning_kind kind;
        uint32_t offset;
};

/* A BAR register as it stands, without its size. */
struct p2p_config_bar {
        enum p2p_bar_kind kind; /* ABSENT: register zero, or upper half */
        bool is_64bit, prefetchable;
        struct p2p_fact bus_start; /* known when the register could be read and is not zero */
};

/* What is needed of a function's config space until the whole machine is read, and is no fact of
 * struct p2p_function. */
struct p2p_config_extra {
        struct p2p_fact pcix_mode2;     /* 0/1; ABSENT: no PCI-X capability */
        struct p2p_fact ari_forwarding; /* of this port; ABSENT: no such bit */
        struct p2p_config_bar bars[P2P_BARS_MAX];
        enum p2p_why bars_why; /* KNOWN: bars[] is what the registers say */
        /* SR-IOV capability of a PF; ABSENT: none. Facts below have the same why. */
        struct p2p_fact sriov_control; /* bit 0 VF Enable, bit 3 VF Memory Space Enable */
        struct p2p_fact sriov_first_offset, sriov_stride, sriov_vf_device;
        struct p2p_config_bar vf_bars[P2P_BARS_MAX];
        struct p2p_config_warning warnings[P2P_CONFIG_WARNINGS_MAX];
        uint8_t n_warnings;
};

/*
 * Fills the config space facts of f (identity, header and port type, decoding, capabilities, link,
 * resize facts of the BARs, config_bytes and config_size_bytes) and *ret. Leaves everything else of
 * f alone: parent, platform facts, and f->bars apart from their resize facts. Of a VF's identity
 * only the revision is touched.
 */
void p2p_config_parse(const struct p2p_config_input *in, struct p2p_function *f,
                      struct p2p_config_extra *ret);

/*
 * Reads what p2p_config_parse() looks into, and no more, through the callback: for a reader of live
 * config space, where every dword is a transaction on the bus. The callback puts n_bytes at offset
 * into bytes, which the caller has zeroed, and returns false if they cannot be read; that ends the
 * visit. n_bytes of config space (64 to 4096) can be read; the header is expected to be there.
 */
typedef bool (*p2p_config_read_fn)(uint32_t offset, uint32_t n_bytes, void *userdata);
void p2p_config_visit(const uint8_t *bytes, uint32_t n_bytes, p2p_config_read_fn read_fn,
                      void *userdata);
