// Package lib holds the C library that package raftcore links: the header raftcore.h, and an archive
// for each platform. A release has both beside this file, so that the module cache and vendor folders
// have them, too. In a checkout, `make go-lib` builds them for this machine.
package lib
