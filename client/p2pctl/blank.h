/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Takes out of captured bytes what identifies this one machine, and nothing that an answer hangs
 * on. Pure: changes the buffer in place; what is taken out is zeroed or made shorter.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroes the number of every Device Serial Number capability (PCIe 7.9.3) in a config space of n
 * bytes. True if there was one that was not zero. */
bool blank_config(uint8_t *config, size_t n);

/* Keeps the parameters of the kernel command line that concern PCI, the IOMMU and VFIO. Returns the
 * new length; *ret_blanked tells whether something went. */
size_t blank_command_line(char *text, size_t n, bool *ret_blanked);

/* Takes the lines that begin with "Serial" out of a cpuinfo. Likewise. */
size_t blank_cpuinfo(char *text, size_t n, bool *ret_blanked);

/* True if a network interface is named by its MAC address ("enx0011aabbccdd", "wlx..."). */
bool is_mac_name(const char *name);
