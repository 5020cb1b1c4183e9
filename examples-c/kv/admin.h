/* admin.h: RAFT.STATUS of the node; RAFT.ADD, ADDRESS, PROMOTE, REMOVE and TRANSFER. */
#ifndef KV_ADMIN_H
#define KV_ADMIN_H

#include "clients.h"

void run_status(struct request *r, struct buf *out);
void run_add(struct request *r, struct buf *out);
void run_address(struct request *r, struct buf *out);
void run_promote(struct request *r, struct buf *out);
void run_remove(struct request *r, struct buf *out);
void run_transfer(struct request *r, struct buf *out);
void status_text(struct buf *text);
void admin_outcome(struct request *r, const struct rh_outcome *o);
void admin_turn(void);              /* promotes learners of RAFT.ADD */

#endif
