/* SPDX-License-Identifier: BSD-2-Clause */
/* eth.h - room 2: is the frame for us, and what is in it? */
#ifndef TSUJI_ETH_H
#define TSUJI_ETH_H

#include "port.h"

/* TO_ETH -> TO_BRIDGE, TO_ARP, TO_IP4, PUNTED (other ethertypes), DROP_ETH_*. Sets PACKET_LINK_GROUP. */
void eth_input(const struct port_table *ports, const struct vector *v);

#endif
