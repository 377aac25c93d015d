// Probe is what tests put into pods of real nodes: it waits (and so is the pause image too), serves its name, or asks another.
//
//	probe                 waits for a signal
//	probe serve :8080     answers every request with the pod's host name
//	probe get URL         prints the answer; fails after ten seconds without one
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGINT, syscall.SIGTERM)
	switch {
	case len(os.Args) == 3 && os.Args[1] == "serve":
		go func() { fail(http.ListenAndServe(os.Args[2], http.HandlerFunc(answer))) }()
		<-ended
	case len(os.Args) == 3 && os.Args[1] == "get":
		client := http.Client{Timeout: 10 * time.Second}
		response, err := client.Get(os.Args[2])
		fail(err)
		_, err = io.Copy(os.Stdout, response.Body)
		fail(err)
	default:
		// The first process of a pod also buries the orphans of the others.
		signal.Ignore(syscall.SIGCHLD)
		<-ended
	}
}

func answer(w http.ResponseWriter, _ *http.Request) {
	name, err := os.Hostname()
	fail(err)
	fmt.Fprintln(w, name)
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
