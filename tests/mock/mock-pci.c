/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "mock-pci.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <umockdev.h>
#include <unistd.h>

#define CONFIG_BYTES 4096U
#define PCIE_AT 0x40U
#define ACS_AT 0x100U
#define FUNCTIONS_MAX 64U

struct mock_function {
        char address[32];
        char *path; /* "/sys/devices/pci0000:00/..." */
        uint8_t config[CONFIG_BYTES];
};

struct mock_pci {
        UMockdevTestbed *testbed;
        struct mock_function functions[FUNCTIONS_MAX];
        unsigned n_functions;
};

struct mock_kind {
        uint32_t class_code;
        uint16_t vendor, device;
        uint8_t port_type; /* PCIe 7.5.3.2 */
        bool is_bridge;
        const char *driver;
};

static _Noreturn void die(const char *what, const char *address)
{
        fprintf(stderr, "mock-pci: %s: %s\n", address, what);
        abort();
}

struct mock_pci *mock_pci_new(void)
{
        struct mock_pci *pci = calloc(1, sizeof(*pci));

        if (!pci)
                die("out of memory", "machine");
        pci->testbed = umockdev_testbed_new();
        return pci;
}

struct mock_pci *mock_pci_free(struct mock_pci *pci)
{
        if (!pci)
                return NULL;
        for (unsigned i = 0; i < pci->n_functions; i++)
                free(pci->functions[i].path);
        g_object_unref(pci->testbed);
        free(pci);
        return NULL;
}

static struct mock_function *find(struct mock_pci *pci, const char *address)
{
        for (unsigned i = 0; i < pci->n_functions; i++)
                if (strcmp(pci->functions[i].address, address) == 0)
                        return &pci->functions[i];
        die("not built", address);
}

static void put16(uint8_t *at, uint16_t val)
{
        at[0] = (uint8_t)val;
        at[1] = (uint8_t)(val >> 8);
}

static void fill_config(struct mock_function *f, const struct mock_kind *kind, unsigned bus)
{
        uint8_t *c = f->config;

        put16(c + 0x00, kind->vendor);
        put16(c + 0x02, kind->device);
        put16(c + 0x04, 0x0006); /* memory decoding, bus master */
        put16(c + 0x06, 0x0010); /* has capabilities */
        c[0x09] = (uint8_t)kind->class_code;
        put16(c + 0x0a, (uint16_t)(kind->class_code >> 8));
        c[0x0e] = kind->is_bridge;
        if (kind->is_bridge) {
                c[0x18] = (uint8_t)bus;
        } else {
                put16(c + 0x10, 0x0004); /* 64-bit memory at bus << 24 */
                c[0x13] = (uint8_t)bus;
        }
        c[0x34] = PCIE_AT;
        c[PCIE_AT] = 0x10;
        put16(c + PCIE_AT + 2, (uint16_t)(2U | kind->port_type << 4));
        put16(c + PCIE_AT + 0x0c, 0x0044); /* 16 GT/s, 4 lanes */
        put16(c + PCIE_AT + 0x12, 0x0044);
        if (kind->is_bridge) {
                put16(c + ACS_AT, 0x000d);
                put16(c + ACS_AT + 2, 0x0001);
                put16(c + ACS_AT + 4, 0x005f);
        }
}

static char *describe(const struct mock_function *f, const struct mock_kind *kind, unsigned bus,
                      const char *physical)
{
        static const char zero[] = "0x0000000000000000 0x0000000000000000 0x0000000000000000\\n";
        GString *text = g_string_new(NULL);

        g_string_append_printf(text, "P: %s\n", f->path + strlen("/sys"));
        g_string_append_printf(text, "E: SUBSYSTEM=pci\nE: PCI_SLOT_NAME=%s\nE: PCI_CLASS=%X\n",
                               f->address, kind->class_code);
        g_string_append_printf(text, "A: class=0x%06x\\n\nA: vendor=0x%04x\\n\n", kind->class_code,
                               kind->vendor);
        g_string_append_printf(text, "A: device=0x%04x\\n\nA: revision=0x00\\n\n", kind->device);
        g_string_append(text, "A: numa_node=0\\n\nA: dma_mask_bits=64\\n\n");
        g_string_append(text, "A: current_link_speed=16.0 GT/s PCIe\\n\nA: max_link_speed=16.0 "
                              "GT/s PCIe\\n\nA: current_link_width=4\\n\nA: max_link_width=4\\n\n");
        g_string_append(text, "A: resource=");
        if (kind->is_bridge || physical)
                g_string_append(text, zero);
        else
                g_string_append_printf(text,
                                       "0x00000000%02x000000 0x00000000%02xffffff "
                                       "0x0000000000140204\\n",
                                       bus, bus);
        for (unsigned i = 1; i < 13; i++)
                g_string_append(text, zero);
        g_string_append_c(text, '\n');
        if (kind->driver)
                g_string_append_printf(text, "L: driver=/sys/bus/pci/drivers/%s\n", kind->driver);
        if (physical)
                g_string_append_printf(text, "L: physfn=../%s\n", physical);
        g_string_append(text, "H: config=");
        for (unsigned i = 0; i < CONFIG_BYTES; i++)
                g_string_append_printf(text, "%02X", f->config[i]);
        g_string_append(text, "\n");
        return g_string_free(text, FALSE);
}

static void add(struct mock_pci *pci, const char *address, const char *directory,
                const struct mock_kind *kind, const char *physical)
{
        struct mock_function *f;
        unsigned segment, bus, device, function;
        GError *error = NULL;
        char *text;

        if (pci->n_functions == FUNCTIONS_MAX ||
            sscanf(address, "%x:%x:%x.%x", &segment, &bus, &device, &function) != 4)
                die("cannot be built", address);
        f = &pci->functions[pci->n_functions++];
        memset(f, 0, sizeof(*f));
        snprintf(f->address, sizeof(f->address), "%s", address);
        if (asprintf(&f->path, "%s/%s", directory, address) < 0)
                die("out of memory", address);
        fill_config(f, kind, bus);
        if (physical) { /* a virtual function's ids and BAR registers are not its own */
                memset(f->config, 0xff, 4);
                memset(f->config + 0x10, 0, 0x18);
        }
        text = describe(f, kind, bus, physical);
        if (!umockdev_testbed_add_from_string(pci->testbed, text, &error))
                die(error->message, address);
        g_free(text);
}

static void add_below(struct mock_pci *pci, const char *address, const char *parent,
                      const struct mock_kind *kind)
{
        char directory[64];

        if (strncmp(parent, "pci", 3) != 0) {
                add(pci, address, find(pci, parent)->path, kind, NULL);
                return;
        }
        snprintf(directory, sizeof(directory), "/sys/devices/%s", parent);
        add(pci, address, directory, kind, NULL);
}

void mock_pci_root_port(struct mock_pci *pci, const char *address, const char *parent)
{
        add_below(pci, address, parent,
                  &(struct mock_kind){0x060400, 0x8086, 0x352a, 4, true, "pcieport"});
}

void mock_pci_upstream_port(struct mock_pci *pci, const char *address, const char *parent)
{
        add_below(pci, address, parent,
                  &(struct mock_kind){0x060400, 0x1000, 0xc030, 5, true, "pcieport"});
}

void mock_pci_downstream_port(struct mock_pci *pci, const char *address, const char *parent)
{
        add_below(pci, address, parent,
                  &(struct mock_kind){0x060400, 0x1000, 0xc030, 6, true, "pcieport"});
}

static const struct mock_kind nvme = {0x010802, 0x144d, 0xa824, 0, false, NULL};

void mock_pci_nvme(struct mock_pci *pci, const char *address, const char *parent)
{
        add_below(pci, address, parent, &nvme);
}

void mock_pci_virtual(struct mock_pci *pci, const char *address, const char *physical)
{
        char *directory = g_path_get_dirname(find(pci, physical)->path);

        add(pci, address, directory, &nvme, physical);
        g_free(directory);
}

void mock_pci_set_acs(struct mock_pci *pci, const char *address, uint16_t control)
{
        struct mock_function *f = find(pci, address);

        put16(f->config + ACS_AT + 6, control);
        umockdev_testbed_set_attribute_binary(pci->testbed, f->path, "config", f->config,
                                              CONFIG_BYTES);
}

void mock_pci_bind_with_p2pmem(struct mock_pci *pci, const char *address, uint64_t size_bytes)
{
        struct mock_function *f = find(pci, address);
        char text[32];

        snprintf(text, sizeof(text), "%llu\n", (unsigned long long)size_bytes);
        umockdev_testbed_set_attribute(pci->testbed, f->path, "p2pmem/size", text);
        umockdev_testbed_set_attribute(pci->testbed, f->path, "p2pmem/available", text);
        umockdev_testbed_set_attribute(pci->testbed, f->path, "p2pmem/published", "1\n");
        umockdev_testbed_set_attribute_link(pci->testbed, f->path, "driver",
                                            "/sys/bus/pci/drivers/nvme");
        mock_pci_event(pci, address, "bind");
}

void mock_pci_event(struct mock_pci *pci, const char *address, const char *action)
{
        umockdev_testbed_uevent(pci->testbed, find(pci, address)->path, action);
}

void mock_pci_remove(struct mock_pci *pci, const char *address)
{
        struct mock_function *f = find(pci, address);

        char *listed, *root = umockdev_testbed_get_root_dir(pci->testbed);

        /* Gone from the kernel's list before udev says so, as in real life; its directory has to
         * stay for umockdev to speak of it. */
        listed = g_strdup_printf("%s/sys/bus/pci/devices/%s", root, f->address);
        if (remove(listed) < 0)
                die("cannot be removed", f->address);
        g_free(listed);
        g_free(root);
        umockdev_testbed_uevent(pci->testbed, f->path, "remove");
        umockdev_testbed_remove_device(pci->testbed, f->path);
        free(f->path);
        *f = pci->functions[--pci->n_functions];
        pci->functions[pci->n_functions].path = NULL;
}
