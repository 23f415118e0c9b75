/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Linux capabilities by name. */

#define P2PD_CAPABILITY_NAME_MAX 32U

/* "CAP_SYS_ADMIN"; "CAP_<number>" for one newer than the table. capability: 0 to 63. Returns buf.
 */
const char *p2pd_capability_name(unsigned capability, char buf[static P2PD_CAPABILITY_NAME_MAX]);
