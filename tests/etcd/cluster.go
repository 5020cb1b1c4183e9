package main

// Members as processes.

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// patience is the time within which a cluster must recover.
const patience = 60 * time.Second

type process struct {
	name, program string // program: raftcore, stock or old
	dir           string
	client, peer  string // URLs
	listen        string // where the member listens to peers; empty: at peer
	extra         []string
	cmd           *exec.Cmd
}

type cluster struct {
	stage   *stage
	members []*process
	made    int
	state   string // new, or existing for members that join
	flags   []string
}

// Ports below those that the kernel gives to connections and to listeners without a port, so that
// nobody takes a member's port while the member is down.
const firstPort, lastPort = 23000, 31999

// A mark keeps a port from every other program that draws one, as in tests/ports.py.
var marks []net.Listener

func freePort() (int, error) {
	for range 1000 {
		port := firstPort + rand.IntN(lastPort-firstPort+1)
		mark, err := net.Listen("unix", fmt.Sprintf("@raftcore-port-%d", port))
		if err != nil {
			continue
		}
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			mark.Close()
			continue
		}
		marks = append(marks, mark)
		l.Close()
		return port, nil
	}
	return 0, fmt.Errorf("no port is free from %d to %d", firstPort, lastPort)
}

// newCluster returns members of the programs, not started.
func (s *stage) newCluster(flags []string, programs ...string) (*cluster, error) {
	c := &cluster{stage: s, state: "new", flags: flags}
	s.clusters = append(s.clusters, c)
	for _, program := range programs {
		if _, err := c.add(program); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (c *cluster) add(program string) (*process, error) {
	client, err := freePort()
	if err != nil {
		return nil, err
	}
	peer, err := freePort()
	if err != nil {
		return nil, err
	}
	c.made++
	name := fmt.Sprintf("c%dm%d", len(c.stage.clusters), c.made)
	p := &process{name: name, program: program, dir: filepath.Join(c.stage.dir, name),
		client: fmt.Sprintf("http://127.0.0.1:%d", client), peer: fmt.Sprintf("http://127.0.0.1:%d", peer)}
	c.members = append(c.members, p)
	return p, nil
}

func (c *cluster) start() error {
	for _, p := range c.members {
		if err := c.launch(p); err != nil {
			return err
		}
	}
	return c.healthy()
}

// launch starts a process, and appends the output to the log of the member.
func (c *cluster) launch(p *process) error {
	log, err := os.OpenFile(p.dir+".log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	listen := p.peer
	if p.listen != "" {
		listen = p.listen
	}
	args := []string{"--name", p.name, "--data-dir", p.dir, "--listen-client-urls", p.client, "--advertise-client-urls", p.client,
		"--listen-peer-urls", listen, "--initial-advertise-peer-urls", p.peer, "--initial-cluster", c.initial(),
		"--initial-cluster-state", c.state, "--logger", "zap", "--log-level", "info"}
	args = append(append(args, c.flags...), p.extra...)
	p.cmd = exec.Command(filepath.Join(*bin, p.program, "etcd"), args...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	return p.cmd.Start()
}

func (c *cluster) initial() string {
	var list []string
	for _, p := range c.members {
		list = append(list, p.name+"="+p.peer)
	}
	return strings.Join(list, ",")
}

// kill ends a process as a power cut would.
func (p *process) kill() { p.signal(syscall.SIGKILL) }

func (p *process) signal(sig os.Signal) {
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Signal(sig)
	_ = p.cmd.Wait()
	p.cmd = nil
}

func (c *cluster) stop() {
	for _, p := range c.members {
		p.kill()
	}
}

// restart kills a member and starts a program on the data of the member.
func (c *cluster) restart(p *process, program string) error {
	p.kill()
	p.program = program
	if err := c.launch(p); err != nil {
		return err
	}
	return c.healthy()
}

func (c *cluster) urls() (list []string) {
	for _, p := range c.members {
		list = append(list, p.client)
	}
	return list
}

func connect(urls ...string) (*clientv3.Client, error) {
	return clientv3.New(clientv3.Config{Endpoints: urls, DialTimeout: 5 * time.Second, Logger: zap.NewNop(),
		MaxCallSendMsgSize: 64 << 20, MaxCallRecvMsgSize: 256 << 20})
}

// soon calls try until success, or until patience ends.
func soon(what string, try func(ctx context.Context) error) error {
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		err = try(ctx)
		cancel()
		if err == nil {
			return nil
		}
	}
	return fmt.Errorf("%s: %w", what, err)
}

// healthy waits until every running member answers a linearizable read.
func (c *cluster) healthy() error {
	for _, p := range c.members {
		if p.cmd == nil {
			continue
		}
		err := soon(p.name+" ("+p.program+") is not healthy", func(ctx context.Context) error { return p.read(ctx) })
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *process) read(ctx context.Context) error {
	cli, err := connect(p.client)
	if err != nil {
		return err
	}
	defer cli.Close()
	_, err = cli.Get(ctx, "health")
	return err
}

func (p *process) status(ctx context.Context) (*clientv3.StatusResponse, error) {
	cli, err := connect(p.client)
	if err != nil {
		return nil, err
	}
	defer cli.Close()
	return cli.Status(ctx, p.client)
}

// leader waits for a leader.
func (c *cluster) leader() (found *process, err error) {
	err = soon("nobody leads", func(ctx context.Context) error {
		for _, p := range c.members {
			if p.cmd == nil {
				continue
			}
			status, err := p.status(ctx)
			if err != nil {
				return err
			}
			if status.Leader == status.Header.MemberId {
				found = p
				return nil
			}
		}
		return fmt.Errorf("no member says that it leads")
	})
	return found, err
}

// moveTo makes a member the leader.
func (c *cluster) moveTo(p *process) error {
	return soon("leadership does not move to "+p.name+" ("+p.program+")", func(ctx context.Context) error {
		target, err := p.status(ctx)
		if err != nil {
			return err
		}
		leader, err := c.leader()
		if err != nil || leader == p {
			return err
		}
		_, err = c.ctl("--endpoints", leader.client, "move-leader", fmt.Sprintf("%x", target.Header.MemberId))
		if err != nil {
			return err
		}
		return fmt.Errorf("not yet")
	})
}

// ctl runs etcdctl, and returns the output.
func (c *cluster) ctl(args ...string) (string, error) { return tool("etcdctl", args...) }

func tool(name string, args ...string) (string, error) {
	text, err := exec.Command(filepath.Join(*bin, "stock", name), args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(text)))
	}
	return string(text), nil
}
