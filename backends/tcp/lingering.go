package tcp

import "sync"

// scraps are buffers for what nobody will read.
var scraps = sync.Pool{New: func() any { return new([16 << 10]byte) }}

// drop takes out what has arrived, up to a megabyte of it, and forgets it. A socket that is
// closed while something unread is in it is reset, and the system may drop what we have
// written: not only words of the application, but also TLS's session tickets. What arrives
// later still does that.
func (s *socket) drop() {
	if s.look() != waiting {
		return
	}
	scrap := scraps.Get().(*[16 << 10]byte)
	defer scraps.Put(scrap)
	for range 64 {
		if _, err := s.read(scrap[:]); err != nil {
			return
		}
	}
}
