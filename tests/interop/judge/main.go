// Command judge reads the history of a counter, and says whether the history is linearizable.
//
// A line is `CLIENT CALL RETURN WHAT VALUE`: the times in nanoseconds; `add` with the value that the
// addition returned, or `get` with the value that was read. The checker is porcupine.
package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"
)

// windowSize is how many values of the counter porcupine gets at once: its memory grows with the
// square of a history.
const windowSize = 2000

// counter is a counter that begins at a value.
func counter(begin int) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return begin },
		Step: func(state, input, output any) (bool, any) {
			value := state.(int)
			if input == "add" {
				value++
			}
			return output == value, value
		},
	}
}

// read returns the operations of a history.
func read(from io.Reader) ([]porcupine.Operation, error) {
	var all []porcupine.Operation
	lines := bufio.NewScanner(from)
	for lines.Scan() {
		var op porcupine.Operation
		var what string
		var value int
		if _, err := fmt.Sscan(lines.Text(), &op.ClientId, &op.Call, &op.Return, &what, &value); err != nil {
			return nil, fmt.Errorf("%q: %w", lines.Text(), err)
		}
		if what != "add" && what != "get" || value < 0 {
			return nil, fmt.Errorf("%q: neither add nor get", lines.Text())
		}
		op.Input, op.Output = what, value
		all = append(all, op)
	}
	return all, lines.Err()
}

// judge takes the values from 1 to size, then up to twice size, and so on. An order of all operations
// has the windows behind one another: additions make each value once, and the reads of a value stand
// between its addition and the next. So a history is linearizable if each window is, and if nothing
// returned before an operation of an earlier window was called.
func judge(from io.Reader, size int) error {
	all, err := read(from)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return errors.New("an empty history")
	}
	windowOf := func(op porcupine.Operation) int { return max(op.Output.(int)-1, 0) / size }
	slices.SortStableFunc(all, func(a, b porcupine.Operation) int { return cmp.Compare(windowOf(a), windowOf(b)) })
	latest := int64(0) // of all calls in earlier windows
	for number := 0; len(all) > 0; number++ {
		end := slices.IndexFunc(all, func(op porcupine.Operation) bool { return windowOf(op) > number })
		if end < 0 {
			end = len(all)
		}
		window := all[:end]
		all = all[end:]
		additions, calls := 0, latest
		for _, op := range window {
			if op.Return < latest {
				return fmt.Errorf("%v of %v returned before an operation of an earlier value was called: not linearizable", op.Input, op.Output)
			}
			if op.Input == "add" {
				additions++
			}
			calls = max(calls, op.Call)
		}
		latest = calls
		if len(all) > 0 && additions != size {
			return fmt.Errorf("%d additions from %d to %d: not linearizable", additions, number*size+1, (number+1)*size)
		}
		if result := porcupine.CheckOperationsTimeout(counter(number*size), window, time.Minute); result != porcupine.Ok {
			return fmt.Errorf("a history of %d operations from value %d on: %s, not linearizable", len(window), number*size+1, result)
		}
	}
	return nil
}

func main() {
	if err := judge(os.Stdin, windowSize); err != nil {
		fmt.Fprintln(os.Stderr, "judge:", err)
		os.Exit(1)
	}
}
