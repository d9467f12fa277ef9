package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

type clientJob struct {
	algorithms
	Host     string `json:"host"`
	Port     int    `json:"port"`
	Username string `json:"username"`
	Password string `json:"password"`
	KeyFile  string `json:"keyFile"`
	HostKey  string `json:"hostKey"`
	Steps    []step `json:"steps"`
}

// step is one thing to do. Go reads and writes []byte as base64.
type step struct {
	Do      string `json:"do"`
	Command string `json:"command"`
	Path    string `json:"path"`
	Host    string `json:"host"`
	Port    int    `json:"port"`
	Input   []byte `json:"input"`
	Data    []byte `json:"data"`
}

type result struct {
	Status *int     `json:"status"`
	Signal *string  `json:"signal"`
	Stdout []byte   `json:"stdout,omitempty"`
	Stderr []byte   `json:"stderr,omitempty"`
	Data   []byte   `json:"data,omitempty"`
	Names  []string `json:"names,omitempty"`
}

func runClient(in io.Reader, out io.Writer) error {
	var job clientJob
	if err := decodeJob(in, &job); err != nil {
		return err
	}
	hostKey, _, _, _, err := ssh.ParseAuthorizedKey([]byte(job.HostKey))
	if err != nil {
		return err
	}
	var auth []ssh.AuthMethod
	if job.KeyFile != "" {
		signer, err := readSigner(job.KeyFile)
		if err != nil {
			return err
		}
		auth = append(auth, ssh.PublicKeys(signer))
	}
	if job.Password != "" {
		auth = append(auth, ssh.Password(job.Password))
	}
	hostKeyAlgorithms := job.HostKeyAlgorithms
	if hostKeyAlgorithms == nil && hostKey.Type() != ssh.KeyAlgoRSA {
		hostKeyAlgorithms = []string{hostKey.Type()}
	}
	client, err := ssh.Dial("tcp", net.JoinHostPort(job.Host, strconv.Itoa(job.Port)), &ssh.ClientConfig{
		Config:            job.config(),
		User:              job.Username,
		Auth:              auth,
		HostKeyAlgorithms: hostKeyAlgorithms,
		HostKeyCallback:   ssh.FixedHostKey(hostKey),
	})
	if err != nil {
		return err
	}
	defer client.Close()
	results := []result{}
	for _, step := range job.Steps {
		result, err := runStep(client, step)
		if err != nil {
			return fmt.Errorf("%s: %w", step.Do, err)
		}
		results = append(results, result)
	}
	return json.NewEncoder(out).Encode(results)
}

func runStep(client *ssh.Client, step step) (result, error) {
	switch step.Do {
	case "exec":
		return runCommand(client, step)
	case "forward":
		return forward(client, step)
	case "sftp", "list":
		return useFiles(client, step)
	}
	return result{}, fmt.Errorf("unknown step")
}

func runCommand(client *ssh.Client, step step) (result, error) {
	session, err := client.NewSession()
	if err != nil {
		return result{}, err
	}
	defer session.Close()
	var stdout, stderr bytes.Buffer
	session.Stdin = bytes.NewReader(step.Input)
	session.Stdout, session.Stderr = &stdout, &stderr
	status := 0
	var signal *string
	var exit *ssh.ExitError
	var missing *ssh.ExitMissingError
	switch err := session.Run(step.Command); {
	case errors.As(err, &exit):
		status = exit.ExitStatus()
		if exit.Signal() != "" {
			name := exit.Signal()
			signal = &name
		}
	case errors.As(err, &missing):
		status = -1
	case err != nil:
		return result{}, err
	}
	done := result{Signal: signal, Stdout: stdout.Bytes(), Stderr: stderr.Bytes()}
	if signal == nil && status >= 0 {
		done.Status = &status
	}
	return done, nil
}

func forward(client *ssh.Client, step step) (result, error) {
	conn, err := client.Dial("tcp", net.JoinHostPort(step.Host, strconv.Itoa(step.Port)))
	if err != nil {
		return result{}, err
	}
	defer conn.Close()
	written := make(chan error, 1)
	go func() {
		_, err := conn.Write(step.Input)
		if err == nil {
			err = conn.(interface{ CloseWrite() error }).CloseWrite()
		}
		written <- err
	}()
	data, err := io.ReadAll(conn)
	if err != nil {
		return result{}, err
	}
	return result{Data: data}, <-written
}

func useFiles(client *ssh.Client, step step) (result, error) {
	files, err := sftp.NewClient(client)
	if err != nil {
		return result{}, err
	}
	defer files.Close()
	if step.Do == "list" {
		entries, err := files.ReadDir(step.Path)
		if err != nil {
			return result{}, err
		}
		names := []string{}
		for _, entry := range entries {
			names = append(names, entry.Name())
		}
		return result{Names: sorted(names)}, nil
	}
	file, err := files.Create(step.Path)
	if err != nil {
		return result{}, err
	}
	if _, err := file.ReadFrom(bytes.NewReader(step.Data)); err != nil {
		return result{}, err
	}
	if err := file.Close(); err != nil {
		return result{}, err
	}
	file, err = files.Open(step.Path)
	if err != nil {
		return result{}, err
	}
	var data bytes.Buffer
	if _, err := file.WriteTo(&data); err != nil {
		return result{}, err
	}
	file.Close()
	return result{Data: data.Bytes()}, files.Remove(step.Path)
}
