package tcp

import (
	"fmt"
	"os"
	"sync"
	"syscall"
)

// lookout sees which of many sockets their peers have ended. It is one goroutine and
// one epoll instance, which itself waits in Go's netpoller.
//
// A socket is registered once, for its whole life, and only for its end: bytes that
// arrive wake nobody. So lending a connection costs no system call here.
type lookout struct {
	work sync.WaitGroup // run

	mu      sync.Mutex
	file    *os.File         // guarded by mu, as is all that follows: the epoll instance, once it is needed
	epoll   syscall.RawConn  // the same
	watched map[uint64]*Conn // by number
	last    uint64           // number given out
}

func newLookout() *lookout { return &lookout{watched: make(map[uint64]*Conn)} }

// add begins to look at a connection. It ends with remove, or when the socket does.
func (l *lookout) add(c *Conn) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		if err := l.start(); err != nil {
			return fmt.Errorf("watch connections: %w", err)
		}
	}
	l.last++
	c.number = l.last
	if err := l.control(syscall.EPOLL_CTL_ADD, c); err != nil {
		return fmt.Errorf("watch the connection: %w", err)
	}
	l.watched[c.number] = c
	return nil
}

// remove ends looking at a connection, whose socket may be closed.
func (l *lookout) remove(c *Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.watched[c.number] == c {
		delete(l.watched, c.number)
		_ = l.control(syscall.EPOLL_CTL_DEL, c) // fails where it is closed, and is done
	}
}

// endOnly is the end of the peer's half or of both, told once. Package syscall has
// EPOLLET as a negative number.
const (
	endOnly = syscall.EPOLLRDHUP | edge
	edge    = 1 << 31
)

// control changes what epoll knows of a connection, under mu. It knows it by its
// number: the descriptor may be another socket's by the time that an event is heard of.
func (l *lookout) control(op int, c *Conn) (err error) {
	ev := syscall.EpollEvent{Events: endOnly, Fd: int32(uint32(c.number)), Pad: int32(uint32(c.number >> 32))}
	closed := l.epoll.Control(func(epoll uintptr) {
		closed := c.socket.raw.Control(func(fd uintptr) {
			err = os.NewSyscallError("epoll_ctl", syscall.EpollCtl(int(epoll), op, int(fd), &ev))
		})
		if closed != nil {
			err = closed
		}
	})
	if closed != nil {
		err = closed
	}
	return err
}

// start opens the epoll instance, under mu.
func (l *lookout) start() error {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	if err := syscall.SetNonblock(fd, true); err != nil { // else os.File would not wait in the netpoller
		_ = syscall.Close(fd)
		return os.NewSyscallError("fcntl", err)
	}
	file := os.NewFile(uintptr(fd), "epoll")
	epoll, err := file.SyscallConn()
	if err != nil {
		_ = file.Close()
		return err
	}
	l.file, l.epoll = file, epoll
	l.work.Go(func() { l.run(epoll) })
	return nil
}

// close ends run, and waits for it.
func (l *lookout) close() {
	l.mu.Lock()
	if l.file != nil {
		_ = l.file.Close()
	}
	l.mu.Unlock()
	l.work.Wait()
}

// run tells connections that they have ended. It ends with close.
func (l *lookout) run(epoll syscall.RawConn) {
	events := make([]syscall.EpollEvent, 128)
	for {
		n := 0
		closed := epoll.Read(func(fd uintptr) bool {
			n, _ = syscall.EpollWait(int(fd), events, 0) // fails only when interrupted
			return n != 0
		})
		if closed != nil {
			return
		}
		for i := range max(n, 0) {
			l.heard(&events[i])
		}
	}
}

func (l *lookout) heard(ev *syscall.EpollEvent) {
	if ev.Events&(syscall.EPOLLRDHUP|syscall.EPOLLHUP) == 0 {
		return // an error that ended nothing
	}
	l.mu.Lock()
	c := l.watched[uint64(uint32(ev.Fd))|uint64(uint32(ev.Pad))<<32]
	l.mu.Unlock()
	if c != nil {
		c.left()
	}
}
