//go:build tools

// Package tools names the stand-in for kubelets, so that go.mod and go.sum pin it.
package tools

import _ "sigs.k8s.io/kwok/cmd/kwok"
