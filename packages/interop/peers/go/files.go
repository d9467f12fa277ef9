package main

import (
	"errors"
	"io/fs"
	"os"
	"sort"
	"time"

	"github.com/pkg/sftp"
)

type filesOptions struct {
	Connection int        `json:"connection"`
	Steps      []fileStep `json:"steps"`
}

type fileStep struct {
	Do     string `json:"do"`
	Path   string `json:"path"`
	From   string `json:"from"`
	To     string `json:"to"`
	Target string `json:"target"`
	Mode   uint32 `json:"mode"`
	Size   int64  `json:"size"`
	Time   int64  `json:"time"`
}

type fileResult struct {
	Error   string   `json:"error,omitempty"`
	Message string   `json:"message,omitempty"`
	Size    *int64   `json:"size,omitempty"`
	Mode    uint32   `json:"mode,omitempty"`
	Mtime   int64    `json:"mtime,omitempty"`
	Names   []string `json:"names,omitempty"`
	Path    string   `json:"path,omitempty"`
}

func useFiles(options filesOptions) ([]fileResult, error) {
	client, err := sftp.NewClient(connectionOf(options.Connection).Client)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	results := []fileResult{}
	for _, step := range options.Steps {
		result, err := step.run(client)
		if err != nil {
			result = fileResult{Error: kindOf(err), Message: err.Error()}
		}
		results = append(results, result)
	}
	return results, nil
}

func kindOf(err error) string {
	var status *sftp.StatusError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "missing"
	case errors.Is(err, fs.ErrPermission):
		return "denied"
	case errors.As(err, &status) && status.FxCode() == sftp.ErrSSHFxOpUnsupported:
		return "unsupported"
	}
	return "failure"
}

func (s fileStep) run(client *sftp.Client) (fileResult, error) {
	var none fileResult
	switch s.Do {
	case "put":
		return none, s.put(client)
	case "get":
		return none, s.get(client)
	case "stat":
		return factsOf(client.Stat(s.Path))
	case "lstat":
		return factsOf(client.Lstat(s.Path))
	case "list":
		entries, err := client.ReadDir(s.Path)
		names := []string{}
		for _, entry := range entries {
			names = append(names, entry.Name())
		}
		sort.Strings(names)
		return fileResult{Names: names}, err
	case "readlink":
		path, err := client.ReadLink(s.Path)
		return fileResult{Path: path}, err
	case "realpath":
		path, err := client.RealPath(s.Path)
		return fileResult{Path: path}, err
	case "remove":
		return none, client.Remove(s.Path)
	case "mkdir":
		return none, client.Mkdir(s.Path)
	case "rmdir":
		return none, client.RemoveDirectory(s.Path)
	case "rename":
		return none, client.Rename(s.Path, s.To)
	case "symlink":
		return none, client.Symlink(s.Target, s.Path)
	case "chmod":
		return none, client.Chmod(s.Path, os.FileMode(s.Mode))
	case "truncate":
		return none, client.Truncate(s.Path, s.Size)
	case "utime":
		return none, client.Chtimes(s.Path, time.Unix(s.Time, 0), time.Unix(s.Time, 0))
	}
	return none, errors.New("unknown step " + s.Do)
}

func factsOf(info os.FileInfo, err error) (fileResult, error) {
	if err != nil {
		return fileResult{}, err
	}
	stat := info.Sys().(*sftp.FileStat)
	size := info.Size()
	return fileResult{Size: &size, Mode: stat.Mode, Mtime: int64(stat.Mtime)}, nil
}

func (s fileStep) put(client *sftp.Client) error {
	source, err := os.Open(s.From)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := client.Create(s.Path)
	if err != nil {
		return err
	}
	if _, err := target.ReadFrom(source); err != nil {
		return err
	}
	return target.Close()
}

func (s fileStep) get(client *sftp.Client) error {
	source, err := client.Open(s.Path)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := os.Create(s.To)
	if err != nil {
		return err
	}
	if _, err := source.WriteTo(target); err != nil {
		return err
	}
	return target.Close()
}
