module github.com/vistone/poolkit/integrations/nettest

go 1.26.0

require (
	github.com/vistone/poolkit v0.0.0
	golang.org/x/net v0.56.0
)

require (
	github.com/quic-go/quic-go v0.65.0 // indirect
	golang.org/x/crypto v0.54.0 // indirect
	golang.org/x/sync v0.24.0 // indirect
	golang.org/x/sys v0.47.0 // indirect
)

replace github.com/vistone/poolkit => ../..
