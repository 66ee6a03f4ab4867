// Command modules tells which modules a Go program is made of: as a list with their licences, of which it refuses
// unknown ones and those with duties beyond naming the authors, or as a software bill of materials.
package main

import (
	"bytes"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"text/tabwriter"
)

func main() {
	sbom := flag.String("sbom", "", "print a CycloneDX document for the program in this `version`, instead of the list")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: modules [-sbom VERSION] PROGRAM")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(os.Stdout, flag.Arg(0), *sbom); err != nil {
		fmt.Fprintln(os.Stderr, "modules:", err)
		os.Exit(1)
	}
}

// module is a module that is linked into the program.
type module struct {
	Path, Version, Sum string
	Licence            string // an SPDX identifier; empty: unknown
	LicenceFile        string
}

func run(out io.Writer, program, sbom string) error {
	build, err := buildinfo.ReadFile(program)
	if err != nil {
		return err
	}
	modules, err := linked(build)
	if err != nil {
		return err
	}
	if sbom != "" {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(billOfMaterials(build, sbom, modules))
	}
	return writeList(out, modules)
}

// linked gives the modules of a program, the standard library first.
func linked(build *debug.BuildInfo) ([]module, error) {
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("go env: %w", err)
	}
	stdlib := module{Path: "stdlib", Version: strings.TrimPrefix(build.GoVersion, "go")}
	if err := stdlib.findLicence(strings.TrimSpace(string(goroot))); err != nil {
		return nil, err
	}
	folders, err := moduleFolders()
	if err != nil {
		return nil, err
	}
	modules := []module{stdlib}
	for _, dependency := range build.Deps {
		if dependency.Replace != nil {
			dependency = dependency.Replace
		}
		m := module{Path: dependency.Path, Version: dependency.Version, Sum: dependency.Sum}
		if err := m.findLicence(folders[m.Path+"@"+m.Version]); err != nil {
			return nil, err
		}
		modules = append(modules, m)
	}
	return modules, nil
}

// moduleFolders says where the sources of all modules are, by path@version.
func moduleFolders() (map[string]string, error) {
	listed, err := exec.Command("go", "list", "-m", "-json", "all").Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	folders := map[string]string{}
	for decoder := json.NewDecoder(bytes.NewReader(listed)); ; {
		var m struct{ Path, Version, Dir string }
		if err := decoder.Decode(&m); errors.Is(err, io.EOF) {
			return folders, nil
		} else if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		folders[m.Path+"@"+m.Version] = m.Dir
	}
}

func (m *module) findLicence(folder string) error {
	if folder == "" {
		return fmt.Errorf("the sources of %s %s are missing: go mod download", m.Path, m.Version)
	}
	for _, name := range []string{"LICENSE", "LICENSE.txt", "LICENSE.md", "LICENCE", "COPYING"} {
		text, err := os.ReadFile(filepath.Join(folder, name))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		m.LicenceFile, m.Licence = name, identify(string(text))
		return err
	}
	return nil
}

// identify gives the SPDX identifier of a licence's text if it is one that asks for no more than that the authors are
// named.
func identify(text string) string {
	text = strings.ToLower(strings.Join(strings.Fields(text), " "))
	has := func(phrase string) bool { return strings.Contains(text, phrase) }
	switch {
	case has("general public license"), has("mozilla public license"), has("eclipse public license"):
		return ""
	case has("apache license version 2.0"):
		return "Apache-2.0"
	case has("permission is hereby granted, free of charge, to any person obtaining a copy"):
		return "MIT"
	case has("redistribution and use in source and binary forms") && has("neither the name"):
		return "BSD-3-Clause"
	case has("redistribution and use in source and binary forms"):
		return "BSD-2-Clause"
	case has("permission to use, copy, modify, and/or distribute this software"):
		return "ISC"
	}
	return ""
}

func writeList(out io.Writer, modules []module) error {
	var refused []string
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, m := range modules {
		licence := m.Licence
		if licence == "" {
			licence = "unknown or copyleft"
			refused = append(refused, m.Path)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", m.Path, m.Version, licence, m.LicenceFile)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if len(refused) > 0 {
		return fmt.Errorf("read the licences of %s", strings.Join(refused, ", "))
	}
	return nil
}

// A document of CycloneDX 1.5 (https://cyclonedx.org/docs/1.5/json/).
type (
	bom struct {
		Format      string      `json:"bomFormat"`
		SpecVersion string      `json:"specVersion"`
		Version     int         `json:"version"`
		Metadata    metadata    `json:"metadata"`
		Components  []component `json:"components"`
	}
	metadata struct {
		Component component `json:"component"`
	}
	component struct {
		Type       string     `json:"type"`
		Ref        string     `json:"bom-ref"`
		Name       string     `json:"name"`
		Version    string     `json:"version"`
		URL        string     `json:"purl"`
		Licences   []licence  `json:"licenses,omitempty"`
		Properties []property `json:"properties,omitempty"`
	}
	licence struct {
		License struct {
			ID string `json:"id"`
		} `json:"license"`
	}
	property struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
)

func billOfMaterials(build *debug.BuildInfo, version string, modules []module) bom {
	b := bom{Format: "CycloneDX", SpecVersion: "1.5", Version: 1, Components: []component{}}
	b.Metadata.Component = newComponent("application", build.Main.Path, version)
	for _, s := range build.Settings {
		if s.Key == "vcs.revision" || s.Key == "GOOS" || s.Key == "GOARCH" {
			b.Metadata.Component.Properties = append(b.Metadata.Component.Properties, property{s.Key, s.Value})
		}
	}
	for _, m := range modules {
		c := newComponent("library", m.Path, m.Version)
		if m.Licence != "" {
			c.Licences = make([]licence, 1)
			c.Licences[0].License.ID = m.Licence
		}
		if m.Sum != "" {
			c.Properties = []property{{"go.sum", m.Sum}}
		}
		b.Components = append(b.Components, c)
	}
	return b
}

func newComponent(kind, path, version string) component {
	url := "pkg:golang/" + path + "@" + strings.ReplaceAll(version, "+", "%2B")
	return component{Type: kind, Ref: url, Name: path, Version: version, URL: url}
}
