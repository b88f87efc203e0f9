//go:build unix

package servers

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// nginxConf is a server that answers every request with "ready".
const nginxConf = `daemon off;
user root;
worker_processes 1;
pid %[1]s/nginx.pid;
error_log stderr warn;
events { worker_connections 4096; }
http {
	access_log off;
	client_body_temp_path %[1]s; proxy_temp_path %[1]s; fastcgi_temp_path %[1]s;
	uwsgi_temp_path %[1]s; scgi_temp_path %[1]s;
	keepalive_requests 100000;
	server {
		listen %[2]s ssl http2;
		ssl_protocols TLSv1.2 TLSv1.3;
		ssl_certificate %[3]s;
		ssl_certificate_key %[4]s;
		location / { return 200 "ready\n"; }
	}
}
`

// Nginx starts an HTTPS server that answers every request with a line.
func Nginx(tb testing.TB) *Server {
	tb.Helper()
	path := program(tb, "nginx", "/usr/sbin/nginx")
	dir := tb.TempDir()
	cert, certFile, keyFile := certificate(tb, dir)
	addr, _ := freeAddr(tb)
	conf := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, nginxConf, dir, addr, certFile, keyFile), 0o600); err != nil {
		tb.Fatal(err)
	}
	s := &Server{Addr: addr, TLS: trusting(cert), tb: tb}
	s.command = func() *exec.Cmd {
		return exec.Command(path, "-c", conf, "-p", dir)
	}
	s.ready = answersTLS(addr, s.TLS)
	return s.open()
}
