package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

func TestIdentify(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"Apache":        {"   Apache License\n   Version 2.0, January 2004", "Apache-2.0"},
		"MIT":           {"Permission is hereby granted, free of charge, to any person\nobtaining a copy of", "MIT"},
		"BSD":           {"Redistribution and use in source and binary forms, … Neither the name of", "BSD-3-Clause"},
		"BSD, two":      {"Redistribution and use in source and binary forms, with", "BSD-2-Clause"},
		"GPL":           {"GNU GENERAL PUBLIC LICENSE Version 3", ""},
		"LGPL":          {"GNU LESSER GENERAL PUBLIC LICENSE", ""},
		"AGPL":          {"GNU AFFERO GENERAL PUBLIC LICENSE", ""},
		"MPL":           {"Mozilla Public License Version 2.0", ""},
		"MIT or GPL":    {"Permission is hereby granted, free of charge, to any person obtaining a copy … or the GNU General Public License", ""},
		"something new": {"You must send a postcard", ""},
		"nothing":       {"", ""},
	} {
		if got := identify(c.text); got != c.want {
			t.Errorf("%s is %q, want %q", name, got, c.want)
		}
	}
}

func TestUnknownLicencesAreRefused(t *testing.T) {
	modules := []module{{Path: "example.com/good", Version: "v1", Licence: "MIT"}, {Path: "example.com/bad", Version: "v1"}}
	var out strings.Builder
	if err := writeList(&out, modules); err == nil || !strings.Contains(err.Error(), "example.com/bad") || strings.Contains(err.Error(), "good") {
		t.Errorf("error %v", err)
	}
	if err := writeList(&out, modules[:1]); err != nil {
		t.Error(err)
	}
}

// This test's own program stands for any.
func TestBillOfMaterials(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := run(&out, program, "v1"); err != nil {
		t.Fatal(err)
	}
	var b bom
	if err := json.Unmarshal([]byte(out.String()), &b); err != nil {
		t.Fatal(err)
	}
	if b.Format != "CycloneDX" || b.Metadata.Component.URL != "pkg:golang/guestbook@v1" || len(b.Components) == 0 ||
		b.Components[0].Name != "stdlib" || b.Components[0].Licences[0].License.ID != "BSD-3-Clause" {
		t.Errorf("unexpected document:\n%s", &out)
	}
}
