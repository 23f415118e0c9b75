/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pci-ids.h"

#include <pci/pci.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* pci_init() would set these, but it also looks for the machine's own devices, and ends the program
 * where it finds no way to them. Names are wanted or not had: nothing to say either way. */
static void __attribute__((format(printf, 1, 2))) say_nothing(char *message, ...)
{
        (void)message;
}

/* libpci counts on its error function not to return. */
static void __attribute__((noreturn, format(printf, 1, 2))) end(char *message, ...)
{
        fprintf(stderr, "p2pctl: libpci: %s\n", message);
        exit(1);
}

struct pci_access *pci_ids_new(void)
{
        struct pci_access *ids = pci_alloc();

        ids->error = end;
        ids->warning = say_nothing;
        ids->debug = say_nothing;
        return ids;
}

void pci_ids_free(struct pci_access *ids)
{
        pci_cleanup(ids);
}

/* One look-up; "" if there is no such name. Without the hardware database of udev, for which libpci
 * takes a handle that it never gives back. */
static void look_up(struct pci_access *ids, int what, unsigned int vendor, unsigned int device,
                    char *buf, size_t size)
{
        const char *name;

        buf[0] = '\0';
        name = pci_lookup_name(ids, buf, (int)size,
                               what | PCI_LOOKUP_NO_NUMBERS | PCI_LOOKUP_NO_HWDB, vendor, device);
        if (!name)
                buf[0] = '\0';
        else if (name != buf)
                memmove(buf, name, strnlen(name, size - 1) + 1);
}

void pci_ids_lookup(struct pci_access *ids, unsigned int vendor, unsigned int device, char *buf,
                    size_t size)
{
        look_up(ids, PCI_LOOKUP_DEVICE, vendor, device, buf, size);
        if (buf[0] == '\0')
                look_up(ids, PCI_LOOKUP_VENDOR, vendor, device, buf, size);
}
