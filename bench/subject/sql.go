package subject

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
)

// SQL is the pool of database/sql, over a driver that does nothing.
var SQL = Kind{"database/sql", openSQL}

type sqlPool struct{ *sql.DB }

func openSQL(members int) Pool {
	db := sql.OpenDB(connector{})
	db.SetMaxOpenConns(members)
	db.SetMaxIdleConns(members)
	all := make([]*sql.Conn, members)
	for i := range all {
		var err error
		all[i], err = db.Conn(context.Background())
		must(err)
	}
	for _, c := range all {
		must(c.Close())
	}
	return sqlPool{db}
}

func (p sqlPool) Worker() Worker { return &sqlWorker{db: p.DB} }
func (p sqlPool) Close()         { must(p.DB.Close()) }

type sqlWorker struct {
	db    *sql.DB
	taken *sql.Conn
}

func (w *sqlWorker) Take(ctx context.Context) (err error) {
	w.taken, err = w.db.Conn(ctx)
	return err
}

func (w *sqlWorker) Give() { must(w.taken.Close()) }

// connector and conn are a driver whose connections lead nowhere.
type (
	connector struct{}
	conn      member
)

var errNoStatements = errors.New("this driver has connections and nothing else")

func (connector) Connect(context.Context) (driver.Conn, error) { return new(conn), nil }
func (c connector) Driver() driver.Driver                      { return c }
func (connector) Open(string) (driver.Conn, error)             { return new(conn), nil }
func (*conn) Prepare(string) (driver.Stmt, error)              { return nil, errNoStatements }
func (*conn) Begin() (driver.Tx, error)                        { return nil, errNoStatements }
func (*conn) Close() error                                     { return nil }
