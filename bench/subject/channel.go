package subject

import "context"

// Channel is a buffered channel of members, the pool that is written most often.
var Channel = Kind{"channel", openChannel}

type channel chan *member

func openChannel(members int) Pool {
	c := make(channel, members)
	for range members {
		c <- new(member)
	}
	return c
}

func (c channel) Worker() Worker { return &channelWorker{pool: c} }
func (channel) Close()           {}

type channelWorker struct {
	pool  channel
	taken *member
}

func (w *channelWorker) Take(ctx context.Context) error {
	select {
	case w.taken = <-w.pool:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w *channelWorker) Give() { w.pool <- w.taken }
