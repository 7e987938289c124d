package main

import (
	"maildrift/store"

	"github.com/spf13/cobra"
)

type history struct{ *store.Store }

func newDomains() *cobra.Command { return &cobra.Command{Use: "domains"} }
func newHistory() *cobra.Command { return &cobra.Command{Use: "history"} }
func newBackup() *cobra.Command  { return &cobra.Command{Use: "backup"} }

func sortedNames[V any](m map[string]V) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	return out
}
