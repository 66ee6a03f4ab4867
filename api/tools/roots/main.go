// Command roots prints the public certificate authorities of Mozilla's list as PEM, for the API's image. If Mozilla trusts an authority
// only for certificates from before some date, "roots" omits the authority, because PEM cannot express the date.
package main

import (
	"encoding/pem"
	"log"
	"os"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

func main() {
	for root := range bundle.Roots() {
		if root.Constraint != nil {
			continue
		} else if err := pem.Encode(os.Stdout, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}); err != nil {
			log.Fatal("roots: ", err)
		}
	}
}
