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

// Members that are chosen by ID are anywhere in memory: to lend one among 65536 and take
// it back takes 1.5 times as long with a second line.
func TestWhatALoanTouchesIsInOneCacheLine(t *testing.T) {
	var m member[*int]
	if end := unsafe.Offsetof(m.links) + unsafe.Sizeof(m.links[ofPool]); end > 64 {
		t.Errorf("the links of the idle queue end at byte %d, want 64 at most", end)
	}
}
