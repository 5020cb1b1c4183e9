/* The header of this checkout. Go's build cache sees no change outside of this folder, so the Makefile adds a checksum. */
#include "../../include/raftcore.h"
