package main

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sort"
	"sync"
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
	Data   []byte `json:"data"`
	Parts  []part `json:"parts"`
	Count  int    `json:"count"`
}

type part struct {
	Offset int64  `json:"offset"`
	Data   []byte `json:"data"`
}

type fileResult struct {
	Error   string   `json:"error,omitempty"`
	Message string   `json:"message,omitempty"`
	Size    *int64   `json:"size,omitempty"`
	Mode    uint32   `json:"mode,omitempty"`
	Mtime   int64    `json:"mtime,omitempty"`
	Names   []string `json:"names,omitempty"`
	Path    string   `json:"path,omitempty"`
	Data    [][]byte `json:"data,omitempty"`
	Blocks  uint64   `json:"blocks,omitempty"`
	// BlockSize is the unit of Blocks.
	BlockSize uint64 `json:"blockSize,omitempty"`
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
	case "posixRename":
		return none, client.PosixRename(s.Path, s.To)
	case "link":
		return none, client.Link(s.Path, s.To)
	case "statvfs":
		facts, err := client.StatVFS(s.Path)
		if err != nil {
			return none, err
		}
		return fileResult{Blocks: facts.Blocks, BlockSize: facts.Frsize}, nil
	case "append":
		return none, s.append(client)
	case "scatter":
		return s.scatter(client)
	case "spread":
		return s.spread(client)
	case "listBytes":
		return s.listBytes(client)
	case "readBytes":
		return s.readBytes(client)
	case "removeBytes":
		path, err := base64.StdEncoding.DecodeString(s.Path)
		if err != nil {
			return none, err
		}
		return none, client.Remove(string(path))
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

func (s fileStep) append(client *sftp.Client) error {
	file, err := client.OpenFile(s.Path, os.O_WRONLY|os.O_APPEND|os.O_CREATE)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = file.Write(s.Data)
	return err
}

func (s fileStep) scatter(client *sftp.Client) (fileResult, error) {
	file, err := client.OpenFile(s.Path, os.O_RDWR)
	if err != nil {
		return fileResult{}, err
	}
	defer file.Close()
	err = atOnce(len(s.Parts), func(i int) error {
		_, err := file.WriteAt(s.Parts[i].Data, s.Parts[i].Offset)
		return err
	})
	if err != nil {
		return fileResult{}, err
	}
	read := make([][]byte, len(s.Parts))
	err = atOnce(len(s.Parts), func(i int) error {
		read[i] = make([]byte, len(s.Parts[i].Data))
		_, err := file.ReadAt(read[i], s.Parts[i].Offset)
		return err
	})
	return fileResult{Data: read}, err
}

func (s fileStep) spread(client *sftp.Client) (fileResult, error) {
	read := make([][]byte, s.Count)
	err := atOnce(s.Count, func(i int) error {
		file, err := client.OpenFile(fmt.Sprintf("%s/%d", s.Path, i), os.O_RDWR|os.O_CREATE|os.O_TRUNC)
		if err != nil {
			return err
		}
		defer file.Close()
		if _, err := fmt.Fprint(file, i); err != nil {
			return err
		}
		if _, err := file.Seek(0, io.SeekStart); err != nil {
			return err
		}
		read[i], err = io.ReadAll(file)
		return err
	})
	return fileResult{Data: read}, err
}

// atOnce works on 0 up to count side by side.
func atOnce(count int, work func(int) error) error {
	failures := make([]error, count)
	var working sync.WaitGroup
	for i := range count {
		working.Go(func() { failures[i] = work(i) })
	}
	working.Wait()
	return errors.Join(failures...)
}

func (s fileStep) listBytes(client *sftp.Client) (fileResult, error) {
	path, err := base64.StdEncoding.DecodeString(s.Path)
	if err != nil {
		return fileResult{}, err
	}
	entries, err := client.ReadDir(string(path))
	names := []string{}
	for _, entry := range entries {
		names = append(names, base64.StdEncoding.EncodeToString([]byte(entry.Name())))
	}
	return fileResult{Names: names}, err
}

func (s fileStep) readBytes(client *sftp.Client) (fileResult, error) {
	path, err := base64.StdEncoding.DecodeString(s.Path)
	if err != nil {
		return fileResult{}, err
	}
	file, err := client.Open(string(path))
	if err != nil {
		return fileResult{}, err
	}
	defer file.Close()
	data, err := io.ReadAll(file)
	return fileResult{Data: [][]byte{data}}, err
}
