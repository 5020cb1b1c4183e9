// etcd-load: clients that each wait for their answer, at one member of etcd. The counterpart of redis-benchmark.
//
//	etcd-load ADDRESS put|get CLIENTS SECONDS BYTES KEYS
//
// Prints calls a second, and the 50th and 99th percentile in milliseconds.
package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

const perConnection = 8 // calls under way on a connection: HTTP/2 interleaves them

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "etcd-load:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 6 {
		return fmt.Errorf("ADDRESS put|get CLIENTS SECONDS BYTES KEYS")
	}
	var numbers [4]int
	for i := range numbers {
		n, err := strconv.Atoi(args[2+i])
		if err != nil {
			return err
		}
		numbers[i] = n
	}
	clients, seconds, bytes, keys := numbers[0], numbers[1], numbers[2], numbers[3]
	connections := make([]*clientv3.Client, (clients+perConnection-1)/perConnection)
	for i := range connections {
		c, err := clientv3.New(clientv3.Config{Endpoints: []string{args[0]}, DialTimeout: 5 * time.Second})
		if err != nil {
			return err
		}
		defer c.Close()
		connections[i] = c
	}
	value := strings.Repeat("x", bytes)
	var (
		mutex sync.Mutex
		times []time.Duration
		fault error
		group sync.WaitGroup
	)
	end := time.Now().Add(time.Duration(seconds) * time.Second)
	for i := range clients {
		group.Go(func() {
			own, err := calls(connections[i%len(connections)], args[1], value, keys, end)
			mutex.Lock()
			defer mutex.Unlock()
			times = append(times, own...)
			if err != nil {
				fault = err
			}
		})
	}
	group.Wait()
	if fault != nil {
		return fault
	}
	if len(times) == 0 {
		return fmt.Errorf("no call was answered")
	}
	slices.Sort(times)
	at := func(q float64) float64 { return times[int(q*float64(len(times)-1))].Seconds() * 1000 }
	fmt.Printf("%.1f %.3f %.3f\n", float64(len(times))/float64(seconds), at(0.5), at(0.99))
	return nil
}

func calls(c *clientv3.Client, kind, value string, keys int, end time.Time) ([]time.Duration, error) {
	var times []time.Duration
	for begin := time.Now(); begin.Before(end); begin = time.Now() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		key := fmt.Sprintf("key:%012d", rand.IntN(keys))
		var err error
		if kind == "put" {
			_, err = c.Put(ctx, key, value)
		} else {
			_, err = c.Get(ctx, key)
		}
		cancel()
		if err != nil {
			return times, err
		}
		times = append(times, time.Since(begin))
	}
	return times, nil
}
