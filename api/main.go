// Command api is the guestbook's HTTP API. nginx passes requests for /guestbook on to the API. The API keeps the messages in Redis.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"guestbook/api/internal/admin"
	"guestbook/api/internal/server"
	"guestbook/api/internal/settings"
	"guestbook/api/internal/store"
)

// version is the release's name. The linker sets version with -ldflags "-X main.version=v1".
var version = "dev"

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run executes the operator's command in args. If args is empty, "run" serves HTTP until a signal ends the API. The exit code is 0 for
// success and after a stop by a signal, 1 for an error, 2 for wrong arguments. The function "run" writes the log to stderr as JSON lines,
// but an error that ends the process as one line of text.
func run(args []string, stdout, stderr io.Writer) int {
	var err error
	switch strings.Join(args, " ") {
	case "":
		err = serve(stderr)
	case "-version", "--version":
		fmt.Fprintln(stdout, version)
	case "drain":
		err = drain()
	case "-h", "-help", "--help":
		fmt.Fprintf(stdout, "api serves the guestbook's HTTP API. It is configured by environment variables:\n\n")
		_ = settings.Usage(stdout) // fails if stdout is closed
		fmt.Fprintln(stdout, admin.Usage)
	default:
		return admin.Run(args, os.Stdin, stdout, stderr)
	}
	if err != nil {
		fmt.Fprintln(stderr, "api:", err)
		return 1
	}
	return 0
}

// serve answers HTTP requests until it receives a signal other than drainSignal. Before "serve" returns, it finishes the requests under
// way, and closes their connections if they last longer than 10 s. The function "serve" returns an error if a setting is invalid, if the
// API cannot listen on the address, or if accepting connections fails.
func serve(stderr io.Writer) (err error) {
	config, err := settings.Load()
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", config.ListenAddr)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewJSONHandler(stderr, &slog.HandlerOptions{Level: config.LogLevel}))
	metrics := newMetrics()
	redis := store.New(config.Redis(log, metrics))
	defer func() { err = errors.Join(err, redis.Close()) }()
	api := server.New(server.Options{
		Store: redis, Key: config.Key, AllowedKeys: config.AllowedKeys, RequestTimeout: settings.RequestTimeout,
		Version: version, Log: log, Metrics: metrics,
	})
	httpServer := &http.Server{
		Handler: api,
		// The following timeouts protect the API from a client that does not connect through nginx, which has shorter timeouts.
		ReadTimeout:    15 * time.Second,
		WriteTimeout:   15 * time.Second,
		IdleTimeout:    90 * time.Second, // longer than nginx keeps an idle connection open
		MaxHeaderBytes: 512 << 10,        // enough for a request line of 256 KB and the headers
		ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, drainSignal)
	if !signal.Ignored(syscall.SIGHUP) { // a program that "nohup" has started ignores SIGHUP
		signal.Notify(signals, syscall.SIGHUP)
	}
	log.Info("listening", "addr", listener.Addr().String(), "version", version, "master", config.MasterAddr, "slave", config.SlaveAddr)

	served := make(chan error, 1)
	go func() { served <- httpServer.Serve(listener) }()
	for draining := true; draining; {
		select {
		case err := <-served:
			return err
		case sig := <-signals:
			log.Info("draining", "signal", sig.String())
			api.Drain()
			draining = sig == drainSignal
		}
	}
	signal.Reset(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP) // a second signal ends the process at once
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err = httpServer.Shutdown(ctx); errors.Is(err, context.DeadlineExceeded) {
		log.Warn("a request did not arrive whole in time: its connection is closed")
		err = httpServer.Close()
	}
	log.Info("stopped")
	return err
}

// newMetrics returns a registry with the metrics of the Go runtime and of the process, and with the gauge guestbook_build_info.
func newMetrics() *prometheus.Registry {
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	promauto.With(metrics).NewGauge(prometheus.GaugeOpts{
		Name: "guestbook_build_info", Help: "Always 1; the labels tell the build.", ConstLabels: prometheus.Labels{"version": version, "go_version": runtime.Version()},
	}).Set(1)
	return metrics
}
