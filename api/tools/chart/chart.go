// Package chart draws what was measured, as SVG.
package chart

import (
	"fmt"
	"html"
	"math"
	"os"
	"strings"
)

// Bar is one row of a chart.
type Bar struct {
	Label string
	Value float64
	Text  string  // what is written beside the bar
	Reach float64 // a mark that the bar should get to, or stay below; 0: none
}

const (
	rowHeight, labelWidth, barWidth, textWidth = 22, 430, 300, 150
	top                                        = 34
)

// Bars writes a chart of horizontal bars to a file. It reads well on white and on black.
func Bars(file, title string, bars []Bar) error {
	most := 0.0
	for _, b := range bars {
		most = max(most, b.Value, b.Reach)
	}
	width := func(value float64) float64 { return barWidth * value / max(most, 1e-9) }
	var svg strings.Builder
	fmt.Fprintf(&svg, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="13" fill="#808080">`+"\n",
		labelWidth+barWidth+textWidth, top+rowHeight*len(bars)+8)
	fmt.Fprintf(&svg, `<title>%[1]s</title><text x="8" y="20" font-weight="bold">%[1]s</text>`+"\n", html.EscapeString(title))
	for i, b := range bars {
		y := top + rowHeight*i
		fmt.Fprintf(&svg, `<text x="%d" y="%d" text-anchor="end">%s</text>`, labelWidth-8, y+15, html.EscapeString(shortened(b.Label)))
		fmt.Fprintf(&svg, `<rect x="%d" y="%d" width="%.1f" height="%d" fill="#3b82f6"/>`, labelWidth, y+3, width(b.Value), rowHeight-6)
		fmt.Fprintf(&svg, `<text x="%.1f" y="%d">%s</text>`, labelWidth+width(max(b.Value, b.Reach))+6, y+15, html.EscapeString(b.Text))
		if b.Reach > 0 {
			x := labelWidth + width(b.Reach)
			fmt.Fprintf(&svg, `<path d="M%.1f %dv%d" stroke="#f97316" stroke-width="2"/>`, x, y+1, rowHeight-2)
		}
		svg.WriteString("\n")
	}
	svg.WriteString("</svg>\n")
	return os.WriteFile(file, []byte(svg.String()), 0o644)
}

// Panel is a chart of lines over time.
type Panel struct {
	Title string
	Lines []Line
}

// Line is one series: its values, in equal steps, NaN where there is none.
type Line struct {
	Label  string
	Values []float64
}

var colours = []string{"#3b82f6", "#f97316", "#22c55e", "#a855f7", "#ef4444", "#14b8a6", "#eab308", "#ec4899"}

// Panels writes charts to a file, three in a row.
func Panels(file string, panels []Panel) error {
	const width, height, margin, columns, legend = 400, 130, 16, 3, 15
	const rowHeight = 250
	var svg strings.Builder
	fmt.Fprintf(&svg, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="11" fill="#808080">`+"\n",
		columns*(width+margin), (len(panels)+columns-1)/columns*rowHeight)
	for i, p := range panels {
		most := 0.0
		for _, line := range p.Lines {
			for _, v := range line.Values {
				if v > most { // NaN is not
					most = v
				}
			}
		}
		fmt.Fprintf(&svg, `<g transform="translate(%d %d)"><text y="14" x="4" font-size="13" font-weight="bold">%s</text><text x="%d" y="14" text-anchor="end">%s</text><path d="M0 20v%dh%d" fill="none" stroke="#808080"/>`,
			margin/2+i%columns*(width+margin), i/columns*rowHeight, html.EscapeString(p.Title), width, short(most), height, width)
		for k, line := range p.Lines {
			colour := colours[k%len(colours)]
			path, pen := "", "M"
			for x, v := range line.Values {
				if math.IsNaN(v) {
					pen = "M"
					continue
				}
				path += fmt.Sprintf("%s%.1f %.1f", pen, float64(x)*width/float64(max(len(line.Values)-1, 1)), 20+height*(1-v/max(most, 1e-9)))
				pen = "L"
			}
			fmt.Fprintf(&svg, `<path d="%s" fill="none" stroke="%s"/>`, path, colour)
			if k < 10 {
				fmt.Fprintf(&svg, `<text x="%d" y="%d" fill="%s">%s</text>`, 4+k%2*width/2, 20+height+legend*(1+k/2), colour, html.EscapeString(line.Label))
			}
		}
		svg.WriteString("</g>\n")
	}
	svg.WriteString("</svg>\n")
	return os.WriteFile(file, []byte(svg.String()), 0o644)
}

// short is a number in few characters.
func short(v float64) string {
	switch {
	case v >= 1e6:
		return fmt.Sprintf("%.0fM", v/1e6)
	case v >= 1e3:
		return fmt.Sprintf("%.1fk", v/1e3)
	}
	return fmt.Sprintf("%.3g", v)
}

// shortened is as much of a label as there is room for.
func shortened(label string) string {
	const most = 64
	if runes := []rune(label); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return label
}
