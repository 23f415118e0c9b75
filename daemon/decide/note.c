/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decide/note.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

int p2p_note_add(char ***notes, uint32_t *n_notes, const char *format, ...)
{
        char **list = reallocarray(*notes, (size_t)*n_notes + 1, sizeof(*list));
        va_list ap;
        int n;

        if (!list)
                return -ENOMEM;
        *notes = list;
        va_start(ap, format);
        n = vasprintf(&list[*n_notes], format, ap);
        va_end(ap);
        if (n < 0)
                return -ENOMEM;
        (*n_notes)++;
        return 0;
}

void p2p_notes_free(char **notes, uint32_t n_notes)
{
        for (uint32_t i = 0; i < n_notes; i++)
                free(notes[i]);
        free(notes);
}
