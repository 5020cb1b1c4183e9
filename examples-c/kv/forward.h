/*
 * forward.h: commands for the leader, forwarded by the node that the client talks to.
 *
 * The core forwards writes and reads. RAFT.ADD and the like need the leader's view of its peers
 * (has the learner caught up?) and a refusal in words, so the commands travel as text, in frames of
 * the host's own group: 'A'  number (8), then each word: length (4), bytes          'R'  number
 * (8), the reply in RESP
 */
#ifndef KV_FORWARD_H
#define KV_FORWARD_H

#include "request.h"

struct host;

void forward_to_leader(struct host *h, struct request *r, struct buf *out);
bool forward_frame(struct host *h, uint64_t from, slice payload);    /* false: malformed, close the connection */
void forward_reply(struct request *r);                               /* answers a command of another node */
void forward_tick(struct host *h);

#endif
