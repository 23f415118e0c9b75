/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The texts of sysfs and /proc, parsed. Pure: NUL-terminated text in, facts out; independent of the
 * locale; any text is accepted. Text that does not parse is MALFORMED, text by which the kernel
 * says that it does not know is NOT_REPORTED.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "machine.h"

/* Parses a whole number, base 10 or 16 (then with or without 0x); white space may follow. 0,
 * -EINVAL, or -ERANGE beyond 64 bits. */
int p2p_text_parse_u64(const char *text, unsigned base, uint64_t *ret);

/* The same as a fact, MALFORMED above max. */
struct p2p_fact p2p_text_number(const char *text, unsigned base, uint64_t max);

/* numa_node: "-1" is NOT_REPORTED. */
struct p2p_fact p2p_text_numa_node(const char *text);

/* "16.0 GT/s PCIe", "8 GT/s", "Unknown": MT/s. */
struct p2p_fact p2p_text_link_speed_mts(const char *text);

/* "16": lanes; 0 and 255 are NOT_REPORTED. */
struct p2p_fact p2p_text_link_width(const char *text);

/* One line of `resource`: CPU physical start and end (included) and the kernel's flags. */
struct p2p_resource {
        uint64_t start, end, flags;
        bool is_malformed; /* the line does not parse, or ends before it starts */
};

#define P2P_RESOURCE_IO 0x100U
#define P2P_RESOURCE_MEMORY 0x200U
#define P2P_RESOURCE_PREFETCH 0x2000U
#define P2P_RESOURCE_MEM_64 0x100000U
#define P2P_RESOURCE_DISABLED 0x10000000U
#define P2P_RESOURCE_UNSET 0x20000000U

/* How many of the first max lines are there. */
size_t p2p_text_resources(const char *text, struct p2p_resource *ret, size_t max);

/* A piece of somebody else's text. */
struct p2p_slice {
        const char *text; /* NULL: not there */
        size_t length;
};

/* `uevent` of a PCI function; a key that is not there is NO_FILE. */
struct p2p_uevent {
        struct p2p_slice driver;
        struct p2p_fact class_code, vendor, device, subsystem_vendor, subsystem_device;
};

void p2p_text_uevent(const char *text, struct p2p_uevent *ret);

/* The first processor of /proc/cpuinfo. */
struct p2p_cpu {
        enum p2p_cpu_vendor vendor;
        enum p2p_why why;             /* of the vendor */
        struct p2p_slice vendor_text; /* in the text; ARM: the implementer code */
        bool is_x86;
        struct p2p_fact family, model;
};

void p2p_text_cpuinfo(const char *text, struct p2p_cpu *ret);

/* The release in /proc/version ("Linux version 6.1.0 (...) ..."). */
struct p2p_slice p2p_text_version_release(const char *text);

/* Text up to the first line end, without surrounding white space. */
struct p2p_slice p2p_text_line(const char *text);

enum p2p_group_type p2p_text_group_type(const char *text, enum p2p_why *ret_why);

/* One line of reserved_regions, "0x... 0x... type"; *text is moved past it. 1: parsed, 0: end of
 * the text, -EINVAL: a line that does not parse. */
int p2p_text_next_region(const char **text, struct p2p_region *ret);

/* Does this line of a kernel configuration decide NAME ("CONFIG_PCI_P2PDMA"): 1 or 0, NO_FILE when
 * the line is about something else. */
struct p2p_fact p2p_text_kernel_option(const char *line, const char *name);

/* Parses "ssss:bb:dd.f" as it stands in sysfs, with a function digit beyond 7 refused. The whole
 * text must match. */
int p2p_text_address(const char *text, size_t length, struct p2p_address *ret);

/* Where a function stands, by its path below /sys/devices ("pci0000:00/0000:00:01.0/..."). */
struct p2p_place {
        uint32_t root_segment;
        uint8_t root_bus;
        bool has_parent;
        struct p2p_address parent;
};

/* 0; -EINVAL when the path names no root bus, or something other than functions stands between the
 * root bus and self, or it does not end in self. The innermost root bus counts (VMD). */
int p2p_text_place(const char *path, struct p2p_address self, struct p2p_place *ret);
