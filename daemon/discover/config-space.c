/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config-space.h"

#include <errno.h>
#include <fcntl.h>
#include <pci/pci.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config-parse.h"
#include "libpci-guard.h"

struct p2pd_config_space {
        struct pci_access *access;
};

struct reading {
        struct p2pd_config_space *space;
        struct p2p_address address;
        struct pci_dev *dev;
        uint8_t *bytes;
        uint32_t n_bytes;
        bool is_broken; /* a piece that ought to be there could not be read */
};

static void init_access(void *userdata)
{
        pci_init(userdata);
}

int p2pd_config_space_new(struct p2pd_config_space **ret)
{
        struct p2pd_config_space *c = calloc(1, sizeof(*c));
        char message[128];
        int r;

        if (!c)
                return -ENOMEM;
        c->access = p2pd_libpci_alloc();
        if (!c->access) {
                free(c);
                return -ENOMEM;
        }
        c->access->method = PCI_ACCESS_SYS_BUS_PCI;
        r = p2pd_libpci_run(init_access, c->access, message, sizeof(message));
        if (r < 0) {
                (void)p2pd_config_space_free(c);
                return r;
        }
        *ret = c;
        return 0;
}

struct p2pd_config_space *p2pd_config_space_free(struct p2pd_config_space *c)
{
        if (!c)
                return NULL;
        /* Without methods it was never initialised, and libpci would call through NULL. */
        if (c->access->methods)
                pci_cleanup(c->access);
        free(c);
        return NULL;
}

static bool read_piece(uint32_t offset, uint32_t n, void *userdata)
{
        struct reading *g = userdata;

        if (pci_read_block(g->dev, (int)offset, g->bytes + offset, (int)n))
                return true;
        g->is_broken = true;
        return false;
}

/* libpci does not tell how much of a block there was, so it is asked for the last dword before each
 * place where config space can end. */
static void read_function(void *userdata)
{
        static const uint32_t ends[] = {P2P_CONFIG_EXTENDED_BYTES, P2P_CONFIG_CONVENTIONAL_BYTES,
                                        P2P_CONFIG_CARDBUS_BYTES, P2P_CONFIG_HEADER_BYTES};
        struct reading *g = userdata;
        uint8_t dword[4];

        g->dev = pci_get_dev(g->space->access, (int)g->address.segment, g->address.bus,
                             g->address.devfn >> 3, g->address.devfn & 7);
        for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]) && !g->n_bytes; i++)
                if (pci_read_block(g->dev, (int)(ends[i] - sizeof(dword)), dword, sizeof(dword)))
                        g->n_bytes = ends[i];
        if (g->n_bytes)
                p2p_config_visit(g->bytes, g->n_bytes, read_piece, g);
}

/* libpci has swallowed the reason. */
static enum p2p_why why_nothing(struct p2p_address address)
{
        char path[64], name[P2P_ADDRESS_STRING_MAX];
        int fd;

        (void)snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config",
                       p2p_address_format(address, name));
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT                     ? P2P_WHY_GONE
                       : errno == EACCES || errno == EPERM ? P2P_WHY_NO_PRIVILEGE
                                                           : P2P_WHY_IO_ERROR;
        (void)close(fd);
        return P2P_WHY_IO_ERROR;
}

enum p2p_why p2pd_config_space_read(struct p2pd_config_space *c, struct p2p_address address,
                                    uint8_t *bytes, uint32_t *ret_n_bytes)
{
        struct reading g = {.space = c, .address = address, .bytes = bytes};
        char message[128];
        int r;

        memset(bytes, 0, P2P_CONFIG_EXTENDED_BYTES);
        r = p2pd_libpci_run(read_function, &g, message, sizeof(message));
        if (g.dev)
                pci_free_dev(g.dev);
        /* Bytes that were not read are zero, which would say that there are no capabilities. */
        if (r < 0 || g.is_broken)
                return P2P_WHY_IO_ERROR;
        if (g.n_bytes == 0)
                return why_nothing(address);
        *ret_n_bytes = g.n_bytes;
        return P2P_WHY_KNOWN;
}
