/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "privilege.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "config-reader.h"

#define CAPABILITIES 64

struct sets {
        struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
};

static int get_sets(struct sets *ret)
{
        struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
        struct sets s = {0}; /* valgrind does not see that the kernel fills both halves */

        if (syscall(SYS_capget, &header, s.data) < 0)
                return -errno;
        *ret = s;
        return 0;
}

static int set_sets(const struct sets *s)
{
        struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};

        return syscall(SYS_capset, &header, s->data) < 0 ? -errno : 0;
}

uint64_t p2pd_get_capabilities(void)
{
        struct sets s;

        if (get_sets(&s) < 0)
                return 0;
        return s.data[0].effective | (uint64_t)s.data[1].effective << 32;
}

int p2pd_keep_capability(int capability)
{
        const unsigned long securebits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED |
                                         SECBIT_NO_SETUID_FIXUP | SECBIT_NO_SETUID_FIXUP_LOCKED |
                                         SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE |
                                         SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;
        struct sets before, after = {0};
        int r;

        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return -errno;
        if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL)
                return -errno;
        r = get_sets(&before);
        if (r < 0)
                return r;
        /* These two need CAP_SETPCAP. Without it, what stays in the bounding set cannot be gained
         * by anything either: no new privileges. */
        for (int i = 0; i < CAPABILITIES; i++)
                if (i != capability && prctl(PR_CAPBSET_READ, i, 0, 0, 0) == 1)
                        (void)prctl(PR_CAPBSET_DROP, i, 0, 0, 0);
        (void)prctl(PR_SET_SECUREBITS, securebits, 0, 0, 0);
        if (capability >= 0) {
                unsigned word = (unsigned)capability / 32;
                uint32_t bit = UINT32_C(1) << (capability % 32) & before.data[word].permitted;

                after.data[word].permitted = after.data[word].effective = bit;
        }
        r = set_sets(&after);
        if (r < 0)
                return r;
        if (p2pd_get_capabilities() !=
            (after.data[0].effective | (uint64_t)after.data[1].effective << 32))
                return -EPERM;
        return 0;
}

int p2pd_drop_capabilities(void)
{
        return p2pd_keep_capability(-1);
}
