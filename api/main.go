// Command api is the guestbook's HTTP API. nginx passes it the requests to /guestbook; it keeps the data in Redis.
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

	"guestbook/api/internal/keeper"
	"guestbook/api/internal/server"
	"guestbook/api/internal/settings"
	"guestbook/api/internal/store"
)

// version is set when the program is linked: -ldflags "-X main.version=v1".
var version = "dev"

func main() {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt, syscall.SIGHUP)
	os.Exit(run(os.Args[1:], signals, os.Stdout, os.Stderr))
}

// run serves until the first signal, drains, and returns the exit code: 0 after a drain, 1 for an error or a second signal, 2
// for wrong arguments. After a SIGHUP, which "api drain" sends, it serves on. Other arguments are the
// keeper's. The log goes to stderr as JSON lines.
func run(args []string, signals <-chan os.Signal, stdout, stderr io.Writer) int {
	switch strings.Join(args, " ") {
	case "":
	case "-version", "--version":
		fmt.Fprintln(stdout, version)
		return 0
	case "drain": // the pod is leaving; in a container, the API is process 1
		first, err := os.Readlink("/proc/1/exe")
		if self, _ := os.Readlink("/proc/self/exe"); err == nil && first != self {
			fmt.Fprintln(stderr, "api drain: process 1 is", first, "and not the API: run this in the API's container")
			return 1
		}
		if err := syscall.Kill(1, syscall.SIGHUP); err != nil {
			fmt.Fprintln(stderr, "api drain:", err)
			return 1
		}
		return 0
	case "-h", "-help", "--help":
		fmt.Fprintf(stdout, "api serves the guestbook's HTTP API. It is configured by environment variables:\n\n")
		_ = settings.Usage(stdout) // stdout is gone; so is who would read about it
		fmt.Fprintln(stdout, keeper.Usage)
		return 0
	default:
		return keeper.Run(args, os.Stdin, stdout, stderr)
	}

	config, err := settings.Load()
	if err != nil {
		fmt.Fprintln(stderr, "api:", err)
		return 1
	}
	log := slog.New(slog.NewJSONHandler(stderr, &slog.HandlerOptions{Level: config.LogLevel}))
	if err := serve(config, signals, log); err != nil {
		log.Error("stopped", "error", err)
		return 1
	}
	log.Info("stopped")
	return 0
}

func serve(config *settings.Settings, signals <-chan os.Signal, log *slog.Logger) (err error) {
	listener, err := net.Listen("tcp", config.ListenAddr)
	if err != nil {
		return err
	}
	metrics := newMetrics()
	redis := store.New(config.Redis(log, metrics))
	defer func() { err = errors.Join(err, redis.Close()) }()
	api := server.New(server.Options{
		Store: redis, Key: config.Key, AllowedKeys: config.AllowedKeys, RequestTimeout: config.RequestTimeout,
		Version: version, Log: log, Metrics: metrics,
	})
	httpServer := &http.Server{
		Handler: api,
		// nginx in front keeps to tighter limits; these hold without it.
		ReadTimeout:    15 * time.Second,
		WriteTimeout:   15 * time.Second,
		IdleTimeout:    90 * time.Second, // more than nginx keeps its connections, so that nginx ends them
		MaxHeaderBytes: 512 << 10,        // a request line of 256 KB and the headers
		ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	log.Info("listening", "addr", listener.Addr().String(), "version", version, "master", config.MasterAddr, "slave", config.SlaveAddr)

	served := make(chan error, 1)
	go func() { served <- httpServer.Serve(listener) }()
	for sig := os.Signal(syscall.SIGHUP); sig == syscall.SIGHUP; { // after a SIGHUP it waits for the SIGTERM
		select {
		case err := <-served:
			return err
		case sig = <-signals:
			log.Info("draining", "signal", sig.String())
			api.Drain()
		}
	}
	select {
	case <-time.After(config.DrainDelay):
	case sig := <-signals:
		return errors.Join(fmt.Errorf("second signal: %s", sig), httpServer.Close())
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second) // for the requests under way
	defer cancel()
	if err := httpServer.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	log.Warn("a request did not arrive whole in time: its connection is closed")
	return httpServer.Close()
}

func newMetrics() *prometheus.Registry {
	metrics := prometheus.NewRegistry()
	info := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "guestbook_build_info", Help: "Always 1; the labels tell the build.",
		ConstLabels: prometheus.Labels{"version": version, "go_version": runtime.Version()},
	}, func() float64 { return 1 })
	metrics.MustRegister(info, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return metrics
}
