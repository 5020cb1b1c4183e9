package disk

import (
	"fmt"
	"os"
	"syscall"
)

// datasync flushes the bytes of a file. The file has its length already, so there is no metadata to
// write.
func datasync(f *os.File) error {
	for {
		switch err := syscall.Fdatasync(int(f.Fd())); err {
		case nil:
			return nil
		case syscall.EINTR:
		default:
			return fmt.Errorf("flush of %s: %w", f.Name(), err)
		}
	}
}
