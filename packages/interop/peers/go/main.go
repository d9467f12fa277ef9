// Command go-peer is golang.org/x/crypto/ssh and github.com/pkg/sftp as a test peer.
// The job it is given is described in src/peer-job.ts.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"
	"sort"

	"golang.org/x/crypto/ssh"
)

// algorithms to insist on; empty leaves the library's own choice.
type algorithms struct {
	Kex               []string `json:"kex"`
	Ciphers           []string `json:"ciphers"`
	Macs              []string `json:"macs"`
	HostKeyAlgorithms []string `json:"hostKeyAlgorithms"`
}

func (a algorithms) config() ssh.Config {
	return ssh.Config{KeyExchanges: a.Kex, Ciphers: a.Ciphers, MACs: a.Macs}
}

func main() {
	log.SetFlags(0)
	var err error
	if len(os.Args) > 1 && os.Args[1] == "client" {
		err = runClient(os.Stdin, os.Stdout)
	} else if len(os.Args) > 2 && os.Args[1] == "server" {
		err = runServer([]byte(os.Args[2]))
	} else {
		err = fmt.Errorf("usage: go-peer client <job | go-peer server job")
	}
	if err != nil {
		log.Fatal(err)
	}
}

func readSigner(file string) (ssh.Signer, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return ssh.ParsePrivateKey(pem)
}

func decodeJob(in io.Reader, job any) error {
	return json.NewDecoder(in).Decode(job)
}

func sameKey(a, b ssh.PublicKey) bool {
	return bytes.Equal(a.Marshal(), b.Marshal())
}

func sorted(names []string) []string {
	sort.Strings(names)
	return names
}
