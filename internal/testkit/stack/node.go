package stack

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// NodeAvailable reports whether this machine can run a real node, and if not, why.
func NodeAvailable(ctx context.Context, root string) (ok bool, why string) {
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, filepath.Join(root, "bin", "devcluster"), "node-check")
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		why = strings.TrimPrefix(strings.TrimSpace(stderr.String()), "devcluster: ")
		if why == "" {
			why = err.Error()
		}
		return false, why
	}
	return true, ""
}

// importImages makes images of our programs and gives them to the node.
func (s *Stack) importImages(ctx context.Context) error {
	s.Say("making images of the programs and giving them to the node")
	for program, image := range map[string]string{"make-mcp": MCPImage, "manager": ManagerImage} {
		archive := filepath.Join(s.Dir, program+".tar")
		if err := s.run(ctx, s.Program("devcluster"), "image", s.Program(program), image, archive); err != nil {
			return err
		}
		if err := s.run(ctx, s.Program("devcluster"), "import", "--dir", s.clusterDir(), archive); err != nil {
			return err
		}
	}
	return nil
}

// run runs a command to its end.
func (s *Stack) run(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = s.Root
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return nil
}
