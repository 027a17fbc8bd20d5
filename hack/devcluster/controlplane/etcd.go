package controlplane

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	"go.etcd.io/etcd/server/v3/embed"

	"github.com/makeops/make-operator/hack/devcluster/pki"
	"github.com/makeops/make-operator/hack/devcluster/state"
)

type etcdServer struct {
	url    string
	server *embed.Etcd
}

// startEtcd starts a single member on 127.0.0.1 that only holders of the cluster's certificates may
// use: others on the machine must not read Secrets from it. A port may be lost between choosing and
// listening, hence the attempts.
func startEtcd(ctx context.Context, dir state.Dir, authority *pki.Authority) (*etcdServer, error) {
	const attempts = 5
	var last error
	for range attempts {
		client, err := freeURL()
		if err != nil {
			return nil, err
		}
		peer, err := freeURL()
		if err != nil {
			return nil, err
		}
		server, err := embed.StartEtcd(etcdConfig(dir, authority, client, peer))
		if err != nil {
			last = err
			continue
		}
		select {
		case <-server.Server.ReadyNotify():
			return &etcdServer{url: client.String(), server: server}, nil
		case err = <-server.Err():
		case <-time.After(60 * time.Second):
			err = context.DeadlineExceeded
		case <-ctx.Done():
			err = ctx.Err()
		}
		server.Close()
		return nil, fmt.Errorf("start etcd: %w", err)
	}
	return nil, fmt.Errorf("start etcd: %w", last)
}

func etcdConfig(dir state.Dir, authority *pki.Authority, client, peer url.URL) *embed.Config {
	tls := transport.TLSInfo{
		CertFile:       authority.Path("etcd.crt"),
		KeyFile:        authority.Path("etcd.key"),
		TrustedCAFile:  authority.Path("ca.crt"),
		ClientCertAuth: true,
	}
	cfg := embed.NewConfig()
	cfg.Dir = dir.Path("etcd")
	cfg.LogLevel = "warn"
	cfg.LogOutputs = []string{dir.Path("log", "etcd.log")}
	cfg.UnsafeNoFsync = true // nothing here is worth a disk flush
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = []url.URL{client}, []url.URL{client}
	cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = []url.URL{peer}, []url.URL{peer}
	cfg.ClientTLSInfo, cfg.PeerTLSInfo = tls, tls
	cfg.InitialCluster = cfg.Name + "=" + peer.String()
	return cfg
}

func freeURL() (url.URL, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return url.URL{}, fmt.Errorf("choose a port for etcd: %w", err)
	}
	defer l.Close()
	return url.URL{Scheme: "https", Host: l.Addr().String()}, nil
}

func (e *etcdServer) stop() {
	closed := make(chan struct{})
	go func() {
		e.server.Close()
		close(closed)
	}()
	select {
	case <-closed:
	case <-time.After(2 * time.Second):
	}
}
