/* submit.h: requests on the way into the core, and requests whose outcome is pending. */
#ifndef KV_SUBMIT_H
#define KV_SUBMIT_H

#include "request.h"

struct host;

void submit_writes(struct host *h);
void submit_reads(struct host *h);
struct request *pending_take(struct host *h, uint64_t seq);          /* NULL: no client waits (any more) */
void pending_is_forwarded(struct host *h, uint64_t seq);
void give_up_forwarded(struct host *h, uint64_t term);               /* an entry of `term` was applied */
void give_up_pending(struct host *h);
void try_again(struct request *r, const char *why);
void expire_requests(struct host *h);

#endif
