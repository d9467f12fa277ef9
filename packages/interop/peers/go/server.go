package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

type serverOptions struct {
	algorithms
	HostKeyFiles   []string        `json:"hostKeyFiles"`
	Username       string          `json:"username"`
	Password       string          `json:"password"`
	AuthorizedKeys []string        `json:"authorizedKeys"`
	Rounds         []keyboardRound `json:"rounds"`
	RequiresBoth   bool            `json:"requiresBoth"`
	Banner         string          `json:"banner"`
	FilesInMemory  bool            `json:"filesInMemory"`
}

type serverFacts struct {
	Port int `json:"port"`
}

var errRefused = errors.New("refused")

func listen(options serverOptions) (*serverFacts, error) {
	config, err := options.serverConfig()
	if err != nil {
		return nil, err
	}
	serve := serveFiles
	if options.FilesInMemory {
		serve = serveFrom(sftp.InMemHandler())
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go serveConnection(conn, config, serve)
		}
	}()
	return &serverFacts{listener.Addr().(*net.TCPAddr).Port}, nil
}

func (o serverOptions) serverConfig() (*ssh.ServerConfig, error) {
	config := &ssh.ServerConfig{Config: o.config(), PublicKeyAuthAlgorithms: o.Signatures}
	for _, file := range o.HostKeyFiles {
		signer, err := readSigner(file, "")
		if err != nil {
			return nil, err
		}
		config.AddHostKey(signer)
	}
	if o.Banner != "" {
		config.BannerCallback = func(ssh.ConnMetadata) string { return o.Banner }
	}
	password := func(conn ssh.ConnMetadata, password []byte) (*ssh.Permissions, error) {
		if conn.User() == o.Username && string(password) == o.Password {
			return nil, nil
		}
		return nil, errRefused
	}
	if o.Password != "" && !o.RequiresBoth {
		config.PasswordCallback = password
	}
	var allowed []string
	for _, line := range o.AuthorizedKeys {
		key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(line))
		if err != nil {
			return nil, err
		}
		allowed = append(allowed, string(key.Marshal()))
	}
	if allowed != nil {
		config.PublicKeyCallback = func(conn ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			if conn.User() != o.Username || !slices.Contains(allowed, string(key.Marshal())) {
				return nil, errRefused
			}
			if o.RequiresBoth {
				return nil, &ssh.PartialSuccessError{Next: ssh.ServerAuthCallbacks{PasswordCallback: password}}
			}
			return nil, nil
		}
	}
	if o.Rounds != nil {
		config.KeyboardInteractiveCallback = o.ask
	}
	return config, nil
}

func (o serverOptions) ask(
	conn ssh.ConnMetadata,
	challenge ssh.KeyboardInteractiveChallenge,
) (*ssh.Permissions, error) {
	for _, round := range o.Rounds {
		var questions []string
		var echos []bool
		for _, prompt := range round.Prompts {
			questions = append(questions, prompt.Prompt)
			echos = append(echos, prompt.Echo)
		}
		answers, err := challenge(round.Name, round.Instructions, questions, echos)
		if err != nil {
			return nil, err
		}
		if !slices.Equal(answers, round.Answers) {
			return nil, errRefused
		}
	}
	return nil, nil
}

func serveConnection(socket net.Conn, config *ssh.ServerConfig, serve fileService) {
	_, channels, requests, err := ssh.NewServerConn(socket, config)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	go ssh.DiscardRequests(requests)
	for opening := range channels {
		switch opening.ChannelType() {
		case "session":
			go serveSession(opening, serve)
		case "direct-tcpip":
			go serveForward(opening)
		default:
			opening.Reject(ssh.UnknownChannelType, "no such channel type")
		}
	}
}

type session struct {
	ssh.Channel
	environment map[string]string
	terminal    string
	sizes       chan string
	signals     chan string
	serveFiles  fileService
}

// fileService speaks SFTP until its client leaves.
type fileService func(io.ReadWriteCloser) error

func serveFiles(stream io.ReadWriteCloser) error {
	server, err := sftp.NewServer(stream)
	if err != nil {
		return err
	}
	return server.Serve()
}

// serveFrom serves what handlers have: the other of the two servers of pkg/sftp.
func serveFrom(handlers sftp.Handlers) fileService {
	return func(stream io.ReadWriteCloser) error {
		return sftp.NewRequestServer(stream, handlers).Serve()
	}
}

func serveSession(opening ssh.NewChannel, serve fileService) {
	channel, requests, err := opening.Accept()
	if err != nil {
		return
	}
	s := &session{channel, map[string]string{}, "", make(chan string, 8), make(chan string, 8), serve}
	for request := range requests {
		ok, start := s.handle(request)
		// Whoever starts before the reply may be done before it.
		request.Reply(ok, nil)
		if start != nil {
			go start()
		}
	}
}

// handle answers a request, and tells what to start after the answer.
func (s *session) handle(request *ssh.Request) (ok bool, start func()) {
	switch request.Type {
	case "env":
		var pair struct{ Name, Value string }
		if ssh.Unmarshal(request.Payload, &pair) != nil {
			return false, nil
		}
		s.environment[pair.Name] = pair.Value
		return true, nil
	case "pty-req":
		var pty struct {
			Term                         string
			Columns, Rows, Width, Height uint32
			Modes                        string
		}
		if ssh.Unmarshal(request.Payload, &pty) != nil {
			return false, nil
		}
		s.terminal = fmt.Sprintf("%s %dx%d", pty.Term, pty.Columns, pty.Rows)
		return true, nil
	case "window-change":
		var size struct{ Columns, Rows, Width, Height uint32 }
		if ssh.Unmarshal(request.Payload, &size) != nil {
			return false, nil
		}
		s.sizes <- fmt.Sprintf("%dx%d", size.Columns, size.Rows)
		return true, nil
	case "signal":
		var signal struct{ Name string }
		if ssh.Unmarshal(request.Payload, &signal) != nil {
			return false, nil
		}
		s.signals <- signal.Name
		return true, nil
	case "exec":
		var exec struct{ Command string }
		if ssh.Unmarshal(request.Payload, &exec) != nil {
			return false, nil
		}
		return true, func() { s.run(exec.Command) }
	case "subsystem":
		var subsystem struct{ Name string }
		if ssh.Unmarshal(request.Payload, &subsystem) != nil || subsystem.Name != "sftp" {
			return false, nil
		}
		return true, func() {
			defer s.Close()
			if err := s.serveFiles(s); err == nil || err == io.EOF {
				s.sendStatus(0)
			}
		}
	}
	return false, nil
}

func (s *session) run(command string) {
	defer s.Close()
	name, argument, _ := strings.Cut(command, " ")
	status := 0
	switch name {
	case "echo":
		fmt.Fprintln(s, argument)
	case "cat":
		io.Copy(s, s)
	case "sha256":
		digest := sha256.New()
		io.Copy(digest, s)
		fmt.Fprintln(s, hexOf(digest))
	case "both":
		fmt.Fprintln(s, argument)
		reversed := []byte(argument)
		slices.Reverse(reversed)
		fmt.Fprintln(s.Stderr(), string(reversed))
	case "env":
		fmt.Fprintln(s, s.environment[argument])
	case "exit":
		status, _ = strconv.Atoi(argument)
	case "signal":
		exit := struct {
			Name           string
			CoreDumped     bool
			Error, LangTag string
		}{argument, false, "asked to", "en"}
		s.SendRequest("exit-signal", false, ssh.Marshal(&exit))
		return
	case "eof-first":
		fmt.Fprintln(s, "bye")
		s.CloseWrite()
		count, _ := io.Copy(io.Discard, s)
		status = int(count % 256)
	case "terminal":
		fmt.Fprintln(s, s.terminal)
		fmt.Fprintln(s, <-s.sizes)
	case "trap":
		fmt.Fprintln(s, "ready")
		fmt.Fprintln(s, <-s.signals)
	default:
		status = 127
	}
	s.CloseWrite()
	s.sendStatus(status)
}

func (s *session) sendStatus(status int) {
	s.SendRequest("exit-status", false, ssh.Marshal(&struct{ Status uint32 }{uint32(status)}))
}

func serveForward(opening ssh.NewChannel) {
	var target struct {
		Host           string
		Port           uint32
		OriginatorHost string
		OriginatorPort uint32
	}
	if err := ssh.Unmarshal(opening.ExtraData(), &target); err != nil {
		opening.Reject(ssh.ConnectionFailed, "malformed")
		return
	}
	conn, err := net.Dial("tcp", net.JoinHostPort(target.Host, strconv.Itoa(int(target.Port))))
	if err != nil {
		opening.Reject(ssh.ConnectionFailed, err.Error())
		return
	}
	channel, requests, err := opening.Accept()
	if err != nil {
		conn.Close()
		return
	}
	go ssh.DiscardRequests(requests)
	done := make(chan struct{})
	go func() {
		io.Copy(conn, channel)
		conn.(*net.TCPConn).CloseWrite()
		close(done)
	}()
	io.Copy(channel, conn)
	channel.CloseWrite()
	<-done
	channel.Close()
	conn.Close()
}
