/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * PCI hardware built by sentences on umockdev: what libudev, libpci and plain file reads see under
 * umockdev-wrapper is the machine that was built here, and nothing of the real one.
 *
 *     struct mock_pci *pci = mock_pci_new();
 *     mock_pci_root_port(pci, "0000:00:01.0", "pci0000:00");
 *     mock_pci_upstream_port(pci, "0000:01:00.0", "0000:00:01.0");
 *     mock_pci_downstream_port(pci, "0000:02:00.0", "0000:01:00.0");
 *     mock_pci_nvme(pci, "0000:03:00.0", "0000:02:00.0");
 *
 * Failure to build is a failure of the test: these functions abort then.
 */

#include <stdint.h>

struct mock_pci;

struct mock_pci *mock_pci_new(void);
struct mock_pci *mock_pci_free(struct mock_pci *pci);

/* A function with its parent: an address that was built before, or a root bus "pciSSSS:BB". ACS is
 * there with every bit clear on ports, absent on endpoints. */
void mock_pci_root_port(struct mock_pci *pci, const char *address, const char *parent);
void mock_pci_upstream_port(struct mock_pci *pci, const char *address, const char *parent);
void mock_pci_downstream_port(struct mock_pci *pci, const char *address, const char *parent);
void mock_pci_nvme(struct mock_pci *pci, const char *address, const char *parent);

/* A virtual function beside its physical one, with the links both ways. */
void mock_pci_virtual(struct mock_pci *pci, const char *address, const char *physical);

/* Sets the ACS control register, as setpci would; no uevent, as in real life. */
void mock_pci_set_acs(struct mock_pci *pci, const char *address, uint16_t control);

/* The driver's probe gave memory to the kernel: p2pmem appears, then udev says "bind". */
void mock_pci_bind_with_p2pmem(struct mock_pci *pci, const char *address, uint64_t size_bytes);

/* udev's event for a function that was built ("add", "change", ...). */
void mock_pci_event(struct mock_pci *pci, const char *address, const char *action);

/* Unplugs a function: the event, then it is gone. */
void mock_pci_remove(struct mock_pci *pci, const char *address);
