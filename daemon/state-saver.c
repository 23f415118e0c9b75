/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "state-saver.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

struct p2pd_state_saver {
        struct p2pd_state state;
        pthread_t thread;
        int directory, done_fd, result;
};

static void *save_thread(void *userdata)
{
        struct p2pd_state_saver *saver = userdata;
        const uint64_t one = 1;

        saver->result = p2pd_state_save(saver->directory, &saver->state);
        (void)!write(saver->done_fd, &one, sizeof(one));
        return NULL;
}

int p2pd_state_saver_start(int directory, struct p2pd_state *state, int done_fd,
                           struct p2pd_state_saver **ret)
{
        struct p2pd_state_saver *saver = calloc(1, sizeof(*saver));
        int r;

        if (!saver)
                return -ENOMEM;
        saver->state = *state;
        saver->directory = directory;
        saver->done_fd = done_fd;
        r = pthread_create(&saver->thread, NULL, save_thread, saver);
        if (r != 0) {
                free(saver);
                return -r;
        }
        *state = (struct p2pd_state)P2PD_STATE_NULL;
        *ret = saver;
        return 0;
}

int p2pd_state_saver_finish(struct p2pd_state_saver *saver, struct p2pd_state *ret)
{
        int r;

        (void)pthread_join(saver->thread, NULL);
        *ret = saver->state;
        r = saver->result;
        free(saver);
        return r;
}
