// Flux's own code, and kstatus, as judges. They read JSON from standard input and print JSON.
//
//	flux health      {objects, expressions}; for each object, its health by kstatus alone (as in Helm, and in Flux
//	                 by default) and by expressions of a Kustomization (spec.healthCheckExprs)
//	flux manifest    a Kustomization, HelmRelease or source; fails if it has a field that Flux does not know
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	helm "github.com/fluxcd/helm-controller/api/v2"
	kustomizations "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/kustomize"
	"github.com/fluxcd/pkg/runtime/cel"
	sources "github.com/fluxcd/source-controller/api/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

type question struct {
	Objects     []unstructured.Unstructured      `json:"objects"`
	Expressions kustomize.HealthCheckExpressions `json:"expressions"`
}

type verdict struct {
	Kstatus     string `json:"kstatus"`
	Expressions string `json:"expressions"`
	Message     string `json:"message"`
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	input, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	switch {
	case len(arguments) == 1 && arguments[0] == "health":
		return health(input)
	case len(arguments) == 1 && arguments[0] == "manifest":
		return manifest(input)
	}
	return fmt.Errorf("what is %q?", arguments)
}

func health(input []byte) error {
	var asked question
	if err := json.Unmarshal(input, &asked); err != nil {
		return err
	}
	expressions, err := cel.NewStatusEvaluator(&asked.Expressions)
	if err != nil {
		return err
	}
	verdicts := make([]verdict, 0, len(asked.Objects))
	for i := range asked.Objects {
		plain, err := status.Compute(&asked.Objects[i])
		if err != nil {
			return err
		}
		special, err := expressions.Evaluate(context.Background(), &asked.Objects[i])
		if err != nil {
			return err
		}
		verdicts = append(verdicts, verdict{string(plain.Status), string(special.Status), plain.Message})
	}
	return json.NewEncoder(os.Stdout).Encode(verdicts)
}

func manifest(input []byte) error {
	var object unstructured.Unstructured
	if err := json.Unmarshal(input, &object); err != nil {
		return err
	}
	known := map[string]any{
		kustomizations.GroupVersion.String() + " Kustomization": &kustomizations.Kustomization{},
		helm.GroupVersion.String() + " HelmRelease":             &helm.HelmRelease{},
		sources.GroupVersion.String() + " GitRepository":        &sources.GitRepository{},
		sources.GroupVersion.String() + " OCIRepository":        &sources.OCIRepository{},
	}
	type_, ok := known[object.GetAPIVersion()+" "+object.GetKind()]
	if !ok {
		return fmt.Errorf("%s %s is not one of Flux that is used here", object.GetAPIVersion(), object.GetKind())
	}
	decoder := json.NewDecoder(bytes.NewReader(input))
	decoder.DisallowUnknownFields()
	return decoder.Decode(type_)
}
