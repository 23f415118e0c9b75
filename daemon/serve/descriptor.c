/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "serve/descriptor.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

int p2pd_descriptor_new(int fd, struct p2pd_descriptor **ret)
{
        struct p2pd_descriptor *d = malloc(sizeof(*d));

        if (!d)
                return -ENOMEM;
        d->n_refs = 1;
        d->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (d->fd < 0) {
                int r = -errno;

                free(d);
                return r;
        }
        *ret = d;
        return 0;
}

struct p2pd_descriptor *p2pd_descriptor_ref(struct p2pd_descriptor *d)
{
        assert(d->n_refs > 0);
        d->n_refs++;
        return d;
}

struct p2pd_descriptor *p2pd_descriptor_unref(struct p2pd_descriptor *d)
{
        if (!d)
                return NULL;
        assert(d->n_refs > 0);
        if (--d->n_refs > 0)
                return NULL;
        (void)close(d->fd);
        free(d);
        return NULL;
}
