// Command gomacaroon makes and verifies macaroons with go-macaroon, for tests of interoperability.
//
// It reads one JSON request from standard input and writes one JSON answer to standard output. Binary values are in
// base64url without padding.
package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"

	macaroon "gopkg.in/macaroon.v2"
)

type caveat struct {
	Identifier bytes  `json:"identifier"`
	Key        bytes  `json:"key"`      // of a third-party caveat
	Location   string `json:"location"` // of a third-party caveat
}

type request struct {
	Key        bytes    `json:"key"`
	Identifier bytes    `json:"identifier"`
	Location   string   `json:"location"`
	Caveats    []caveat `json:"caveats"`
	BindTo     bytes    `json:"bind_to"` // signature of the macaroon that this one discharges
	Verify     bytes    `json:"verify"`  // a macaroon to verify instead of making one
	Discharges []bytes  `json:"discharges"`
}

type answer struct {
	Macaroon  bytes   `json:"macaroon,omitempty"`
	Signature bytes   `json:"signature,omitempty"`
	Caveats   []bytes `json:"caveats"` // first-party ones that the signature covers
	Error     string  `json:"error,omitempty"`
}

type bytes []byte

func (b bytes) MarshalText() ([]byte, error) {
	return []byte(base64.RawURLEncoding.EncodeToString(b)), nil
}

func (b *bytes) UnmarshalText(text []byte) (err error) {
	*b, err = base64.RawURLEncoding.DecodeString(string(text))
	return err
}

func main() {
	var asked request
	var answered answer
	err := json.NewDecoder(os.Stdin).Decode(&asked)
	if err == nil && asked.Verify != nil {
		answered.Caveats, err = verify(asked)
	} else if err == nil {
		answered, err = create(asked)
	}
	if err != nil {
		answered = answer{Error: err.Error()}
	}
	if err := json.NewEncoder(os.Stdout).Encode(answered); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func create(asked request) (made answer, err error) {
	m, err := macaroon.New(asked.Key, asked.Identifier, asked.Location, macaroon.V2)
	if err != nil {
		return made, err
	}
	for _, one := range asked.Caveats {
		if one.Key == nil {
			err = m.AddFirstPartyCaveat(one.Identifier)
		} else {
			err = m.AddThirdPartyCaveat(one.Key, one.Identifier, one.Location)
		}
		if err != nil {
			return made, err
		}
	}
	if asked.BindTo != nil {
		m.Bind(asked.BindTo)
	}
	made.Macaroon, err = m.MarshalBinary()
	made.Signature = m.Signature()
	return made, err
}

func verify(asked request) (covered []bytes, err error) {
	var root macaroon.Macaroon
	if err := root.UnmarshalBinary(asked.Verify); err != nil {
		return nil, err
	}
	discharges := make([]*macaroon.Macaroon, len(asked.Discharges))
	for i, data := range asked.Discharges {
		discharges[i] = new(macaroon.Macaroon)
		if err := discharges[i].UnmarshalBinary(data); err != nil {
			return nil, err
		}
	}
	conditions, err := root.VerifySignature(asked.Key, discharges)
	for _, condition := range conditions {
		covered = append(covered, bytes(condition))
	}
	return covered, err
}
