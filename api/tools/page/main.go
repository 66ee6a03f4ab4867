// Command page makes the guestbook's page, nginx/html/index.html, from its sources in nginx/page. The page is one document with the
// style and the script in it, bundled and minified. nginx.conf includes the file csp.conf, which page writes beside it, so that
// browsers run these scripts and no others.
//
//	page FOLDER
package main

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// sources is the folder of the page's sources, below the repository's root.
const sources = "nginx/page"

func main() {
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// write makes the page in a folder, as html/ and csp.conf, as nginx/ has them.
func write(folder string) error {
	document, policy, err := page()
	if err != nil {
		return err
	}
	old, err := os.ReadFile(filepath.Join(sources, "controllers.js"))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(folder, "html"), 0o755); err != nil {
		return err
	}
	for name, content := range map[string]string{
		"html/index.html": document, "html/controllers.js": string(old), "csp.conf": policy,
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// inAddress replaces the characters of a picture that cannot stand in an attribute.
var inAddress = strings.NewReplacer(`"`, "'", "#", "%23", "<", "%3C", ">", "%3E", "\n", "", "  ", "")

var (
	comment = regexp.MustCompile(`<!--[^>]*-->`)
	indent  = regexp.MustCompile(`\n\s*`)
	icon    = regexp.MustCompile(`<link rel="icon" href="([^"]+)"`)
	style   = regexp.MustCompile(`<link rel="stylesheet" href="([^"]+)">`)
	script  = regexp.MustCompile(`<script( type="module")? src="([^"]+)"></script>`)
)

// page returns the document, and the nginx configuration that allows its style and its scripts.
func page() (document, policy string, err error) {
	source, err := os.ReadFile(filepath.Join(sources, "index.html"))
	if err != nil {
		return "", "", err
	}
	document = comment.ReplaceAllString(string(source), "")
	document = indent.ReplaceAllString(document, "")
	hashes := map[string][]string{}
	inline := func(pattern *regexp.Regexp, directive, open, end string) {
		document = replace(pattern, document, func(groups []string) string {
			content, bundleErr := bundle(groups[len(groups)-1])
			err = errors.Join(err, bundleErr)
			sum := sha256.Sum256([]byte(content))
			hashes[directive] = append(hashes[directive], "'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'")
			attributes := ""
			if len(groups) > 2 {
				attributes = groups[1]
			}
			return "<" + open + attributes + ">" + content + end
		})
	}
	inline(style, "style-src", "style", "</style>")
	inline(script, "script-src", "script", "</script>")
	document = replace(icon, document, func(groups []string) string {
		svg, readErr := os.ReadFile(filepath.Join(sources, groups[1]))
		err = errors.Join(err, readErr)
		return `<link rel="icon" href="data:image/svg+xml,` + inAddress.Replace(strings.TrimSpace(string(svg))) + `"`
	})
	if err != nil {
		return "", "", err
	}
	policy = fmt.Sprintf(`# Made by "make page" from %s: edit the files there.
# The page's own style and scripts only, in no other site's frame.
add_header Content-Security-Policy "default-src 'none'; script-src %s; style-src %s; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'" always;
`, sources, strings.Join(hashes["script-src"], " "), strings.Join(hashes["style-src"], " "))
	return document, policy, nil
}

// replace replaces each match of the pattern by the text that with returns for its groups.
func replace(pattern *regexp.Regexp, text string, with func(groups []string) string) string {
	return pattern.ReplaceAllStringFunc(text, func(match string) string { return with(pattern.FindStringSubmatch(match)) })
}

var property = regexp.MustCompile(`--[a-z][a-z-]*`)

// shortenNames replaces the names of a style's custom properties by short ones. No script uses these names.
func shortenNames(css string) string {
	short := map[string]string{}
	return property.ReplaceAllStringFunc(css, func(name string) string {
		if short[name] == "" {
			short[name] = "--" + strconv.FormatInt(int64(len(short)+10), 36)
		}
		return short[name]
	})
}

// bundle returns a style or a script with its imports, minified so that it can stand in a document.
func bundle(name string) (string, error) {
	options := api.BuildOptions{
		EntryPoints: []string{filepath.Join(sources, name)}, Bundle: true, LogLevel: api.LogLevelSilent,
		MinifyWhitespace: true, MinifyIdentifiers: true, MinifySyntax: true, LegalComments: api.LegalCommentsNone,
		Charset: api.CharsetUTF8,
		// docs/proxies-and-browsers.md names these browsers.
		Engines: []api.Engine{{Name: api.EngineChrome, Version: "90"}, {Name: api.EngineFirefox, Version: "90"}, {Name: api.EngineSafari, Version: "15"}},
		// Chrome 90 lacks optional chaining only in a case that the page does not have.
		Supported: map[string]bool{"optional-chain": true},
		Format:    api.FormatESModule,
	}
	if name == "early.js" { // a classic script, so that its variable is global
		options.Bundle, options.Format, options.MinifyIdentifiers = false, api.FormatDefault, false
	}
	result := api.Build(options)
	var err error
	for _, m := range append(result.Errors, result.Warnings...) {
		err = errors.Join(err, errors.New(m.Text))
		if m.Location != nil {
			err = fmt.Errorf("%s:%d: %w", m.Location.File, m.Location.Line, err)
		}
	}
	if err != nil {
		return "", err
	}
	content := strings.TrimSpace(string(result.OutputFiles[0].Contents))
	if filepath.Ext(name) == ".css" {
		content = shortenNames(content)
	}
	if strings.Contains(content, "</script") || strings.Contains(content, "</style") {
		return "", fmt.Errorf("%s has the end of an element in it", name)
	}
	return content, nil
}
