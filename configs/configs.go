package configs

import _ "embed"

// Example is the documented example configuration.
//
//go:embed maildrift.yml
var Example []byte

// Resolvers is the built-in list of public resolvers.
//
//go:embed resolvers.yml
var Resolvers []byte
