package localnode

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"unicode/utf8"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/kubelet/token"
	"k8s.io/kubernetes/pkg/volume/configmap"
	"k8s.io/kubernetes/pkg/volume/secret"
	volumeutil "k8s.io/kubernetes/pkg/volume/util"
)

// errUnsupportedVolume is kept from happening by unsupported.
var errUnsupportedVolume = errors.New("unsupported kind of volume")

// volumes materialises a Pod's volumes below dir, one folder each, with kubelet's own atomic writer.
type volumes struct {
	dir                  string
	pod                  *corev1.Pod
	address, hostAddress string
	sources              *sources
	tokens               *token.Manager
}

// payload is the content of a volume by path.
type payload = map[string]volumeutil.FileProjection

// write brings every volume up to date. A volume changes in one step.
func (v volumes) write() error {
	for i := range v.pod.Spec.Volumes {
		volume := &v.pod.Spec.Volumes[i]
		dir := filepath.Join(v.dir, volume.Name)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("create volume %q: %w", volume.Name, err)
		}
		if volume.EmptyDir != nil {
			continue
		}
		content, err := v.content(&volume.VolumeSource)
		if err != nil {
			return fmt.Errorf("set up volume %q: %w", volume.Name, err)
		}
		writer, err := volumeutil.NewAtomicWriter(dir, v.pod.Namespace+"/"+v.pod.Name)
		if err != nil {
			return fmt.Errorf("open volume %q: %w", volume.Name, err)
		}
		if err := writer.Write(content, nil); err != nil {
			return fmt.Errorf("write volume %q: %w", volume.Name, err)
		}
	}
	return nil
}

func (v volumes) content(source *corev1.VolumeSource) (payload, error) {
	switch {
	case source.Secret != nil:
		s := source.Secret
		return v.secret(s.SecretName, s.Items, s.DefaultMode, s.Optional)
	case source.ConfigMap != nil:
		s := source.ConfigMap
		return v.configMap(s.Name, s.Items, s.DefaultMode, s.Optional)
	case source.DownwardAPI != nil:
		return v.downward(source.DownwardAPI.Items, source.DownwardAPI.DefaultMode)
	case source.Projected != nil:
		return v.projected(source.Projected)
	}
	return nil, errUnsupportedVolume
}

func (v volumes) projected(p *corev1.ProjectedVolumeSource) (payload, error) {
	all := payload{}
	for _, source := range p.Sources {
		var part payload
		var err error
		switch {
		case source.Secret != nil:
			part, err = v.secret(source.Secret.Name, source.Secret.Items, p.DefaultMode, source.Secret.Optional)
		case source.ConfigMap != nil:
			part, err = v.configMap(source.ConfigMap.Name, source.ConfigMap.Items, p.DefaultMode, source.ConfigMap.Optional)
		case source.DownwardAPI != nil:
			part, err = v.downward(source.DownwardAPI.Items, p.DefaultMode)
		case source.ServiceAccountToken != nil:
			part, err = v.token(source.ServiceAccountToken, p.DefaultMode)
		default:
			err = errUnsupportedVolume
		}
		if err != nil {
			return nil, err
		}
		maps.Copy(all, part)
	}
	return all, nil
}

func (v volumes) secret(name string, items []corev1.KeyToPath, mode *int32, optional *bool) (payload, error) {
	s, err := v.sources.secret(name, optional)
	if err != nil || s == nil {
		return payload{}, err
	}
	return secret.MakePayload(items, s, mode, nil, optional != nil && *optional)
}

func (v volumes) configMap(name string, items []corev1.KeyToPath, mode *int32, optional *bool) (payload, error) {
	c, err := v.sources.configMap(name, optional)
	if err != nil || c == nil {
		return payload{}, err
	}
	content, err := configmap.MakePayload(items, c, mode, nil, optional != nil && *optional)
	if err != nil {
		return nil, err
	}
	r := newRewriter(v.pod, nil, v.dir, v.address)
	for path, file := range content {
		if utf8.Valid(file.Data) {
			file.Data = []byte(r.text(string(file.Data)))
			content[path] = file
		}
	}
	return content, nil
}

func (v volumes) downward(items []corev1.DownwardAPIVolumeFile, mode *int32) (payload, error) {
	content := payload{}
	for _, item := range items {
		value, err := downwardValue(v.pod, item.FieldRef, item.ResourceFieldRef, downwardContext{address: v.address, hostAddress: v.hostAddress})
		if err != nil {
			return nil, fmt.Errorf("read field for %q: %w", item.Path, err)
		}
		content[item.Path] = volumeutil.FileProjection{Data: []byte(value), Mode: modeOf(item.Mode, mode)}
	}
	return content, nil
}

// token gets a token bound to the Pod; the manager keeps it and renews it at 80 % of its life.
func (v volumes) token(p *corev1.ServiceAccountTokenProjection, mode *int32) (payload, error) {
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		ExpirationSeconds: p.ExpirationSeconds,
		BoundObjectRef:    &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Pod", Name: v.pod.Name, UID: v.pod.UID},
	}}
	if p.Audience != "" {
		request.Spec.Audiences = []string{p.Audience}
	}
	answer, err := v.tokens.GetServiceAccountToken(v.pod.Namespace, v.pod.Spec.ServiceAccountName, request)
	if err != nil {
		return nil, fmt.Errorf("request ServiceAccount token: %w", err)
	}
	return payload{p.Path: {Data: []byte(answer.Status.Token), Mode: modeOf(nil, mode)}}, nil
}

func modeOf(own, volume *int32) int32 {
	switch {
	case own != nil:
		return *own
	case volume != nil:
		return *volume
	}
	return 0o644
}
