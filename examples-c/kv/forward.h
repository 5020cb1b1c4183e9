/*
 * forward.h: commands that are the leader's to judge, passed on to it by the node that a client happens to be at.
 *
 * Writes and reads are passed on by the core itself. RAFT.ADD and the like need the leader's view of its peers (has the
 * learner caught up?) and its refusal in words, so they travel as what they are, in frames of the host's own group:
 *   'A'  number (8), then each word: length (4), bytes          'R'  number (8), the reply in RESP
 */
#ifndef KV_FORWARD_H
#define KV_FORWARD_H

#include "request.h"

struct host;

void forward_to_leader(struct host *h, struct request *r, struct buf *out);
bool forward_frame(struct host *h, uint64_t from, slice payload);    /* false: malformed, close the connection */
void forward_reply(struct request *r);                               /* one that came from another node is answered */
void forward_tick(struct host *h);

#endif
