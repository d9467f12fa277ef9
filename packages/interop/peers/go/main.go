// Command go-peer is golang.org/x/crypto/ssh and github.com/pkg/sftp as a test peer.
// What it can be told is in src/library-peer.ts, the commands it serves in src/builtins.ts.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"
)

// algorithms to insist on; empty leaves the library's own choice.
type algorithms struct {
	Kex        []string `json:"kex"`
	Ciphers    []string `json:"ciphers"`
	Macs       []string `json:"macs"`
	Signatures []string `json:"signatures"`
	RekeyBytes uint64   `json:"rekeyBytes"`
}

func (a algorithms) config() ssh.Config {
	return ssh.Config{KeyExchanges: a.Kex, Ciphers: a.Ciphers, MACs: a.Macs, RekeyThreshold: a.RekeyBytes}
}

type request struct {
	ID   int             `json:"id"`
	Call string          `json:"call"`
	With json.RawMessage `json:"with"`
}

type failure struct {
	Kind    string `json:"kind"`
	Message string `json:"message"`
}

type answer struct {
	ID     int      `json:"id"`
	Result any      `json:"result,omitempty"`
	Error  *failure `json:"error,omitempty"`
}

var calls = map[string]func(json.RawMessage) (any, error){
	"algorithms": call(knownAlgorithms),
	"listen":     call(listen),
	"connect":    call(connect),
	"exec":       call(runCommand),
	"transfer":   call(transfer),
	"files":      call(useFiles),
	"forward":    call(forward),
	"disconnect": call(disconnect),
}

// call makes a function that takes its options as JSON.
func call[Options, Result any](do func(Options) (Result, error)) func(json.RawMessage) (any, error) {
	return func(with json.RawMessage) (any, error) {
		var options Options
		if err := json.Unmarshal(with, &options); err != nil {
			return nil, err
		}
		return do(options)
	}
}

func knownAlgorithms(struct{}) (map[string][]string, error) {
	known := ssh.SupportedAlgorithms()
	return map[string][]string{
		"kex":               known.KeyExchanges,
		"ciphers":           known.Ciphers,
		"macs":              known.MACs,
		"hostKeyAlgorithms": known.HostKeys,
	}, nil
}

func main() {
	log.SetFlags(0)
	var speaking sync.Mutex
	answers := json.NewEncoder(os.Stdout)
	requests := json.NewDecoder(bufio.NewReader(os.Stdin))
	for {
		var asked request
		if err := requests.Decode(&asked); err == io.EOF {
			return
		} else if err != nil {
			log.Fatal(err)
		}
		go func() {
			said := answer{ID: asked.ID}
			if do, ok := calls[asked.Call]; !ok {
				said.Error = &failure{"other", "unknown call " + asked.Call}
			} else if result, err := do(asked.With); err != nil {
				said.Error = describe(err)
			} else {
				said.Result = result
			}
			speaking.Lock()
			defer speaking.Unlock()
			if err := answers.Encode(said); err != nil {
				log.Fatal(err)
			}
		}()
	}
}

// describe tells failures apart that have no types of their own.
func describe(err error) *failure {
	message := err.Error()
	fmt.Fprintln(os.Stderr, message)
	switch {
	case strings.Contains(message, "unable to authenticate"):
		return &failure{"auth", message}
	case strings.Contains(message, "host key mismatch"):
		return &failure{"hostKey", message}
	}
	return &failure{"other", message}
}
