package engine

import (
	"syscall"
	"time"
	"unsafe"
)

// ThreadTime is how long this thread has run; 0 if the system doesn't tell.
func ThreadTime() time.Duration {
	const threadClock = 3 // CLOCK_THREAD_CPUTIME_ID
	var spent syscall.Timespec
	if _, _, failed := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, threadClock, uintptr(unsafe.Pointer(&spent)), 0); failed != 0 {
		return 0
	}
	return time.Duration(spent.Nano())
}
