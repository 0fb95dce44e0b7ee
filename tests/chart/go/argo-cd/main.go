// Argo CD's own code as a judge. It reads JSON from standard input and prints JSON.
//
//	argo-cd health KIND FILE   objects; for each, the health that the check in FILE finds, installed for GROUP/KIND
//	argo-cd diff               pairs {config, live}; for each, what is left of live after a sync, if it differs
//	argo-cd application        an Application; fails if it has a field that Argo CD does not know
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/argoproj/argo-cd/v3/util/lua"
	"github.com/argoproj/gitops-engine/pkg/diff"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

type pair struct {
	Config unstructured.Unstructured `json:"config"`
	Live   unstructured.Unstructured `json:"live"`
}

type difference struct {
	Modified bool            `json:"modified"`
	Synced   json.RawMessage `json:"synced"`
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	input := json.NewDecoder(os.Stdin)
	switch {
	case len(arguments) == 3 && arguments[0] == "health":
		script, err := os.ReadFile(arguments[2])
		if err != nil {
			return err
		}
		checks := lua.ResourceHealthOverrides{arguments[1]: v1alpha1.ResourceOverride{HealthLua: string(script)}}
		return each(input, func(object *unstructured.Unstructured) (any, error) {
			return checks.GetResourceHealth(object)
		})
	case len(arguments) == 1 && arguments[0] == "diff":
		return each(input, func(objects *pair) (any, error) {
			result, err := diff.Diff(&objects.Config, &objects.Live)
			if err != nil {
				return nil, err
			}
			return difference{result.Modified, result.PredictedLive}, nil
		})
	case len(arguments) == 1 && arguments[0] == "application":
		input.DisallowUnknownFields()
		return input.Decode(&v1alpha1.Application{})
	}
	return fmt.Errorf("what is %q?", arguments)
}

// Prints what judge says of each item of a list.
func each[T any](input *json.Decoder, judge func(*T) (any, error)) error {
	var items []T
	if err := input.Decode(&items); err != nil {
		return err
	}
	verdicts := make([]any, 0, len(items))
	for i := range items {
		verdict, err := judge(&items[i])
		if err != nil {
			return err
		}
		verdicts = append(verdicts, verdict)
	}
	return json.NewEncoder(os.Stdout).Encode(verdicts)
}
