/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The interface files, made into strings when p2pd is built (embed-text.py). */

extern const char p2pd_interface_text_io_p2pd[];
extern const char p2pd_interface_text_org_varlink_service[];
