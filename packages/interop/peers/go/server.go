package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

type serverJob struct {
	algorithms
	Username      string `json:"username"`
	Password      string `json:"password"`
	AuthorizedKey string `json:"authorizedKey"`
	HostKeyFile   string `json:"hostKeyFile"`
}

func runServer(text []byte) error {
	var job serverJob
	if err := decodeJob(bytes.NewReader(text), &job); err != nil {
		return err
	}
	allowed, _, _, _, err := ssh.ParseAuthorizedKey([]byte(job.AuthorizedKey))
	if err != nil {
		return err
	}
	hostKey, err := readSigner(job.HostKeyFile)
	if err != nil {
		return err
	}
	config := &ssh.ServerConfig{
		Config: job.config(),
		PasswordCallback: func(conn ssh.ConnMetadata, password []byte) (*ssh.Permissions, error) {
			if conn.User() == job.Username && string(password) == job.Password {
				return nil, nil
			}
			return nil, fmt.Errorf("wrong password")
		},
		PublicKeyCallback: func(conn ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			if conn.User() == job.Username && sameKey(key, allowed) {
				return nil, nil
			}
			return nil, fmt.Errorf("unknown key")
		},
	}
	config.AddHostKey(hostKey)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go serveConnection(conn, config)
		}
	}()
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

func serveConnection(socket net.Conn, config *ssh.ServerConfig) {
	_, channels, requests, err := ssh.NewServerConn(socket, config)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	go ssh.DiscardRequests(requests)
	for opening := range channels {
		switch opening.ChannelType() {
		case "session":
			go serveSession(opening)
		case "direct-tcpip":
			go serveForward(opening)
		default:
			opening.Reject(ssh.UnknownChannelType, "no such channel type")
		}
	}
}

func serveSession(opening ssh.NewChannel) {
	channel, requests, err := opening.Accept()
	if err != nil {
		return
	}
	environment := map[string]string{}
	for request := range requests {
		switch request.Type {
		case "env":
			var pair struct{ Name, Value string }
			if ssh.Unmarshal(request.Payload, &pair) == nil {
				environment[pair.Name] = pair.Value
			}
			request.Reply(true, nil)
		case "exec":
			var exec struct{ Command string }
			ok := ssh.Unmarshal(request.Payload, &exec) == nil
			request.Reply(ok, nil)
			if ok {
				go runBuiltin(channel, exec.Command, environment)
			}
		case "subsystem":
			var subsystem struct{ Name string }
			ok := ssh.Unmarshal(request.Payload, &subsystem) == nil && subsystem.Name == "sftp"
			request.Reply(ok, nil)
			if ok {
				go serveFiles(channel)
			}
		default:
			request.Reply(false, nil)
		}
	}
}

func runBuiltin(channel ssh.Channel, command string, environment map[string]string) {
	defer channel.Close()
	name, argument, _ := strings.Cut(command, " ")
	status := 0
	switch name {
	case "echo":
		fmt.Fprintln(channel, argument)
	case "cat":
		io.Copy(channel, channel)
	case "sha256":
		digest := sha256.New()
		io.Copy(digest, channel)
		fmt.Fprintf(channel, "%x\n", digest.Sum(nil))
	case "stderr":
		fmt.Fprintln(channel.Stderr(), argument)
	case "env":
		fmt.Fprintln(channel, environment[argument])
	case "exit":
		status, _ = strconv.Atoi(argument)
	case "signal":
		exit := struct {
			Name           string
			CoreDumped     bool
			Error, LangTag string
		}{argument, false, "asked to", "en"}
		channel.SendRequest("exit-signal", false, ssh.Marshal(&exit))
		return
	default:
		fmt.Fprintln(channel.Stderr(), "unknown command")
		status = 127
	}
	channel.CloseWrite()
	channel.SendRequest("exit-status", false, ssh.Marshal(&struct{ Status uint32 }{uint32(status)}))
}

func serveFiles(channel ssh.Channel) {
	defer channel.Close()
	server, err := sftp.NewServer(channel)
	if err != nil {
		return
	}
	server.Serve()
	channel.SendRequest("exit-status", false, ssh.Marshal(&struct{ Status uint32 }{0}))
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
