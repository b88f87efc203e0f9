package poolkit

import (
	"testing"
	"unsafe"
)

// 128 bytes are a size class of the allocator; the next has 144.
func TestAMemberTakesTwoCacheLines(t *testing.T) {
	if size := unsafe.Sizeof(member[*int]{}); unsafe.Sizeof(uintptr(0)) == 8 && size > 128 {
		t.Errorf("a member takes %d bytes, want 128 at most", size)
	}
}
