/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "readers.h"

#include <assert.h>
#include <stddef.h>

void p2pd_readers_init(struct p2pd_readers *readers)
{
        LIST_INIT(&readers->list);
        readers->n = 0;
}

void p2pd_readers_attach(struct p2pd_readers *readers, struct p2pd_reader *reader)
{
        if (reader->attached)
                return;
        reader->attached = true;
        reader->confirmed = 0;
        LIST_INSERT_HEAD(&readers->list, reader, node);
        readers->n++;
}

void p2pd_readers_detach(struct p2pd_readers *readers, struct p2pd_reader *reader)
{
        if (!reader->attached)
                return;
        reader->attached = false;
        LIST_REMOVE(reader, node);
        readers->n--;
}

void p2pd_reader_confirm(struct p2pd_reader *reader, uint64_t generation)
{
        assert(reader->attached);

        if (generation > reader->confirmed)
                reader->confirmed = generation;
}

const struct p2pd_reader *p2pd_readers_oldest(const struct p2pd_readers *readers)
{
        const struct p2pd_reader *oldest = NULL, *reader;

        LIST_FOREACH(reader, &readers->list, node)
        if (!oldest || reader->confirmed < oldest->confirmed)
                oldest = reader;
        return oldest;
}

uint64_t p2pd_readers_oldest_confirmed(const struct p2pd_readers *readers)
{
        const struct p2pd_reader *oldest = p2pd_readers_oldest(readers);

        return oldest ? oldest->confirmed : P2PD_READERS_NONE;
}
