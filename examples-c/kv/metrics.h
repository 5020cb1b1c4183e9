/* metrics.h: the metrics of the library and of kv, by HTTP. */
#ifndef KV_METRICS_H
#define KV_METRICS_H

void metrics_open(const char *listen);

#endif
