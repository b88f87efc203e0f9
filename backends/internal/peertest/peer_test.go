package peertest

import (
	"context"
	"io"
	"net"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/vistone/poolkit/poolkit"
)

// knocks is an acceptor that opens its door with the fifth offer.
type knocks struct {
	door    Door[net.Conn]
	offers  int
	refused []int
}

func (k *knocks) Accept(context.Context) (poolkit.Offer[net.Conn], error) {
	k.offers++
	if k.offers == 5 {
		k.door.Open()
	}
	return &knock{number: k.offers, at: k}, nil
}

// knock is an offer.
type knock struct {
	poolkit.Offer[net.Conn]

	number int
	at     *knocks
}

func (o *knock) Refuse() { o.at.refused = append(o.at.refused, o.number) }

func TestADoorRefusesWhatIsOfferedWhileItIsShut(t *testing.T) {
	k := new(knocks)
	k.door.Acceptor = k
	for _, want := range []int{1, 2, 5} {
		got, err := k.door.Accept(t.Context())
		if err != nil || got.(*knock).number != want {
			t.Errorf("offer %v, %v, want number %d", got, err, want)
		}
		if want == 2 {
			k.door.Shut()
		}
	}
	if want := []int{3, 4}; !slices.Equal(k.refused, want) {
		t.Errorf("refused %v, want %v", k.refused, want)
	}
}

func TestAPeerAnswersWhileItsNetworkIsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there := net.Pipe()
		defer here.Close()
		var p Peer[net.Conn]
		p.Start(t, poolkit.Config[net.Conn]{
			Dialer: poolkit.DialerFunc[net.Conn](func(context.Context, int) (poolkit.ID, net.Conn, error) {
				return poolkit.ID{1}, there, nil
			}),
			Shut:        net.Conn.Close,
			MinCapacity: 1,
			MaxCapacity: 1,
			Places:      1,
			MaxShards:   1,
		})
		p.Network.Close()
		if _, err := io.WriteString(here, "hello"); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 5)
		answered := false
		go func() {
			_, err := io.ReadFull(here, got)
			answered = err == nil
		}()
		synctest.Wait()
		if answered {
			t.Error("answered over a network that is down")
		}
		p.Network.Open()
		synctest.Wait()
		if string(got) != "hello" {
			t.Errorf("answered %q", got)
		}
	})
}
