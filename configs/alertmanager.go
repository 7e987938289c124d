package configs

import _ "embed"

// Templates are the message templates that take the place of Alertmanager's own. A template of the same name in
// alerting.templates takes the place of one of these.
//
//go:embed alertmanager/maildrift.tmpl
var Templates string
