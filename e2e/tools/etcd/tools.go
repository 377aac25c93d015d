//go:build tools

// Package tools names the store of a test cluster's API server, so that go.mod and go.sum pin it.
package tools

import _ "go.etcd.io/etcd/server/v3"
