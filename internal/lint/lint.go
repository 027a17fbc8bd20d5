// Package lint judges manifests before they reach a cluster: the same verdicts as the admission webhook's, with files and lines. It asks
// nobody; policies and the labels of namespaces come from files, too.
package lint

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"
	kyaml "sigs.k8s.io/yaml"

	"github.com/makeops/make-operator/api/v1alpha1"
)

// Level says how bad a finding is.
type Level string

// The levels. The names are SARIF's.
const (
	// Error would be refused.
	Error Level = "error"
	// Warning would be admitted, and should be looked at.
	Warning Level = "warning"
	// Note is for whoever looks at everything.
	Note Level = "note"
)

// Finding is something about one field of one object.
type Finding struct {
	// File and Line are where it is; Line counts from 1.
	File string
	Line int
	// Object is "Kind namespace/name".
	Object string
	// Rule is one of the IDs of rules.
	Rule  string
	Level Level
	// Message begins with the field.
	Message string
}

// Linter collects objects and judges them. Its zero value is not usable.
type Linter struct {
	// Now is the time at which exceptions are looked at.
	Now time.Time
	// Namespace is of objects that name none.
	Namespace string
	// AllowsZone tells which zones the operator speaks to.
	AllowsZone func(zone string) bool

	connections []located[*v1alpha1.MakeConnection]
	servers     []located[*v1alpha1.MakeMCPServer]
	policies    []located[*v1alpha1.MakeScopePolicy]
	namespaces  map[string]labels.Set
	findings    []Finding
}

// located is an object and where it was read.
type located[T client.Object] struct {
	object T
	file   string
	node   *yaml.Node
}

// Objects is how many objects of our kinds were read.
func (l *Linter) Objects() int { return len(l.connections) + len(l.servers) + len(l.policies) }

// Read adds the documents of a file. Those of other kinds are passed over. An error means that the file is no YAML; what is wrong with
// an object is a finding.
func (l *Linter) Read(file string, r io.Reader) error {
	decoder := yaml.NewDecoder(r)
	for {
		var document yaml.Node
		err := decoder.Decode(&document)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", file, err)
		}
		if len(document.Content) == 1 {
			if err := l.add(file, document.Content[0]); err != nil {
				return fmt.Errorf("read %s: %w", file, err)
			}
		}
	}
}

// header is what every object begins with.
type header struct{ version, kind string }

// textOf is the text of a field, "" where there is none.
func textOf(node *yaml.Node, field string) string {
	if value := child(node, field); value != nil {
		return value.Value
	}
	return ""
}

func (l *Linter) add(file string, node *yaml.Node) error {
	h := header{textOf(node, "apiVersion"), textOf(node, "kind")}
	if h == (header{"v1", "List"}) {
		if items := child(node, "items"); items != nil {
			for _, item := range items.Content {
				if err := l.add(file, item); err != nil {
					return err
				}
			}
		}
		return nil
	}
	switch h {
	case header{"v1", "Namespace"}:
		ns := &corev1.Namespace{}
		if err := decode(node, ns); err != nil {
			return err
		}
		if l.namespaces == nil {
			l.namespaces = map[string]labels.Set{}
		}
		l.namespaces[ns.Name] = labels.Merge(ns.Labels, labels.Set{corev1.LabelMetadataName: ns.Name})
	case header{v1alpha1.GroupVersion.String(), "MakeConnection"}:
		collect(l, &l.connections, file, node, &v1alpha1.MakeConnection{})
	case header{v1alpha1.GroupVersion.String(), "MakeMCPServer"}:
		collect(l, &l.servers, file, node, &v1alpha1.MakeMCPServer{})
	case header{v1alpha1.GroupVersion.String(), "MakeScopePolicy"}:
		collect(l, &l.policies, file, node, &v1alpha1.MakeScopePolicy{})
	}
	return nil
}

// collect reads an object strictly: a field that does not exist is a mistake, as it is for kubectl.
func collect[T client.Object](l *Linter, into *[]located[T], file string, node *yaml.Node, o T) {
	err := decode(node, o)
	if o.GetNamespace() == "" {
		if _, cluster := any(o).(*v1alpha1.MakeScopePolicy); !cluster {
			o.SetNamespace(l.Namespace)
		}
	}
	at := located[T]{object: o, file: file, node: node}
	*into = append(*into, at)
	if err != nil {
		l.find(at.at(""), ruleMalformed, Error, strings.TrimPrefix(err.Error(), "error unmarshaling JSON: "))
	}
}

func decode(node *yaml.Node, into any) error {
	text, err := yaml.Marshal(node)
	if err != nil {
		return err
	}
	return kyaml.UnmarshalStrict(text, into)
}

// Findings judges everything that was read. They are in the order of files and lines.
func (l *Linter) Findings() []Finding {
	found := slices.Clone(l.findings)
	j := &judgement{Linter: l}
	for _, p := range l.policies {
		j.policy(p)
	}
	for _, c := range l.connections {
		j.connection(c)
	}
	for _, s := range l.servers {
		j.server(s)
	}
	found = append(found, j.found...)
	slices.SortStableFunc(found, func(a, b Finding) int { return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line)) })
	return found
}

// place is where a finding is.
type place struct {
	file, object string
	line         int
}

// at is the place of a field, or of the nearest one around it that is there.
func (o located[T]) at(field string) place {
	kind := o.object.GetObjectKind().GroupVersionKind().Kind
	name := o.object.GetName()
	if ns := o.object.GetNamespace(); ns != "" {
		name = ns + "/" + name
	}
	return place{file: o.file, object: kind + " " + name, line: lineOf(o.node, field)}
}

func (l *Linter) find(at place, rule string, level Level, message string) {
	l.findings = append(l.findings, finding(at, rule, level, message))
}

func finding(at place, rule string, level Level, message string) Finding {
	return Finding{File: at.file, Line: at.line, Object: at.object, Rule: rule, Level: level, Message: message}
}
