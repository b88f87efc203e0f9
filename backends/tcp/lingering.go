package tcp

// drop takes out what has arrived, up to a megabyte of it, and forgets it.
func (s *socket) drop() {
	var scrap [16 << 10]byte
	for range 64 {
		if _, err := s.read(scrap[:]); err != nil {
			return
		}
	}
}
