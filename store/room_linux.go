package store

import (
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// roomOf gives how many bytes can be written in a directory, if that is known.
func roomOf(dir string) (int64, bool) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, false
	}
	return int64(st.Bavail * uint64(st.Bsize)), true //nolint:gosec // no disk has 2^63 bytes
}

// giveTo gives a file to those who own another: a daemon must be able to open what root wrote anew.
func giveTo(path string, like fs.FileInfo) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	has, ok := info.Sys().(*syscall.Stat_t)
	want, okToo := like.Sys().(*syscall.Stat_t)
	if !ok || !okToo || has.Uid == want.Uid && has.Gid == want.Gid {
		return nil
	}
	return os.Chown(path, int(want.Uid), int(want.Gid))
}
