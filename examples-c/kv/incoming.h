/*
 * incoming.h: a connection on which a peer sends to us.
 */
#ifndef KV_INCOMING_H
#define KV_INCOMING_H

#include "peers.h"

void incoming_open(struct peers *ps, int fd);
void incoming_tick(struct peers *ps);                            /* closes connections that say nothing */

#endif
