package poolnet_test

import (
	"bufio"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"net/rpc"
	"net/smtp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vistone/poolkit/poolkit/poolnet"
)

// store answers GET and SET, a line each, like a small Redis.
type store struct {
	mu   sync.Mutex
	keys map[string]string
}

// serve answers on whatever is accepted, until the listener is closed and all who are
// connected have gone.
func (s *store) serve(l net.Listener) {
	s.keys = make(map[string]string)
	var work sync.WaitGroup
	defer work.Wait()
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		work.Go(func() {
			defer c.Close()
			for lines := bufio.NewScanner(c); lines.Scan(); {
				if _, err := fmt.Fprintln(c, s.answer(lines.Text())); err != nil {
					return
				}
			}
		})
	}
}

func (s *store) answer(line string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch f := strings.Fields(line); {
	case len(f) == 3 && f[0] == "SET":
		s.keys[f[1]] = f[2]
		return "OK"
	case len(f) == 2 && f[0] == "GET":
		return s.keys[f[1]]
	}
	return "ERR"
}

// ask sends a command and reads the answer, the way Redis clients do: with a deadline
// for each command.
func ask(c net.Conn, command string) (string, error) {
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return "", err
	}
	if _, err := fmt.Fprintln(c, command); err != nil {
		return "", err
	}
	line, err := bufio.NewReader(c).ReadString('\n') // an answer is one line, so nothing is read ahead
	return strings.TrimSuffix(line, "\n"), err
}

func TestAStoreWhoseClientsKeepTheirOwnConnections(t *testing.T) {
	q := overQUIC(t, 8, "")
	l := listen(t, q.server, poolnet.ListenerConfig{})
	var work, users sync.WaitGroup
	defer work.Wait()
	defer l.Close()
	work.Go(func() { new(store).serve(l) })
	d := poolnet.NewDialer(q.client)
	for user := range 16 {
		users.Go(func() {
			c := dial(t, d)
			defer c.Close()
			for i := range 50 {
				key, value := fmt.Sprint("key", user), fmt.Sprint("value", i)
				_, err := ask(c, "SET "+key+" "+value)
				got, errGet := ask(c, "GET "+key)
				if err := errors.Join(err, errGet); err != nil || got != value {
					t.Errorf("got %q, %v, want %q", got, err, value)
				}
			}
		})
	}
	users.Wait()
}

// A user who dials for each exchange, over members that come back.
func TestAStoreWhoseClientsDialForEachCommand(t *testing.T) {
	bubble(t, func(t *testing.T) {
		here, there := pair(t, 2)
		l := listen(t, there, poolnet.ListenerConfig{})
		go new(store).serve(l)
		d, err := poolnet.NewDialer(here).Returning()
		if err != nil {
			t.Fatal(err)
		}
		var users sync.WaitGroup
		for user := range 8 {
			users.Go(func() {
				for i := range 100 {
					key, value := fmt.Sprint("key", user), fmt.Sprint("value", i)
					for _, command := range [][2]string{{"SET " + key + " " + value, "OK"}, {"GET " + key, value}} {
						c := dial(t, d)
						if got, err := ask(c, command[0]); err != nil || got != command[1] {
							t.Errorf("%s: %q, %v, want %q", command[0], got, err, command[1])
						}
						c.Close()
					}
				}
			})
		}
		users.Wait()
		if n := here.Stats().Created; n > 32 {
			t.Errorf("%d members were made for 8 users: they do not come back", n)
		}
		here.Close()
		l.Close()
	})
}

// storeDriver lets database/sql ask a store, over connections of a dialer.
type storeDriver struct{ dialer }

func (d storeDriver) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := d.DialContext(ctx, "tcp", "store:6379")
	return &storeConn{c}, err
}

func (d storeDriver) Driver() driver.Driver { return nil }

type storeConn struct{ net.Conn }

func (c *storeConn) QueryContext(ctx context.Context, query string, _ []driver.NamedValue) (driver.Rows, error) {
	stop := context.AfterFunc(ctx, func() { c.Close() }) // how drivers cancel
	defer stop()
	answer, err := ask(c.Conn, query)
	return &oneRow{answer: answer}, err
}

func (*storeConn) Prepare(string) (driver.Stmt, error) { return nil, errors.ErrUnsupported }
func (*storeConn) Begin() (driver.Tx, error)           { return nil, errors.ErrUnsupported }

type oneRow struct {
	answer string
	read   bool
}

func (*oneRow) Columns() []string { return []string{"answer"} }
func (*oneRow) Close() error      { return nil }

func (r *oneRow) Next(values []driver.Value) error {
	if r.read {
		return io.EOF
	}
	values[0], r.read = r.answer, true
	return nil
}

func TestDatabaseSQLOverQUICStreams(t *testing.T) {
	q := overQUIC(t, 4, "")
	l := listen(t, q.server, poolnet.ListenerConfig{})
	var work sync.WaitGroup
	defer work.Wait()
	defer l.Close()
	work.Go(func() { new(store).serve(l) })
	db := sql.OpenDB(storeDriver{poolnet.NewDialer(q.client)})
	db.SetMaxOpenConns(8)
	db.SetMaxIdleConns(4)
	var users sync.WaitGroup
	for user := range 16 {
		users.Go(func() {
			for i := range 30 {
				var got string
				key, want := fmt.Sprint("key", user), fmt.Sprint("value", i)
				if err := db.QueryRowContext(t.Context(), "SET "+key+" "+want).Scan(&got); err != nil || got != "OK" {
					t.Errorf("SET: %q, %v", got, err)
				}
				if err := db.QueryRowContext(t.Context(), "GET "+key).Scan(&got); err != nil || got != want {
					t.Errorf("GET: %q, %v, want %q", got, err, want)
				}
			}
		})
	}
	users.Wait()
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	eventually(t, "database/sql has closed its connections", nobodyHasAny(q.client))
}

// Sums is served by net/rpc.
type Sums struct{}

func (Sums) Add(in [2]int, sum *int) error {
	*sum = in[0] + in[1]
	return nil
}

func TestRPCOverQUICStreams(t *testing.T) {
	q := overQUIC(t, 2, "")
	l := listen(t, q.server, poolnet.ListenerConfig{})
	server := rpc.NewServer()
	if err := server.Register(Sums{}); err != nil {
		t.Fatal(err)
	}
	var work sync.WaitGroup
	defer work.Wait()
	defer q.client.Close() // frees those who were accepted
	defer l.Close()
	work.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			work.Go(func() { server.ServeConn(c) })
		}
	})
	client := rpc.NewClient(dial(t, poolnet.NewDialer(q.client)))
	for i := range 100 {
		var sum int
		if err := client.Call("Sums.Add", [2]int{i, 1}, &sum); err != nil || sum != i+1 {
			t.Errorf("%d + 1 = %d, %v", i, sum, err)
		}
	}
	client.Close()
}

// In SMTP the server speaks first.
func TestMailOverQUICStreams(t *testing.T) {
	q := overQUIC(t, 2, "")
	l := listen(t, q.server, poolnet.ListenerConfig{ServerFirst: true})
	var work sync.WaitGroup
	defer work.Wait()
	defer q.client.Close() // frees those who were accepted
	defer l.Close()
	work.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			work.Go(func() {
				defer c.Close()
				_, err := fmt.Fprint(c, "220 localhost\r\n")
				for lines := bufio.NewScanner(c); err == nil && lines.Scan(); {
					_, err = fmt.Fprint(c, "250 OK\r\n")
				}
			})
		}
	})
	client, err := smtp.NewClient(dial(t, poolnet.NewDialer(q.client)), "localhost")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(client.Hello("localhost"), client.Mail("me@localhost"), client.Rcpt("you@localhost")); err != nil {
		t.Error(err)
	}
	client.Close()
}
