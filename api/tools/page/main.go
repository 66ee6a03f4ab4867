// Command page builds the guestbook's page, nginx/html/index.html, from its sources in nginx/page. The page is one HTML document that
// contains its style and its script, bundled and minified. Command page also writes csp.conf, which nginx.conf includes. The
// Content-Security-Policy in csp.conf makes browsers run only the page's own scripts.
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

// write writes the page, controllers.js and csp.conf to the folder, with the same paths as in nginx/.
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

// inAddress replaces the characters of an SVG picture that cannot stand in a data: URL in an HTML attribute.
var inAddress = strings.NewReplacer(`"`, "'", "#", "%23", "<", "%3C", ">", "%3E", "\n", "", "  ", "")

var (
	comment = regexp.MustCompile(`<!--[^>]*-->`)
	indent  = regexp.MustCompile(`\n\s*`)
	icon    = regexp.MustCompile(`<link rel="icon" href="([^"]+)"`)
	style   = regexp.MustCompile(`<link rel="stylesheet" href="([^"]+)">`)
	script  = regexp.MustCompile(`<script( type="module")? src="([^"]+)"></script>`)
)

// page returns the HTML document, and the nginx configuration whose Content-Security-Policy allows the document's style and scripts.
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

// replace replaces each match of the pattern by a result of the function called "with". The argument of this function is the groups of the
// match.
func replace(pattern *regexp.Regexp, text string, with func(groups []string) string) string {
	return pattern.ReplaceAllStringFunc(text, func(match string) string { return with(pattern.FindStringSubmatch(match)) })
}

var property = regexp.MustCompile(`--[a-z][a-z-]*`)

// shortenNames replaces the names of CSS custom properties by short names. The page's scripts need no change, because they use no CSS
// custom properties.
func shortenNames(css string) string {
	short := map[string]string{}
	return property.ReplaceAllStringFunc(css, func(name string) string {
		if short[name] == "" {
			short[name] = "--" + strconv.FormatInt(int64(len(short)+10), 36)
		}
		return short[name]
	})
}

// bundle returns a stylesheet or a script with its imports, minified so that it can stand in an HTML document.
func bundle(name string) (string, error) {
	options := api.BuildOptions{
		EntryPoints: []string{filepath.Join(sources, name)}, Bundle: true, LogLevel: api.LogLevelSilent,
		MinifyWhitespace: true, MinifyIdentifiers: true, MinifySyntax: true, LegalComments: api.LegalCommentsNone,
		Charset: api.CharsetUTF8,
		// The page runs in these and all later versions of Chrome, Firefox and Safari, as docs/proxies-and-browsers.md promises.
		Engines: []api.Engine{{Name: api.EngineChrome, Version: "90"}, {Name: api.EngineFirefox, Version: "90"}, {Name: api.EngineSafari, Version: "15"}},
		// esbuild treats optional chaining as missing in Chrome 90, although Chrome 90 lacks only a rare case of optional chaining that
		// the page does not use.
		Supported: map[string]bool{"optional-chain": true},
		Format:    api.FormatESModule,
	}
	if name == "early.js" { // early.js stays a classic script, so that its variable is global
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
