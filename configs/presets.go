// Package configs holds the data that maildrift ships: presets of mail services and
// whatever else is embedded into the binary.
package configs

import "embed"

// Presets are the mail service presets, one YAML file each in the folder presets.
//
//go:embed presets/*.yml
var Presets embed.FS
