//go:build unix

package servers

import (
	"bytes"
	"os/exec"
	"syscall"
	"testing"
)

// process is a program that runs, with all that it starts.
type process struct {
	command *exec.Cmd
	output  bytes.Buffer  // to be read once it has ended
	ended   chan struct{} // closed when it has
}

func run(tb testing.TB, command *exec.Cmd) *process {
	tb.Helper()
	p := &process{command: command, ended: make(chan struct{})}
	command.Stdout, command.Stderr = &p.output, &p.output
	if command.SysProcAttr == nil {
		command.SysProcAttr = new(syscall.SysProcAttr)
	}
	command.SysProcAttr.Setpgid = true
	if err := command.Start(); err != nil {
		tb.Fatalf("start %s: %v", command, err)
	}
	go func() { // until the process ends, at the latest when it is killed
		_ = command.Wait() // it is killed, as a rule
		close(p.ended)
	}()
	return p
}

func (p *process) kill() {
	_ = syscall.Kill(-p.command.Process.Pid, syscall.SIGKILL) // fails if it has gone
	<-p.ended
}
