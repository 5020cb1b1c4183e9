//go:build !linux

package disk

import "os"

// datasync flushes a file. On macOS Sync asks the drive, too.
func datasync(f *os.File) error { return f.Sync() }
