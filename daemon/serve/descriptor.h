/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A file descriptor that is sent to many clients: held once however many replies wait to carry it,
 * closed with the last of them. */

struct p2pd_descriptor {
        int fd;
        unsigned n_refs;
};

/* Duplicates fd (close-on-exec), which stays the caller's. 0, -ENOMEM or the errno of the
 * duplication. */
int p2pd_descriptor_new(int fd, struct p2pd_descriptor **ret);
struct p2pd_descriptor *p2pd_descriptor_ref(struct p2pd_descriptor *d);
/* Accepts NULL; returns NULL. */
struct p2pd_descriptor *p2pd_descriptor_unref(struct p2pd_descriptor *d);
