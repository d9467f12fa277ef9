package main

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"

	"golang.org/x/crypto/ssh"
)

type prompt struct {
	Prompt string `json:"prompt"`
	Echo   bool   `json:"echo"`
}

type keyboardRound struct {
	Name         string   `json:"name"`
	Instructions string   `json:"instructions"`
	Prompts      []prompt `json:"prompts"`
	Answers      []string `json:"answers,omitempty"`
}

type clientOptions struct {
	algorithms
	Port              int               `json:"port"`
	Username          string            `json:"username"`
	Password          string            `json:"password"`
	KeyFile           string            `json:"keyFile"`
	Passphrase        string            `json:"passphrase"`
	Answers           map[string]string `json:"answers"`
	HostKey           string            `json:"hostKey"`
	HostKeyAlgorithms []string          `json:"hostKeyAlgorithms"`
}

type connectionFacts struct {
	Connection    int             `json:"connection"`
	Kex           string          `json:"kex"`
	Ciphers       [2]string       `json:"ciphers"`
	Macs          [2]string       `json:"macs"`
	ServerVersion string          `json:"serverVersion"`
	Banner        string          `json:"banner"`
	Rounds        []keyboardRound `json:"rounds"`
}

type connection struct {
	*ssh.Client
	keyExchanges *atomic.Int32
}

var (
	connections []connection
	connecting  sync.Mutex
)

func connectionOf(number int) connection {
	connecting.Lock()
	defer connecting.Unlock()
	return connections[number]
}

func connect(options clientOptions) (*connectionFacts, error) {
	hostKey, _, _, _, err := ssh.ParseAuthorizedKey([]byte(options.HostKey))
	if err != nil {
		return nil, err
	}
	facts := &connectionFacts{Rounds: []keyboardRound{}}
	auth, err := options.authMethods(facts)
	if err != nil {
		return nil, err
	}
	hostKeyAlgorithms := options.HostKeyAlgorithms
	if hostKeyAlgorithms == nil && hostKey.Type() != ssh.KeyAlgoRSA {
		hostKeyAlgorithms = []string{hostKey.Type()}
	}
	// The host key is shown at each key exchange.
	keyExchanges := new(atomic.Int32)
	check := ssh.FixedHostKey(hostKey)
	client, err := ssh.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(options.Port)), &ssh.ClientConfig{
		Config:            options.config(),
		User:              options.Username,
		Auth:              auth,
		HostKeyAlgorithms: hostKeyAlgorithms,
		HostKeyCallback: func(host string, remote net.Addr, key ssh.PublicKey) error {
			keyExchanges.Add(1)
			return check(host, remote, key)
		},
		BannerCallback: func(message string) error {
			facts.Banner += message
			return nil
		},
	})
	if err != nil {
		return nil, err
	}
	connecting.Lock()
	defer connecting.Unlock()
	connections = append(connections, connection{client, keyExchanges})
	negotiated := client.Conn.(ssh.AlgorithmsConnMetadata).Algorithms()
	facts.Connection = len(connections) - 1
	facts.Kex = negotiated.KeyExchange
	facts.Ciphers = [2]string{negotiated.Write.Cipher, negotiated.Read.Cipher}
	facts.Macs = [2]string{negotiated.Write.MAC, negotiated.Read.MAC}
	facts.ServerVersion = string(client.ServerVersion())
	return facts, nil
}

func (options clientOptions) authMethods(facts *connectionFacts) ([]ssh.AuthMethod, error) {
	var auth []ssh.AuthMethod
	if options.KeyFile != "" {
		signer, err := readSigner(options.KeyFile, options.Passphrase)
		if err != nil {
			return nil, err
		}
		if options.Signatures != nil {
			if signer, err = ssh.NewSignerWithAlgorithms(signer.(ssh.AlgorithmSigner), options.Signatures); err != nil {
				return nil, err
			}
		}
		auth = append(auth, ssh.PublicKeys(signer))
	}
	if options.Answers != nil {
		auth = append(auth, ssh.KeyboardInteractive(
			func(name, instructions string, questions []string, echos []bool) ([]string, error) {
				round := keyboardRound{Name: name, Instructions: instructions, Prompts: []prompt{}}
				answers := []string{}
				for i, question := range questions {
					round.Prompts = append(round.Prompts, prompt{question, echos[i]})
					answers = append(answers, options.Answers[question])
				}
				facts.Rounds = append(facts.Rounds, round)
				return answers, nil
			}))
	}
	if options.Password != "" {
		auth = append(auth, ssh.Password(options.Password))
	}
	return auth, nil
}

func readSigner(file string, passphrase string) (ssh.Signer, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if passphrase != "" {
		return ssh.ParsePrivateKeyWithPassphrase(pem, []byte(passphrase))
	}
	return ssh.ParsePrivateKey(pem)
}

type terminalSize struct {
	Columns int `json:"columns"`
	Rows    int `json:"rows"`
}

type commandOptions struct {
	Connection       int               `json:"connection"`
	Command          string            `json:"command"`
	Input            []byte            `json:"input"`
	InputAfterOutput bool              `json:"inputAfterOutput"`
	Env              map[string]string `json:"env"`
	Pty              *struct {
		Term string `json:"term"`
		terminalSize
	} `json:"pty"`
	Resize *terminalSize `json:"resize"`
	Signal string        `json:"signal"`
}

type commandResult struct {
	Status *int    `json:"status"`
	Signal *string `json:"signal"`
	Stdout []byte  `json:"stdout"`
	Stderr []byte  `json:"stderr"`
}

func runCommand(options commandOptions) (*commandResult, error) {
	session, err := connectionOf(options.Connection).NewSession()
	if err != nil {
		return nil, err
	}
	defer session.Close()
	for name, value := range options.Env {
		if err := session.Setenv(name, value); err != nil {
			return nil, err
		}
	}
	if pty := options.Pty; pty != nil {
		if err := session.RequestPty(pty.Term, pty.Rows, pty.Columns, ssh.TerminalModes{}); err != nil {
			return nil, err
		}
	}
	stdin, _ := session.StdinPipe()
	stdoutPipe, _ := session.StdoutPipe()
	stdout := bufio.NewReader(stdoutPipe)
	var stderr bytes.Buffer
	session.Stderr = &stderr
	if err := session.Start(options.Command); err != nil {
		return nil, err
	}
	var first []byte
	if options.Resize != nil || options.Signal != "" {
		if first, err = stdout.ReadBytes('\n'); err != nil {
			return nil, err
		}
	}
	if options.Resize != nil {
		if err := session.WindowChange(options.Resize.Rows, options.Resize.Columns); err != nil {
			return nil, err
		}
	}
	if options.Signal != "" {
		if err := session.Signal(ssh.Signal(options.Signal)); err != nil {
			return nil, err
		}
	}
	feed := func() {
		stdin.Write(options.Input)
		if options.Resize == nil && options.Signal == "" {
			stdin.Close()
		}
	}
	if !options.InputAfterOutput {
		go feed()
	}
	rest, err := io.ReadAll(stdout)
	if err != nil {
		return nil, err
	}
	if options.InputAfterOutput {
		feed()
	}
	err = session.Wait()
	// A nil slice would be null.
	result := &commandResult{Stdout: append(append([]byte{}, first...), rest...), Stderr: append([]byte{}, stderr.Bytes()...)}
	return result, result.setExit(err)
}

func (r *commandResult) setExit(err error) error {
	var exit *ssh.ExitError
	var missing *ssh.ExitMissingError
	status := 0
	switch {
	case errors.As(err, &exit) && exit.Signal() != "":
		signal := exit.Signal()
		r.Signal = &signal
	case errors.As(err, &exit):
		status = exit.ExitStatus()
		r.Status = &status
	case errors.As(err, &missing):
	case err == nil:
		r.Status = &status
	default:
		return err
	}
	return nil
}

type transferOptions struct {
	Connection int    `json:"connection"`
	Command    string `json:"command"`
	Bytes      int64  `json:"bytes"`
}

type transferResult struct {
	Sent         string `json:"sent"`
	Received     string `json:"received"`
	Bytes        int64  `json:"bytes"`
	KeyExchanges int32  `json:"keyExchanges"`
}

func transfer(options transferOptions) (*transferResult, error) {
	connection := connectionOf(options.Connection)
	session, err := connection.NewSession()
	if err != nil {
		return nil, err
	}
	defer session.Close()
	stdin, _ := session.StdinPipe()
	stdout, _ := session.StdoutPipe()
	if err := session.Start(options.Command); err != nil {
		return nil, err
	}
	sent, received := sha256.New(), sha256.New()
	sending := make(chan error, 1)
	go func() {
		_, err := io.CopyN(io.MultiWriter(stdin, sent), rand.Reader, options.Bytes)
		stdin.Close()
		sending <- err
	}()
	count, err := io.Copy(received, stdout)
	if err != nil {
		return nil, err
	}
	if err := <-sending; err != nil {
		return nil, err
	}
	return &transferResult{hexOf(sent), hexOf(received), count, connection.keyExchanges.Load()}, nil
}

func hexOf(digest hash.Hash) string {
	return hex.EncodeToString(digest.Sum(nil))
}

type forwardOptions struct {
	Connection int    `json:"connection"`
	Host       string `json:"host"`
	Port       int    `json:"port"`
	Input      []byte `json:"input"`
}

func forward(options forwardOptions) (map[string][]byte, error) {
	address := net.JoinHostPort(options.Host, strconv.Itoa(options.Port))
	channel, err := connectionOf(options.Connection).Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	defer channel.Close()
	written := make(chan error, 1)
	go func() {
		_, err := channel.Write(options.Input)
		if err == nil {
			err = channel.(interface{ CloseWrite() error }).CloseWrite()
		}
		written <- err
	}()
	data, err := io.ReadAll(channel)
	if err != nil {
		return nil, err
	}
	return map[string][]byte{"data": data}, <-written
}

func disconnect(options struct {
	Connection int `json:"connection"`
}) (struct{}, error) {
	if err := connectionOf(options.Connection).Close(); err != nil {
		return struct{}{}, fmt.Errorf("close: %w", err)
	}
	return struct{}{}, nil
}
