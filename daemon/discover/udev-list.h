/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Calls name_fn with the name ("0000:00:1f.0") of every function that libudev finds in subsystem
 * pci. What name_fn returns other than 0 ends the list and is returned. 0 or a negative errno. */
int p2pd_udev_list_pci(int (*name_fn)(const char *name, void *userdata), void *userdata);
