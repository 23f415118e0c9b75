/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "serve/user.h"

#include <assert.h>
#include <stdlib.h>

struct p2pd_user *p2pd_users_get(struct p2pd_users *users, uid_t uid)
{
        struct p2pd_user *user;

        LIST_FOREACH(user, &users->list, node)
        {
                if (user->uid == uid) {
                        user->n_refs++;
                        return user;
                }
        }
        user = calloc(1, sizeof(*user));
        if (!user)
                return NULL;
        user->uid = uid;
        user->n_refs = 1;
        LIST_INSERT_HEAD(&users->list, user, node);
        return user;
}

struct p2pd_user *p2pd_user_unref(struct p2pd_user *user)
{
        if (!user || --user->n_refs > 0)
                return NULL;
        LIST_REMOVE(user, node);
        for (int i = 0; i < P2PD_CHARGE_MAX; i++)
                assert(user->used[i] == 0);
        free(user);
        return NULL;
}

int p2pd_user_charge(const struct p2pd_users *users, struct p2pd_user *user, enum p2pd_charge what,
                     uint64_t n)
{
        uint64_t limit = users->limits[what];

        if (n > limit || user->used[what] > limit - n)
                return P2PD_USER_E_LIMIT;
        user->used[what] += n;
        return 0;
}

void p2pd_user_discharge(struct p2pd_user *user, enum p2pd_charge what, uint64_t n)
{
        assert(n <= user->used[what]);

        user->used[what] -= n;
}
