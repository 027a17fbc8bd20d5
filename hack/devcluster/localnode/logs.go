package localnode

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// serveLogs serves what `kubectl logs` needs of kubelet's API, to the API server only. It returns the
// port.
func (n *Node) serveLogs(ctx context.Context) (int, error) {
	authority, err := os.ReadFile(n.CAFile)
	if err != nil {
		return 0, fmt.Errorf("read certificate authority: %w", err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(authority)
	pair, err := tls.LoadX509KeyPair(n.CertFile, n.KeyFile)
	if err != nil {
		return 0, fmt.Errorf("read serving certificate: %w", err)
	}
	listener, err := tls.Listen("tcp", net.JoinHostPort(n.addresses.node(), "0"), &tls.Config{
		Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert,
	})
	if err != nil {
		return 0, fmt.Errorf("listen for logs: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /containerLogs/{namespace}/{pod}/{container}", n.writeLog)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "a node of local processes has logs only", http.StatusNotImplemented)
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { server.Close() })
	go server.Serve(listener)
	return listener.Addr().(*net.TCPAddr).Port, nil
}

// logFile is where a container's output goes.
func (n *Node) logFile(namespace, pod, container string) string {
	return filepath.Join(n.LogDir, namespace+"_"+pod, container+".log")
}

// apiServerName is whom the API server's certificate for kubelets is made out to.
const apiServerName = "kube-apiserver-kubelet-client"

func (n *Node) writeLog(w http.ResponseWriter, r *http.Request) {
	if r.TLS.PeerCertificates[0].Subject.CommonName != apiServerName {
		http.Error(w, "only for the API server", http.StatusForbidden)
		return
	}
	path := n.logFile(r.PathValue("namespace"), r.PathValue("pod"), r.PathValue("container"))
	if strings.Contains(path, "..") {
		http.Error(w, "bad name", http.StatusBadRequest)
		return
	}
	f, err := os.Open(path)
	if err != nil {
		http.Error(w, "no log", http.StatusNotFound)
		return
	}
	defer f.Close()
	if tail, err := strconv.Atoi(r.FormValue("tailLines")); err == nil {
		if err := seekTail(f, tail); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
	}
	follow := r.FormValue("follow") == "true"
	out := http.NewResponseController(w)
	for {
		if _, err := io.Copy(w, f); err != nil || !follow {
			return
		}
		_ = out.Flush()
		select {
		case <-r.Context().Done():
			return
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// seekTail moves to the beginning of the last lines.
func seekTail(f *os.File, lines int) error {
	data, err := io.ReadAll(f)
	if err != nil {
		return fmt.Errorf("read log: %w", err)
	}
	at := len(data)
	for begin := at; lines > 0 && begin > 0; lines-- {
		// A line break at the very end belongs to the last line.
		begin = bytes.LastIndexByte(data[:begin-1], '\n') + 1
		at = begin
	}
	_, err = f.Seek(int64(at), io.SeekStart)
	if err != nil {
		return fmt.Errorf("seek log: %w", err)
	}
	return nil
}
