// Command page builds the guestbook's page, nginx/html/index.html, from its sources in nginx/page. The page is one HTML document that
// contains its style and its script, bundled and minified. Command page also writes csp.conf, which nginx.conf includes. With the
// Content-Security-Policy in csp.conf, browsers run only the page's own scripts.
//
//	page FOLDER
package main

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// sources is the folder of the page's sources, below the repository's root.
const sources = "nginx/page"

func main() {
	if err := write(os.Args[1]); err != nil {
		log.Fatal("page: ", err)
	}
}

// write stores the page, controllers.js and csp.conf in the folder, with the same paths as in nginx/.
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

// inAddress replaces the characters of an SVG picture that a data: URL in an HTML attribute cannot contain.
var inAddress = strings.NewReplacer(`"`, "'", "#", "%23", "<", "%3C", ">", "%3E", "\n", "", "  ", "")

var (
	comment = regexp.MustCompile(`<!--[^>]*-->`)
	indent  = regexp.MustCompile(`\n\s*`)
	icon    = regexp.MustCompile(`<link rel="icon" href="([^"]+)"`)
	bundled = regexp.MustCompile(`<(?:link rel="stylesheet" href|script( type="module")? src)="([^"]+)">(?:</script>)?`)
)

// page returns the HTML document, and the nginx configuration whose Content-Security-Policy allows the document's style and scripts.
func page() (document, policy string, err error) {
	source, err := os.ReadFile(filepath.Join(sources, "index.html"))
	if err != nil {
		return "", "", err
	}
	document = comment.ReplaceAllString(string(source), "")
	document = indent.ReplaceAllString(document, "")
	hashes := map[string]string{}
	for _, match := range bundled.FindAllStringSubmatch(document, -1) {
		content, err := bundle(match[2])
		if err != nil {
			return "", "", err
		}
		element := "script"
		if filepath.Ext(match[2]) == ".css" {
			element = "style"
		}
		sum := sha256.Sum256([]byte(content))
		hashes[element] += " 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
		document = strings.Replace(document, match[0], "<"+element+match[1]+">"+content+"</"+element+">", 1)
	}
	for _, match := range icon.FindAllStringSubmatch(document, -1) {
		svg, err := os.ReadFile(filepath.Join(sources, match[1]))
		if err != nil {
			return "", "", err
		}
		document = strings.Replace(document, match[0], `<link rel="icon" href="data:image/svg+xml,`+inAddress.Replace(strings.TrimSpace(string(svg)))+`"`, 1)
	}
	policy = fmt.Sprintf(`# Made by "make page": the hashes from the files in %s, the other words from api/tools/page/main.go.
# The browser runs only the page's own scripts and styles, and shows the page in no frame of any site.
add_header Content-Security-Policy "default-src 'none'; script-src%s; style-src%s; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'" always;
`, sources, hashes["script"], hashes["style"])
	return document, policy, nil
}

var property = regexp.MustCompile(`--[a-z][a-z-]*`)

// shortenNames replaces the names of CSS custom properties by short names. Only the style sheet uses these names.
func shortenNames(css string) string {
	short := map[string]string{}
	return property.ReplaceAllStringFunc(css, func(name string) string {
		if short[name] == "" {
			short[name] = "--" + strconv.FormatInt(int64(len(short)+10), 36)
		}
		return short[name]
	})
}

// bundle returns a stylesheet or a script together with its imports, minified for the HTML document.
func bundle(name string) (string, error) {
	options := api.BuildOptions{
		EntryPoints: []string{filepath.Join(sources, name)}, Bundle: true, LogLevel: api.LogLevelSilent,
		MinifyWhitespace: true, MinifyIdentifiers: true, MinifySyntax: true, LegalComments: api.LegalCommentsNone,
		Charset: api.CharsetUTF8,
		// docs/proxies-and-browsers.md promises that the page runs in the following versions of Chrome, Firefox and Safari, and in all
		// later versions.
		Engines: []api.Engine{{Name: api.EngineChrome, Version: "90"}, {Name: api.EngineFirefox, Version: "90"}, {Name: api.EngineSafari, Version: "15"}},
		// Without the option Supported, esbuild would replace each optional chaining (a?.b) by longer code, because of a rare bug in
		// Chrome 90 that the page does not trigger.
		Supported: map[string]bool{"optional-chain": true},
		Format:    api.FormatESModule,
	}
	if name == "early.js" { // early.js stays a classic script and not a module, so that its variable is global
		options.Bundle, options.Format, options.MinifyIdentifiers = false, api.FormatDefault, false
	}
	result := api.Build(options)
	if messages := slices.Concat(result.Errors, result.Warnings); len(messages) > 0 {
		return "", errors.New(strings.Join(api.FormatMessages(messages, api.FormatMessagesOptions{}), "\n"))
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
