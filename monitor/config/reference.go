package config

import (
	"encoding"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/prometheus/common/model"
)

// Field is one field of the configuration file, for the documentation.
type Field struct {
	// Path is where it stands: "asking.rate". NAME stands for a key that the writer chooses, [] for each of a list.
	Path string `json:"path"`
	// Type is what it may be, with its unit and bounds.
	Type string `json:"type"`
	// Default is what it is if nothing is written, as it would be written; empty for none.
	Default string `json:"default,omitempty"`
	// Doc is what it means.
	Doc string `json:"doc"`
	// Section says that other fields follow that are parts of it.
	Section bool `json:"section,omitempty"`
}

// Reference describes all fields of the configuration file, in the order in which they are declared. It is made from what
// Load reads them into, and from the defaults.
func Reference() []Field {
	return fieldsOf(nil, "", reflect.ValueOf(defaults()))
}

// fieldsOf appends the fields of a struct with defaults.
func fieldsOf(out []Field, path string, v reflect.Value) []Field {
	for i := range v.NumField() {
		tag := v.Type().Field(i).Tag
		out = fieldOf(out, join(path, tag.Get("yaml")), tag, v.Field(i))
	}
	return out
}

// fieldOf appends one field with a default, and what it consists of.
func fieldOf(out []Field, path string, tag reflect.StructTag, v reflect.Value) []Field {
	f := Field{Path: path, Type: typeName(v.Type(), tag), Default: tag.Get("default"), Doc: sentence(tag.Get("doc"))}
	if f.Default == "" {
		f.Default = written(v)
	}
	at := len(out)
	out = append(out, f)
	switch inner := v.Type(); {
	case isSection(inner):
		out = fieldsOf(out, path, v)
	case inner.Kind() == reflect.Slice && isSection(inner.Elem()):
		out = elementsOf(out, path+"[]", inner.Elem())
	case inner.Kind() == reflect.Map && isSection(inner.Elem()):
		out = elementsOf(out, path+".NAME", inner.Elem())
	}
	out[at].Section = len(out) > at+1
	return out
}

// elementsOf appends the fields of what lists and mappings hold. Nothing stands in the table of defaults for these: what a tag
// says is one, and for what is true or false, false.
func elementsOf(out []Field, path string, t reflect.Type) []Field {
	at := len(out)
	out = fieldsOf(out, path, reflect.New(t).Elem())
	for i := range t.NumField() {
		tag := t.Field(i).Tag
		for j := at; j < len(out); j++ {
			if out[j].Path == path+"."+tag.Get("yaml") && t.Field(i).Type.Kind() != reflect.Bool {
				out[j].Default = tag.Get("default")
			}
		}
	}
	return out
}

// isSection says whether a type has fields that are documented by themselves.
func isSection(t reflect.Type) bool { return t.Kind() == reflect.Struct && t != nodeType }

// typeName says what a value may be, as people who write YAML call it.
func typeName(t reflect.Type, tag reflect.StructTag) string {
	name := kindOf(t)
	if words := tag.Get("enum"); words != "" {
		list := strings.Split(words, ",")
		last := len(list) - 1
		name = strings.Join(list[:last], ", ") + " or " + list[last]
	}
	if unit := tag.Get("unit"); unit != "" {
		name += ": " + unit
	}
	return name
}

func kindOf(t reflect.Type) string {
	switch t {
	case durationType:
		return "duration"
	case nodeType:
		return "YAML"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Uint16:
		return "whole number"
	case reflect.Float64:
		return "number"
	case reflect.Pointer:
		return kindOf(t.Elem())
	case reflect.Slice:
		if isSection(t.Elem()) {
			return "list"
		}
		return "list of " + kindOf(t.Elem()) + "s"
	case reflect.Map:
		return "NAME: " + kindOf(t.Elem())
	case reflect.Struct:
		return "fields"
	default:
		return "text"
	}
}

// written gives a default as it would be written; empty for none.
func written(v reflect.Value) string {
	if t, ok := v.Interface().(time.Duration); ok {
		return model.Duration(t).String()
	}
	if t, ok := v.Interface().(encoding.TextMarshaler); ok {
		text, err := t.MarshalText()
		if err != nil {
			return ""
		}
		return strings.ToLower(string(text))
	}
	switch v.Kind() {
	case reflect.Bool, reflect.Int, reflect.Uint16, reflect.Float64, reflect.String:
		return fmt.Sprint(v.Interface())
	default:
		return ""
	}
}

// sentence ends what ends without a stop.
func sentence(text string) string {
	if text == "" || strings.HasSuffix(text, ".") {
		return text
	}
	return text + "."
}
