package quic

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	quicgo "github.com/quic-go/quic-go"

	"github.com/vistone/poolkit/poolkit"
)

// link is one connection we dialled and the count of its streams.
type link struct {
	*connection

	carrier *carrier       // set by newLink
	addr    netip.AddrPort // of the server; set by newLink, as is made
	made    time.Time
	quality quality
	poor    atomic.Bool // others carry better
	over    func()      // lost, once; called when the connection has ended
	stall   stall

	established chan struct{} // closed by establish when the handshake is complete, or has failed
	failure     error         // why it has; set before

	served  atomic.Bool // a stream has had its ID: the server wants us
	astray  atomic.Bool // it could not be moved to the network that the client is in now
	ending  atomic.Bool // the server is leaving: new streams wait for another connection
	retired atomic.Bool // it takes no more streams; set under mu

	stepping sync.Mutex // held during a step of fade or shed, to which its variables belong

	mu      sync.Mutex
	streams int         // guarded by mu, as is the rest: open ones
	lastEnd time.Time   // when one last ended
	vacant  *time.Timer // closes the connection once it has carried no stream for a while
	renewal *time.Timer // replaces the connection; nil where none is due
	fading  *time.Timer // lets idle streams go once it has been replaced
	leaving bool        // it has been replaced
	gone    bool        // it has ended, and uses its sockets no more
	sockets []*socket   // the one that it began on, and those that it has moved to

	// The context of those who wait for the peer to give back places, and when it was
	// made. An earlier one, that others still use, ends by its time.
	waiting      context.Context
	waitingSince time.Time
	endWait      context.CancelFunc
}

func newLink(c *carrier, made dialled) *link {
	l := &link{
		connection:  newConnection(made.Conn, serverPreface, c.dialer.partings),
		carrier:     c,
		addr:        made.addr,
		sockets:     []*socket{made.socket},
		made:        time.Now(),
		established: make(chan struct{}),
	}
	l.streamEnded = l.ended
	l.vacant = time.AfterFunc(vacancy, l.retire)
	l.beaten, l.silent = l.beat, l.fail
	c.dialer.ends.Add(1)
	c.dialer.mu.Lock()
	c.dialer.links[l] = true
	c.dialer.mu.Unlock()
	l.over = sync.OnceFunc(l.lost)
	context.AfterFunc(l.Context(), l.over)
	return l
}

// beat is called at each beat of the pulse.
func (l *link) beat(s quicgo.ConnectionStats) {
	l.judge(s)
	l.observe(s)
}

// fail is called when nothing comes back from the peer.
func (l *link) fail() { l.carrier.dialer.eject(l.addr) }

// load is the number of streams.
func (l *link) load() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.streams
}

// lost takes a connection that has ended out of the books.
func (l *link) lost() {
	d := l.carrier.dialer
	defer d.ends.Done()
	l.mu.Lock()
	l.gone = true
	used := l.sockets
	l.mu.Unlock()
	for _, s := range used {
		_ = d.sockets.leave(s) // nobody is left to tell
	}
	d.mu.Lock()
	delete(d.links, l)
	d.mu.Unlock()
	d.addresses.left(l.addr)
	if !l.retired.Load() {
		d.eject(l.addr)
	}
}

// establish waits for the end of the handshake, which has not come yet where the
// connection began with early data.
func (l *link) establish(ctx context.Context) {
	defer close(l.established)
	if _, err := l.NextConnection(ctx); err != nil {
		l.carrier.dialer.addresses.unreachable(l.addr)
		l.failure = l.carrier.dialer.connectError(l.addr, err)
		return
	}
	l.carrier.dialer.addresses.worked(l.addr)
	l.carrier.dialer.heeds.Go(func() { l.heed(l.told) }) // ends with the connection
	l.pulse.start(l.connection)
	if age := l.carrier.dialer.maxAge; age > 0 {
		l.renewIn(age - rand.N(age/10+1)) // not all that were made at once together
	}
}

// settled reports whether the handshake is complete, or has failed.
func (l *link) settled() bool {
	select {
	case <-l.established:
		return true
	default:
		return false
	}
}

// await returns once the handshake is complete.
func (l *link) await(ctx context.Context) error {
	if l.settled() {
		return l.failure // without the locks of a select
	}
	select {
	case <-l.established:
		return l.failure
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// openable returns once streams may be opened. quic-go has a data race where one opens
// while the answer to early data arrives (its issue 4303), so early data is for those who
// come in the first quarter of a round trip. The others wait for the handshake.
func (l *link) openable(ctx context.Context) error {
	if !l.settled() && time.Since(l.made) < l.ConnectionStats().SmoothedRTT/4 {
		return nil
	}
	return l.await(ctx)
}

// errAgain says that a stream is to be dialled again: the connection is not its shard's
// any more, or has not answered.
var errAgain = errors.New("dial again")

// alive reports whether there is a connection and it can take more streams.
func (l *link) alive() bool {
	return l != nil && !l.retired.Load() && l.Context().Err() == nil
}

// dial opens a stream and asks for its ID. What was sent as early data an attacker may
// have sent again, and the answer to it may be an attacker's too: the stream counts
// when the handshake is complete.
func (l *link) dial(ctx context.Context) (id poolkit.ID, s *quicgo.Stream, err error) {
	if err := l.openable(ctx); err != nil {
		return id, nil, err
	}
	s, err = l.open(ctx)
	if err != nil {
		return id, nil, err
	}
	strikes := l.stall.strikes.Load()
	id, err = l.exchanges.ask(ctx, s)
	if err == nil {
		err = l.await(ctx)
	}
	if err != nil {
		reset(s, codeDone)
		l.ended()
		if errors.Is(err, errSilent) && l.stall.strikes.Load() != strikes {
			err = errAgain
		}
		return id, nil, err
	}
	if !l.served.Load() {
		l.served.Store(true)
	}
	return id, s, nil
}

// open opens a stream. Where the peer grants no more it returns
// [poolkit.ErrShardFull]: at once when that is the peer's limit, and after a short
// wait when streams have just ended, whose places the peer has yet to give back. It
// does the same when the connection is not to be used, or others carry better.
func (l *link) open(ctx context.Context) (*quicgo.Stream, error) {
	if !l.usable() || l.poor.Load() {
		return nil, poolkit.ErrShardFull
	}
	settling, ok := l.begun()
	if !ok {
		return nil, errAgain
	}
	s, err := l.OpenStream()
	if _, full := errors.AsType[*quicgo.StreamLimitReachedError](err); full {
		err = poolkit.ErrShardFull
		if wait := l.creditDelay(); settling < wait {
			s, err = l.openSync(ctx, wait)
		}
	}
	if err != nil {
		l.ended()
	}
	return s, err
}

// explain returns the error of a dial as the pool is to see it.
func (l *link) explain(ctx context.Context, err error) error {
	if ctx.Err() != nil || errors.Is(err, poolkit.ErrShardFull) {
		return err
	}
	if failure := l.await(ctx); failure != nil {
		return failure
	}
	if refused(err) {
		return l.carrier.dialer.connectError(l.addr, err)
	}
	if !l.usable() && l.served.Load() {
		err = fmt.Errorf("%w: %w", poolkit.ErrShardFull, err) // the next dial makes a new connection
	}
	return err // a server that ends every connection at once has to be dialled as one that fails
}

// openSync opens a stream as soon as the peer gives back a place.
func (l *link) openSync(ctx context.Context, wait time.Duration) (*quicgo.Stream, error) {
	ctx = l.credit(ctx, wait)
	s, err := l.OpenStreamSync(ctx)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return s, err
}

// credit returns a context that ends with ctx or, because of [poolkit.ErrShardFull],
// after wait. Those who begin to wait at about the same time share one. ctx must be
// the same in every call.
func (l *link) credit(ctx context.Context, wait time.Duration) context.Context {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if l.waiting == nil || now.Sub(l.waitingSince) > wait/4 {
		l.waitingSince = now
		l.waiting, l.endWait = context.WithTimeoutCause(ctx, wait, poolkit.ErrShardFull)
	}
	return l.waiting
}

// creditDelay is how long the peer may take to give back the place of a stream that
// has ended. Two round trips do it on a good day.
func (l *link) creditDelay() time.Duration {
	return 4*l.ConnectionStats().SmoothedRTT + 100*time.Millisecond
}

// begun counts a stream, and returns how long ago the last one ended. It reports
// false when the connection is being given up.
func (l *link) begun() (settling time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.retired.Load() {
		return 0, false
	}
	if l.streams == 0 {
		l.vacant.Stop()
	}
	l.streams++
	return time.Since(l.lastEnd), true
}

// ended counts a stream out.
func (l *link) ended() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lastEnd = time.Now()
	switch l.streams--; {
	case l.streams > 0:
	case l.leaving:
		l.vacant.Reset(lingering)
	case !l.retired.Load():
		l.vacant.Reset(vacancy)
	}
}

// retire closes a connection that has carried no stream for a while. It runs on the
// timer's goroutine.
func (l *link) retire() {
	l.mu.Lock()
	if l.streams > 0 {
		l.mu.Unlock()
		return
	}
	l.retired.Store(true)
	l.mu.Unlock()
	_ = l.CloseWithError(codeDone, "no longer needed") // always nil
}

// close ends the connection.
func (l *link) close() {
	l.mu.Lock()
	l.retired.Store(true)
	for _, t := range []*time.Timer{l.vacant, l.renewal, l.fading} {
		if t != nil {
			t.Stop()
		}
	}
	if l.endWait != nil {
		l.endWait()
	}
	l.mu.Unlock()
	_ = l.CloseWithError(codeDone, "pool closed") // always nil
}
