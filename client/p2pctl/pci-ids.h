/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Names of vendors and devices from pci.ids. */

#include <stddef.h>

struct pci_access;

/* Opens nothing yet: pci.ids is read at the first look-up. */
struct pci_access *pci_ids_new(void);
void pci_ids_free(struct pci_access *ids);

/* Writes "Vendor Device" into buf, or "" if pci.ids is not installed or does not have it. Nothing
 * is asked over the network. */
void pci_ids_lookup(struct pci_access *ids, unsigned int vendor, unsigned int device, char *buf,
                    size_t size);
